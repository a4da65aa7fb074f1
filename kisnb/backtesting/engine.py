"""The back-tester over a tape: runs the desk's own core against recorded trades and depth.

It runs the same DeskCore, agents and order books as a session. Only the hosts differ: Persist
appends a row, Send enters the order at once (latency 0), and ``TapeMarket`` fills it. An agent that
sees a batch of the tape sends its orders after that batch, as in a session: by then the exchange
has handled all events of that moment.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from kisnb.backtesting.tape_market import TAKES, TapeFill, TapeMarket
from kisnb.clock import SECOND, Ns, day_number, kst_day
from kisnb.config import load_config
from kisnb.errors import BadInput
from kisnb.events import (
    AccountOpened,
    CancelStarted,
    ClockMoved,
    Depth,
    Event,
    IntentTaken,
    Notice,
    SendStarted,
    Tick,
    is_order_fact,
)
from kisnb.history.tape.blocks import is_tape
from kisnb.history.tape.reader import TapeFile
from kisnb.kis.recording.recorded_tape import (
    MarketEvents,
    OrderCame,
    holds_orders,
    recorded_market,
)
from kisnb.market.costs import BANKIS, CostModel, read_fees
from kisnb.market.instruments import is_code
from kisnb.market.sessions import gives_price
from kisnb.market.universe import Universe
from kisnb.orders import (
    Account,
    Capabilities,
    Holding,
    Intent,
    Order,
    OrderPage,
    OrderRef,
    OrderRow,
    Route,
    SendReply,
)
from kisnb.paths import data_dir
from kisnb.terms import Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBook, OrderBooks
from kisnb.trading.ports.commands import Command, FastForward, Idle, ReleaseAgent, WatchCodes
from kisnb.trading.ports.effects import (
    AskDepth,
    AskOrders,
    Cancel,
    CancelReply,
    DepthRead,
    Effect,
    OrdersQuery,
    OrdersRead,
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


class Result:
    """The outcome of a run: the agent's order book, the journal's rows, and the agent itself."""

    def __init__(self, book: OrderBook, rows: Sequence[Row], agent: Agent) -> None:
        self.book = book
        self.rows = rows
        self.agent = agent

    @property
    def intents(self) -> list[tuple[Ns, str, Side, int]]:
        """Time, code, side and quantity of every order, in order."""
        return [(o.t, o.code, o.side, o.quantity) for o in self.book.orders.values()]

    def __repr__(self) -> str:
        return (
            f"<Result {self.agent!r}: {len(self.book.orders)} orders, "
            f"{sum(1 for _ in self.book.fills)} fills, "
            f"realised {self.book.realised_net:+,} won after cost>"
        )


class Engine:
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
    ) -> None:
        """Start the core, then the agent.

        ``cash``: the account's cash in won. None: it is not known, and buys are not checked for it.
        ``own_in_tape``: the tape was recorded while these same orders were in the market.
        """
        # No trade of the tape has such a code, so the agent would see nothing without a word.
        code = str(agent.code)
        if not isinstance(agent.code, str) or not is_code(code):
            full = code.zfill(6) if code.isdecimal() else "005930"
            raise BadInput(
                f"{agent.code!r}, the stock of {type(agent).__name__}, is not a stock code",
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
        )
        self.market = TapeMarket(own_in_tape=own_in_tape)
        self._keys: dict[int, str] = {}
        """Keys of the orders, by order number."""
        self._last = 0
        """The last order number that was given. Orders, revises and cancels share the numbers."""
        self._prints: dict[tuple[str, int], Ns] = {}
        self._cash = cash
        if cash is not None:
            opened = AccountOpened(start, cash, ())
            self.rows.append(opened)
            state.apply(opened)
        self._wakes: list[Ns] = []
        self._queries: deque[OrdersQuery] = deque()
        """Readings that have begun. They end after the agent has got all earlier events."""
        self._posts: deque[Send | Revise | Cancel] = deque()
        """Calls that have not reached the server yet."""
        self._out: deque[Command] = deque()
        """Commands of the agent that have not reached the core yet."""
        # The core begins before the agent, as a desk runs before a session attaches.
        self._run(self.core.start(start))
        self._out += self.runner.start(start)
        self._drain()

    def frame(self, t: Ns, ticks: Sequence[Tick], depths: Sequence[Depth] = ()) -> None:
        """Play a batch of the tape, received at ``t``: its trades, then the depth after them."""
        if t > self.now:
            self._post_all()
        self._pass_time(t)
        # Orders fill before the core sees the trade: they were there when it happened, and notices
        # come before the frames of the market.
        for fill in _joined(self.market.play(ticks, depths)):
            self._fill(fill)
        for tick in ticks:
            self._run(self.core.step(self.now, tick))
        for depth in depths:
            self._run(self.core.step(self.now, depth))
        self._drain()

    def reach_server(self, t: Ns, *, is_new: bool) -> None:
        """Let the next waiting call reach the server, because the tape shows a call at ``t``.

        What follows in the tape is the effect of this call. The agent sees the effect before its
        next call goes out. ``is_new``: the call was a new order, not a revise or a cancel.
        """
        if t > self.now:
            self._post_all()
            self._pass_time(t)
        for post in self._posts:
            if isinstance(post, Send) is is_new:
                self._posts.remove(post)
                self._post(post)
                self._drain()
                return

    def end(self) -> None:
        """Send the calls that still wait, because the tape is over."""
        self._post_all()

    def _post_all(self) -> None:
        """Let all waiting calls reach the server, although the tape does not show them."""
        while self._posts:
            self._post(self._posts.popleft())
            self._drain()

    def _pass_time(self, t: Ns) -> None:
        """Move time to ``t``. Wake core and agent, in order, at the moments that they asked for."""
        while True:
            asleep = self.runner.next_wake()
            due = [
                w
                for w in (self._wakes[0] if self._wakes else None, asleep)
                if w is not None and w <= t
            ]
            if not due:
                break
            # One moment at a time: what happens at it may ask for another one before ``t``.
            self.now = max(self.now, min(due))
            # At the same moment the core comes first, as at a desk: it publishes, and then the
            # agent decides.
            if self._wakes and self._wakes[0] <= self.now:
                heapq.heappop(self._wakes)
                self._run(self.core.step(self.now, Woke()))
            else:
                self._publish(ClockMoved(self.now))
            self._drain()
        self.now = t

    def _drain(self) -> None:
        """Submit the agent's commands to the core and answer readings, until there are no more.

        Raises RuntimeError if the agent failed, KeyboardInterrupt if a person interrupted it.
        """
        # One after another, because carrying one out may let the agent order more, which goes
        # behind the others.
        while self._out or self._queries:
            # A reading that began before the agent decided ends before its order comes.
            if self._queries:
                self._read(self._queries.popleft())
            else:
                self._carry_out(self._out.popleft())
        self._check()

    def _carry_out(self, command: Command) -> None:
        # These are for a desk that serves sessions. A tape plays by itself and brings every stock.
        if not isinstance(command, Idle | WatchCodes | FastForward | ReleaseAgent):
            self._run(self.core.step(self.now, command))

    def _check(self) -> None:
        if self.runner.state is AgentState.FAILED:
            raise RuntimeError(f"{self.runner.agent!r} failed:\n{self.runner.error}")
        if self.runner.state is AgentState.PAUSED:
            # Only a person who interrupts a handler pauses an agent here. They mean the run.
            raise KeyboardInterrupt(self.runner.agent.note)

    def _submit(self, event: Event) -> None:
        self._run(self.core.step(self.now, event))

    def _run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Persist(rows=rows):
                    self.rows.extend(rows)
                case Publish(event=event):
                    self._publish(event)
                case Send() | Revise() | Cancel():
                    # A tape with our own orders shows when each of them reached the server.
                    if self.market.own_in_tape:
                        self._posts.append(effect)
                    else:
                        self._post(effect)
                case AskOrders(query=query):
                    self._queries.append(query)
                case WakeAt(t=t):
                    heapq.heappush(self._wakes, t)
                case AskDepth(code=code):
                    # No depth is recorded. The core gets the one that the last trade left.
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
        self._out += self.runner.deliver(event, self.now)

    def _post(self, effect: Send | Revise | Cancel) -> None:
        match effect:
            case Send(intent=intent, route=route):
                self._enter(intent, route)
            case Revise(intent=intent, ref=ref):
                self._revise(intent, ref)
            case Cancel(key=key, ref=ref, qty=qty):
                self._cancel(key, ref, qty)

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _enter(self, intent: Intent, route: Route) -> None:
        number = self._number()
        self._keys[number] = intent.key
        at = self.market.venue_of(intent, route.venue)
        sent = msgspec.structs.replace(intent, kind=route.kind)
        # The reply comes before the notice here. At KIS the two race, and the core takes either
        # order.
        ref = OrderRef(day_number(self.now), "", number, route.venue)
        self._run(self.core.step(self.now, SendReply(intent.key, "sent", ref)))
        fills = self.market.enter(number, sent, at)
        self._submit(self._notice("accepted", number, intent, intent.qty, intent.price or 0, at))
        for fill in _joined(fills):
            self._fill(fill, at)
        left = intent.qty - sum(fill.qty for fill in fills)
        if left and number not in self.market.standing:
            # The leaves of a kind that does not wait.
            notice = self._notice("cancelled", self._number(), intent, left, 0, at, number)
            self._submit(notice)

    def _fill(self, fill: TapeFill, at: Venue = Venue.KRX) -> None:
        order = self.core.state.books.orders[self._keys[fill.number]]
        standing = self.market.standing.get(fill.number)
        venue = at
        if standing is not None:
            venue = standing.venue
        elif order.route is not None and order.route.venue is not Venue.SOR:
            venue = order.route.venue
        notice = self._notice("filled", fill.number, order.intent, fill.qty, fill.price, venue)
        # KIS stamps whole seconds, and two equal fills of a second look like one notice that came
        # twice: a desk then reads KIS's list. A recorded day holds that too. Elsewhere the stamps
        # of two fills differ.
        if self.market.own_in_tape:
            self._submit(msgspec.structs.replace(notice, t=self.now - self.now % SECOND))
            return
        stamp = max(self.now, self._prints.get((order.key, fill.price), 0) + 1)
        self._prints[order.key, fill.price] = stamp
        self._submit(msgspec.structs.replace(notice, t=stamp))

    def _revise(self, intent: Intent, ref: OrderRef) -> None:
        number = self._number()
        old = self.market.standing.get(ref.number)
        if old is None:
            text = "nothing left to revise"
            self._run(self.core.step(self.now, SendReply(intent.key, "rejected", text=text)))
            return
        self._keys[number], venue = intent.key, old.venue
        moved = min(intent.qty, old.leaves)
        made = OrderRef(day_number(self.now), "", number, ref.venue)
        self._run(self.core.step(self.now, SendReply(intent.key, "sent", made)))
        fills = self.market.revise(number, ref.number, intent) or []
        notice = self._notice(
            "revised", number, intent, moved, intent.price or 0, venue, ref.number
        )
        self._submit(notice)
        for fill in _joined(fills):
            self._fill(fill, venue)

    def _cancel(self, key: str, ref: OrderRef, qty: int | None) -> None:
        standing = self.market.standing.get(ref.number)
        venue = standing.venue if standing is not None else ref.venue
        out = self.market.cancel(ref.number, qty)
        reply = (
            SendReply(key, "sent", ref)
            if out
            else SendReply(key, "rejected", text="nothing left to cancel")
        )
        self._run(self.core.step(self.now, CancelReply(reply)))
        if out:
            intent = self.core.state.books.orders[key].intent
            number = self._number()
            self._submit(self._notice("cancelled", number, intent, out, 0, venue, ref.number))

    def _read(self, query: OrdersQuery) -> None:
        """Answer a reading with the orders and the account, as KIS would list them."""
        books, day = self.core.state.books, int(f"{query.day:%Y%m%d}")
        rows = tuple(
            self._row(order)
            for order in reversed(books.orders.values())
            if order.ref is not None and order.ref.day == day
        )
        account = None
        if query.account:
            cash = (self._cash or 0) + self.core.state.flow
            held = tuple(
                Holding(code, code, p.qty, p.qty, p.cost, self.core.depths.price(code))
                for code, p in books.account.positions.items()
                if p.qty
            )
            account = Account(cash, cash, cash, cash, held, True)
        self._run(self.core.step(self.now, OrdersRead(query, OrderPage(rows, True), account)))

    def _row(self, order: Order) -> OrderRow:
        """Return an order as a row of KIS's list, with its fills and leaves in the market."""
        assert order.ref is not None
        revised = self.core.state.books.orders.get(order.intent.supersedes or "")
        original = 0 if revised is None or revised.ref is None else revised.ref.number
        number = order.ref.number
        of = self.market.entered[number]
        leaves = of.leaves if number in self.market.standing else 0
        average = round(of.value / of.traded) if of.traded else 0
        return OrderRow(
            order.ref, original, order.code, order.side, order.sent_kind, order.quantity,
            order.intent.price or 0, of.traded, average, leaves, order.cancelled - order.expired,
            0, order.sent_at, of.value,
        )  # fmt: skip

    def _notice(
        self,
        kind: Literal["accepted", "filled", "cancelled", "revised"],
        number: int,
        intent: Intent,
        qty: int,
        price: int,
        venue: Venue,
        original: int = 0,
    ) -> Notice:
        code, side = intent.code, intent.side
        return Notice(self.now, kind, number, original, code, side, qty, price, "", venue)


def replay(
    agent: Agent,
    recording: str | Path,
    *,
    limits: Limits | None = None,
    costs: CostModel | None = None,
    cash: int | None = None,
) -> Result:
    """Run an agent over a recorded day (``kisnb sim --record day.tape``) and return the result.

    ``recording`` is a tape of the simulator or of a desk, or a recording of the wire.

    The latency is 0. The tax is the tax of that day. ``costs`` gives the commission; None takes the
    setting ``fees``. ``cash`` is the account's cash in won; None: it is not checked. If orders
    reached the recorded server, the tape holds their effect, and its depth contains our own shares
    (``tape_market``). Raises ConfigError for a wrong setting, BadInput for a file without trades
    and for an agent without a stock code, and RuntimeError with the agent's traceback when the
    agent fails.
    """
    engine: Engine | None = None
    charged = read_fees(load_config().fees) if costs is None else costs
    path = Path(recording)
    has_orders, market = _of_tape(path) if is_tape(path) else _of_recording(path)
    for t, ticks, depths, came in batches(market):
        if engine is None:
            if not ticks:
                continue
            # The day of the tape is known with its first frame, and the issues and limits are those
            # of that day.
            universe = Universe.load(data_dir(), kst_day(t))
            engine = Engine(agent, universe, t, limits, charged, cash=cash, own_in_tape=has_orders)
        if came is None:
            engine.frame(t, ticks, depths)
        else:
            engine.reach_server(t, is_new=came.is_new)
    if engine is None:
        raise BadInput(
            f"{recording} holds no trades", "record the market with: kisnb sim --record day.tape"
        )
    engine.end()
    return Result(engine.runner.book, engine.rows, agent)


def _of_recording(path: Path) -> tuple[bool, Iterator[tuple[Ns, MarketEvents]]]:
    """Return whether orders reached the recorded server, and the recording's market events."""
    return holds_orders(path), recorded_market(path)


def _of_tape(path: Path) -> tuple[bool, Iterator[tuple[Ns, MarketEvents]]]:
    """Return whether the tape has orders of a desk, and its market events.

    The market events include the moments at which the desk sent its orders and cancels.
    """
    tape = TapeFile(path)
    has_orders = any(
        isinstance(event, SendStarted)
        for _, events in tape.batches(orders=True)
        for event in events
    )
    return has_orders, _market_of(tape)


def _market_of(tape: TapeFile) -> Iterator[tuple[Ns, MarketEvents]]:
    revises: set[str] = set()
    for t, events in tape.batches(orders=True):
        # A batch holds what was seen together: trades and depth, and the desk's own orders.
        for kind, group in itertools.groupby(events, type):
            same = list(group)
            if kind is Tick:
                yield t, [event for event in same if isinstance(event, Tick)]
            elif kind is Depth:
                yield t, [event for event in same if isinstance(event, Depth)]
            for event in same:
                if isinstance(event, IntentTaken) and event.intent.supersedes is not None:
                    revises.add(event.intent.key)
                elif isinstance(event, SendStarted):
                    yield t, OrderCame(event.key not in revises)
                elif isinstance(event, CancelStarted):
                    yield t, OrderCame(is_new=False)


Batch: TypeAlias = tuple[Ns, list[Tick], list[Depth], OrderCame | None]
"""The moment, its trades and the depth after them; or the moment at which an order came."""


def batches(frames: Iterable[tuple[Ns, MarketEvents]]) -> Iterator[Batch]:
    """Yield the batches of a tape: the trades of a moment, and the depth after them.

    A new batch begins where an order came, after a depth when a trade follows, and when the same
    channel of a stock comes again.
    """
    t, ticks, depths = 0, list[Tick](), list[Depth]()
    seen: set[tuple[bool, str, Venue]] = set()
    for at, events in frames:
        came = isinstance(events, OrderCame)
        is_depth = not isinstance(events, OrderCame) and isinstance(events[0], Depth)
        names = (
            set()
            if isinstance(events, OrderCame)
            else {(is_depth, event.code, event.venue) for event in events}
        )
        is_new = at != t or came or bool(names & seen) or (bool(depths) and not is_depth)
        if is_new and (ticks or depths):
            yield t, ticks, depths, None
            ticks, depths = [], []
        if is_new:
            seen = set()
        t = at
        if isinstance(events, OrderCame):
            yield at, [], [], events
            continue
        seen |= names
        for event in events:
            if isinstance(event, Depth):
                depths.append(event)
            else:
                ticks.append(event)
    if ticks or depths:
        yield t, ticks, depths, None


def _joined(fills: Sequence[TapeFill]) -> list[TapeFill]:
    """Join the fills of a moment that have the same order and price. Return the joined fills."""
    shares: dict[tuple[int, int], int] = {}
    for number, qty, price in fills:
        shares[number, price] = shares.get((number, price), 0) + qty
    return [TapeFill(number, qty, price) for (number, price), qty in shares.items()]


__all__ = ["Engine", "Result", "batches", "replay"]
