"""The prices of bars that are known at a moment, for guards, exits and sizing. Whole won."""

from __future__ import annotations

from typing import Protocol

from kisnb.backtesting.bar_feed import BarFeed
from kisnb.clock import Ns, kst, kst_day


class Prices(Protocol):
    """The interface to the prices that are known at a moment. Won; 0: the price is not known."""

    now: Ns

    def price(self, code: str) -> int:
        """Return the newest price of a stock."""

    def close(self, now: Ns, code: str) -> int:
        """Return the newest price of a stock at ``now``."""

    def high(self, now: Ns, code: str) -> int:
        """Return the highest price of the day."""


class BarPrices:
    """The prices of the closed bars at a moment. A bar that has not closed does not count."""

    def __init__(self, feed: BarFeed) -> None:
        self._feed = feed
        self.now: Ns = 0
        """The moment for which ``price`` returns prices."""

    def price(self, code: str) -> int:
        """Return the close of the newest closed bar of a stock, won. 0: no bar has closed."""
        return self.close(self.now, code)

    def close(self, now: Ns, code: str) -> int:
        """Return the close of a stock's newest bar that has closed by ``now``. 0: no bar has."""
        column = self._feed.of(code)
        known = column.known(now)
        return column.close[known - 1] if known else 0

    def high(self, now: Ns, code: str) -> int:
        """Return the highest price of the day in its closed bars, won. 0: no bar has closed."""
        column, begin = self._feed.of(code), kst(kst_day(now), 0)
        at, highest = column.known(now) - 1, 0
        while at >= 0 and column.t[at] >= begin:
            highest = max(highest, column.high[at])
            at -= 1
        return highest


__all__ = ["BarPrices", "Prices"]
