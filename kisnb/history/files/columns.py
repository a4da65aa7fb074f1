"""Finds the columns of a series in a file, and reads their values.

Column names may be English or Korean, in upper or lower case. Each line of ``NAMES`` has the names
for one column; the first name that the file has is used. Other columns of the file are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.errors import BadInput
from kisnb.history.files.reading import ROW, failure
from kisnb.history.series import Series, SeriesKind
from kisnb.market.instruments import is_code

if TYPE_CHECKING:
    import polars as pl

NAMES: Mapping[str, tuple[str, ...]] = {
    "code": ("code", "종목코드", "단축코드", "symbol", "ticker", "isu_srt_cd", "isu_cd"),
    "date": ("date", "일자", "날짜", "기준일", "trd_dd", "time", "datetime", "timestamp", "t"),
    "t": ("t", "time", "datetime", "timestamp", "시각", "체결시각", "일시", "date"),
    "open": ("open", "시가", "o"),
    "high": ("high", "고가", "h"),
    "low": ("low", "저가", "l"),
    "close": ("close", "종가", "c"),
    "volume": ("volume", "거래량", "acml_vol", "v"),
    "value": ("value", "거래대금", "amount", "turnover"),
    "price": ("price", "체결가", "현재가"),
    "qty": ("qty", "체결량", "size", "quantity"),
    "side": ("side", "매수매도", "체결구분"),
}
MAY_LACK = {"value", "side"}
"""Columns that a file need not have. Without them their values are null."""
PANDAS_INDEX = ("", "unnamed: 0", "__index_level_0__", "index", "level_0")
"""Column names under which pandas writes its index to a file."""


def named(
    path: Path, series: Series, frame: pl.DataFrame, given: Mapping[str, str], fixed: set[str]
) -> pl.DataFrame:
    """Return the columns of a series under our names, and the column ``ROW``.

    ``given`` has the file's column name for each of our names that the caller states. ``fixed`` are
    columns whose value the caller states. Raises BadInput for a missing column.
    """
    lower = {name.lower(): name for name in frame.columns if name != ROW}
    found: dict[str, str] = {}
    for ours in series.schema():
        if ours in given:
            if given[ours] not in frame.columns:
                raise BadInput(
                    f"{path.name} has no column {given[ours]!r}", f"it has {', '.join(lower)}"
                )
            found[ours] = given[ours]
            continue
        names = NAMES.get(ours, (ours,))
        if ours == "code" and series.kind is SeriesKind.INDEX:
            names = ("code", "index", "name", "지수", "지수명")
        theirs = next((lower[name] for name in names if name in lower), None)
        if theirs is not None:
            found[ours] = theirs
    if series.time not in found:
        # The index of a pandas table has no name of its own. Often it has the dates.
        index = next((lower[name] for name in PANDAS_INDEX if name in lower), None)
        if index is not None and index not in found.values() and _are_times(frame[index]):
            found[series.time] = index
    lacking = [
        name
        for name in series.schema()
        if name not in found and name not in fixed and not _may_lack(series, name)
    ]
    if lacking:
        raise BadInput(
            f"{path.name} lacks the columns {', '.join(lacking)}; it has"
            f" {', '.join(name for name in frame.columns if name != ROW)}",
            f"name them: columns={{{lacking[0]!r}: 'its name there'}}{_instead(lacking)}",
        )
    return frame.select(ROW, **found)


def _may_lack(series: Series, name: str) -> bool:
    if series.kind is SeriesKind.TICK:
        # This column can be computed by adding up the shares of the day.
        return name in {"side", "volume"}
    return name in MAY_LACK or (series.kind is SeriesKind.DEPTH and name not in ("code", "t"))


def _instead(lacking: list[str]) -> str:
    cures = {"code": ", or write code='005930'", "date": ", or write day='2026-11-20'"}
    return "".join(cure for name, cure in cures.items() if name in lacking)


def _are_times(column: pl.Series) -> bool:
    """Return whether a column has dates or times. If not, it may have row numbers."""
    import polars as pl

    if column.dtype.is_temporal():
        return True
    if column.dtype != pl.String:
        return False
    return bool(column.str.contains(r"^\d{4}[-/.]?\d{2}[-/.]?\d{2}").fill_null(value=False).all())


def codes(path: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with normal codes: six characters, or Q and six digits. Raises BadInput.

    A code that another program saved as a number gets its zeros back: 5930 becomes 005930.
    ``A005930`` and ``005930.KS`` become 005930.
    """
    import polars as pl

    column = rows["code"]
    if column.dtype.is_float() and column.is_not_nan().all() and (column == column.floor()).all():
        column = column.cast(pl.Int64)
    text = column.cast(pl.String).str.strip_chars().str.to_uppercase()
    text = text.str.replace(r"\.(KS|KQ|KRX)$", "").str.replace(r"^A([0-9][0-9A-Z]{5})$", "$1")
    text = pl.select(
        pl.when(text.str.contains(r"^\d{1,5}$")).then(text.str.zfill(6)).otherwise(text)
    ).to_series()
    known = {code: isinstance(code, str) and is_code(code) for code in text.unique()}
    for n, code in enumerate(text) if not all(known.values()) else ():
        if not known[code]:
            raise failure(
                path, rows[ROW][n], f"has the code {column[n]!r}, which is no code of a stock",
                "write six characters, as 005930, or Q and six digits of an ETN",
            )  # fmt: skip
    return rows.with_columns(text.alias("code"))


def whole_numbers(
    path: Path, rows: pl.DataFrame, names: list[str], *, may_round: bool
) -> tuple[pl.DataFrame, int]:
    """Return rows with the columns ``names`` as whole numbers, and the count of rounded values.

    Raises BadInput for a value that is not a number, and for a fraction unless ``may_round``.
    """
    import polars as pl

    rounded = 0
    for name in names:
        numbers = decimals(path, rows, name)
        fractions = (numbers != numbers.round()).fill_null(value=False)
        if fractions.any():
            if not may_round:
                n = fractions.arg_true()[0]
                raise failure(
                    path, rows[ROW][n], f"has {name} {numbers[n]}, which is no whole number",
                    "prices as traded are whole won; adjusted prices take adjusted=True",
                )  # fmt: skip
            rounded += int(fractions.sum())
        rows = rows.with_columns(numbers.round().cast(pl.Int64).alias(name))
    return rows, rounded


def decimals(path: Path, rows: pl.DataFrame, name: str) -> pl.Series:
    """Return a column as numbers. NaN, which pandas writes for a missing value, becomes null.

    Raises BadInput.
    """
    import polars as pl

    column = rows[name]
    if column.dtype.is_integer():
        # A float would change numbers above 2**53.
        return column.cast(pl.Int64)
    if column.dtype == pl.String:
        plain = column.str.replace_all(",", "").str.strip_chars()
        whole = plain.cast(pl.Int64, strict=False)
        given = plain.is_not_null() & ~plain.str.to_lowercase().is_in(["", "nan", "null", "-"])
        if not (whole.is_null() & given).any():
            return whole
        numbers = plain.cast(pl.Float64, strict=False)
        for n in (numbers.is_null() & given).arg_true()[:1]:
            raise failure(
                path, rows[ROW][n], f"has {name} {column[n]!r}, which is no number", "correct it"
            )
        column = numbers
    elif not column.dtype.is_numeric():
        raise BadInput(f"the column {name} of {path.name} is {column.dtype}", "store numbers")
    return column.cast(pl.Float64).fill_nan(None)
