"""The desk as a pure state machine: ``step(now, said) → effects``.

State is the fold of the journal's rows, always: a row is applied in the same breath in which it is handed out to be
persisted. Hosts run effects strictly in order and sync a Persist before the next effect, so that no bytes of an order
leave before their row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

from kisnb.clock import Ns, clock_text, kst, kst_day
from kisnb.events import (
    Armed,
    BreakerTripped,
    CancelRefused,
    Denied,
    Depth,
    Disarmed,
    Event,
    HaltSet,
    LinkUp,
    Notice,
    OrderShown,
    PhaseChanged,
    Rejected,
    SendUnknown,
    Sent,
    Tick,
    Trouble,
)
from kisnb.market import sessions
from kisnb.orders import Order, OrderState, SendReply
from kisnb.terms import Venue
from kisnb.trading.gate.adoption import adopt
from kisnb.trading.gate.blackout import window_end
from kisnb.trading.gate.flatten import Flatten
from kisnb.trading.gate.halt import QUERY, KillSwitch
from kisnb.trading.gate.latest_books import LatestBooks
from kisnb.trading.gate.risk import Gate, No, Rules
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.notice_intake import NoticeIntake
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.reconciliation import AFTER_BOUNDARY, Reconciliation
from kisnb.trading.ports.commands import (
    Adopt,
    Answer,
    Arm,
    BooksRead,
    CancelOrder,
    CancelReply,
    Effect,
    EndFlatten,
    Halt,
    Persist,
    Publish,
    ResolveOrder,
    ReviseOrder,
    SetHalt,
    ShowOrder,
    Submit,
    WakeAt,
    Woke,
)
from kisnb.trading.ports.journal_rows import DESK_ONLY, Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State

_Control: TypeAlias = SetHalt | Halt | EndFlatten | Arm
_Command: TypeAlias = Submit | ReviseOrder | ShowOrder | CancelOrder | ResolveOrder | Adopt | _Control
Said: TypeAlias = _Command | Event | SendReply | CancelReply | Answer | BooksRead | Woke
"""All that a core can be told."""


class DeskCore:
    """Takes commands, replies and events; gives effects. Knows no clock, no socket and no file."""

    def __init__(self, rules: Rules, limits: Limits, state: State) -> None:
        self.rules = rules
        self.gate = Gate(rules, limits)
        self.state = state
        self.market = LatestBooks()
        self._rows: list[Row] = []
        self._effects: list[Effect] = []
        self._boundary: Ns = 0
        self.reconciliation = Reconciliation(rules, state, self._row, self._then)
        self._notices = NoticeIntake(rules, state, self.reconciliation, self._row, self._tell)
        self.orders = OrderPath(rules, self.gate, state, self.market, self.reconciliation, self._row, self._then)
        self.cancels = Cancels(state, self.reconciliation, self._row, self._then)
        flatten = Flatten(
            state, self.gate, self.market, self._row, self._then, self._kill, self.orders.take, self._ask_account
        )
        self._flatten = flatten
        self._kill_switch = KillSwitch(state, self._row, self._then, self._kill, flatten)
        self._prices: dict[str, int] = {}
        """The newest price of the stocks that are held, won."""

    def start(self, now: Ns) -> list[Effect]:
        """After the fold: what was in the air when the desk stopped is named, and the day's clock is set."""
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW and self.orders.stays_held(now, order):
                continue
            if order.state is OrderState.NEW:
                self._row(Denied(now, order.key, "the desk restarted before the order was sent", "send it again"))
            elif order.state is OrderState.SENDING:
                self._row(SendUnknown(now, order.key, "the desk stopped while the order was being sent"))
            if order.cancel_asked:
                # Whether it reached KIS nobody knows; to cancel again does no harm.
                self._row(CancelRefused(now, order.key, "", "the desk stopped while it was being sent; cancel again"))
        if self.state.armed is not None:
            self._row(Disarmed(now, "the desk restarted"))
        self._schedule(now)
        self._kill_switch.go_on(now)
        if self.state.held:
            self.orders.release(now)
        if self.state.books.live:
            self.reconciliation.look(now, now, "restart", account=True)
        return self._done()

    def step(self, now: Ns, said: Said) -> list[Effect]:
        """One step; the effects are to be run in order."""
        self._take(now, said)
        if self._kill_switch.is_flattening and not isinstance(said, Tick | Depth):
            self._kill_switch.look(now)
        return self._done()

    def _take(self, now: Ns, said: Said) -> None:
        match said:
            case Tick() | Depth():
                self.market.add(said)
                self._effects.append(Publish(said))
                if isinstance(said, Tick) and said.code in self.state.books.account.positions:
                    self._marked(now, said)
            case (
                Submit()
                | ReviseOrder()
                | ShowOrder()
                | CancelOrder()
                | ResolveOrder()
                | Adopt()
                | SetHalt()
                | Halt()
                | EndFlatten()
                | Arm()
            ):
                self._obey(now, said)
            case SendReply():
                self._replied(now, said)
            case Notice():
                self._notices.take(now, said)
                self._look_at_loss(now)
            case CancelReply(reply=reply):
                self.cancels.replied(now, reply)
            case Woke(t=t) if now < t:
                self._then(WakeAt(t))
            case Woke():
                self._woke(now)
            case Answer():
                self._answered(now, said)
            case BooksRead():
                self.orders.books_read(now, said)
            case LinkUp():
                self._then(Publish(said))
                self.reconciliation.linked = True
                self.reconciliation.look(now, now, "link", account=True)
            case _:
                self._effects.append(Publish(said))

    def _obey(self, now: Ns, command: _Command) -> None:
        match command:
            case Submit(intent=intent, naming=naming) | ReviseOrder(intent=intent, naming=naming):
                self.orders.take(now, intent, naming)
            case ShowOrder(key=key, place=place, token=token):
                if self.state.names.get(key) is not None:
                    self._row(OrderShown(now, key, place, token))
            case CancelOrder(key=key, qty=qty, kill_switch=kill_switch):
                self.cancels.ask(now, key, qty, kill_switch=kill_switch)
            case ResolveOrder():
                self.reconciliation.decide(now, command)
            case Adopt():
                self._adopt(now, command)
            case SetHalt() | Halt() | EndFlatten() | Arm():
                self._govern(now, command)

    def _govern(self, now: Ns, command: _Control) -> None:
        """Change what the desk lets pass."""
        match command:
            case SetHalt() if self._kill_switch.is_busy:
                self._trouble(now, "the kill switch is still at work: its last step, notify, comes first")
            case SetHalt(state=state, reason=reason):
                self._row(HaltSet(now, state, reason))
            case Halt():
                self._kill_switch.pull(now, command)
            case EndFlatten(reason=reason):
                self._kill_switch.end_flatten(now, reason)
            case Arm(until=until, budget=budget) if until > now:
                self._row(Armed(now, until, budget))
                self._then(WakeAt(until))
            case Arm():
                self._row(Disarmed(now, "a person disarmed the desk"))

    # rows and effects

    def _row(self, row: Row) -> None:
        self.state.apply(row)
        self._rows.append(row)

    def _flush(self) -> None:
        if self._rows:
            self._effects.append(Persist(tuple(self._rows)))
            self._effects.extend(Publish(row) for row in self._rows if not isinstance(row, DESK_ONLY))
            self._rows.clear()

    def _then(self, effect: Effect) -> None:
        self._flush()
        self._effects.append(effect)

    def _tell(self, event: Event) -> None:
        self._then(Publish(event))

    def _done(self) -> list[Effect]:
        self._flush()
        effects, self._effects = self._effects, []
        return effects

    # control

    def _adopt(self, now: Ns, wish: Adopt) -> None:
        taken = adopt(now, self.state.books, wish)
        if isinstance(taken, No):
            self._trouble(now, f"{wish.agent} does not adopt {wish.code}: {taken.reason}; {taken.cure}")
        elif wish.key not in self.state.books.adoptions:
            self._row(taken)

    def _kill(self, now: Ns, order: Order) -> None:
        self.cancels.ask(now, order.key, None, kill_switch=True)

    def _ask_account(self, now: Ns) -> None:
        self.reconciliation.look(now, now, "flatten", account=True)

    def may_leave(self, now: Ns, key: str) -> No | None:
        """Asked at the last hop, behind the limiter: why the order ``key`` may not leave any more."""
        return self.orders.may_leave(now, key)

    def _marked(self, now: Ns, tick: Tick) -> None:
        before, self._prices[tick.code] = self._prices.get(tick.code), tick.price
        if before is None or tick.price < before:
            self._look_at_loss(now)

    def _look_at_loss(self, now: Ns) -> None:
        limit, day = self.gate.limits.max_day_loss, self.state.day
        if limit is None or self.state.halt != "active":
            return
        day.roll(now, self.state.books)
        codes = {*self.state.books.account.positions, *day.opening}
        bases = {code: item.base for code in codes if (item := self.rules.instrument(code)) is not None}
        standing = day.standing(self.state.books, bases, self._prices)
        if standing.breaks(limit * (day.trips + 1)):
            self._row(BreakerTripped(now, -standing.result, standing.stake))
            percent = standing.result * 100 / standing.stake
            why = f"the day lost {-standing.result:,} won of {standing.stake:,} at stake ({percent:.2f} %)"
            self._row(HaltSet(now, "reducing", why))
            self._trouble(now, f"circuit breaker: {why}; only cancels and reducing sells pass")

    def _expire_arming(self, now: Ns) -> None:
        if self.state.armed is not None and now >= self.state.armed.until:
            self._row(Disarmed(now, "its time is over"))

    def _trouble(self, now: Ns, text: str) -> None:
        self._tell(Trouble(now, f"{clock_text(now)} {text}"))

    def _replied(self, now: Ns, reply: SendReply) -> None:
        order = self.state.books.orders[reply.key]
        if reply.outcome == "sent" and reply.ref is not None:
            early = self.state.early.get((reply.ref.day, reply.ref.number), [])
            self._row(Sent(now, reply.key, reply.ref))
            for notice in early:
                self._notices.take(now, notice)
        elif reply.outcome == "rejected":
            self._row(Rejected(now, reply.key, reply.msg_cd, reply.text))
            if order.intent.supersedes:
                # As a refused cancel does, it says that the order it was to change may be other than the books have it.
                self.reconciliation.look(now, now, "revise refused", account=True)
        elif reply.outcome == "kept":
            self.orders.kept(now, order, reply.text)
        else:
            self._row(SendUnknown(now, reply.key, reply.text))
            self.reconciliation.look(now, now, "unknown")
        if order.cancel_asked and order.is_open:
            self.cancels.at_last(now, order)
        self.orders.next_of(now, order.intent)

    # the day

    def _schedule(self, now: Ns) -> None:
        self._boundary = next(
            (t for t in sessions.boundaries(kst_day(now)) if t > now), kst(kst_day(now) + timedelta(days=1), 0)
        )
        self._then(WakeAt(self._boundary))

    def _woke(self, now: Ns) -> None:
        if now >= self._boundary:
            ended = self._boundary
            phase = sessions.phase(Venue.KRX, now)
            self._then(Publish(PhaseChanged(now, str(sessions.session_id(now)), Venue.KRX, str(phase))))
            self._schedule(now)
            sent = [order for order in self.state.books.live.values() if order.sent_at]
            over = any(self.reconciliation.expiry(order) <= now for order in sent)
            if over or (self.reconciliation.linked and self.state.books.live):
                self.reconciliation.look(now, ended + AFTER_BOUNDARY, "end of a session", account=True)
            else:
                self.reconciliation.keep_looking(now)
        self._expire_arming(now)
        if self.state.held and window_end(now, self.gate.limits.windows) is None:
            self.orders.release(now)
        self._kill_switch.woke(now)
        self.reconciliation.woke(now)

    def _answered(self, now: Ns, answer: Answer) -> None:
        if answer.page is None and answer.question.why.startswith(QUERY):
            self._kill_switch.answered(now, answer.question, complete=False)
            return
        account = self.reconciliation.answered(now, answer)
        self._look_at_loss(now)
        self._kill_switch.answered(now, answer.question, complete=answer.page is not None)
        self._flatten.answered(now, answer.question.asked, answer.account)
        if answer.page is None:
            self.orders.unanswered(now)
        self.orders.go_on(now, answer.question.asked, account)
        self.reconciliation.woke(now)
