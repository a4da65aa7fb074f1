"""The base of strategies that decide on days that are over."""

from __future__ import annotations

from typing import ClassVar

from kisnb.clock import Ns, kst_day
from kisnb.events import Bar, Tick
from kisnb.market import sessions
from kisnb.terms import Phase, Venue
from kisnb.trading.agents.agent import Agent


class DailyAgent(Agent):
    """Decides in ``look``, when a bar has closed and at the first trade after its start.

    No daily bar closes on the day of a start, so that a started agent would do nothing for a day.
    Only a trade of KRX's continuous session starts the decision: before, a market order would be
    denied, and the decision would be lost.
    """

    every: ClassVar[str] = "1d"
    _quiet_until: Ns = 0

    def on_start(self) -> None:
        """Begin without a decision."""
        self._quiet_until = 0

    def on_bar(self, bar: Bar) -> None:  # noqa: ARG002 - looks at the window, not at one bar
        """Decide on the bars so far, and order for the next bar."""
        self.look()

    def on_tick(self, tick: Tick) -> None:
        """Decide at the first trade."""
        if tick.t < self._quiet_until:
            return
        if sessions.phase(Venue.KRX, tick.t) is Phase.CONTINUOUS and self.look():
            self._quiet_until = sessions.regular_close(kst_day(tick.t))

    def look(self) -> bool:
        """Decide once for each newest bar. Return whether what it needs is known by now."""
        raise NotImplementedError
