"""Agents that misbehave: at an event that the schedule chose they raise, order, sleep, or several
of these."""

from __future__ import annotations

import asyncio
from collections import deque

from kisnb.clock import SECOND
from kisnb.events import Event, Filled, GapFound, OrderFact, PhaseChanged, Tick
from kisnb.exits import ExitOptions
from kisnb.orders import Order
from kisnb.terms import Side
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.handlers import Handled

from .schedule import TICKS
from .turns import Turn

MOST_ORDERS = 6
PLANTED = "planted by the campaign"


class Sour(BaseException):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise self


ERRORS: dict[str, type[BaseException]] = {
    "Exception": RuntimeError, "CancelledError": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
    "KeyboardInterrupt": KeyboardInterrupt, "SystemExit": SystemExit, "Sour": Sour,
}  # fmt: skip


class Actor(Agent):
    """Hears of its orders, and does at its next event what a turn says.

    One that trades orders upon fills, too.
    """

    def __init__(self, name: str, code: str, exit_of: ExitOptions | None = None) -> None:
        """``exit_of``: the exit that it gives its shares at each fill; None: none."""
        # The base class reads parameters, of which there are none here: that takes longer than all
        # the rest.
        self.id = name
        self.code = code
        self.heard: list[Event] = []
        self.deeds: deque[Turn] = deque()
        self.trades = name.startswith("p")
        self.exit_of = exit_of
        self.raised = ""
        """What it raised last, since it was started."""
        self.gone = False
        """Its kernel is dead: what Python still closes is nobody's any more."""
        self._ordered = 0

    def on_start(self) -> Handled:
        # What the run before raised in its clean-up is not this one's.
        self.raised = ""
        self._trade()
        return self._act()

    def on_tick(self, tick: Tick) -> Handled:
        self.heard.append(tick)
        self._trade()
        return self._act()

    def on_fill(self, order: Order, fill: Filled) -> Handled:
        if self.exit_of is not None and order.side is Side.BUY:
            self.protect(**self.exit_of)
        self._trade()
        return self._act()

    def on_order(self, order: Order, fact: OrderFact) -> Handled:
        self.heard.append(fact)
        return self._act()

    def on_phase(self, phase: PhaseChanged) -> Handled:
        self.heard.append(phase)
        return self._act()

    def on_gap(self, gap: GapFound) -> Handled:
        self.heard.append(gap)
        return self._act()

    def _act(self) -> Handled:
        if not self.deeds:
            return None
        deed = self.deeds.popleft()
        if deed.how in ("at once", "after an order"):
            self._end(deed)
            return None
        return self._later(deed)

    async def _later(self, deed: Turn) -> None:
        try:
            match deed.how:
                case "awaiting":
                    await asyncio.sleep(deed.amount / SECOND)
                case "until done" if order := self._trade():
                    await self.done(order)
                case _:
                    await self.sleep(deed.amount / SECOND)
            self._end(deed)
        finally:
            if deed.how == "in its clean-up" and not self.gone:
                self._raise("Exception")

    def _end(self, deed: Turn) -> None:
        if deed.how == "after an order":
            self._trade()
        if deed.error:
            self._raise(deed.error)

    def _raise(self, error: str) -> None:
        self.raised = error
        if error == "nonsense":
            self.buy("many")  # type: ignore[arg-type]
        raise ERRORS[error](PLANTED)

    def _trade(self) -> Order | None:
        if not self.trades or self._ordered == MOST_ORDERS:
            return None
        self._ordered += 1
        n, (base, tick) = self._ordered, TICKS[self.code]
        price = None if n % 3 == 0 else base + (n - 2) * tick
        return self.sell(n, price) if self.held() > n else self.buy(3 * n, price)
