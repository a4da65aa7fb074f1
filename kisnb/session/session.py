"""The Session: what a notebook opens. Lives in the notebook's event loop; its desk is a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

import msgspec

from kisnb.clock import Ns, SimulatedClock, WallClock, clock_text, kst, kst_day
from kisnb.errors import BadInput, DeskLost, NotOpen
from kisnb.events import (
    AccountOpened,
    AgentLeased,
    AgentReleased,
    Armed,
    CancelRefused,
    ClockMoved,
    CommandDropped,
    DecisionRefused,
    Denied,
    Depth,
    Disarmed,
    Event,
    ExpectedMatch,
    GapFound,
    HaltSet,
    HaltStep,
    HoldingAdopted,
    LinkUp,
    MarketOperation,
    OrderFact,
    ProgramTrades,
    Quote,
    SpeedSet,
    SubscriptionChanged,
    Tick,
    Trouble,
    Unresolved,
)
from kisnb.events import LinkLost as LinkWasLost
from kisnb.kis.ranking_messages import MOST_ROWS, RankingKind, ranking_call, read_ranking
from kisnb.market import sessions
from kisnb.market.instruments import Universe
from kisnb.market.router import Router
from kisnb.market.routing_evidence import Evidence
from kisnb.orders import Account, Intent, Order, OrderState, Want
from kisnb.session import order_keys
from kisnb.session.backfill import Backfill
from kisnb.session.blocking import Blocking
from kisnb.session.market_data import MarketData
from kisnb.session.roster import Roster
from kisnb.session.simulator import Simulator
from kisnb.session.typed import (
    Line,
    OrderOptions,
    check_same,
    line_of,
    orders_named,
    seconds_of_day,
    typed_intent,
    verdict,
)
from kisnb.session.waits import Waits
from kisnb.terms import Mode, OrderKind, SessionId, Side, Venue
from kisnb.trading.commands import (
    AccountIs,
    AccountNow,
    ArmDesk,
    CallApi,
    CancelOrder,
    Command,
    DepthOf,
    FastForward,
    Halt,
    Idle,
    JournalIs,
    JournalOf,
    LiftHalt,
    Query,
    QuoteOf,
    Reply,
    ResolveOrder,
    RouteOf,
    RoutesAre,
    RoutesOf,
    RowsAre,
    Submit,
    TasksNow,
    Told,
    WatchCodes,
)
from kisnb.trading.desk_core import same_wish
from kisnb.trading.desk_port import Back, Desk, Snapshot
from kisnb.trading.journal_rows import DESK_ONLY, Row
from kisnb.trading.order_book import UNDECIDED, Books, OrderBook
from kisnb.trading.risk import Rules
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl

_FACTS: tuple[type, ...] = OrderFact.__args__
_ROWS: tuple[type, ...] = tuple(kind for kind in Row.__args__ if kind not in DESK_ONLY)
Find: TypeAlias = Callable[[Back], Awaitable[tuple[Desk, Snapshot]]]
"""Waits for the next desk and attaches to it. Raises DeskLost when none will come."""


def told(reply: Reply) -> str:
    """The desk's answer for people."""
    assert isinstance(reply, Told)
    return reply.text


class Session:
    """A trading desk in a notebook: quotes, depth and ticks, orders, agents. Prices in won, quantities in shares.

    Open it with ``kisnb.connect``; ``async with`` closes it. The desk goes on when a session closes.
    """

    def __init__(self, desk: Desk, snapshot: Snapshot, universe: Universe, find: Find | None = None) -> None:
        """``find`` gives the next desk when this one has died."""
        self.mode = snapshot.mode
        self.label = snapshot.label
        self.scope = snapshot.scope
        self.run = snapshot.run
        self.name = desk.session
        self.universe = universe
        self.rules = Rules(universe, snapshot.capabilities)
        self.limits = snapshot.limits
        self.data = MarketData()
        self.agents = Roster(self)
        self.backfill = Backfill(self)
        self.blocking = Blocking(self)
        self.simulator = Simulator(self.mode)
        """The phone beside, and what goes wrong, in a simulated day."""
        self.decisions_refused: dict[str, str] = {}
        """By key of an order of unknown fate: why a decision about it was refused last."""
        self.troubles: list[str] = []
        """What the desk wants a person to read, oldest first."""
        self.blocked_by = ""
        """The line of a cell that keeps the notebook's loop from turning, while it does."""
        self.link = "up"
        self.halt_state = snapshot.halt
        self.halt_steps: list[HaltStep] = []
        """What the kill switch did since this session was opened, oldest first."""
        self._state = State.fold(snapshot.rows())
        self.armed = self._state.armed
        """Until when, and for how many won, buys pass at live."""
        self._told = snapshot.told
        self._desk = desk
        self._find = find
        self._returning: asyncio.Task[None] | None = None
        self._given_up: DeskLost | None = None
        self._clock = SimulatedClock(snapshot.now, snapshot.speed) if snapshot.mode is Mode.SIM else WallClock()
        self._waits = Waits()
        self._wants: dict[Want, None] = {}
        self._listeners: list[Callable[[], None]] = []
        self._said: Idle | None = None
        self._reporting = False
        self._closed = False
        self._hurrying = 0
        """Waits that simulated time runs ahead for."""
        self._agents_wake: Ns | None = None
        self._agents_alarm: asyncio.Task[None] | None = None
        self._own_tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.agents.leased(snapshot.leases)
        self._listen()

    # looking

    @property
    def now(self) -> Ns:
        """The session's clock, UTC nanoseconds: simulated time in sim."""
        return self._clock.now()

    @property
    def today(self) -> date:
        return kst_day(self.now)

    def clock_text(self) -> str:
        """``"09:10:00"``, KST."""
        return clock_text(self.now)

    @property
    def books(self) -> Books:
        return self._state.books

    @property
    def book(self) -> OrderBook:
        """The account's order book."""
        return self._state.books.account

    def capabilities(self) -> pl.DataFrame:
        """Which mode's host serves each call and channel here: what (str), host (str), offered (bool)."""
        import polars as pl

        from kisnb.kis.modes import capability_table

        quotes = self.rules.capabilities.quotes or self.mode
        return pl.DataFrame(capability_table(self.mode, quotes), schema=["what", "host", "offered"], orient="row")

    def orders(self) -> OrderBook:
        """All orders of the day with their states; ``.frame()`` gives them as polars."""
        return self.book

    async def journal(self) -> pl.DataFrame:
        """Everything that the desk has written down today, a row per fact; columns as ``journal_frame`` says."""
        from kisnb.desk.journal_frame import journal_frame

        reply = await self.ask(JournalOf())
        assert isinstance(reply, JournalIs)
        return await asyncio.to_thread(journal_frame, Path(reply.path))

    async def quote(self, code: str) -> Quote:
        """The current price, asked from KIS. Raises UnknownInstrument, ApiError, DeskLost."""
        return self.named(await self.ask(QuoteOf(self._code(code))))

    async def depth(self, code: str) -> Depth:
        """Bids and asks now, asked from KIS."""
        reply = await self.ask(DepthOf(self._code(code)))
        assert isinstance(reply, Depth)
        return reply

    async def ranking(self, kind: RankingKind = "volume", n: int = MOST_ROWS) -> pl.DataFrame:
        """The stocks of the largest traded value (``"volume"``) or rise (``"fluctuation"``), 30 at most, of the venue
        that is on: Nextrade's in its sessions before and after the regular one, else KRX's.

        Columns: rank, code, name, price and change (won), change_pct, volume (shares), value (won; null for
        fluctuation). Raises BadInput, NotOffered (paper has no rankings), KisError.
        """
        where = Router.resolve_for_ranking(sessions.session_id(self.now)).exchange_code
        reply = await self.ask(CallApi(*ranking_call(kind, where)))
        assert isinstance(reply, RowsAre)
        return read_ranking(reply.blocks["output"], n)

    async def balance(self) -> Account:
        """Cash and holdings as the broker states them, won and shares."""
        reply = await self.ask(AccountNow())
        assert isinstance(reply, AccountIs)
        return reply.account

    async def watch(self, *codes: str, channels: Sequence[Literal["expected", "operation", "programs"]] = ()) -> None:
        """Subscribe to trades and depth of these stocks; a stock that is traded is watched anyway.

        ``channels`` adds expected matches of call auctions, market operation (halts, VI) and program trades, a
        subscription of the 41 each; the newest stand in ``data.expected``, ``data.operations``, ``data.programs``.
        """
        self._watch(*codes)
        self._want([Want(channel, self._code(code), None) for code in codes for channel in channels])

    def _watch(self, *codes: str) -> None:
        """Trades of every venue that lists the stock, for the router too; depth of the session's venue."""
        wants = [w for code in codes for w in (Want("ticks", self._code(code)), Want("depth", self._code(code), None))]
        if Venue.NXT in self.rules.capabilities.venues:
            wants += [Want("ticks", code, Venue.NXT) for code in codes if self.universe.get(code).nxt]
        self._want(wants)

    def _want(self, wants: Sequence[Want]) -> None:
        if any(w not in self._wants for w in wants):
            self._wants.update(dict.fromkeys(wants))
            self.tell([WatchCodes(tuple(self._wants))])

    def ticks(self, code: str, venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Trades of a venue since the stock was watched: t (KST), price (won), qty (shares), side, volume (accumulated
        shares)."""
        return self.data.ticks(self._code(code), Venue(venue))

    def bars(self, code: str, every: str = "1m", venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Closed bars of a venue since the stock was watched: t (start, KST), open, high, low, close (won), volume
        (shares), count (trades)."""
        return self.data.bars(self._code(code), every, self.now, Venue(venue))

    def gaps(self, code: str = "") -> pl.DataFrame:
        """Where trades were not heard: code, venue, since and until (KST), missing (shares; 0 when it cannot be told),
        filled (the bars of those minutes are KIS's own)."""
        return self.data.gap_frame(self._code(code) if code else "")

    # trading

    def buy(
        self,
        code: str,
        qty: int,
        price: int | None = None,
        *,
        venue: Venue | str | None = None,
        kind: OrderKind | str | None = None,
        stop: int | None = None,
        key: str | None = None,
        again: bool = False,
    ) -> Coroutine[Any, Any, Order]:
        """Buy ``qty`` shares; no price is a market order. Returns when the exchange has accepted it.

        Without a venue the router chooses one; ``stop`` makes it a stop-limit order. The same call in the same cell
        is the same order: run again it sends nothing and returns the order that there is. ``again=True`` means a new
        one. Raises OrderDenied (by us), OrderRejected (by KIS), OrderUnknown.
        """
        return self._typed(Side.BUY, code, qty, price, venue=venue, kind=kind, stop=stop, key=key, again=again)

    def sell(
        self,
        code: str,
        qty: int,
        price: int | None = None,
        *,
        venue: Venue | str | None = None,
        kind: OrderKind | str | None = None,
        stop: int | None = None,
        key: str | None = None,
        again: bool = False,
    ) -> Coroutine[Any, Any, Order]:
        """As ``buy``."""
        return self._typed(Side.SELL, code, qty, price, venue=venue, kind=kind, stop=stop, key=key, again=again)

    def batch(
        self, lines: Sequence[Line], *, key: str | None = None, again: bool = False
    ) -> Coroutine[Any, Any, OrderBook]:
        """Hand over several orders at once, each ``(side, code, qty)`` or ``(side, code, qty, price)``.

        They go to KIS one at a time. Returns a book of them, in their order, when each is accepted, filled, refused or
        unknown: a refused one raises nothing and stops none, its state and text say what became of it. The same call
        in the same cell is the same batch, as in ``buy``; ``key`` names it instead. Raises BadInput for a line that
        cannot be read, and OrderDenied when the cell sent other orders before; then nothing is sent.
        """
        keys = [{"again": again} if key is None else {"key": f"{key}:{n}"} for n in range(1, len(lines) + 1)]
        return self._batch([self.intent(*line_of(line), **k) for line, k in zip(lines, keys, strict=True)])

    def revise(
        self, what: Order | int | str, price: int, qty: int | None = None, *, key: str | None = None,
        again: bool = False,
    ) -> Coroutine[Any, Any, Order]:  # fmt: skip
        """Move ``qty`` shares (None: all that is left) of an open order to another price, won.

        Returns the order that they become; it goes to the end of the queue, and its log says so. Raises OrderDenied,
        OrderRejected, OrderUnknown, as ``buy`` does.
        """
        old = orders_named(self.books, what)[-1]
        intent = self.intent(old.side, old.code, qty or old.leaves, price, kind=old.intent.kind, key=key, again=again)
        return self._submit(msgspec.structs.replace(intent, agent=old.intent.agent, supersedes=old.key))

    async def resolve(self, adopt: int | None, what: Order | str | None = None) -> Order:
        """Say what became of an order of unknown fate: it is KIS's order number ``adopt``, or (None) was never sent.

        ``what`` may be left out when there is just one. Raises BadInput while KIS's list of orders contradicts it.
        """
        await self._returned()
        unknown = [o for o in self.books.live.values() if o.state is OrderState.UNKNOWN]
        chosen = orders_named(self.books, what)[-1:] if what is not None else unknown
        if len(chosen) != 1:
            named = ", ".join(f"{o.key} ({o.intent.text})" for o in unknown)
            raise BadInput(f"there are {len(unknown)} orders of unknown fate", f"name one: {named}" if named else "")
        (order,) = chosen
        self.decisions_refused.pop(order.key, None)
        self.tell([ResolveOrder(order.key, adopt)])
        await self._until(lambda: order.state is not OrderState.UNKNOWN or order.key in self.decisions_refused, None)
        if order.state is OrderState.UNKNOWN:
            raise BadInput(f"{order.intent.text} stays unknown: {self.decisions_refused[order.key]}")
        return order

    async def route(self, what: Order | int | str) -> Evidence:
        """Why an order (itself, its number or its key) went where it went; ``.score(order.fills)`` says what it was
        worth. Raises BadInput when the desk has decided nothing about it."""
        order = orders_named(self.books, what)[-1]
        return self.decision(await self.ask(RoutesOf(order.key)), what)

    async def routes(self, code: str = "") -> list[Evidence]:
        """The desk's newest routing decisions, of one stock or of all, oldest first."""
        reply = await self.ask(RoutesOf(code=self._code(code) if code else ""))
        assert isinstance(reply, RoutesAre)
        return list(reply.decisions)

    async def route_of(
        self, side: Side | str, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Evidence:
        """Where such an order would go now, and what it may cost on each venue, won; nothing is sent."""
        return self.decision(await self.ask(self.preview(side, code, qty, price, **options)), code)

    async def cancel(self, what: Order | int | str) -> list[Order]:
        """Cancel an order (itself, its number or its key) or ``"all"``; returns when each is ended or refused."""
        await self._returned()
        orders = orders_named(self.books, what)
        # The desk sends one cancel of an order at a time; the one on its way may be for a part only.
        await self._until(lambda: not any(o.is_open and o.cancel_asked for o in orders), None)
        before = {o.key: len(o.log) for o in orders}
        self.tell([CancelOrder(o.key) for o in orders if o.is_open])
        await self._until(lambda: all(o.is_ended or _cancel_refused(o, before[o.key]) for o in orders), None)
        return orders

    async def halt(
        self, reason: str, *, state: Literal["reducing", "halted"] = "halted", flatten: bool = False
    ) -> list[HaltStep]:
        """Pull the kill switch; returns its steps when it has ended.

        It blocks new orders, cancels all that is open, asks KIS until nothing is, and sets the state: halted lets
        cancels pass, reducing also sells up to the position. ``flatten`` sells all that is held.
        """
        await self._returned()
        before = len(self.halt_steps)
        self.tell([Halt(reason, state, flatten)])
        await self._until(lambda: any(s.step == "notify" for s in self.halt_steps[before:]), None)
        return self.halt_steps[before:]

    async def resume(self, reason: str) -> str:
        """Lift a halt: new orders pass again. Returns what was lifted; raises BadInput without a reason."""
        return told(await self.ask(LiftHalt(reason)))

    async def arm(self, tail: str, minutes: int, budget: int) -> str:
        """Let buys pass at live for so many minutes and won; ``tail`` are the last four digits of the account, typed.

        0 minutes disarm; a restart of the desk does too. Sim and paper need none. Raises BadInput.
        """
        return told(await self.ask(ArmDesk(tail, minutes, budget)))

    async def tasks(self) -> str:
        """The tasks of the desk and of this session under their owners, as text."""
        mine = [task.get_name() for task in self._own_tasks if not task.done()]
        mine += [f"agent task of {runner.id}" for runner in self.agents if runner.state == "running"]
        return "\n".join([told(await self.ask(TasksNow())), "session", *(f"  {name}" for name in sorted(mine))])

    # time

    def moment(self, when: str) -> Ns:
        """``"09:10"`` or ``"close"`` of today, KST. Raises BadInput."""
        return sessions.regular_close(self.today) if when == "close" else kst(self.today, seconds_of_day(when))

    async def until(self, when: str) -> None:
        """Wait until ``"09:10"`` or ``"close"`` (KST, today); a simulated day goes there as fast as all follow.

        A moment that is past ends the wait at once.
        """
        t = self.moment(when)
        if self.mode is not Mode.SIM or self.now >= t:
            await self._wait_for(t)
            return
        await self._returned()
        self._hurrying += 1
        try:
            self.tell([FastForward(on=True)])
            await self._wait_for(t)
        finally:
            self._hurrying -= 1
            with suppress(DeskLost):
                self.tell([FastForward(on=False)])

    async def sleep(self, seconds: float) -> None:
        """So many seconds of the session's clock."""
        await self._wait_for(self.now + int(seconds * 1_000_000_000))

    async def settle(self) -> None:
        """Return when everything that has been sent is decided: the last line of a notebook that nobody watches."""
        await self._until(lambda: not any(o.state in UNDECIDED for o in self.books.live.values()), None)

    # panels

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` in the notebook's loop after each batch of events; returns what ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    # end

    async def close(self) -> None:
        """Leave the desk; agents of this session stop, their orders stay in the market."""
        if self._closed:
            return
        self._closed = True
        self.agents.close()
        self.agents_moved()
        if self._returning is not None:
            self._returning.cancel("the session was closed")
        self._waits.fail(NotOpen("the session was closed", "open it again with %kis open"))
        for task in self._own_tasks:
            task.cancel("the session was closed")
        self._desk.close()
        self.changed()

    @property
    def closed(self) -> bool:
        """Whether the session has left its desk."""
        return self._closed

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = (
            "closed"
            if self._closed
            else f"{self.clock_text()} KST, {len(self.book.orders)} orders, {len(self.agents)} agents"
        )
        return f"<Session {self.label}: {state}>"

    # inside

    def intent(
        self, side: Side, code: str, qty: int, price: int | str | None = None, **options: Unpack[OrderOptions]
    ) -> Intent:
        """An Intent from what was typed; raises BadInput with the cure."""
        given = options.get("key")
        intent = typed_intent(
            side, self._code(code), qty, price, venue=options.get("venue"), kind=options.get("kind"),
            stop=options.get("stop"), key=given,
        )  # fmt: skip
        again = options.get("again", False)
        minted = order_keys.source(self, again) if given is None and order_keys.source is not None else None
        return msgspec.structs.replace(intent, key=minted) if minted else intent

    def preview(
        self, side: Side | str, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> RouteOf:
        """The question where such an order would go."""
        options["key"] = "preview"
        return RouteOf(self.intent(Side(side), code, qty, price, **options))

    @staticmethod
    def decision(reply: Reply, what: object) -> Evidence:
        """The newest decision of an answer; raises BadInput when there is none."""
        assert isinstance(reply, RoutesAre)
        if not reply.decisions:
            raise BadInput(f"no venue was chosen for {what}", "the order was refused before; see %kis orders")
        return reply.decisions[-1]

    def named(self, reply: Reply) -> Quote:
        """A quote with the name of the stock, which KIS's reply lacks."""
        assert isinstance(reply, Quote)
        return msgspec.structs.replace(reply, name=self.universe.get(reply.code).name)

    def tell(self, commands: Sequence[Command]) -> None:
        """Hand commands to the desk; raises DeskLost."""
        if commands:
            self._desk.send(commands)

    async def ask(self, query: Query) -> Reply:
        """The answer of the desk; a question that a desk took to its grave is asked again."""
        await self._returned()
        try:
            return await self._desk.ask(query)
        except DeskLost:
            self._pump()
            if self._returning is None:
                raise
        await self._returned()
        return await self._desk.ask(query)

    def ask_blocking(self, query: Query, timeout: float = 15.0) -> Reply:
        return self._desk.ask_blocking(query, timeout)

    def begin(self, intent: Intent) -> Order:
        """Hand an intent to the desk, once: a known key sends nothing, or raises OrderDenied when it meant another."""
        known = self.books.orders.get(intent.key)
        if known is not None:
            check_same(known, intent)
            known.repeats += 1
            return known
        self._watch(intent.code)
        self.tell([Submit(intent)])
        return self.books.expect(intent, self.now)

    def _typed(
        self, side: Side, code: str, qty: int, price: int | None, **options: Unpack[OrderOptions]
    ) -> Coroutine[Any, Any, Order]:
        # What was typed is read, and its key minted, in the calling cell's own turn.
        return self._submit(self.intent(side, code, qty, price, **options))

    async def _submit(self, intent: Intent) -> Order:
        await self._returned()
        order = self.begin(intent)
        # Another session may have used the key a moment before: then desk and book have the other intent.
        await self._until(lambda: order.state not in UNDECIDED or not same_wish(order.intent, intent), None)
        check_same(order, intent)
        return verdict(order, order.state, order.text, order.msg_cd)

    async def _batch(self, intents: Sequence[Intent]) -> OrderBook:
        await self._returned()
        for intent in intents:
            if (known := self.books.orders.get(intent.key)) is not None:
                check_same(known, intent)
        self._watch(*(intent.code for intent in intents))
        self.tell([Submit(intent) for intent in intents if intent.key not in self.books.orders])
        book = OrderBook("batch")
        for intent in intents:
            order = book.orders[intent.key] = self.books.expect(intent, self.now)
            order.repeats += bool(order.log)
        await self._until(lambda: not any(o.state in UNDECIDED for o in book.orders.values()), None)
        return book

    def _code(self, code: str) -> str:
        return self.universe.get(code).code

    @property
    def _runs_free(self) -> bool:
        """The clock moves without the desk; in lockstep every move of it comes as an event."""
        return not isinstance(self._clock, SimulatedClock) or self._clock.speed > 0

    async def _wait_for(self, t: Ns) -> None:
        alarm = self.task(self._alarm(t), f"wait until {clock_text(t)}")
        try:
            await self._until(lambda: self.now >= t, t)
        finally:
            alarm.cancel("what it was set for is over")

    def task(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """A task of this session, which ends with it."""
        task = self._loop.create_task(work, name=what)
        self._own_tasks.add(task)
        task.add_done_callback(self._own_tasks.discard)
        return task

    async def _alarm(self, t: Ns) -> None:
        """A clock that runs free reaches ``t`` without any event."""
        await self._clock.sleep_until(t)
        self._waits.look()

    def agents_moved(self) -> None:
        """What agents and gaps wait for may be another moment now: set their alarm, and say so to the desk."""
        wake = self._next_wake() if self._runs_free and not self._closed else None
        if wake != self._agents_wake:
            self._agents_wake = wake
            if self._agents_alarm is not None:
                self._agents_alarm.cancel("the agents wait for another moment")
            self._agents_alarm = None if wake is None else self.task(self._wake_agents(wake), "wake of the agents")
        self._report_soon()

    async def _wake_agents(self, t: Ns) -> None:
        await self._clock.sleep_until(t)
        self._agents_wake = self._agents_alarm = None
        self.agents.deliver(ClockMoved(self.now), self.now)
        self.backfill.look(self.now)
        self.changed()
        self.agents_moved()

    def _next_wake(self) -> Ns | None:
        return min((t for t in (self.agents.next_wake(), self.backfill.next_wake()) if t is not None), default=None)

    async def _until(self, over: Callable[[], bool], wake: Ns | None) -> None:
        self._notice_death()
        if self._returning is None:
            self._desk.check()
        await self._waits.until(over, wake, self._report_soon)

    def _pump(self) -> None:
        """Handle all that came, in order: books first, then the agents, then those who wait."""
        while not self._closed and (batch := self._desk.drain()) is not None:
            if isinstance(self._clock, SimulatedClock) and not self._clock.speed:
                self._clock.set(batch.now)
            for event in batch.events:
                self._handle(event, batch.now)
            self._waits.look()
            self.changed()
        if self._desk.lost and not self._closed:
            self._lost()
        else:
            self.backfill.look(self.now)
            self.agents_moved()

    def _notice_death(self) -> None:
        """The desk's thread sees its end before this loop does: what a cell does in between waits for the next one."""
        if self._desk.lost and self._returning is None and not self._closed:
            self._pump()

    def _listen(self) -> None:
        self._desk.on_ready(lambda: self._loop.call_soon_threadsafe(self._pump))
        self._loop.call_soon(self._pump)

    # a desk that dies, and the next one

    def _lost(self) -> None:
        if self._find is not None and not self._desk.dismissed:
            if self._returning is None:
                self.link = "desk restarting"
                self._desk.close()
                self._returning = self._loop.create_task(self._return(self._find, self.now))
                self.changed()
            return
        try:
            self._desk.check()
        except DeskLost as e:
            self._give_up(e)

    def _give_up(self, why: DeskLost) -> None:
        self.link, self._given_up = "desk lost", why
        self._waits.fail(why)
        self.changed()

    async def _return(self, find: Find, since: Ns) -> None:
        """Attach to the next desk and go on where the last one died."""
        try:
            self._desk, snapshot = await find(Back(self._desk.session, self.run, self._told, self.agents.running))
            if (snapshot.run, snapshot.first) != (self.run, self._told):
                self._desk.close()
                raise DeskLost("the desk that came back has another day", "open it again with %kis open")
        except DeskLost as e:
            self._returning = self._find = None
            self._give_up(e)
            return
        self._returning = None
        # What was on its way to the dead desk and is not in its journal was never sent.
        untaken = [o for o in self.books.live.values() if not o.log]
        if isinstance(self._clock, SimulatedClock):
            self._clock.set(snapshot.now, snapshot.speed)
        self.link, self._said, self.scope = "up", None, snapshot.scope
        self.agents.leased(snapshot.leases)
        for row in snapshot.rows():
            # DESK_ONLY rows are not in a snapshot, so every row is an event as well.
            self._handle(row, snapshot.now)  # type: ignore[arg-type]
        for order in (o for o in untaken if not o.log):
            cure = "order it again if it is still wanted"
            self._dropped(
                CommandDropped(snapshot.now, order.key, "the desk died before it took it", cure), snapshot.now
            )
        self._mark_gap(since, snapshot.now)
        with suppress(DeskLost):
            self.tell([WatchCodes(tuple(self._wants))] if self._wants else [])
            self.tell([FastForward(on=True)] if self._hurrying else [])
        self._waits.look()
        self.changed()
        self._listen()

    def _mark_gap(self, since: Ns, now: Ns) -> None:
        self._handle(
            Trouble(now, f"the desk died at {clock_text(since)} and is back: trades in between are missing"), now
        )
        for want in self._wants:
            if _trades(want):
                self._handle(GapFound(now, want.code, since, 0, want.venue or Venue.KRX), now)

    async def _returned(self) -> None:
        """Wait while the desk is being started again. Raises DeskLost when it is not."""
        self._notice_death()
        if self._returning is not None:
            await asyncio.wait([self._returning])
        if self._given_up is not None:
            raise self._given_up

    def _handle(self, event: Event, now: Ns) -> None:
        if isinstance(event, _ROWS):
            self._told += 1
        if isinstance(event, CommandDropped):
            self._dropped(event, now)
            return
        if isinstance(event, Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades):
            self.data.add(event)
            if event.venue is Venue.NXT and sessions.session_id(event.t) is SessionId.KRX_REG:
                # In KRX's regular session a strategy follows KRX's price; Nextrade's is the router's matter.
                return
        else:
            self._note(event)
        self.agents.deliver(event, now)

    def _note(self, event: Event) -> None:
        """Take over what an event says of orders, the desk and its connection."""
        match event:
            case HaltSet() | HaltStep() | Armed() | Disarmed():
                self._control(event)
            case AccountOpened() | HoldingAdopted():
                self.books.hold(event)
            case SpeedSet(t=t, speed=speed):
                assert isinstance(self._clock, SimulatedClock)
                self._clock.set(t, speed)
            case AgentLeased() | AgentReleased():
                self.agents.lease_changed(event)
            case Trouble(text=text) | Unresolved(text=text):
                self.troubles.append(text)
            case DecisionRefused(key=key, text=text):
                self.decisions_refused[key] = text
            case SubscriptionChanged(state="refused", channel=channel, code=code, text=text):
                self.troubles.append(f"subscription to {channel} {code} refused: {text}")
            case LinkWasLost() | LinkUp() | GapFound():
                self._note_link(event)
            case _ if isinstance(event, _FACTS):
                self.books.apply(event)  # type: ignore[arg-type]

    def _note_link(self, event: LinkWasLost | LinkUp | GapFound) -> None:
        """Take over what an event says of the stream: from when to when trades were not heard."""
        match event:
            case GapFound():
                self.backfill.found(event)
            case LinkWasLost():
                # The stream connects again by itself; when the simulator is gone, its desk ends and says so.
                self.link = "down"
                self.backfill.link_lost(event.t)
            case LinkUp():
                self.link = "up"
                self.backfill.link_up(event.t, {(w.code, w.venue or Venue.KRX) for w in self._wants if _trades(w)})

    def _dropped(self, dropped: CommandDropped, now: Ns) -> None:
        """The desk did not take it. No row says so, so it is told to the books and the agents of this session alone."""
        order = self.books.orders.get(dropped.key)
        if order is None or order.is_ended:
            return
        fact: OrderFact
        if order.state is OrderState.NEW:
            fact = Denied(dropped.t, dropped.key, dropped.reason, dropped.cure)
        else:
            fact = CancelRefused(dropped.t, dropped.key, "", f"{dropped.reason}; {dropped.cure}")
        self.books.apply(fact)
        self.agents.deliver(fact, now)

    def _control(self, event: HaltSet | HaltStep | Armed | Disarmed) -> None:
        match event:
            case HaltSet(state=state):
                self.halt_state = state
            case HaltStep(step=step, done=done, text=text):
                self.halt_steps.append(event)
                if not done or step == "notify":
                    self.troubles.append(f"{clock_text(event.t)} kill switch, {step}: {text}")
            case Armed() | Disarmed():
                self.armed = event if isinstance(event, Armed) else None

    def changed(self) -> None:
        """Tell panels; one that fails is dropped and named."""
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as e:
                self._listeners.remove(listener)
                self.troubles.append(f"a panel stopped: {e!r}")

    def _report_soon(self) -> None:
        """Say Idle after the cells and agents that were just woken had their turn."""
        if self.mode is Mode.SIM and not self._reporting and not self._closed:
            self._reporting = True
            self._loop.call_soon(self._loop.call_soon, self._loop.call_soon, self._report)

    def _report(self) -> None:
        self._reporting = False
        wakes = [t for t in (self._waits.next_wake(), self._next_wake()) if t is not None]
        # A handler that awaits something foreign is not at rest: -1 has handled nothing.
        seq = -1 if self.agents.busy else self._desk.seq
        idle = Idle(seq, min(wakes, default=None), bool(self._waits))
        if idle != self._said and not self._closed and not self._desk.lost:
            self._said = idle
            self.tell([idle])


def _trades(want: Want) -> bool:
    return want.channel == "ticks"


def _cancel_refused(order: Order, since: int) -> bool:
    return any(text.startswith("cancel refused") for _, text in order.log[since:])
