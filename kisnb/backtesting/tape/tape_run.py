"""Plays a tape: the desk's own core and one agent, against the exchange that the tape shows.

It runs the same DeskCore, agents and order books as a session. Only the hosts differ: Persist
appends a row, Send reaches the server after the stated latency, and ``TapeMarket`` fills the order.
With latency 0, the orders that an agent decides on a batch arrive after that batch, as in a
session: by then the exchange has handled all events of that moment.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence

from kisnb.backtesting.stuck import end_with_agent
from kisnb.backtesting.tape.tape_curve import TapeCurve
from kisnb.backtesting.tape.tape_feed import Batch
from kisnb.backtesting.tape.tape_market import TAKES, TapeMarket
from kisnb.backtesting.tape.tape_server import Call, TapeServer
from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import (
    AccountOpened,
    ClockMoved,
    Depth,
    Event,
    Tick,
    is_order_fact,
)
from kisnb.market.costs import BANKIS, CostModel
from kisnb.market.flows import FlowTable
from kisnb.market.instruments import is_code
from kisnb.market.sessions import gives_price
from kisnb.market.universe import Universe
from kisnb.orders import Capabilities
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import (
    Command,
    FastForward,
    Idle,
    ReleaseAgent,
    SetGuards,
    WatchCodes,
)
from kisnb.trading.ports.effects import (
    AskDepth,
    AskOrders,
    Cancel,
    DepthRead,
    Effect,
    OrdersQuery,
    Persist,
    Publish,
    Revise,
    Send,
    WakeAt,
    Woke,
)
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State

CAN = Capabilities(venues=(Venue.KRX, Venue.NXT, Venue.SOR), kinds=TAKES, can_order=True)
"""The venues and kinds of orders over a tape: all venues, and the kinds that meet bids and asks."""


class TapeRun:
    """Runs one core and one agent over one tape.

    ``start`` is the moment of the first batch. Raises BadInput for an agent whose code is not a
    stock code.
    """

    def __init__(
        self,
        agent: Agent,
        universe: Universe,
        start: Ns,
        limits: Limits | None = None,
        costs: CostModel = BANKIS,
        *,
        cash: int | None = None,
        own_in_tape: bool = False,
        latency: Ns = 0,
        flows: FlowTable | None = None,
    ) -> None:
        """Start the core, then the agent.

        ``cash`` is the account's cash in won. None: it is not known, and buys are not checked for
        it. ``own_in_tape``: the tape was recorded while these same orders were in the market. Then
        the tape says when each of them reached the server, and ``latency`` is not used.
        """
        # No trade of the tape has such a code. Without this error the agent would get no events,
        # and no message would say why.
        for followed in (agent.code, *agent.stocks()):
            code = str(followed)
            if not isinstance(followed, str) or not is_code(code):
                full = code.zfill(6) if code.isdecimal() else "005930"
                raise BadInput(
                    f"{followed!r}, the stock of {type(agent).__name__}, is not a stock code",
                    f"write it in full: code={full!r}",
                )
        rules = Rules(universe, CAN, costs)
        self.now = start
        """Simulated time, UTC nanoseconds."""
        self.rows: list[Row] = []
        """The journal's rows so far."""
        self.books = OrderBooks()
        state = State()
        self.core = DeskCore(rules, limits or Limits(), state)
        self.runner = AgentRunner(
            agent,
            agent.id or type(agent).__name__,
            "backtest",
            self.books,
            rules,
            cash=lambda: state.cash,
            flows=flows,
        )
        self.curve = TapeCurve(state)
        self._market = TapeMarket(own_in_tape=own_in_tape)
        self._server = TapeServer(self._market, state, cash)
        if cash is not None:
            opened = AccountOpened(start, cash, ())
            self.rows.append(opened)
            state.apply(opened)
        self._wakes: list[Ns] = []
        self._queries: deque[OrdersQuery] = deque()
        """Readings that have begun. They end after the agent has received all earlier events."""
        self._latency = latency
        self._calls: deque[tuple[Ns, Call]] = deque()
        """Calls that have not reached the server yet, each with the moment at which it arrives."""
        self._out: deque[Command] = deque()
        """Commands of the agent that have not reached the core yet."""
        # The core begins before the agent, as a desk runs before a session attaches.
        self._run(self.core.start(start))
        if agent.guards is not None:
            self._run(self.core.step(start, SetGuards(self.runner.id, agent.guards)))
        self._out += self.runner.start(start)
        self._drain()

    def play(self, batch: Batch) -> None:
        """Play a batch of the tape, or the arrival of an order."""
        t, ticks, depths, came = batch
        if came is None:
            self.frame(t, ticks, depths)
        else:
            self.reach_server(t, is_new=came.is_new)

    def frame(self, t: Ns, ticks: Sequence[Tick], depths: Sequence[Depth] = ()) -> None:
        """Play a batch of the tape, received at ``t``: its trades, then the depth after them."""
        if t > self.now and self._market.own_in_tape:
            self._send_all()
        self._pass_time(t)
        self.curve.begin(t)
        # Orders fill before the core gets the trade: they were in the market when it happened, and
        # KIS's notices come before its market data.
        for notice in self._server.notices(self.now, self._market.play(ticks, depths)):
            self._run(self.core.step(self.now, notice))
        for tick in ticks:
            self._run(self.core.step(self.now, tick))
        for depth in depths:
            self._run(self.core.step(self.now, depth))
        self._drain()

    def reach_server(self, t: Ns, *, is_new: bool) -> None:
        """Let the next waiting call reach the server, because the tape shows a call at ``t``.

        The tape then shows the effect of this call. The agent sees the effect before its next call
        goes out. ``is_new``: the call was a new order, not a revise or a cancel.
        """
        if t > self.now:
            self._send_all()
            self._pass_time(t)
        for waiting in self._calls:
            if isinstance(waiting[1], Send) is is_new:
                self._calls.remove(waiting)
                self._answer(waiting[1])
                self._drain()
                return

    def end(self) -> None:
        """Send the calls that still wait at the end of the tape."""
        self._send_all()
        self.curve.end()

    def _send_all(self) -> None:
        """Let all waiting calls reach the server, although the tape does not show them."""
        while self._calls:
            due, call = self._calls.popleft()
            self.now = max(self.now, due)
            self._answer(call)
            self._drain()

    def _pass_time(self, t: Ns) -> None:
        """Move time to ``t``. First carry out all that is due before ``t``, each at its own moment.

        Due are calls that reach the server, and moments that the core or the agent asked for.
        """
        while True:
            asleep = self.runner.next_wake()
            # A call of this very moment arrives after the batch of this moment.
            call = self._calls[0][0] if self._calls and self._calls[0][0] < t else None
            due = [
                w
                for w in (call, self._wakes[0] if self._wakes else None, asleep)
                if w is not None and w <= t
            ]
            if not due:
                break
            # Time moves one moment at a time, because an event may ask for another moment before
            # ``t``.
            self.now = max(self.now, min(due))
            if call is not None and call <= self.now:
                self._answer(self._calls.popleft()[1])
            # At one moment the core comes before the agent, as at a desk: it publishes, and then
            # the agent decides.
            elif self._wakes and self._wakes[0] <= self.now:
                heapq.heappop(self._wakes)
                self._run(self.core.step(self.now, Woke()))
            else:
                self._publish(ClockMoved(self.now))
            self._drain()
        self.now = t

    def _drain(self) -> None:
        """Submit the agent's commands to the core, and answer readings, until there are no more.

        Raises AgentFailed if the agent failed, KeyboardInterrupt if a person interrupted it.
        """
        # The commands are taken one after another, because one may make the agent order more. These
        # orders come after the others.
        while self._out or self._queries:
            # A reading that began before the agent decided ends before its order comes.
            if self._queries:
                self._read(self._queries.popleft())
            else:
                self._carry_out(self._out.popleft())
        end_with_agent(self.runner)

    def _carry_out(self, command: Command) -> None:
        # The other commands are for a desk that serves sessions. A tape needs none of them: it has
        # every stock.
        if not isinstance(command, Idle | WatchCodes | FastForward | ReleaseAgent):
            self._run(self.core.step(self.now, command))

    def _run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Persist(rows=rows):
                    self.rows.extend(rows)
                case Publish(event=event):
                    self._publish(event)
                case Send() | Revise() | Cancel():
                    self._send(effect)
                case AskOrders(query=query):
                    self._queries.append(query)
                case WakeAt(t=t):
                    heapq.heappush(self._wakes, t)
                case AskDepth(code=code):
                    # No depth is recorded. The core gets the best bid and ask that the last trade
                    # states.
                    self._run(self.core.step(self.now, DepthRead(code, self.core.depths.of(code))))
                case _:
                    raise AssertionError(f"the recorded day cannot play {effect}")

    def _publish(self, event: Event) -> None:
        """Apply an event to the order books and deliver it to the agent."""
        if is_order_fact(event):
            self.books.apply(event)
        # In KRX's regular session agents get KRX's prices alone, as in a session.
        elif isinstance(event, Tick | Depth) and not gives_price(event.venue, event.t):
            return
        if isinstance(event, Tick):
            self.curve.add(event)
        self._out += self.runner.deliver(event, self.now)

    def _send(self, call: Call) -> None:
        """Let a call reach the server: now, after the latency, or when the tape shows the call."""
        if self._market.own_in_tape:
            self._calls.append((0, call))
        elif self._latency:
            self._calls.append((self.now + self._latency, call))
        else:
            self._answer(call)

    def _answer(self, call: Call) -> None:
        for message in self._server.answer(self.now, call):
            self._run(self.core.step(self.now, message))

    def _read(self, query: OrdersQuery) -> None:
        """Answer a reading with the orders and the account, as KIS would list them."""
        held = self.core.state.books.account.holds if query.account else ()
        prices = {code: self.core.depths.price(code) for code in held}
        self._run(self.core.step(self.now, self._server.read(query, prices)))


__all__ = ["TapeRun"]
