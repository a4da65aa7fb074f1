"""One run: a desk core and a simulated host under a schedule, event by event on a stepped clock.

The desk's journal is a list of rows. The desk dies between any two effects, or in the middle of a
Persist of which only the first rows are left; what it had started goes on without it, and its next
life begins from the rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import cache
from random import Random
from typing import TypeAlias

from msgspec.structs import replace

from kisnb.clock import SECOND, Ns
from kisnb.errors import ApiError
from kisnb.events import LinkDown, LinkUp, Notice, Tick
from kisnb.orders import Account, Capabilities, OrderPage, SendReply
from kisnb.simulator.host.streams.sockets import Outgoing
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.desk_core import CoreMessage, DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.commands import EndProtection
from kisnb.trading.ports.effects import (
    AskDepth,
    AskOrders,
    Cancel,
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
from kisnb.trading.ports.journal_rows import Row, decode_row, encode_row, is_published
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State

from .host_side import HostSide, universe
from .invariants import Watch
from .misreadings import Misread
from .notebooks import Notebooks, Plant, sound
from .people import People
from .schedule import (
    BEGIN,
    DECIDED,
    EVENING,
    EXITS_END,
    LAST_KILL,
    NIGHT,
    SETTLED,
    TICKS,
    Do,
    Fault,
    Schedule,
    setting,
    trades_of,
)
from .turns import Turn
from .wire import Post

KINDS = (OrderKind.LIMIT, OrderKind.MARKET, OrderKind.LIMIT_IOC, OrderKind.LIMIT_FOK)
CAN = Capabilities(tuple(Venue), KINDS, can_order=True)


Make: TypeAlias = Callable[[Rules, Limits, State], DeskCore]
"""Makes a desk core; a defective one, to see whether the campaign finds it."""


@cache
def rules() -> Rules:
    return Rules(universe(), CAN)


class Run:
    """Plays a schedule to the end; ``watch.broken`` then holds what went wrong."""

    def __init__(self, schedule: Schedule, core: Make = DeskCore, plant: Plant = sound) -> None:
        self._make = core
        self.rules = rules()
        given = setting(schedule.seed)
        self.limits = Limits(windows=given.windows, needs_arming=bool(given.armings))
        self.budget = given.budget
        self._rng = Random(schedule.seed ^ 0xFA17)
        self.ills: dict[str, Fault] = {}
        """What happens to the first POST of an order, by key."""
        self._faults = {(f.of, f.nth): f for f in schedule.items if isinstance(f, Fault)}
        self._misreads = [item for item in schedule.items if isinstance(item, Misread)]
        self._met = dict.fromkeys(("post", "ask", "notice", "effect"), -1)
        self._queue: list[tuple[Ns, int, Callable[[], None]]] = []
        self._pushed = 0
        self.jump: Ns = 0
        self.deaf_until: Ns = 0
        self._life = 0
        self.host = HostSide(schedule.seed)
        self.rows: list[Row] = []
        self._to_tell: list[Row] = []
        """Those of the rows that sessions are told."""
        self.desk: DeskCore | None = None
        self.watch = Watch(self)
        self.people = People(self)
        self.full_until: Ns = 0
        self.trace: list[str] | None = None
        self.notebooks = Notebooks(self, schedule.seed, plant)
        for item in schedule.items:
            if isinstance(item, Do):
                self._at(item.t, lambda item=item: self.people.do(item))  # type: ignore[misc]
            if isinstance(item, Turn):
                self._at(BEGIN + item.t, lambda item=item: self.notebooks.do(item))  # type: ignore[misc]
        for t, code, price in trades_of(schedule.seed):
            self._at(t, lambda code=code, price=price: self._trade(code, price))  # type: ignore[misc]
        self._at(EXITS_END, self._end_exits)
        for t, until in given.armings:
            self._at(t, lambda until=until: self.people.arm(until))  # type: ignore[misc]
        self._at(BEGIN, self._begin)

    def play(self) -> list[str]:
        """Everything that was violated, as sentences; none when all held."""
        try:
            self._play()
        finally:
            self.notebooks.end()
        return self.watch.broken

    def _play(self) -> None:
        self._until(SETTLED)
        self.watch.settled()
        for t in range(SETTLED, DECIDED, 10 * SECOND):
            self.people.decide()
            self._until(t)
        self.watch.decided()
        for t in range(EVENING - 60 * SECOND, EVENING + 1, 10 * SECOND):
            self._until(t)
            self.people.decide()
        end = EVENING + 10 * SECOND
        self._until(end)
        # A flatten may have sent once more just now, and Nextrade is open. The people wait until
        # they may decide about that order too.
        while self.watch.undecided() and end < NIGHT:
            end += 10 * SECOND
            self.people.decide()
            self._until(end)
        self.watch.over()

    # time

    def _at(self, t: Ns, do: Callable[[], None]) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (t, self._pushed, do))

    def after(self, wait: Ns, do: Callable[[], None]) -> None:
        self._at(self.host.core.now + wait, do)

    def _until(self, end: Ns) -> None:
        core = self.host.core
        while True:
            due = min(self._queue[0][0], end) if self._queue else end
            if out := core.step(max(due, core.now)):
                self.deliver(out)
            elif self._queue and self._queue[0][0] <= end:
                heapq.heappop(self._queue)[2]()
                self.notebooks.go_on()
            else:
                return

    @property
    def now(self) -> Ns:
        """The desk's clock: it may be wrong."""
        return self.host.core.now + self.jump

    def _fault(self, of: str) -> Fault | None:
        self._met[of] += 1
        return self._faults.get((of, self._met[of]))  # type: ignore[call-overload, no-any-return]

    def note(self, *parts: object) -> None:
        """Add a line to the trace, when there is one. Only then its parts become text."""
        if self.trace is not None:
            seconds = (self.host.core.now - BEGIN) / SECOND
            self.trace.append(f"{seconds:9.3f}  {' '.join(map(str, parts))}")

    # the desk's life

    def _begin(self) -> None:
        if self.host.core.now < self.full_until:
            self.after(SECOND, self._begin)
            return
        self._life += 1
        state = State.fold([decode_row(encode_row(row)) for row in self.rows])
        self.desk = self._make(self.rules, self.limits, state)
        self.watch.began(state)
        self.note("desk begins, life", self._life)
        self.notebooks.desk_began(self.desk)
        self._run(self.desk.start(self.now))
        self._connect()

    def die(self, why: str) -> None:
        self.note("desk dies", why)
        self.desk = None
        self.notebooks.desk_died()
        self._life += 1
        self.host.disconnect()
        self.after(self._rng.randrange(SECOND // 10, 15 * SECOND), self._begin)

    def _connect(self) -> None:
        if self.desk is not None and not self.host.sid:
            self.host.connect(self._life * 1_000 + self._pushed)
            self.say(LinkUp(self.now))

    def cut(self, wait: Ns) -> None:
        if self.host.sid:
            self.host.disconnect()
            self.say(LinkDown(self.now, "cut"))
            self.after(wait, self._connect)

    def say(self, said: CoreMessage) -> None:
        if self.desk is None:
            return
        self.note("  →", said)
        self.watch.halts.said(said)
        effects = self.desk.step(self.now, said)
        self._run(effects)
        if self.desk is not None:
            self.watch.halts.stepped()
            # Only rows change the state, and KIS's own figures only grow.
            if any(isinstance(effect, Persist) for effect in effects):
                self.watch.stepped(self.desk.state)

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            fault = self._fault("effect")
            if fault is not None and self.host.core.now < LAST_KILL:
                torn = list(effect.rows[: fault.amount]) if isinstance(effect, Persist) else []
                self._keep(torn)
                self.die(f"before {type(effect).__name__}, {len(torn)} rows of it kept")
                return
            if isinstance(effect, Persist) and self.host.core.now < self.full_until:
                self.die("for its disk is full")
                return
            self._carry_out(effect)

    def _keep(self, rows: list[Row]) -> None:
        for row in rows:
            self.note("   ", row)
            self.rows.append(row)
            if is_published(row):
                self._to_tell.append(row)
            self.watch.persisted(row)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Persist(rows=rows):
                self._keep(list(rows))  # type: ignore[arg-type]
            case Send() | Revise():
                self.watch.sent(effect)
                later = (lambda: self._refused_later(effect)) if isinstance(effect, Send) else None
                self._post(effect.intent.key, lambda: self._order(effect), later)
            case Publish(event=event):
                self.notebooks.publish(event)
            case Cancel(key=key, ref=ref, qty=qty):
                self.watch.cancels(key)
                self._post(key, lambda: self.host.cancel(key, ref, qty), None, cancel=True)
            case AskOrders(query=question):
                self._ask(question)
            case AskDepth(code=code):
                self.later(self.latency(), lambda: self.say(DepthRead(code, ())))
            case WakeAt(t=t):
                self.later(max(t - self.now, 0), lambda: self.say(Woke(t)))

    def _end_exits(self) -> None:
        """A person ends the exits that still sell: their next order could be under way for ever."""
        if self.desk is not None:
            for key in list(self.desk.state.exits.watches):
                self.say(EndProtection(key))

    def _trade(self, code: str, price: int) -> None:
        """A trade in the market, which the desk follows when it lives."""
        if self.desk is not None:
            tick = TICKS[code][1]
            t = self.now
            self.say(
                Tick(
                    t,
                    code,
                    Venue.KRX,
                    price,
                    1,
                    Side.SELL,
                    1,
                    price,
                    price + tick,
                    price,
                    t,
                    99,
                    99,
                )
            )

    def later(self, wait: Ns, do: Callable[[], None]) -> None:
        """What only this life of the desk hears of."""
        life = self._life

        def unless_dead() -> None:
            if self._life == life:
                do()

        self.after(wait, unless_dead)

    # the wire

    def latency(self) -> Ns:
        return self._rng.randrange(SECOND // 1_000, SECOND // 10)

    def _order(self, effect: Send | Revise) -> SendReply:
        if isinstance(effect, Revise):
            reply = self.host.revise(effect.intent, effect.ref)
        else:
            reply = self.host.submit(effect.intent, effect.route)
        if reply.ref is not None:
            self.watch.arrived(effect.intent.key, reply.ref.number)
        return reply

    def _refused_later(self, effect: Send) -> SendReply:
        reply, notice = self.host.refuse_later(effect.intent, effect.route)
        self._hear(self.latency(), notice)
        return reply

    def _post(
        self,
        key: str,
        call: Callable[[], SendReply],
        refused_later: Callable[[], SendReply] | None = None,
        *,
        cancel: bool = False,
    ) -> None:
        fault = self._fault("post")
        fault = self.ills.pop(key, None) or fault
        Post(self, key, call, refused_later, cancel=cancel).start(fault)

    def _ask(self, question: OrdersQuery) -> None:
        fault = self._fault("ask")
        wait = fault.amount if fault else 0
        silent = fault is not None and fault.ill == "silent"
        there, back = self.latency(), self.latency()

        def read_account() -> None:
            account: Account | None = None
            wrong = self._wrong("account")
            if question.account:
                # A first statement that is wrong would open the account: nothing contradicts it.
                if self.desk is not None and self.desk.state.opened is not None:
                    self.host.strike("inquire_balance", wrong)
                try:
                    account = self.host.account()
                except ApiError:
                    account = None
                self.host.strike("inquire_balance", "")
            if account is not None and wrong == "broken":
                account = replace(account, holdings=account.holdings[::2], complete=False)
            self.after(there, lambda: read_orders(account))

        def read_orders(account: Account | None) -> None:
            page: OrderPage | None = None
            wrong = self._wrong("orders")
            self.host.strike("inquire_daily_ccld", wrong)
            try:
                page = None if silent else self.host.day_orders()
            except ApiError:
                page = None
            self.host.strike("inquire_daily_ccld", "")
            part = None
            if page is not None and wrong == "broken":
                page, part = None, OrderPage(page.rows[::2], complete=False)
            read = OrdersRead(question, page, account, part)
            self.after(wait + back, lambda: say(read))

        life = self._life

        def say(answer: OrdersRead) -> None:
            if self._life == life:
                self.watch.listed = (
                    {row.ref.number for row in answer.page.rows}
                    if answer.page is not None
                    else set()
                )
                self.say(answer)

        self.after(there, read_account)

    @property
    def has_misread(self) -> bool:
        """KIS's list or account has been wrong in this run."""
        return any(BEGIN + m.t <= self.host.core.now for m in self._misreads)

    def _wrong(self, of: str) -> str:
        """What KIS says wrongly now; empty when it says what is."""
        now = self.host.core.now - BEGIN
        return next((m.what for m in self._misreads if m.of == of and m.t <= now < m.until), "")

    def deliver(self, out: list[Outgoing]) -> None:
        """Frames on their way: each connection keeps its order, unless a fault says otherwise."""
        self.host.outgoing += out
        for notice in self.host.taken():
            fault = self._fault("notice")
            ill = "drop" if self.host.core.now < self.deaf_until else fault.ill if fault else ""
            wait = self.latency()
            if ill == "drop":
                self.note("dropped:", notice)
                continue
            for again in range({"twice": 2, "thrice": 3}.get(ill, 1)):
                late = fault.amount * (again + (ill == "delay")) if fault else 0
                self._hear(wait + late, notice)

    def _hear(self, wait: Ns, notice: Notice) -> None:
        sid = self.host.sid

        def hear() -> None:
            if self.host.sid == sid:
                self.say(notice)

        self.later(wait, hear)
