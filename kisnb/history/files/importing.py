"""Reads rows of past days from a file of another program, and checks each row.

    file ──► columns ──► codes, times, numbers ──► days of the market ──► halted days filled
                                                                             │
                     rows for the store, notes, a line per code ◄── contradictions, repetitions

The first wrong row ends the import with a sentence: file, row and cure. Nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kisnb.errors import BadInput
from kisnb.history.checks import bad_rows, contradiction
from kisnb.history.files import columns as file_columns
from kisnb.history.files import times
from kisnb.history.files.reading import ROW, failure, read_file
from kisnb.history.series import BARS, GROUPS, PRICES, Basis, Series, SeriesKind
from kisnb.history.store import day_of
from kisnb.market.instruments import Instrument
from kisnb.market.ticks import on_grid

if TYPE_CHECKING:
    import polars as pl


class Reading(msgspec.Struct, frozen=True):
    """The options of an import. A value without an option is looked for in the file."""

    columns: Mapping[str, str] = {}
    """By our column name: the file's column name."""
    code: str | None = None
    """The code of all rows, for a file without a column for codes."""
    day: date | None = None
    """The day of all rows, for a file of one day without a column for dates."""
    time_zone: str | None = None
    """The zone of times that state no zone. None: Korea."""
    leave_out: bool = False
    """True: rows that contradict themselves are left out. False: such a row ends the import."""


class Imported(msgspec.Struct, frozen=True):
    """The checked rows of a file, with notes."""

    rows: pl.DataFrame
    """The rows with the columns of ``Series.schema``, sorted by key."""
    notes: list[str]
    """Sentences about values that were changed and rows that were left out."""
    codes: pl.DataFrame
    """One row a code. Columns: code, rows, first, last, zero_volume (rows without a trade)."""


def read_rows(
    path: Path,
    series: Series,
    how: Reading,
    newest: date,
    item: Callable[[str], Instrument | None],
) -> Imported:
    """Read and check the rows of a file. ``how`` has the options of the import.

    Raises BadInput for the first wrong row.

    ``newest`` is the newest day that may be stored. ``item`` returns the issue of a code; None when
    it is not known. The kind of the issue decides the tick size.
    """
    import polars as pl

    frame, notes = read_file(path)
    rows = _read(path, series, how, frame)
    notes += times.check_market_days(path, rows, day_of(series), newest)
    if not series.is_by_day:
        times.check_hours(path, series, rows)
    rows, more = _numbers(path, series, rows)
    notes += more
    if series.kind in BARS:
        rows, more = _halted(rows)
        notes += more
    rows, more = _without_contradictions(path, series, rows, leave_out=how.leave_out)
    notes += more
    rows, more = _once(path, series, rows)
    notes += more
    if series.kind in (SeriesKind.DAY, SeriesKind.MINUTE, SeriesKind.TICK):
        notes += _off_grid(path, series, rows, item)
    if not rows[ROW].is_sorted():
        notes.append("Its rows were not in order, and were sorted.")
    volume = pl.col("volume") if "volume" in rows.columns else pl.lit(1)
    day = day_of(series)
    codes = rows.group_by("code").agg(
        rows=pl.len().cast(pl.Int64),
        first=day.min(),
        last=day.max(),
        zero_volume=(volume == 0).sum().cast(pl.Int64),
    )
    return Imported(rows.select(series.schema().names()), notes, codes.sort("code"))


def _read(path: Path, series: Series, how: Reading, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a file under our names, with converted codes and times."""
    import polars as pl

    fixed: dict[str, object] = {}
    if how.code is not None:
        fixed["code"] = how.code
    if how.day is not None:
        if not series.is_by_day:
            raise BadInput("day= names the day of a file of one day", f"{series.kind} has times")
        fixed["date"] = how.day
    rows = file_columns.named(path, series, frame, how.columns, set(fixed))
    rows = rows.with_columns(**{name: pl.lit(value) for name, value in fixed.items()})
    rows = (
        _index_names(path, rows)
        if series.kind is SeriesKind.INDEX
        else file_columns.codes(path, rows)
    )
    read = times.days if series.is_by_day else times.moments
    return read(path, rows, how.time_zone)


def _index_names(path: Path, rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    text = rows["code"].cast(pl.String).str.strip_chars().str.to_uppercase()
    good = text.str.contains(r"^(KOSPI|KOSDAQ|KOSPI200|\d{4})$").fill_null(value=False)
    for n in (~good).arg_true()[:1]:
        raise failure(
            path, rows[ROW][n], f"is of the index {rows['code'][n]!r}",
            "write KOSPI, KOSDAQ, KOSPI200, or four digits of a sector",
        )  # fmt: skip
    return rows.with_columns(text.alias("code"))


def _numbers(path: Path, series: Series, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return rows with numbers in the types of their columns, and notes.

    A missing optional column becomes null.

    One column is computed instead: the ``volume`` of trades is the sum of the day's shares so far.
    """
    import polars as pl

    schema = series.schema()
    there = [name for name in rows.columns if name not in ("code", series.time, "side", ROW)]
    # Won with decimals are sums that another program computed. They are rounded without a note.
    loose = [name for name in there if name in ("value", *(f"{group}_value" for group in GROUPS))]
    decimal = [name for name in there if schema[name] == pl.Float64]
    strict = [name for name in there if name not in loose and name not in decimal]
    for name in decimal:
        rows = rows.with_columns(file_columns.decimals(path, rows, name).alias(name))
    rows, _ = file_columns.whole_numbers(path, rows, loose, may_round=True)
    rows, rounded = file_columns.whole_numbers(
        path, rows, strict, may_round=series.basis is Basis.ADJUSTED
    )
    if series.kind is SeriesKind.TICK and "volume" not in there:
        day = day_of(series)
        rows = rows.sort("code", "t", ROW)
        rows = rows.with_columns(volume=pl.col("qty").cum_sum().over("code", day))
    missing = [name for name in schema if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, schema[name]).alias(name) for name in missing)
    if series.kind is SeriesKind.MINUTE:
        # The store has for each minute the won traded since the begin of the day, as KIS states
        # them.
        rows = rows.sort("code", "t", ROW)
        of_day = pl.col("value").cum_sum().over("code", day_of(series))
        rows = rows.with_columns(value=pl.when(pl.col("value").is_not_null()).then(of_day))
    notes = [f"{rounded:,} adjusted prices with decimals were rounded to won."] if rounded else []
    if "value" in missing:
        notes.append("It states no traded value, so value is null.")
    return rows, notes


def _halted(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return rows, and a note. In a row without a trade, all four prices become the close."""
    import polars as pl

    others = [name for name in PRICES if name != "close"]
    no_price = pl.all_horizontal(pl.col(name).fill_null(0) == 0 for name in others)
    is_halted = no_price & (pl.col("volume").fill_null(0) == 0) & (pl.col("close") > 0)
    found = rows.select(is_halted.sum()).item()
    if not found:
        return rows, []
    filled = [
        pl.when(is_halted).then(pl.col("close")).otherwise(pl.col(name)).alias(name)
        for name in others
    ]
    volume = pl.when(is_halted).then(0).otherwise(pl.col("volume")).alias("volume")
    text = f"{found:,} rows have a close alone (halted, or no trade): it stands for all prices."
    return rows.with_columns(*filled, volume), [text]


def _without_contradictions(
    path: Path, series: Series, rows: pl.DataFrame, *, leave_out: bool
) -> tuple[pl.DataFrame, list[str]]:
    wrong = bad_rows(series, rows)
    if not wrong.any():
        return rows, []
    if not leave_out:
        row = rows.filter(wrong).row(0, named=True)
        said = contradiction(series, row).partition(": ")[2]
        raise failure(
            path, row[ROW], f"contradicts itself: {said}",
            "correct it, or leave such rows out with leave_out=True",
        )  # fmt: skip
    return rows.filter(~wrong), [f"{wrong.sum():,} rows that contradict themselves were left out."]


def _once(path: Path, series: Series, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return rows sorted by key, each key once, and a note.

    Raises BadInput for two rows with one key that differ in another column.
    """
    import polars as pl

    others = [name for name in series.schema() if name not in series.keys]
    ordered = rows.sort(*series.keys, ROW)
    again = pl.all_horizontal(pl.col(key) == pl.col(key).shift() for key in series.keys)
    differs = pl.any_horizontal(pl.col(n).ne_missing(pl.col(n).shift()) for n in others)
    marked = ordered.with_columns(
        _again=again.fill_null(value=False), _before=pl.col(ROW).shift(), _differs=differs
    )
    for row in marked.filter("_again", "_differs").head(1).iter_rows(named=True):
        raise failure(
            path, row[ROW],
            f"and row {row['_before']} are both of {row['code']} at {row[series.time]}, and differ",
            "keep the right one",
        )  # fmt: skip
    kept = marked.filter(~pl.col("_again")).drop("_again", "_before", "_differs")
    twice = len(rows) - len(kept)
    return kept, [f"{twice:,} rows stand in it twice, and count once."] if twice else []


def _off_grid(
    path: Path, series: Series, rows: pl.DataFrame, item: Callable[[str], Instrument | None]
) -> list[str]:
    """Return a note about adjusted prices off the tick grid.

    Raises BadInput for a raw price off the tick grid.
    """

    names = ["price"] if series.kind is SeriesKind.TICK else list(PRICES)
    day, off = day_of(series), 0
    for (code,), of_code in rows.partition_by("code", as_dict=True).items():
        known = item(str(code))
        if known is None:
            # It is not known whether the stock is a fund, which has other ticks.
            continue
        prices = of_code.select(ROW, *names, day=day)
        for name in names:
            pairs = prices.select("day", name).unique()
            wrong = {
                pair
                for pair in pairs.iter_rows()
                if not on_grid(pair[1], known.kind, pair[0], known.board)
            }
            off += len(wrong)
            if wrong and series.basis is Basis.RAW:
                row = next(r for r in prices.iter_rows(named=True) if (r["day"], r[name]) in wrong)
                raise failure(
                    path, row[ROW], f"has {name} {row[name]} of {code}, off the tick grid",
                    "traded prices are on it; adjusted ones are imported with adjusted=True",
                )  # fmt: skip
    text = f"{off:,} adjusted prices lie off the tick grid, as adjusted prices do."
    return [text] if off else []
