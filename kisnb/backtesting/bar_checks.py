"""Reads the bars that a person gives, and refuses bars that contradict themselves.

Each refusal names the first wrong bar and the cure. So no back-test runs on data with a hidden
mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kisnb.clock import kst_datetime
from kisnb.errors import BadInput
from kisnb.market.calendar import is_trading_day
from kisnb.market.instruments import is_code
from kisnb.values import numbered_code

if TYPE_CHECKING:
    import polars as pl

PRICES = ("open", "high", "low", "close")
_WHOLE = (*PRICES, "volume")
OPENS, CLOSES = time(8), time(20, 1)
"""The hours of all venues: Nextrade trades from 08:00 to 20:00. The last minute is a bar, too."""
TIMES = ("time", "t", "date", "datetime")
_NAMES = "code, time (or date), open, high, low, close, volume"


def checked(data: object, code: str = "") -> tuple[pl.DataFrame, bool]:
    """Read and check bars. Return them sorted, and whether they are daily bars.

    They are sorted by time and code. Columns: code, t (begin, UTC ns; midnight in Korea for daily
    bars), day, open, high, low, close (won), volume (shares), whole (False: the bar is not over,
    as ``session.history`` marks today's). Raises BadInput.
    """
    import polars as pl

    frame = read_table(data, code)
    named = {name.lower(): name for name in frame.columns}
    moment = next((named[name] for name in TIMES if name in named), None)
    lacking = [n for n in _WHOLE if n not in named]
    if moment is None or lacking or "code" not in named:
        missing = [
            *(["code"] if "code" not in named else []),
            *(["time"] if moment is None else []),
        ]
        raise BadInput(
            f"the bars have no column {', '.join([*missing, *lacking])}",
            f"name the columns {_NAMES}; daily bars have date, others time"
            + ("; of one stock, give the agent its code" if "code" in missing else ""),
        )
    if frame.is_empty():
        raise BadInput("there are no bars in the data", f"give rows with {_NAMES}")
    begin, is_daily = read_times(frame[moment])
    rows = frame.select(
        read_codes(frame[named["code"]]),
        begin.alias("t"),
        *(pl.col(named[n]).alias(n) for n in _WHOLE),
        _is_over(frame, named.get("whole", "")),
    ).with_columns(pl.from_epoch("t", time_unit="ns").dt.offset_by("9h").dt.date().alias("day"))
    rows = _whole_numbers(rows)
    # A halted day has a close and no other price in KRX's own tables.
    rows = rows.with_columns(
        pl.when((pl.col("volume") == 0) & (pl.col(name) == 0))
        .then(pl.col("close"))
        .otherwise(pl.col(name))
        .alias(name)
        for name in ("open", "high", "low")
    ).sort("t", "code")
    _refuse_contradictions(rows)
    if not is_daily:
        refuse_closed_hours(rows)
    return rows.select("code", "t", "day", *_WHOLE, "whole"), is_daily


def _is_over(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Return the column ``whole``. It is True for all bars of data that do not say it."""
    import polars as pl

    if name and frame[name].dtype == pl.Boolean:
        return pl.col(name).fill_null(value=True).alias("whole")
    return pl.lit(value=True).alias("whole")


def read_table(data: object, code: str) -> pl.DataFrame:
    """Return a person's data as one table. Raises BadInput.

    ``code`` is the stock of data without the column code.
    """
    import polars as pl

    if isinstance(data, Mapping):
        parts = [_with_code(read_table(part, str(name)), str(name)) for name, part in data.items()]
        if not parts:
            raise BadInput("there are no bars in the data", "give a DataFrame for each code")
        try:
            return pl.concat(parts, how="diagonal_relaxed")
        except pl.exceptions.PolarsError as e:
            reason = str(e).splitlines()[0]
            raise BadInput(f"the bars of the stocks do not fit together: {reason}", "give all of "
                           "them the same columns") from None  # fmt: skip
    if isinstance(data, str | Path):
        return _with_code(_of_file(Path(data)), code)
    if isinstance(data, pl.LazyFrame):
        return _with_code(data.collect(), code)
    if isinstance(data, pl.DataFrame):
        return _with_code(data, code)
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        # A pandas table often has its dates in the index.
        whole: Any = data.reset_index() if hasattr(data, "reset_index") else data
        return _with_code(
            pl.DataFrame({str(name): list(whole[name]) for name in whole.columns}), code
        )
    raise BadInput(
        f"{type(data).__name__} holds no bars",
        "give a polars DataFrame, a dict of code -> DataFrame, a parquet or CSV file, or a "
        "recording (.jsonl)",
    )


def _of_file(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        if path.suffix == ".csv":
            return pl.read_csv(path, try_parse_dates=True, schema_overrides={"code": pl.String})
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as e:
        reason = str(e).splitlines()[0]
        raise BadInput(
            f"the bars in {path} cannot be read: {reason}", "name a parquet or a CSV file"
        ) from None


def _with_code(frame: pl.DataFrame, code: str) -> pl.DataFrame:
    import polars as pl

    if code and not any(name.lower() == "code" for name in frame.columns):
        return frame.with_columns(pl.lit(code).alias("code"))
    return frame


def read_codes(column: pl.Series) -> pl.Series:
    """Return the codes as texts. Raises BadInput for a text that is not a stock code."""
    import polars as pl

    if column.dtype.is_integer():
        column = column.cast(pl.String).str.zfill(6)
    codes = column.cast(pl.String)
    for code in codes.unique().to_list():
        if code is None or not is_code(code):
            full = numbered_code(code) or "005930"
            raise BadInput(f"{code!r} is not a stock code", f"write it in full: {full!r}")
    return codes.alias("code")


def read_times(column: pl.Series) -> tuple[pl.Series, bool]:
    """Return the begin of each bar in UTC ns, and whether the bars are daily. Raises BadInput."""
    import polars as pl

    if column.dtype == pl.String:
        texts = column
        days = texts.str.to_date(strict=False)
        column = days if not days.null_count() else _moments(texts)
    if column.null_count():
        _refuse_row(column.is_null().arg_true()[0], "has no time that can be read")
    if column.dtype == pl.Date:
        moments = column.cast(pl.Datetime("ns"))
    elif isinstance(column.dtype, pl.Datetime):
        moments = column.cast(pl.Datetime("ns", column.dtype.time_zone))
    else:
        raise BadInput(
            f"the column {column.name} holds {column.dtype} and no times",
            "give dates, or times of day in KST",
        )
    if moments.dtype == pl.Datetime("ns"):
        # A time without a zone is Korean wall time.
        moments = moments.dt.replace_time_zone("Asia/Seoul")
    korean = moments.dt.convert_time_zone("Asia/Seoul")
    is_daily = korean.dt.hour().sum() == 0 and korean.dt.minute().sum() == 0
    return moments.dt.epoch("ns"), is_daily


def _moments(texts: pl.Series) -> pl.Series:
    """Convert texts to moments. A text that cannot be read becomes null."""
    import polars as pl

    try:
        return texts.str.to_datetime(strict=False)
    except pl.exceptions.PolarsError:
        # No text could be read as a time.
        return pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us"))


def _whole_numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with prices and volume as integers. Raises BadInput for other values."""
    import polars as pl

    for name in _WHOLE:
        column = rows[name]
        if not column.dtype.is_numeric():
            raise BadInput(f"the column {name} holds {column.dtype}", "give numbers: won, shares")
        bad = column.is_null()
        if column.dtype.is_float():
            bad = bad | ~column.is_finite().fill_null(value=True)
        if bad.any():
            refuse_row_of(rows, bad.arg_true()[0], f"has no {name}", "give the value, or drop it")
        if column.dtype.is_float() and (broken := column != column.round()).any():
            refuse_row_of(
                rows, broken.arg_true()[0], f"has a {name} of {column[broken.arg_true()[0]]}",
                "a price is whole won, a volume whole shares: round the columns",
            )  # fmt: skip
    return rows.with_columns(pl.col(_WHOLE).cast(pl.Int64))


def _refuse_contradictions(rows: pl.DataFrame) -> None:
    import polars as pl

    o, h, lo, c, v = (pl.col(name) for name in _WHOLE)
    tests = (
        (pl.min_horizontal(PRICES) <= 0, "has a price of 0 or less", "drop the bar, or mend it"),
        (v < 0, "has a volume below 0", "drop the bar, or mend it"),
        (h < lo, "has a high below its low", "mend the bar: the high is the highest price"),
        ((o > h) | (o < lo), "opens outside its high and low", "mend the bar"),
        ((c > h) | (c < lo), "closes outside its high and low", "mend the bar"),
        (
            pl.struct("code", "t").is_duplicated(), "stands twice in the data",
            "keep one of the two: data.unique(['code', 'time'])",
        ),
    )  # fmt: skip
    wrong = rows.select(test.alias(str(n)) for n, (test, _, _) in enumerate(tests))
    for n, (_, what, cure) in enumerate(tests):
        if wrong[str(n)].any():
            refuse_row_of(rows, wrong[str(n)].arg_true()[0], what, cure)


def refuse_closed_days(rows: pl.DataFrame) -> None:
    """Raise BadInput for bars of a day on which KRX did not trade."""
    for day in rows["day"].unique().sort().to_list():
        if not is_trading_day(day):
            raise BadInput(
                f"there are bars on {day:%A}, {day}, and KRX did not trade on that day",
                "drop them, or shift the times: a time without a zone is Korean time",
            )


def refuse_closed_hours(rows: pl.DataFrame) -> None:
    """Raise BadInput for bars or trades at a time of day at which no venue is open."""
    import polars as pl

    second = pl.from_epoch("t", time_unit="ns").dt.offset_by("9h").dt.time()
    closed = rows.filter((second < OPENS) | (second > CLOSES))
    if len(closed):
        at = kst_datetime(closed["t"][0])
        raise BadInput(
            f"there is a row of {closed['code'][0]} at {at:%Y-%m-%d %H:%M} in Korea, and no "
            f"venue is open before {OPENS:%H:%M} and after {CLOSES:%H:%M}",
            "drop it, or name the zone of the times: a time without a zone is Korean time, and "
            "column.dt.replace_time_zone('UTC') says that it is UTC",
        )


def refuse_row_of(rows: pl.DataFrame, row: int, what: str, cure: str) -> NoReturn:
    """Raise BadInput that names a bar by its stock and time, with its numbers."""
    moment = kst_datetime(rows["t"][row])
    bar = f"{rows['code'][row]} at {moment:%Y-%m-%d %H:%M}"
    shown = " ".join(str(rows[name][row]) for name in _WHOLE)
    raise BadInput(f"the bar of {bar} {what} ({shown})", cure)


def _refuse_row(row: int, what: str) -> NoReturn:
    raise BadInput(f"row {row + 1} of the bars {what}", "write the time, or drop the row")
