"""The newest prices of a run over trades, for guards and exits. Whole won."""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.events import Tick


class TickPrices:
    """The newest price of each stock, and its highest price of the day."""

    def __init__(self) -> None:
        self.now: Ns = 0
        self.newest: dict[str, int] = {}
        """The newest price of each stock, won."""
        self._highs: dict[str, int] = {}
        self.coming = 0
        """1 while the trade at hand has not happened yet for the agents, else 0."""

    def begin_day(self) -> None:
        """Forget the highest prices of the previous day."""
        self._highs.clear()

    def add(self, tick: Tick) -> None:
        """Add a trade."""
        self.newest[tick.code] = tick.price
        self._highs[tick.code] = max(tick.price, self._highs.get(tick.code, 0))

    def price(self, code: str) -> int:
        """Return the newest price of a stock, won. 0: it has not traded."""
        return self.newest.get(code, 0)

    def close(self, now: Ns, code: str) -> int:  # noqa: ARG002 - prices of bars need it
        """Return the newest price of a stock, won. 0: it has not traded."""
        return self.newest.get(code, 0)

    def high(self, now: Ns, code: str) -> int:  # noqa: ARG002 - prices of bars need it
        """Return the highest price of the day, won. 0: it has not traded today."""
        return self._highs.get(code, 0)


__all__ = ["TickPrices"]
