"""Says which handlers of an agent get an event.

    trade              ``on_bar`` for each bar that it closes, then ``on_tick``
    bar                ``on_bar``, if it has the length of ``every``
    depth, gap         ``on_depth``, ``on_gap``
    phase of a venue   ``on_phase``
    fact of an order   ``on_fill`` for a fill, then ``on_order``; only of the agent's own orders

Handlers get only events of the stocks that ``Agent.stocks`` names. Orders may be of any stock.
"""

from __future__ import annotations

from collections.abc import Callable

from kisnb.events import Bar, Depth, Event, Filled, GapFound, PhaseChanged, Tick
from kisnb.market.bars import is_of_day
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_series import AgentSeries
from kisnb.trading.order_books.order_book import OrderBooks


class EventDispatch:
    """Calls the handlers of one agent that get an event, and adds trades to its bars."""

    def __init__(
        self,
        agent: Agent,
        agent_id: str,
        books: OrderBooks,
        series: AgentSeries,
        call: Callable[..., None],
    ) -> None:
        """Connect the agent. ``call(handler, event)`` runs a handler if the agent runs.

        ``call`` raises no error of the handler.
        """
        self._agent = agent
        self._id = agent_id
        self._books = books
        self._series = series
        self._call = call
        self.stocks: tuple[str, ...] = ()
        """The stocks whose events its handlers get. The runner reads them once, at its start."""

    def dispatch(self, event: Event) -> None:
        """Call the handlers that get this event, one after another."""
        match event:
            case Tick():
                self._tick(event)
            case Bar():
                self._bar(event)
            case Depth() if event.code in self.stocks:
                self._call(self._agent.on_depth, event)
            case PhaseChanged():
                self._call(self._agent.on_phase, event)
            case GapFound() if event.code in self.stocks:
                self._call(self._agent.on_gap, event)
            case _:
                self._own_order(event)

    def _tick(self, tick: Tick) -> None:
        own = tick.code in self.stocks
        if own and self._series.missed and is_of_day(tick):
            for bar in self._series.take_missed():
                self._call(self._agent.on_bar, bar)
        # A copy: ``on_bar`` may ask for bars of another length, and they hold this trade already.
        for (code, every), series in tuple(self._series.by_length.items()):
            if code == tick.code:
                for bar in series.add(tick):
                    if own and every == self._agent.every:
                        self._call(self._agent.on_bar, bar)
        if own:
            self._call(self._agent.on_tick, tick)

    def _bar(self, bar: Bar) -> None:
        """Add a closed bar to the bars of its length.

        ``on_bar`` gets it if that length is ``every``.
        """
        agent = self._agent
        for (code, every), series in self._series.by_length.items():
            if code == bar.code and series.span == bar.span:
                series.append(bar)
                if code in self.stocks and every == agent.every:
                    self._call(agent.on_bar, bar)

    def _own_order(self, event: Event) -> None:
        key = getattr(event, "key", None)
        if key is None:
            return
        orders = self._books.of(self._id).orders
        if key not in orders:
            return
        order = orders[key]
        if isinstance(event, Filled):
            self._call(self._agent.on_fill, order, event)
        self._call(self._agent.on_order, order, event)
