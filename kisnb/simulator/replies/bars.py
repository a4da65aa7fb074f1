"""What trades come to: minutes, days, extremes, and shares by the side that took. Won and shares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import accumulate
from typing import NamedTuple

from kisnb.clock import Ns

YEAR_DAYS, WEEKS_52 = 250, 364
"""Trading days; calendar days."""


class Sums(NamedTuple):
    """Trades added up by who took: shares and number of trades."""

    bought: int
    sold: int
    buys: int
    sells: int

    @property
    def strength(self) -> float:
        """Trade strength (체결강도): shares bought against shares sold, 100 for as many."""
        return self.bought / self.sold * 100 if self.sold else 0.0


class MinuteBar(NamedTuple):
    """A minute with trades; ``value`` is the day's up to its end. Won and shares."""

    t: Ns
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


class DayBar(NamedTuple):
    """A trading day of one issue or index: won (or points), shares."""

    day: date
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


class Extreme(NamedTuple):
    """A highest or lowest price and its day."""

    price: int
    day: date


class Marks(NamedTuple):
    """What a year of days comes to, for the day that follows them."""

    before: DayBar
    """The last of them."""
    closes: tuple[int, ...]
    """Newest first."""
    totals: tuple[int, ...]
    """Those closes added up: of none, of the newest, of the newest two and so on."""
    average_volume: int
    average_value: int
    """Of twenty days."""
    extremes: dict[str, tuple[Extreme, Extreme]]
    """Highest and lowest by period: ``d250`` trading days, ``w52`` weeks, ``dryy`` this year."""

    @staticmethod
    def of(past: Sequence[DayBar]) -> Marks:
        """``past`` newest first, at least one."""
        last, month = past[0], past[:20]
        periods = {
            "d250": past[:YEAR_DAYS],
            "w52": [bar for bar in past if (last.day - bar.day).days < WEEKS_52],
            "dryy": [bar for bar in past if bar.day.year == last.day.year],
        }
        closes = tuple(bar.close for bar in past)
        return Marks(
            last,
            closes,
            tuple(accumulate(closes, initial=0)),
            sum(bar.volume for bar in month) // len(month),
            sum(bar.value for bar in month) // len(month),
            {name: _extremes(bars) for name, bars in periods.items()},
        )


def _extremes(bars: Sequence[DayBar]) -> tuple[Extreme, Extreme]:
    top, bottom = max(bars, key=lambda bar: bar.high), min(bars, key=lambda bar: bar.low)
    return Extreme(top.high, top.day), Extreme(bottom.low, bottom.day)
