"""Reads the days and times of a file, and checks them against the days and hours of the market."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kisnb.clock import MINUTE
from kisnb.errors import BadInput
from kisnb.history.files.reading import ROW, failure
from kisnb.history.series import Series, SeriesKind
from kisnb.market.calendar import FIRST_YEAR, LAST_YEAR, is_trading_day
from kisnb.market.sessions import hours

if TYPE_CHECKING:
    import polars as pl

KOREA = "Asia/Seoul"
_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y%m%d%H%M%S", "%Y-%m-%d")
OLDEST = date(1975, 1, 4)
"""The oldest day that is accepted. An earlier day counts as a mistake in the file.

KOSPI begins in 1980, and no source of older daily prices is known.
"""
_ZONES = "write time_zone='UTC' when they are UTC, or time_zone='Asia/Seoul' when they are Korean"


def days(path: Path, rows: pl.DataFrame, time_zone: str | None) -> pl.DataFrame:
    """Return rows with the column ``date`` as Korean days. Raises BadInput.

    ``time_zone`` is the zone of times without a zone.
    """
    import polars as pl

    column = rows["date"]
    if column.dtype == pl.Date:
        return _without_null(path, rows, "date")
    if column.dtype.is_integer() or column.dtype == pl.String:
        text = column.cast(pl.String).str.strip_chars()
        plain = text.str.replace_all(r"[-/.]", "")
        read = plain.str.to_date("%Y%m%d", strict=False)
        if read.is_null().sum() == column.is_null().sum():
            return _without_null(path, rows.with_columns(read.alias("date")), "date")
        column = _moments(path, rows, text, "date")
    if not isinstance(column.dtype, pl.Datetime):
        raise BadInput(
            f"the column date of {path.name} is {column.dtype}", "store days: 2026-11-20"
        )
    if column.dtype.time_zone is None and time_zone is None:
        # A day has no time. Midnight in UTC is 09:00 in Korea, and midnight in Korea is 15:00 UTC.
        timed = (column != column.dt.truncate("1d")).fill_null(value=False)
        for n in timed.arg_true()[:1]:
            codes = [rows["code"]] if "code" in rows.columns else []
            a_row_a_day = pl.DataFrame([column.dt.date(), *codes]).is_unique().all()
            raise failure(
                path, rows[ROW][n], f"has the time {column[n]}, without a zone",
                _ZONES if a_row_a_day else "a day has many rows: import minutes with '1m'",
            )  # fmt: skip
        read = column.dt.date()
    else:
        read = _in_korea(path, column, time_zone).dt.date()
    return _without_null(path, rows.with_columns(read.alias("date")), "date")


def moments(path: Path, rows: pl.DataFrame, time_zone: str | None) -> pl.DataFrame:
    """Return rows with the column ``t`` as moments (ns, UTC). Raises BadInput.

    ``time_zone`` is the zone of times without a zone. None: Korea.
    """
    import polars as pl

    column = rows["t"]
    if column.dtype == pl.String:
        column = _moments(path, rows, column.str.strip_chars(), "t")
    if not isinstance(column.dtype, pl.Datetime):
        raise BadInput(
            f"the column t of {path.name} is {column.dtype}", "store times: 2026-11-20 09:01:00"
        )
    there = _in_korea(path, column, time_zone).dt.convert_time_zone("UTC")
    return _without_null(path, rows.with_columns(there.dt.cast_time_unit("ns").alias("t")), "t")


def check_market_days(path: Path, rows: pl.DataFrame, day: pl.Expr, newest: date) -> list[str]:
    """Check the days of rows, and return notes about days that cannot be checked.

    Raises BadInput for a day after ``newest``, before OLDEST, or on which KRX did not trade.
    """
    import polars as pl

    rows = rows.with_columns(day=day)
    for row in rows.filter(pl.col("day") > newest).head(1).iter_rows(named=True):
        raise failure(
            path, row[ROW], f"is of {row['day']}, and {newest} is the newest day that is over",
            "remove the rows after it, or correct the date",
        )  # fmt: skip
    for row in rows.filter(pl.col("day") < OLDEST).head(1).iter_rows(named=True):
        # An empty or unread date becomes the first moment of 1970 in many programs.
        raise failure(
            path, row[ROW], f"is of {row['day']}, and days before {OLDEST} are not accepted",
            "it may be an empty date; correct it, or remove the row",
        )  # fmt: skip
    known = rows.filter(pl.col("day").dt.year().is_between(FIRST_YEAR, LAST_YEAR))
    closed = [each for each in known["day"].unique() if not is_trading_day(each)]
    for row in known.filter(pl.col("day").is_in(closed)).head(1).iter_rows(named=True):
        raise failure(
            path, row[ROW], f"is of {row['day']} ({row['day']:%A}), on which KRX did not trade",
            f"remove the row; when all days are one too early or late, {_ZONES}",
        )  # fmt: skip
    if len(known) == len(rows):
        return []
    return [f"The holidays of the years before {FIRST_YEAR} are not known, and were not checked."]


def check_hours(path: Path, series: Series, rows: pl.DataFrame) -> None:
    """Raise BadInput for a time when the venue is closed, or that is not the start of a minute."""

    t = rows["t"].to_physical()
    if series.kind is SeriesKind.MINUTE:
        for n in (t % MINUTE != 0).arg_true()[:1]:
            raise failure(
                path, rows[ROW][n], f"begins at {korean_text(rows['t'][n])}, within a minute",
                "store the start of each minute",
            )  # fmt: skip
    korean = rows["t"].dt.convert_time_zone(KOREA).dt.date()
    known = korean.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
    for day in korean.filter(known).unique():
        spans = hours(series.venue, day)
        first = min((row.start for row in spans), default=0)
        last = max((row.end for row in spans), default=0)
        outside = ((t < first) | (t > last)) & (korean == day)
        for n in outside.arg_true()[:1]:
            in_korea = rows["t"].dt.convert_time_zone(KOREA)
            has_no_times = (in_korea == in_korea.dt.truncate("1d")).all()
            raise failure(
                path, rows[ROW][n],
                f"is of {korean_text(rows['t'][n])} KST, when {series.venue} is closed",
                "the file has days and no times: import days with '1d'"
                if has_no_times else _ZONES,
            )  # fmt: skip


def _moments(path: Path, rows: pl.DataFrame, text: pl.Series, name: str) -> pl.Series:
    """Convert texts to moments, with a zone if they state one. Raises BadInput."""

    import polars as pl

    zoned = bool(text.str.contains(r"(Z|[+-]\d{2}:?\d{2})$").fill_null(value=False).any())
    plain = text.str.replace(" ", "T", literal=True).str.replace(r"Z$", "+00:00")
    plain = plain.str.replace(r"([+-]\d{2})(\d{2})$", "$1:$2")
    zone = "%:z" if zoned else ""
    parts = [
        plain.str.to_datetime(f"{form}{zone}", time_unit="ns", strict=False) for form in _FORMATS
    ]
    read = pl.select(pl.coalesce(*parts)).to_series()
    for n in (read.is_null() & text.is_not_null()).arg_true()[:1]:
        raise failure(
            path, rows[ROW][n], f"has {name} {text[n]!r}, which cannot be read",
            "write 2026-11-20, or 2026-11-20 09:01:00",
        )  # fmt: skip
    return read


def _in_korea(path: Path, column: pl.Series, time_zone: str | None) -> pl.Series:
    import polars as pl

    assert isinstance(column.dtype, pl.Datetime)
    if column.dtype.time_zone is None:
        try:
            ZoneInfo(time_zone or KOREA)
        except (ZoneInfoNotFoundError, ValueError):
            raise BadInput(f"time_zone={time_zone!r} is not known", _ZONES) from None
        column = column.dt.replace_time_zone(time_zone or KOREA, ambiguous="earliest")
    elif time_zone is not None:
        raise BadInput(f"the times of {path.name} state a zone", "leave time_zone= out")
    return column.dt.convert_time_zone(KOREA)


def _without_null(path: Path, rows: pl.DataFrame, name: str) -> pl.DataFrame:
    for n in rows[name].is_null().arg_true()[:1]:
        raise failure(path, rows[ROW][n], f"has no {name}", "write it, or remove the row")
    return rows


def korean_text(t: object) -> str:
    """Return a moment as its time in Korea: ``2026-11-20 09:01:00``."""
    assert isinstance(t, datetime)
    return f"{t.astimezone(ZoneInfo(KOREA)):%Y-%m-%d %H:%M:%S}"
