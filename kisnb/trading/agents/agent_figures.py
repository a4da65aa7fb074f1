"""Figures that an agent may ask for, besides prices and orders: flows, ranges, listed shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from kisnb.clock import Ns, kst_day
from kisnb.market.flows import DayFlow, FlowTable
from kisnb.trading.gate.risk import Rules


def day_before(now: Ns) -> date:
    """Return the day before the Korean day of ``now``."""
    return kst_day(now) - timedelta(days=1)


class AgentFigures:
    """The figures of one agent up to the event that it handles."""

    def __init__(
        self,
        rules: Rules,
        now: Callable[[], Ns],
        flows: FlowTable | None = None,
        atr: Callable[[str], float | None] = lambda _code: None,
    ) -> None:
        """Keep the sources. ``now`` returns the moment of the event.

        ``flows`` and ``atr`` have the figures of earlier days.
        """
        self.newest_flow_day: Callable[[Ns], date] = day_before
        """Returns the newest day whose flows may be known at a moment."""
        self._rules = rules
        self._now = now
        self._flows = flows or FlowTable()
        self._atr = atr

    def flows(self, code: str, n: int) -> Sequence[DayFlow | None]:
        """Return the flows of the newest ``n`` trading days that are over, oldest first."""
        return self._flows.newest(code, self.newest_flow_day(self._now()), n)

    def atr(self, code: str) -> float | None:
        """Return the average true range of the days before this one, won. None: not known."""
        return self._atr(code)

    def listed_shares(self, code: str) -> int | None:
        """Return the number of a stock's listed shares. None when it is not known.

        A number that KIS has stated today comes before that of the list of stocks.
        """
        today, item = self._rules.stock_day(self._now(), code), self._rules.instrument(code)
        stated = 0 if today is None else today.shares
        return stated or (None if item is None else item.shares or None)
