"""Runs one agent of a back-test over bars: collects its orders, and gives it its bars."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, ClassVar

import msgspec

from kisnb.backtesting.bar_feed import BarFeed
from kisnb.backtesting.bar_window import BarWindow
from kisnb.clock import Ns, kst_day
from kisnb.errors import BadInput
from kisnb.events import Bar, Event, Tick
from kisnb.market import sessions
from kisnb.market.bars import Bars, length_of
from kisnb.market.flows import FlowTable
from kisnb.orders import Intent, Order
from kisnb.terms import BUY, MARKET, SELL
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_figures import day_before
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.agents.foreign_awaits import Part
from kisnb.trading.agents.sizing import Wanted, change
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import Command, Protect, ReviseOrder, Submit


class PlaceAtFill(msgspec.Struct, frozen=True):
    """A command: place an order whose shares are computed at the price of its fill.

    Only a back-test can do this.
    """

    intent: Intent
    """The order, with the number of shares as known at the decision."""
    wanted: Wanted


BarCommand = Command | PlaceAtFill
"""The commands that an agent of a back-test over bars can give."""


class BarClock:
    """The clock of a run: the current moment of all its agents, UTC nanoseconds.

    The run sets it to a moment, or to the current bar or trade. The moment of a bar is its end.
    Most handlers never ask for the time. So it is computed only when a handler asks.
    """

    __slots__ = ("_set", "event")

    def __init__(self) -> None:
        self._set: Ns = 0
        self.event: Bar | Tick | None = None
        """The newest bar or trade that the agents have got in the fastest loops."""

    @property
    def now(self) -> Ns:
        """The newest moment to which the clock was set."""
        event = self.event
        if event is None:
            return self._set
        return max(self._set, event.end if isinstance(event, Bar) else event.t)

    @now.setter
    def now(self, t: Ns) -> None:
        self._set = t


class ShortRunner(AgentRunner):
    """Runs an agent in a back-test that has no ``DeskCore``. It is also the agent's Host.

    Its orders go through the few steps that ``BarOrders`` draws.
    """

    LACKING: ClassVar[tuple[str, str]] = ("bars", "its bars")
    """Two words of the refusal of a stock without data: what is missing, and what to add."""

    def __init__(
        self,
        agent: Agent,
        agent_id: str,
        books: OrderBooks,
        rules: Rules,
        codes: Sequence[str],
        out: list[tuple[Any, BarCommand]],
        clock: BarClock,
        *,
        cash: Callable[[], int | None],
        price: Callable[[str], int],
        flows: FlowTable | None,
    ) -> None:
        """Connect the agent to this runner.

        ``codes`` are the stocks of the data. ``price`` returns the newest price of a stock, won.
        ``out`` is the list to which the commands of all agents are added, in order. All agents
        share ``clock``.
        """
        # All agents share one clock. Setting the time of thousands of agents one by one would take
        # as long as their bars.
        self.clock = clock
        super().__init__(
            agent, agent_id, "backtest", books, rules, cash=cash, flows=flows, price=price
        )
        self._codes = frozenset(codes)
        self._out = out

    @property
    def now(self) -> Ns:
        """The current moment of all agents of the run."""
        return self.clock.now

    @now.setter
    def now(self, t: Ns) -> None:
        self.clock.now = t

    def emit(self, command: Command) -> Order | None:
        """Keep a command until the run carries it out. Return the order that it makes, or None.

        Raises BadInput for a stock that the data do not have.
        """
        if isinstance(command, Protect):
            self._check_code(command.protection.code)
        if not isinstance(command, Submit | ReviseOrder):
            self._out.append((self, command))
            return None
        return self._emit(command, command.intent)

    @property
    def parked(self) -> Sequence[object]:
        """The parked handlers: those that wait."""
        return self._parked

    def hold(self, coroutine: Part, waits: object) -> None:
        """Park a handler that waits for ``waits``.

        If that has happened already, the handler continues. An error of the handler is not raised
        here: it ends the agent.
        """
        try:
            self.act(self._wait, coroutine, waits, None)
        except BaseException as e:
            self.failed(e, coroutine)
            self.close(coroutine)

    def resume(self, event: Event) -> None:
        """Continue the handlers whose wait is over, before the agent gets ``event``."""
        self._resume(event)

    def _emit(self, command: BarCommand, intent: Intent) -> Order:
        self._check_code(intent.code)
        if self.state is not AgentState.RUNNING:
            raise BadInput("the back-test of this agent is over", "order in its handlers")
        self._out.append((self, command))
        return self._books.add_pending(intent, self.now)

    def _check_code(self, code: str) -> None:
        if code not in self._codes:
            lacking, addition = self.LACKING
            raise BadInput(
                f"{self.agent!r} orders {code}, of which the back-test has no {lacking}",
                f"add {addition} to the data, which has {', '.join(sorted(self._codes)[:5])}",
            )


class BarRunner(ShortRunner):
    """Runs an agent of a back-test over bars."""

    def __init__(
        self,
        agent: Agent,
        agent_id: str,
        books: OrderBooks,
        rules: Rules,
        feed: BarFeed,
        out: list[tuple[BarRunner, BarCommand]],
        clock: BarClock,
        *,
        at_fill: bool,
        cash: Callable[[], int | None],
        flows: FlowTable | None = None,
    ) -> None:
        """Connect the agent to this runner. ``at_fill`` True: orders are sized at their fill."""
        super().__init__(
            agent, agent_id, books, rules, feed.codes, out, clock,
            cash=cash, price=self.price, flows=flows,
        )  # fmt: skip
        self.figures.newest_flow_day = _newest_flow_day
        self._rules = rules
        self._feed = feed
        self._at_fill = at_fill
        self.span = length_of(agent.every) if agent.every else 0
        """Length of the bars that ``on_bar`` gets, nanoseconds. 0: it gets no bars."""

    def place(self, wanted: Wanted) -> Order | None:
        """Place the order that changes the position to ``wanted``, sized now or at the fill.

        Return the order. None: no order is needed.
        """
        if not self._at_fill:
            return super().place(wanted)
        code, agent = wanted.code, self.agent
        held = self.book.position(code).qty
        if wanted.weight == 0:
            shares = -held
        elif not held:
            # The fill decides its shares. Until then it counts as one share.
            shares = 1
        else:
            item = self._rules.instrument(code)
            if item is None:
                raise BadInput(f"the data have no bars of {code}", "add them to the data")
            shares = change(wanted, self.means.of(wanted), self._rules.costs, item.kind)
        if not shares:
            return None
        side = BUY if shares > 0 else SELL
        intent = Intent(self.mint(), agent.id, code, side, abs(shares), MARKET)
        return self._emit(PlaceAtFill(intent, wanted), intent)

    def price(self, code: str) -> int:
        """Return the close of a stock's newest closed bar, won.

        Raises BadInput when no bar of the stock has closed yet.
        """
        column = self._feed.of(code) if code in self._codes else None
        known = bisect_right(column.end, self.now) if column is not None else 0
        if column is None or not known:
            raise BadInput(
                f"no bar of {code} has closed yet", "order in shares, or wait for its first bar"
            )
        price: int = column.close[known - 1]
        return price

    def bars(self, code: str, every: str, n: int) -> Bars:
        """Return the newest ``n`` closed bars of length ``every``, oldest first."""
        if code not in self._codes:
            raise BadInput(f"the data have no bars of {code}", "add them to the data")
        column = self._feed.of(code, length_of(every))
        known = bisect_right(column.end, self.now)
        return BarWindow(column, max(known - n, 0), known)


def _newest_flow_day(now: Ns) -> date:
    """Return the newest day whose flows an agent that decides at ``now`` may know."""
    # A decision on the bar that ends at the close trades on the next day. By then the day's flows
    # are final.
    today = kst_day(now)
    return today if now >= sessions.regular_close(today) else day_before(now)
