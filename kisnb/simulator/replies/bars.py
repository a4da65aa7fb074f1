"""Summaries of trades: minutes, days, extremes, and shares by the taker's side.

Won and shares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import accumulate, groupby
from typing import NamedTuple, TypeVar

from kisnb.clock import Ns
from kisnb.market.price_past import IndexDay

YEAR_DAYS, WEEKS_52 = 250, 364
"""Trading days, and calendar days, of a year."""


class Sums(NamedTuple):
    """Trades added up by the taker's side: shares, and number of trades."""

    bought: int
    sold: int
    buys: int
    sells: int

    @property
    def strength(self) -> float:
        """Trade strength (체결강도): shares bought in percent of shares sold; 0 without sales."""
        return self.bought / self.sold * 100 if self.sold else 0.0


class MinuteBar(NamedTuple):
    """A minute with trades. ``value`` is the won of the whole day up to the minute's end."""

    t: Ns
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


class DayBar(NamedTuple):
    """A trading day of an issue in won and shares, or of an index in points."""

    day: date
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


PERIODS: dict[str, Callable[[date], object]] = {
    "D": lambda day: day,
    # The ISO year is used with the ISO week, because the last days of December may belong to the
    # first week of the next year.
    "W": lambda day: day.isocalendar()[:2],
    "M": lambda day: (day.year, day.month),
    "Y": lambda day: day.year,
}
"""Periods of a chart by KIS's FID_PERIOD_DIV_CODE. Days of one period have an equal value."""
_Bar = TypeVar("_Bar", DayBar, IndexDay)


def joined(days: Sequence[_Bar], period: str) -> list[_Bar]:
    """Return days, newest first, as bars of a period. Each has the date of its newest day."""
    if period == "D":
        return list(days)
    # The days are in order, so the days of one week or month are neighbours.
    groups = [list(group) for _, group in groupby(days, key=lambda bar: PERIODS[period](bar.day))]
    return [
        type(group[0])(
            group[0].day,
            group[-1].open,
            max(day.high for day in group),
            min(day.low for day in group),
            group[0].close,
            sum(day.volume for day in group),
            sum(day.value for day in group),
        )
        for group in groups
    ]


class Extreme(NamedTuple):
    """A highest or lowest price and its day."""

    price: int
    day: date


class Marks(NamedTuple):
    """The summary of a year of days, for the day that follows them."""

    before: DayBar
    """The newest of these days."""
    closes: tuple[int, ...]
    """The closes of these days, newest first."""
    # A ranking reads the averages of five lengths for fifty stocks. With these sums no call adds
    # the closes up again.
    totals: tuple[int, ...]
    """Sums of closes: item n is the sum of the newest n closes."""
    average_volume: int
    average_value: int
    """Mean won, as ``average_volume`` is mean shares, of twenty days."""
    extremes: dict[str, tuple[Extreme, Extreme]]
    """Highest and lowest by period: ``d250`` trading days, ``w52`` weeks, ``dryy`` this year."""

    @staticmethod
    def of(past: Sequence[DayBar]) -> Marks:
        """Return the marks of ``past``, which has at least one day, newest first."""
        last, month = past[0], past[:20]
        periods = {
            # KIS counts 250 trading days in one group of fields and 52 calendar weeks in the other
            # (workbook: inquire-price).
            "d250": past[:YEAR_DAYS],
            "w52": [bar for bar in past if (last.day - bar.day).days < WEEKS_52],
            "dryy": [bar for bar in past if bar.day.year == last.day.year],
        }
        closes = tuple(bar.close for bar in past)
        return Marks(
            last,
            closes,
            # Sums from the newest on make any moving average a subtraction.
            tuple(accumulate(closes, initial=0)),
            sum(bar.volume for bar in month) // len(month),
            sum(bar.value for bar in month) // len(month),
            {name: _extremes(bars) for name, bars in periods.items()},
        )


def _extremes(bars: Sequence[DayBar]) -> tuple[Extreme, Extreme]:
    top, bottom = max(bars, key=lambda bar: bar.high), min(bars, key=lambda bar: bar.low)
    return Extreme(top.high, top.day), Extreme(bottom.low, bottom.day)
