"""The sentences about past days: what is missing and why, and where prices cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from kisnb.errors import NotOffered
from kisnb.history.download import NOT_ASKED, MissingDay
from kisnb.market.ticks import LIMITS

if TYPE_CHECKING:
    import polars as pl

SHOWN = 3
"""Days that a sentence names. The others are counted."""


def days_text(days: Sequence[date]) -> str:
    """Return some days for people: ``"2026-11-16, 2026-11-17, 2026-11-18 and 4 more"``."""
    more = f" and {len(days) - SHOWN} more" if len(days) > SHOWN else ""
    return f"{', '.join(str(day) for day in days[:SHOWN])}{more}"


def missing_text(missing: Sequence[MissingDay], refused: NotOffered | None = None) -> str:
    """Return which days lack rows, and why. ``refused``: why KIS was not asked for them."""
    why = [
        str(refused) if refused and gap.reason == NOT_ASKED else f"{gap.reason}." for gap in missing
    ]
    return f"{days_text([gap.day for gap in missing])}. {' '.join(dict.fromkeys(why))}"


def jumps(bars: pl.DataFrame, multiple: float = 1.0) -> list[date]:
    """Return the days on which prices as traded moved further than the daily limit allows.

    KRX then set a new base price: for a split, a right, or the first day of a listing. ``bars`` are
    those of one stock by day; ``multiple`` is that of an ETF or ETN.
    """
    import polars as pl

    percent = pl.lit(LIMITS[0].percent)
    for band in LIMITS[1:]:
        percent = pl.when(pl.col("date") >= band.since).then(band.percent).otherwise(percent)
    moved = (pl.col("close") / pl.col("close").shift() - 1).abs() * 100
    # The limits are rounded to the tick grid, so a price on them is never beyond.
    return bars.filter(moved > percent * multiple)["date"].to_list()


def jump_text(days: Sequence[date]) -> str:
    """Return the sentence about such days."""
    return (
        f"The price moved further than the daily limit allows on {days_text(days)}: a split, a"
        " right or a new listing. Prices before and after cannot be compared; adjusted ones can."
    )


def split_text(total: int) -> str:
    """Return the sentence about adjusted prices that were replaced."""
    return (
        "KIS has changed the adjusted prices since they were downloaded, as it does after a split"
        f" or a right. All {total:,} days are those of today's adjustment."
    )
