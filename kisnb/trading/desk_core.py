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
from kisnb.trading.gate.latest_depths import LatestDepths
from kisnb.trading.gate.risk import Gate, No, Rules
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.notice_intake import NoticeIntake
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.reconciliation import AFTER_BOUNDARY, Reconciliation
from kisnb.trading.ports.commands import (
    Adopt,
    Arm,
    CancelOrder,
    CancelReply,
    DepthRead,
    Effect,
    EndFlatten,
    Halt,
    OrdersRead,
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
_Command: TypeAlias = (
    Submit | ReviseOrder | ShowOrder | CancelOrder | ResolveOrder | Adopt | _Control
)
CoreMessage: TypeAlias = _Command | Event | SendReply | CancelReply | OrdersRead | DepthRead | Woke
"""All that a core can be told."""


class DeskCore:
    """Takes commands, replies and events; gives effects. Knows no clock, no socket and no file."""

    def __init__(self, rules: Rules, limits: Limits, state: State) -> None:
        self.rules = rules
        self.gate = Gate(rules, limits)
        self.state = state
        self.depths = LatestDepths()
        self._rows: list[Row] = []
        self._effects: list[Effect] = []
        self._boundary: Ns = 0
        self.reconciliation = Reconciliation(rules, state, self._record, self._emit)
        self._notices = NoticeIntake(rules, state, self.reconciliation, self._record, self._publish)
        self.orders = OrderPath(
            rules, self.gate, state, self.depths, self.reconciliation, self._record, self._emit
        )
        self.cancels = Cancels(state, self.reconciliation, self._record, self._emit)
        flatten = Flatten(
            state,
            self.gate,
            self.depths,
            self._record,
            self._emit,
            self._cancel_for_kill_switch,
            self.orders.submit,
            self._ask_account,
        )
        self._flatten = flatten
        self._kill_switch = KillSwitch(
            state, self._record, self._emit, self._cancel_for_kill_switch, flatten
        )
        self._prices: dict[str, int] = {}
        """The newest price of the stocks that are held, won."""

    def start(self, now: Ns) -> list[Effect]:
        """After the fold: what was in the air when the desk stopped is named, and the day's clock is set."""
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW and self.orders.stays_held(now, order):
                continue
            if order.state is OrderState.NEW:
                self._record(
                    Denied(
                        now,
                        order.key,
                        "the desk restarted before the order was sent",
                        "send it again",
                    )
                )
            elif order.state is OrderState.SENDING:
                self._record(
                    SendUnknown(now, order.key, "the desk stopped while the order was being sent")
                )
            if order.cancel_asked:
                # Whether it reached KIS nobody knows; to cancel again does no harm.
                self._record(
                    CancelRefused(
                        now, order.key, "", "the desk stopped while it was being sent; cancel again"
                    )
                )
        if self.state.armed is not None:
            self._record(Disarmed(now, "the desk restarted"))
        self._schedule(now)
        self._kill_switch.go_on(now)
        if self.state.held:
            self.orders.sync_after_blackout(now)
        if self.state.books.live:
            self.reconciliation.schedule(now, now, "restart", account=True)
        return self._take_effects()

    def step(self, now: Ns, message: CoreMessage) -> list[Effect]:
        """One step; the effects are to be run in order."""
        self._take(now, message)
        if self._kill_switch.is_flattening and not isinstance(message, Tick | Depth):
            self._kill_switch.proceed(now)
        return self._take_effects()

    def _take(self, now: Ns, said: CoreMessage) -> None:
        match said:
            case Tick() | Depth():
                self.depths.add(said)
                self._effects.append(Publish(said))
                if isinstance(said, Tick) and said.code in self.state.books.account.positions:
                    self._update_price(now, said)
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
                self._execute(now, said)
            case SendReply():
                self._on_send_reply(now, said)
            case Notice():
                self._notices.receive(now, said)
                self._check_day_loss(now)
            case CancelReply(reply=reply):
                self.cancels.on_reply(now, reply)
            case Woke(t=t) if now < t:
                self._emit(WakeAt(t))
            case Woke():
                self._on_wake(now)
            case OrdersRead():
                self._on_orders_read(now, said)
            case DepthRead():
                self.orders.on_depth_read(now, said)
            case LinkUp():
                self._emit(Publish(said))
                self.reconciliation.linked = True
                self.reconciliation.schedule(now, now, "link", account=True)
            case _:
                self._effects.append(Publish(said))

    def _execute(self, now: Ns, command: _Command) -> None:
        match command:
            case Submit(intent=intent, naming=naming) | ReviseOrder(intent=intent, naming=naming):
                self.orders.submit(now, intent, naming)
            case ShowOrder(key=key, place=place, token=token):
                if self.state.names.get(key) is not None:
                    self._record(OrderShown(now, key, place, token))
            case CancelOrder(key=key, qty=qty, kill_switch=kill_switch):
                self.cancels.request(now, key, qty, kill_switch=kill_switch)
            case ResolveOrder():
                self.reconciliation.decide(now, command)
            case Adopt():
                self._adopt(now, command)
            case SetHalt() | Halt() | EndFlatten() | Arm():
                self._execute_control(now, command)

    def _execute_control(self, now: Ns, command: _Control) -> None:
        """Change what the desk lets pass."""
        match command:
            case SetHalt() if self._kill_switch.is_busy:
                self._report_trouble(
                    now, "the kill switch is still at work: its last step, notify, comes first"
                )
            case SetHalt(state=state, reason=reason):
                self._record(HaltSet(now, state, reason))
            case Halt():
                self._kill_switch.pull(now, command)
            case EndFlatten(reason=reason):
                self._kill_switch.end_flatten(now, reason)
            case Arm(until=until, budget=budget) if until > now:
                self._record(Armed(now, until, budget))
                self._emit(WakeAt(until))
            case Arm():
                self._record(Disarmed(now, "a person disarmed the desk"))

    # rows and effects

    def _record(self, row: Row) -> None:
        self.state.apply(row)
        self._rows.append(row)

    def _flush(self) -> None:
        if self._rows:
            self._effects.append(Persist(tuple(self._rows)))
            self._effects.extend(
                Publish(row) for row in self._rows if not isinstance(row, DESK_ONLY)
            )
            self._rows.clear()

    def _emit(self, effect: Effect) -> None:
        self._flush()
        self._effects.append(effect)

    def _publish(self, event: Event) -> None:
        self._emit(Publish(event))

    def _take_effects(self) -> list[Effect]:
        self._flush()
        effects, self._effects = self._effects, []
        return effects

    # control

    def _adopt(self, now: Ns, wish: Adopt) -> None:
        taken = adopt(now, self.state.books, wish)
        if isinstance(taken, No):
            self._report_trouble(
                now, f"{wish.agent} does not adopt {wish.code}: {taken.reason}; {taken.cure}"
            )
        elif wish.key not in self.state.books.adoptions:
            self._record(taken)

    def _cancel_for_kill_switch(self, now: Ns, order: Order) -> None:
        self.cancels.request(now, order.key, None, kill_switch=True)

    def _ask_account(self, now: Ns) -> None:
        self.reconciliation.schedule(now, now, "flatten", account=True)

    def may_send(self, now: Ns, key: str) -> No | None:
        """Return why the order ``key`` may not be sent any more; None when it may. Asked behind the limiter."""
        return self.orders.may_send(now, key)

    def _update_price(self, now: Ns, tick: Tick) -> None:
        before, self._prices[tick.code] = self._prices.get(tick.code), tick.price
        if before is None or tick.price < before:
            self._check_day_loss(now)

    def _check_day_loss(self, now: Ns) -> None:
        limit, day = self.gate.limits.max_day_loss, self.state.day
        if limit is None or self.state.halt != "active":
            return
        day.roll(now, self.state.books)
        codes = {*self.state.books.account.positions, *day.opening}
        bases = {
            code: item.base for code in codes if (item := self.rules.instrument(code)) is not None
        }
        standing = day.standing(self.state.books, bases, self._prices)
        if standing.breaks(limit * (day.trips + 1)):
            self._record(BreakerTripped(now, -standing.result, standing.stake))
            percent = standing.result * 100 / standing.stake
            why = f"the day lost {-standing.result:,} won of {standing.stake:,} at stake ({percent:.2f} %)"
            self._record(HaltSet(now, "reducing", why))
            self._report_trouble(
                now, f"circuit breaker: {why}; only cancels and reducing sells pass"
            )

    def _expire_arming(self, now: Ns) -> None:
        if self.state.armed is not None and now >= self.state.armed.until:
            self._record(Disarmed(now, "its time is over"))

    def _report_trouble(self, now: Ns, text: str) -> None:
        self._publish(Trouble(now, f"{clock_text(now)} {text}"))

    def _on_send_reply(self, now: Ns, reply: SendReply) -> None:
        order = self.state.books.orders[reply.key]
        if reply.outcome == "sent" and reply.ref is not None:
            early = self.state.early.get((reply.ref.day, reply.ref.number), [])
            self._record(Sent(now, reply.key, reply.ref))
            for notice in early:
                self._notices.receive(now, notice)
        elif reply.outcome == "rejected":
            self._record(Rejected(now, reply.key, reply.msg_cd, reply.text))
            if order.intent.supersedes:
                # As a refused cancel does, it says that the order it was to change may be other than the books have it.
                self.reconciliation.schedule(now, now, "revise refused", account=True)
        elif reply.outcome == "kept":
            self.orders.on_kept(now, order, reply.text)
        else:
            self._record(SendUnknown(now, reply.key, reply.text))
            self.reconciliation.schedule(now, now, "unknown")
        if order.cancel_asked and order.is_open:
            self.cancels.send_deferred(now, order)
        self.orders.send_next(now, order.intent)

    # the day

    def _schedule(self, now: Ns) -> None:
        self._boundary = next(
            (t for t in sessions.boundaries(kst_day(now)) if t > now),
            kst(kst_day(now) + timedelta(days=1), 0),
        )
        self._emit(WakeAt(self._boundary))

    def _on_wake(self, now: Ns) -> None:
        if now >= self._boundary:
            ended = self._boundary
            phase = sessions.phase(Venue.KRX, now)
            self._emit(
                Publish(PhaseChanged(now, str(sessions.session_id(now)), Venue.KRX, str(phase)))
            )
            self._schedule(now)
            sent = [order for order in self.state.books.live.values() if order.sent_at]
            over = any(self.reconciliation.expiry(order) <= now for order in sent)
            if over or (self.reconciliation.linked and self.state.books.live):
                self.reconciliation.schedule(
                    now, ended + AFTER_BOUNDARY, "end of a session", account=True
                )
            else:
                self.reconciliation.schedule_regular(now)
        self._expire_arming(now)
        if self.state.held and window_end(now, self.gate.limits.windows) is None:
            self.orders.sync_after_blackout(now)
        self._kill_switch.on_wake(now)
        self.reconciliation.on_wake(now)

    def _on_orders_read(self, now: Ns, answer: OrdersRead) -> None:
        if answer.page is None and answer.query.why.startswith(QUERY):
            self._kill_switch.on_orders_read(now, answer.query, complete=False)
            return
        account = self.reconciliation.on_orders_read(now, answer)
        self._check_day_loss(now)
        self._kill_switch.on_orders_read(now, answer.query, complete=answer.page is not None)
        self._flatten.on_account_read(now, answer.query.asked, answer.account)
        if answer.page is None:
            self.orders.on_orders_unread(now)
        self.orders.resume_waiting(now, answer.query.asked, account)
        self.reconciliation.on_wake(now)
