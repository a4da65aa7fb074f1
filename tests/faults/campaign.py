"""One run: a desk core and a simulated host under a schedule, event by event on a stepped clock.

The desk's journal is a list of rows. The desk dies between any two effects, or in the middle of a Persist of which
only the first rows are left; what it had started goes on without it, and its next life begins from the rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import cache
from random import Random

from kisnb.clock import SECOND, Ns
from kisnb.errors import ApiError
from kisnb.events import LinkLost, LinkUp, Notice
from kisnb.orders import Account, Capabilities, Intent, Order, OrderPage, OrderState, SendReply
from kisnb.simulator.account import Rejected
from kisnb.simulator.streams import Outgoing
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.commands import (
    Answer,
    Ask,
    AskBooks,
    BooksRead,
    Cancel,
    CancelOrder,
    CancelReply,
    Effect,
    Persist,
    Question,
    ResolveOrder,
    Revise,
    ReviseOrder,
    Send,
    SetHalt,
    Submit,
    WakeAt,
    Woke,
)
from kisnb.trading.desk_core import DeskCore, Said
from kisnb.trading.journal_rows import Row, decode_row, encode_row
from kisnb.trading.limits import Limits
from kisnb.trading.order_book import EXTERNAL
from kisnb.trading.risk import Rules
from kisnb.trading.state import State

from .host_side import HostSide, universe
from .invariants import Watch
from .schedule import BEGIN, DECIDED, EVENING, LAST_KILL, SETTLED, Do, Fault, Schedule

CAN = Capabilities(tuple(Venue), (OrderKind.LIMIT, OrderKind.MARKET), can_order=True)
TIMEOUT: Ns = 10 * SECOND
"""After which a POST without an answer counts as unanswered."""


@cache
def rules() -> Rules:
    return Rules(universe(), CAN)


class Run:
    """Plays a schedule to the end; ``watch.broken`` then holds what went wrong."""

    def __init__(self, schedule: Schedule, core: Callable[[State], DeskCore] | None = None) -> None:
        self._make = core or (lambda state: DeskCore(rules(), Limits(), state))
        self._rng = Random(schedule.seed ^ 0xFA17)
        self._faults = {(f.of, f.nth): f for f in schedule.items if isinstance(f, Fault)}
        self._met = dict.fromkeys(("post", "ask", "notice", "effect"), -1)
        self._queue: list[tuple[Ns, int, Callable[[], None]]] = []
        self._pushed = 0
        self._jump: Ns = 0
        self._deaf_until: Ns = 0
        self._life = 0
        self._keys = 0
        self._intents: list[Intent] = []
        self.host = HostSide(schedule.seed)
        self.rows: list[Row] = []
        self.desk: DeskCore | None = None
        self.watch = Watch(self)
        self.trace: list[str] | None = None
        for item in schedule.items:
            if isinstance(item, Do):
                self._at(item.t, lambda item=item: self._do(item))  # type: ignore[misc]
        self._at(BEGIN, self._begin)

    def play(self) -> list[str]:
        """Everything that was violated, as sentences; none when all held."""
        self._until(SETTLED)
        self.watch.settled()
        for t in range(SETTLED, DECIDED, 10 * SECOND):
            self._decide()
            self._until(t)
        self.watch.decided()
        for t in range(EVENING - 60 * SECOND, EVENING + 1, 10 * SECOND):
            self._until(t)
            self._decide()
        self._until(EVENING + 10 * SECOND)
        self.watch.over()
        return self.watch.broken

    # time

    def _at(self, t: Ns, do: Callable[[], None]) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (t, self._pushed, do))

    def _after(self, wait: Ns, do: Callable[[], None]) -> None:
        self._at(self.host.core.now + wait, do)

    def _until(self, end: Ns) -> None:
        core = self.host.core
        while True:
            due = min(self._queue[0][0], end) if self._queue else end
            if out := core.step(max(due, core.now)):
                self._deliver(out)
            elif self._queue and self._queue[0][0] <= end:
                heapq.heappop(self._queue)[2]()
            else:
                return

    @property
    def now(self) -> Ns:
        """The desk's clock: it may be wrong."""
        return self.host.core.now + self._jump

    def _fault(self, of: str) -> Fault | None:
        self._met[of] += 1
        return self._faults.get((of, self._met[of]))  # type: ignore[call-overload, no-any-return]

    def _note(self, text: str) -> None:
        if self.trace is not None:
            seconds = (self.host.core.now - BEGIN) / SECOND
            self.trace.append(f"{seconds:9.3f}  {text}")

    # the desk's life

    def _begin(self) -> None:
        self._life += 1
        state = State.fold([decode_row(encode_row(row)) for row in self.rows])
        self.desk = self._make(state)
        self.watch.began(state)
        self._note(f"desk begins, life {self._life}")
        self._run(self.desk.start(self.now))
        self._connect()

    def _die(self, why: str) -> None:
        self._note(f"desk dies {why}")
        self.desk = None
        self._life += 1
        self.host.disconnect()
        self._after(self._rng.randrange(SECOND // 10, 15 * SECOND), self._begin)

    def _connect(self) -> None:
        if self.desk is not None and not self.host.sid:
            self.host.connect(self._life * 1_000 + self._pushed)
            self._say(LinkUp(self.now))

    def _cut(self, wait: Ns) -> None:
        if self.host.sid:
            self.host.disconnect()
            self._say(LinkLost(self.now, "cut"))
            self._after(wait, self._connect)

    def _say(self, said: Said) -> None:
        if self.desk is None:
            return
        self._note(f"  → {said}")
        effects = self.desk.step(self.now, said)
        self._run(effects)
        if self.desk is not None:
            self.watch.stepped(self.desk.state)

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            fault = self._fault("effect")
            if fault is not None and self.host.core.now < LAST_KILL:
                torn = list(effect.rows[: fault.amount]) if isinstance(effect, Persist) else []
                self._keep(torn)
                self._die(f"before {type(effect).__name__}, {len(torn)} rows of it kept")
                return
            self._carry_out(effect)

    def _keep(self, rows: list[Row]) -> None:
        for row in rows:
            self._note(f"    {row}")
            self.rows.append(row)
            self.watch.persisted(row)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Persist(rows=rows):
                self._keep(list(rows))  # type: ignore[arg-type]
            case Send() | Revise():
                self.watch.sent(effect)
                later = (lambda: self._refused_later(effect)) if isinstance(effect, Send) else None
                self._post(effect.intent.key, lambda: self._order(effect), later)
            case Cancel(key=key, ref=ref, qty=qty):
                self._post(key, lambda: self.host.cancel(key, ref, qty), None, cancel=True)
            case Ask(question=question):
                self._ask(question)
            case AskBooks(code=code):
                self._later(self._latency(), lambda: self._say(BooksRead(code, ())))
            case WakeAt(t=t):
                self._later(max(t - self.now, 0), lambda: self._say(Woke(t)))

    def _later(self, wait: Ns, do: Callable[[], None]) -> None:
        """What only this life of the desk hears of."""
        life = self._life

        def unless_dead() -> None:
            if self._life == life:
                do()

        self._after(wait, unless_dead)

    # the wire

    def _latency(self) -> Ns:
        return self._rng.randrange(SECOND // 1_000, SECOND // 10)

    def _order(self, effect: Send | Revise) -> SendReply:
        if isinstance(effect, Revise):
            reply = self.host.revise(effect.intent, effect.ref)
        else:
            reply = self.host.submit(effect.intent, effect.route)
        if reply.ref is not None:
            self.watch.placed[reply.ref.number] = effect.intent.key
        return reply

    def _refused_later(self, effect: Send) -> SendReply:
        reply, notice = self.host.refuse_later(effect.intent, effect.route)
        self._hear(self._latency(), notice)
        return reply

    def _post(
        self,
        key: str,
        call: Callable[[], SendReply],
        refused_later: Callable[[], SendReply] | None,
        *,
        cancel: bool = False,
    ) -> None:
        def end(wait: Ns, reply: SendReply) -> None:
            self._later(wait, lambda: self._say(CancelReply(reply) if cancel else reply))

        def arrive(back: Ns, instead: SendReply | None) -> None:
            reply = (refused_later if ill == "refused later" and refused_later else call)()
            self._note(f"host: {reply}")
            self._deliver(self.host.core.step(self.host.core.now))
            if back >= 0:
                end(back, instead or reply)

        fault = self._fault("post")
        there, back, ill = self._latency(), self._latency(), fault.ill if fault else ""
        lost = SendReply(key, "unknown", text="no answer came")
        match ill:
            case "cut before":
                end(there, lost)
            case "cut after":
                self._after(there, lambda: arrive(back, lost))
            case "late":
                # It reaches KIS when the desk has given it up, or shortly before.
                self._after(TIMEOUT - 4 * SECOND + fault.amount, lambda: arrive(-1, None))  # type: ignore[union-attr]
                end(TIMEOUT, lost)
            case "5xx":
                end(there + back, SendReply(key, "unknown", msg_cd="EGW00002", text="server error"))
            case "refused":
                end(there + back, SendReply(key, "rejected", msg_cd="APBK0918", text="장운영시간이 아닙니다."))
            case "slow":
                self._after(there, lambda: arrive(fault.amount, None))  # type: ignore[union-attr]
            case _:
                self._after(there, lambda: arrive(back, None))

    def _ask(self, question: Question) -> None:
        fault = self._fault("ask")
        wait = fault.amount if fault else 0
        silent = fault is not None and fault.ill == "silent"
        there, back = self._latency(), self._latency()

        def read_account() -> None:
            account: Account | None = None
            if question.account:
                try:
                    account = self.host.account()
                except ApiError:
                    account = None
            self._after(there, lambda: read_orders(account))

        def read_orders(account: Account | None) -> None:
            page: OrderPage | None = None
            try:
                page = None if silent else self.host.day_orders()
            except ApiError:
                page = None
            self._after(wait + back, lambda: say(Answer(question, page, account)))

        life = self._life

        def say(answer: Answer) -> None:
            if self._life == life:
                self._say(answer)

        self._after(there, read_account)

    def _deliver(self, out: list[Outgoing]) -> None:
        """Frames on their way: each connection keeps its order, unless a fault says otherwise."""
        self.host.outgoing += out
        for notice in self.host.taken():
            fault = self._fault("notice")
            ill = "drop" if self.host.core.now < self._deaf_until else fault.ill if fault else ""
            wait = self._latency()
            if ill == "drop":
                self._note(f"dropped: {notice}")
                continue
            for again in range({"twice": 2, "thrice": 3}.get(ill, 1)):
                late = fault.amount * (again + (ill == "delay")) if fault else 0
                self._hear(wait + late, notice)

    def _hear(self, wait: Ns, notice: Notice) -> None:
        sid = self.host.sid

        def hear() -> None:
            if self.host.sid == sid:
                self._say(notice)

        self._later(wait, hear)

    # people

    def _do(self, do: Do) -> None:
        self._note(f"{do.step} {do.code} {do.side} {do.qty} {do.price}")
        match do.step:
            case "submit":
                self._keys += 1
                key = f"agent:{do.which % 2}:run:{self._keys}"
                kind = OrderKind.MARKET if do.price is None else OrderKind.LIMIT
                protective = do.side == "sell" and do.which % 3 == 0
                intent = Intent(
                    key,
                    f"a{do.which % 2}",
                    do.code,
                    Side(do.side),
                    do.qty,
                    kind,
                    do.price,
                    do.venue,
                    protective=protective,
                )
                self._want(intent)
            case "rerun":
                for intent in list(self._intents):
                    self._tell(lambda intent=intent: self._submit(intent))  # type: ignore[misc]
            case "halt":
                state = ("reducing", "halted", "active")[do.which % 3]
                self._tell(lambda: self._say(SetHalt(state, "campaign")))  # type: ignore[arg-type]
                self._after(20 * SECOND, lambda: self._tell(lambda: self._say(SetHalt("active", "campaign"))))
            case "kill":
                if self.desk is not None:
                    self._die("killed")
            case "cut":
                self._cut(do.amount)
            case "deaf":
                self._deaf_until = self.host.core.now + do.amount
            case "jump":
                self._jump = max(-20 * SECOND, min(20 * SECOND, self._jump + do.amount))
            case "phone" | "phone cancel":
                self._phone(do)
            case "twin":
                self._twin(do)
            case _:
                self._tell(lambda: self._change(do))

    def _want(self, intent: Intent) -> None:
        self._intents.append(intent)
        self._tell(lambda: self._submit(intent))

    def _tell(self, say: Callable[[], None]) -> None:
        """A session that finds its desk dead says it again when the desk is back."""
        if self.desk is None:
            self._after(SECOND, lambda: self._tell(say))
        else:
            say()

    def _submit(self, intent: Intent) -> None:
        self._say(ReviseOrder(intent) if intent.supersedes else Submit(intent))

    def _change(self, do: Do) -> None:
        assert self.desk is not None
        orders = self.desk.state.books.orders
        mine = [o for o in orders.values() if o.is_open and (do.step != "revise" or o.intent.price)]
        if do.step in ("adopt", "disown"):
            mine = [o for o in mine if o.state is OrderState.UNKNOWN]
        if not mine:
            return
        order = mine[do.which % len(mine)]
        match do.step:
            case "cancel":
                self._say(CancelOrder(order.key, do.qty if do.which % 4 == 0 else None))
            case "revise" if order.intent.agent != EXTERNAL:
                self._revise(do, order)
            case "adopt":
                self._say(ResolveOrder(order.key, max(self.host.core.account.orders, default=1)))
            case "disown":
                self._say(ResolveOrder(order.key))

    def _revise(self, do: Do, order: Order) -> None:
        self._keys += 1
        old = order.intent
        key, price = f"{old.key}/r{self._keys}", do.price or old.price
        qty = order.leaves if do.which % 3 else min(order.leaves, do.qty)
        self._want(Intent(key, old.agent, old.code, old.side, qty, OrderKind.LIMIT, price, supersedes=old.key))

    def _phone(self, do: Do) -> None:
        core = self.host.core
        try:
            if do.step == "phone":
                price = do.price
                number, out = core.trade(do.code, Side(do.side), do.qty, price)
                self._note(f"phone: #{number}")
            else:
                live = [o.number for o in core.account.orders.values() if o.leaves and not o.original]
                if not live:
                    return
                _, out = core.cancel(live[do.which % len(live)])
        except Rejected:
            return
        self._deliver(out)

    def _twin(self, do: Do) -> None:
        """The phone orders just what the strategy ordered last."""
        last = next((intent for intent in reversed(self._intents) if not intent.supersedes), None)
        if last is not None:
            self._phone(Do(do.t, "phone", last.code, "buy" if last.side is Side.BUY else "sell", last.qty, last.price))

    def _decide(self) -> None:
        """A person looks at every order of unknown fate and says what they see at KIS."""
        if self.desk is None:
            return
        truth = {key: number for number, key in self.watch.placed.items()}
        for order in list(self.desk.state.books.live.values()):
            if order.state is OrderState.UNKNOWN:
                self._say(ResolveOrder(order.key, truth.get(order.key)))
