"""The handlers of an agent: empty methods that a strategy overrides."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeAlias

from kisnb.events import Bar, Depth, Filled, GapFound, OrderFact, PhaseChanged, Tick
from kisnb.orders import Order

Handled: TypeAlias = Coroutine[Any, Any, None] | None


class Handlers:
    """The stocks that an agent follows, and its action at each event."""

    code: str = ""
    """The agent's own stock."""

    def stocks(self) -> tuple[str, ...]:
        """Return the codes of the stocks that this agent follows, its own first.

        Override it to follow several stocks. Then ``on_tick``, ``on_bar``, ``on_depth`` and
        ``on_gap`` get the events of all of them: ``tick.code`` is the stock of a tick.
        ``self.buy(1, code=...)`` buys a share of the stock that ``code`` names. ``stocks`` is
        called once, when the agent starts.

        ::

            def stocks(self):
                return (self.code, "005935")
        """
        return (self.code,)

    def on_start(self) -> Handled:
        """Called once, when the agent starts."""

    def on_tick(self, tick: Tick) -> Handled:
        """Called for each trade of the agent's stock.

        Nextrade's trades are not delivered in KRX's regular session.
        """

    def on_depth(self, depth: Depth) -> Handled:
        """Called when the depth of the agent's stock has changed.

        Only the newest depth is delivered.
        """

    def on_bar(self, bar: Bar) -> Handled:
        """Called when a bar of ``every`` has closed."""

    def on_fill(self, order: Order, fill: Filled) -> Handled:
        """Called for each fill of an order of this agent."""

    def on_order(self, order: Order, fact: OrderFact) -> Handled:
        """Called for each fact about an order of this agent."""

    def on_phase(self, phase: PhaseChanged) -> Handled:
        """Called when the phase of a venue changed."""

    def on_gap(self, gap: GapFound) -> Handled:
        """Called when trades were missed. Bars and indicators may lack these trades."""
