"""The sentences about past days: what is missing and why, and where prices cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from kisnb.errors import NotOffered
from kisnb.history.download import NOT_ASKED, MissingDay, trading_days
from kisnb.history.series import Series, SeriesKind
from kisnb.market.ticks import LIMITS
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

SHOWN = 3
"""Number of days that a sentence names. Further days are only counted."""


def days_text(days: Sequence[date]) -> str:
    """Return some days for people: ``"2026-11-16, 2026-11-17, 2026-11-18 and 4 more"``."""
    more = f" and {len(days) - SHOWN} more" if len(days) > SHOWN else ""
    return f"{', '.join(str(day) for day in days[:SHOWN])}{more}"


def missing_text(
    series: Series, missing: Sequence[MissingDay], refused: NotOffered | None = None
) -> str:
    """Return sentences that say which days lack rows, and why. Empty when no day lacks rows.

    ``refused`` is the reason why KIS was not asked for them.
    """
    if not missing:
        return ""
    what = "Flows" if series.kind is SeriesKind.FLOW else "Bars"
    why = [
        str(refused) if refused and gap.reason == NOT_ASKED else f"{gap.reason}." for gap in missing
    ]
    days = days_text([gap.day for gap in missing])
    return f"{what} are missing of {days}. {' '.join(dict.fromkeys(why))}"


def no_day_text(series: Series, first: date, last: date, today: date) -> str:
    """Return why a range of days has no row, when no day that is over is missing."""
    if days := _no_day_yet(first, last, today):
        return days
    if series.kind is SeriesKind.DAY:
        return f"It has not traded at {series.venue} today yet."
    return f"No day from {first} to {last} is over yet."


def no_minute_text(venue: Venue, first: date, last: date, today: date) -> str:
    """Return why a range of days has no minute, when no day that is over is missing."""
    return _no_day_yet(first, last, today) or f"{venue} has no minute of today that has ended."


def _no_day_yet(first: date, last: date, today: date) -> str:
    days = trading_days(first, last)
    if not days:
        return f"There is no trading day from {first} to {last}."
    return f"No day from {first} to {last} has come yet." if days[0] > today else ""


def jumps(bars: pl.DataFrame, multiple: float = 1.0) -> list[date]:
    """Return the days on which raw prices moved further than the daily limit allows.

    On such a day KRX had set a new base price: after a split or a rights issue, or at a listing.
    ``bars`` are daily bars of one stock. ``multiple`` is the leverage of an ETF or ETN: its limit
    is wider by this factor.
    """
    import polars as pl

    percent = pl.lit(LIMITS[0].percent)
    for band in LIMITS[1:]:
        percent = pl.when(pl.col("date") >= band.since).then(band.percent).otherwise(percent)
    moved = (pl.col("close") / pl.col("close").shift() - 1).abs() * 100
    # The limits are rounded to the tick grid, so a price at the limit never counts as beyond it.
    return bars.filter(moved > percent * multiple)["date"].to_list()


def jump_text(days: Sequence[date]) -> str:
    """Return the sentence about days whose price moved further than the daily limit allows."""
    return (
        f"The price moved further than the daily limit allows on {days_text(days)}: a split, a"
        " right or a new listing. Prices before and after cannot be compared; adjusted ones can."
    )


def untraded_text(days: Sequence[date]) -> str:
    """Return the sentence about days whose bar has volume 0."""
    return (
        f"Nobody traded on {days_text(days)} (volume 0): the stock was halted, or no buyer met a"
        " seller. The bar has the last close as all prices."
    )


def split_text(total: int) -> str:
    """Return the sentence about adjusted prices that were replaced."""
    return (
        "KIS has changed the adjusted prices since they were downloaded, as it does after a split"
        f" or a right. All {total:,} days are those of today's adjustment."
    )
