"""The desk as a pure state machine: ``step(now, message)`` returns effects.

The state is always computed from the journal's rows. A row is applied when the host gets it, before
it is on disk. The host runs effects strictly in order and syncs a Persist before the next effect.
So no byte of an order is sent before its row is on disk.

Each part takes the ``Turn`` of the step. In this list a part may call the parts above it, never a
part below it:

    Readings                 when KIS's orders and account are read
    Cancels                  cancel orders
    Reconciliation           adjusts the order books to KIS's list
    StockReadings            reads the day's facts of stocks
    NoticeIntake, OrderPath  what KIS reports; from the intent to the POST
    ExitWatch                watches what is held, and sells it
    Requotes                 moves and ends orders that do not fill
    Flatten, KillSwitch      sell all that is held; stop the desk
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

from kisnb.clock import Ns, kst, kst_day
from kisnb.events import (
    AgentArchived,
    AgentNoted,
    Armed,
    CancelRefused,
    Denied,
    Depth,
    Disarmed,
    Event,
    GuardsSet,
    LinkUp,
    Notice,
    OrderReserved,
    OrderShown,
    PhaseChanged,
    Rejected,
    SendUnknown,
    Sent,
    Tick,
)
from kisnb.market import sessions
from kisnb.orders import Order, OrderState, Permission, SendReply, same_branch
from kisnb.terms import Venue
from kisnb.trading.exits.exit_sale import ExitSales
from kisnb.trading.exits.exit_watch import ExitWatch
from kisnb.trading.gate.adoption import adopt
from kisnb.trading.gate.blackout import window_end
from kisnb.trading.gate.day_loss import DayLoss
from kisnb.trading.gate.latest_depths import LatestDepths
from kisnb.trading.gate.risk import Gate, No, Rules
from kisnb.trading.halt.flatten import Flatten
from kisnb.trading.halt.kill_switch import QUERY, KillSwitch
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.notice_intake import NoticeIntake
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.order_reconciliation import expiry
from kisnb.trading.orders.readings import AFTER_BOUNDARY, Readings
from kisnb.trading.orders.reconciliation import Reconciliation
from kisnb.trading.orders.requotes import Requotes
from kisnb.trading.orders.stock_readings import StockReadings
from kisnb.trading.orders.urgent_sells import UrgentSells
from kisnb.trading.ports.commands import (
    AgentCommand,
    CancelOrder,
    EndPriceAlert,
    EndProtection,
    ExitCommand,
    Halt,
    NoteAgent,
    NoteDecision,
    Protect,
    PushForecast,
    ResolveOrder,
    ReviseOrder,
    SetGuards,
    SetPriceAlert,
    ShowOrder,
    Submit,
)
from kisnb.trading.ports.effects import (
    AgentLost,
    CancelReply,
    DepthRead,
    Effect,
    OrdersRead,
    Publish,
    ReservedRead,
    StockRead,
    StocksWanted,
    WakeAt,
    Woke,
)
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import (
    AcceptDifference,
    AdoptHolding,
    ArmDesk,
    CheckedQuery,
    LiftHalt,
)
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

_OrderCommand: TypeAlias = (
    Submit | ReviseOrder | ShowOrder | CancelOrder | ResolveOrder | AgentCommand
)
_Control: TypeAlias = Halt | CheckedQuery
CoreMessage: TypeAlias = (
    _OrderCommand
    | _Control
    | ExitCommand
    | Event
    | SendReply
    | CancelReply
    | OrdersRead
    | ReservedRead
    | DepthRead
    | StockRead
    | StocksWanted
    | AgentLost
    | Woke
)
"""All messages that a core handles."""


class DeskCore:
    """Handles commands, replies and events, and returns effects.

    It knows no clock, no socket and no file.
    """

    def __init__(self, rules: Rules, limits: Limits, state: State) -> None:
        self.rules = rules
        self.gate = Gate(rules, limits)
        self.state = state
        self.depths = LatestDepths()
        self._boundary: Ns = 0
        """When the next market session begins or ends."""
        self.readings = Readings(state)
        self.cancels = Cancels(state, self.readings)
        self.reconciliation = Reconciliation(rules, state, self.readings, self.cancels)
        self._notices = NoticeIntake(rules, state, self.readings)
        self.stocks = StockReadings(rules)
        self.orders = OrderPath(rules, self.gate, state, self.depths, self.readings, self.stocks)
        self._day_loss = DayLoss(self.gate, state)
        sells = UrgentSells(self.gate, self.depths, state)
        self._flatten = Flatten(state, sells, self.orders, self.cancels, self.readings)
        sales = ExitSales(rules, state, self.depths, sells, self.orders, self.cancels)
        self._exits = ExitWatch(rules, state, sales, self.cancels)
        self._requotes = Requotes(state, self.depths, sells, self.orders, self.cancels)
        self._kill_switch = KillSwitch(state, self.cancels, self._flatten)

    def start(self, now: Ns) -> list[Effect]:
        """Start the desk. Return the first effects. All rows of the journal were applied before.

        Each order whose POST or cancel was under way when the desk stopped gets a row that says so.
        """
        # The order of the steps matters. Calls without an end get their row first, so that every
        # later step sees orders in a clear state. The kill switch goes on before held orders are
        # looked at, because it cancels them. The reading comes last and decides what the rows left
        # open.
        turn = self._begin(now)
        for order in list(self.state.books.live.values()):
            self._close_open_calls(turn, order)
        # Arming does not outlive the desk process, because no person may be watching when it
        # restarts.
        if self.state.armed is not None:
            turn.record(Disarmed(now, "the desk restarted"))
        self._schedule_boundary(turn)
        self._kill_switch.go_on(turn)
        if self.state.held:
            self.orders.sync_after_blackout(turn)
        if self.state.books.live:
            self.readings.schedule(turn, now, "restart", account=True)
        self.stocks.want(turn, self.state.books.account.holds)
        self._exits.start(turn)
        self._requotes.proceed(turn)
        return turn.take_effects()

    def step(self, now: Ns, message: CoreMessage) -> list[Effect]:
        """Handle one message. Return the effects, which the host must run in order."""
        # Prices are by far the most frequent messages, so they take the shortest way.
        if isinstance(message, Tick | Depth):
            return self._on_price(now, message)
        turn = self._begin(now)
        self._receive(turn, message)
        # Any of these messages may have changed the holdings of the account.
        self.stocks.want(turn, self.state.books.account.holds)
        # Any message except a price may have ended an order, or released shares that the flatten
        # sells.
        if self._kill_switch.is_flattening:
            self._kill_switch.proceed(turn)
        # The same messages may have ended a holding that an exit protects, or the order with which
        # it sells.
        if self.state.exits.watches:
            self._exits.proceed(turn)
        # This comes last, because an exit that sells takes over the shares.
        if self.state.requotes.budgets:
            self._requotes.proceed(turn)
        return turn.take_effects()

    def may_send(self, now: Ns, key: str) -> Permission:
        """Return whether the order ``key`` may still be sent. Asked behind the limiter."""
        return self.orders.may_send(now, key)

    def _begin(self, now: Ns) -> Turn:
        return Turn(now, self.state)

    def _close_open_calls(self, turn: Turn, order: Order) -> None:
        """Record an end for each call of the order that was under way when the desk stopped."""
        now, key = turn.now, order.key
        if order.state is OrderState.NEW:
            if self.orders.stays_held(now, order):
                return
            why = "the desk restarted before the order was sent"
            turn.record(Denied(now, key, why, "send it again"))
        elif order.state is OrderState.SENDING:
            turn.record(SendUnknown(now, key, "the desk stopped while the order was being sent"))
        if order.cancel_asked:
            # It is not known whether the cancel reached KIS. Cancelling again does no harm.
            why = "the desk stopped while it was being sent; cancel again"
            turn.record(CancelRefused(now, key, "", why))

    def _on_price(self, now: Ns, event: Tick | Depth) -> list[Effect]:
        """Handle a trade or a depth. Return the effects. Most prices are only published."""
        self.depths.add(event)
        if not isinstance(event, Tick):
            return [Publish(event)]
        is_held, is_watched = self._day_loss.is_held(event.code), self._exits.watches(event.code)
        if not (is_held or is_watched):
            return [Publish(event)]
        turn = self._begin(now)
        turn.publish(event)
        if is_held:
            self._day_loss.on_tick(turn, event)
        if is_watched:
            self._exits.on_tick(turn, event)
        return turn.take_effects()

    def _receive(self, turn: Turn, message: CoreMessage) -> None:
        match message:
            case (
                Submit() | ReviseOrder() | ShowOrder() | CancelOrder() | ResolveOrder()
                | NoteAgent() | NoteDecision() | SetGuards() | Protect() | EndProtection()
                | SetPriceAlert() | EndPriceAlert() | PushForecast()
            ):  # fmt: skip
                self._execute(turn, message)
            case Halt() | LiftHalt() | ArmDesk() | AdoptHolding() | AcceptDifference():
                self._execute_control(turn, message)
            case SendReply():
                self._on_send_reply(turn, message)
            case Notice():
                self._notices.receive(turn, message)
                self._day_loss.check(turn)
            case CancelReply(reply=reply):
                self.cancels.on_reply(turn, reply)
            # The clock has been set back.
            case Woke(t=t) if turn.now < t:
                turn.emit(WakeAt(t))
            case Woke():
                self._on_wake(turn)
            case OrdersRead() | ReservedRead() | DepthRead() | StockRead():
                self._on_reading(turn, message)
            case StocksWanted(codes=codes):
                self.stocks.want(turn, codes)
            case AgentLost(agent=agent):
                self._exits.on_agent_lost(turn, agent)
            case LinkUp():
                turn.publish(message)
                self.readings.linked = True
                self.readings.schedule(turn, turn.now, "link", account=True)
            case _:
                turn.publish(message)

    def _on_reading(
        self, turn: Turn, message: OrdersRead | ReservedRead | DepthRead | StockRead
    ) -> None:
        """Apply KIS's reply to a question of the desk."""
        match message:
            case OrdersRead():
                self._on_orders_read(turn, message)
            case ReservedRead():
                self.reconciliation.reserved.on_read(turn, message)
            case DepthRead():
                self.orders.on_depth_read(turn, message)
            case StockRead(stated=stated):
                self.stocks.on_read(turn, message)
                self._exits.on_stated(turn, stated)
                self._day_loss.on_stated(turn, stated)
                self.orders.on_stock_read(turn)

    # commands

    def _execute(self, turn: Turn, command: _OrderCommand | ExitCommand) -> None:
        match command:
            case Submit(intent=intent, naming=naming) | ReviseOrder(intent=intent, naming=naming):
                self.orders.submit(turn, intent, naming)
            case ShowOrder(key=key, place=place, token=token):
                if self.state.names.get(key) is not None:
                    turn.record(OrderShown(turn.now, key, place, token))
            case CancelOrder(key=key, qty=qty, kill_switch=kill_switch):
                self.cancels.request(turn, key, qty, kill_switch=kill_switch)
            case ResolveOrder():
                self.reconciliation.decide(turn, command)
            case NoteAgent() | NoteDecision() | SetGuards():
                self._execute_agent_command(turn, command)
            case Protect() | EndProtection() | SetPriceAlert() | EndPriceAlert() | PushForecast():
                self._exits.execute(turn, command)

    def _execute_agent_command(self, turn: Turn, command: AgentCommand) -> None:
        match command:
            case NoteAgent(record=record, fresh=fresh):
                noted = self.state.agents.get(record.agent)
                if noted is not None and fresh:
                    turn.record(AgentArchived(turn.now, noted.record, noted.t))
                if noted is None or noted.record != record:
                    turn.record(AgentNoted(turn.now, record))
            case NoteDecision(decision=decision):
                turn.record(decision)
            case SetGuards(agent=agent, guards=guards):
                if self.state.guards.get(agent) != guards:
                    turn.record(GuardsSet(turn.now, agent, guards))

    def _execute_control(self, turn: Turn, command: _Control) -> None:
        """Carry out a command about the halt, arming, an adoption or an accepted difference."""
        match command:
            case Halt():
                self._kill_switch.pull(turn, command)
            case LiftHalt():
                self._kill_switch.lift(turn, command)
            case ArmDesk(until=until, budget=budget) if until > turn.now:
                turn.record(Armed(turn.now, until, budget))
                turn.emit(WakeAt(until))
            case ArmDesk():
                turn.record(Disarmed(turn.now, "a person disarmed the desk"))
            case AdoptHolding():
                self._adopt(turn, command)
            case AcceptDifference(subject=subject):
                self.reconciliation.accept(turn, subject)

    def _adopt(self, turn: Turn, wish: AdoptHolding) -> None:
        taken = adopt(turn.now, self.state.books, wish)
        if isinstance(taken, No):
            why = f"{taken.reason}; {taken.cure}"
            turn.report(f"{wish.agent} does not adopt {wish.code}: {why}")
        # For a repeated key ``adopt`` returns the known fact. A second row of it would move the
        # shares twice.
        elif wish.key not in self.state.books.adoptions:
            turn.record(taken)

    # replies and readings

    def _on_send_reply(self, turn: Turn, reply: SendReply) -> None:
        now, order = turn.now, self.state.books.orders[reply.key]
        if reply.outcome == "sent" and reply.reserved_as:
            turn.record(OrderReserved(now, reply.key, reply.reserved_as))
        elif reply.outcome == "sent" and reply.ref is not None:
            # This is read before Sent is recorded, because applying that row drops the notices that
            # wait for it.
            early = self.state.early.get((reply.ref.day, reply.ref.number), [])
            turn.record(Sent(now, reply.key, reply.ref))
            # Notices of another branch's order with this number keep waiting.
            for notice in (n for n in early if same_branch(n.branch, reply.ref.branch)):
                self._notices.receive(turn, notice)
        elif reply.outcome == "rejected":
            turn.record(Rejected(now, reply.key, reply.msg_cd, reply.text))
            if order.intent.supersedes:
                # A refused revise, like a refused cancel, shows that the order that it should
                # change may differ from our order book.
                self.readings.schedule(turn, now, "revise refused", account=True)
        elif reply.outcome == "kept":
            self.orders.on_kept(turn, order, reply.text)
        elif reply.outcome == "again":
            self.orders.on_turned_away(turn, order, reply.text)
        else:
            turn.record(SendUnknown(now, reply.key, reply.text))
            self.readings.schedule(turn, now, "unknown")
        if order.cancel_asked and order.is_open:
            self.cancels.send_deferred(turn, order)
        # This comes last: the POST has ended, so the next order of this stock and side may be sent.
        self.orders.send_next(turn, order.intent)

    def _on_orders_read(self, turn: Turn, read: OrdersRead) -> None:
        if read.page is None and read.query.why.startswith(QUERY):
            # The kill switch asks again sooner than the regular readings would.
            self._kill_switch.on_orders_read(turn, read.query, complete=False)
            return
        # First the order books are adjusted to KIS's list. Everything below decides by them:
        #
        #     day loss       the fills that were missing may make the day's loss larger
        #     kill switch    an order is open only if it still is by this list
        #     flatten        nothing is held only if the account says so too
        #     held orders    a sell may use the shares that KIS has just confirmed
        account = self.reconciliation.on_orders_read(turn, read)
        self._day_loss.on_account(turn, read.account)
        self._day_loss.check(turn)
        self._kill_switch.on_orders_read(turn, read.query, complete=read.page is not None)
        self._flatten.on_account_read(turn, read.query.asked, read.account)
        if read.page is None:
            self.orders.on_orders_unread(turn)
        self.orders.resume_waiting(turn, read.query, account)
        # A reading that became due while this one was under way begins now.
        self.readings.on_wake(turn)

    # the day

    def _schedule_boundary(self, turn: Turn) -> None:
        """Schedule a wake at the next begin or end of a market session, else at midnight."""
        day = kst_day(turn.now)
        midnight = kst(day + timedelta(days=1), 0)
        self._boundary = next((t for t in sessions.boundaries(day) if t > turn.now), midnight)
        turn.emit(WakeAt(self._boundary))

    def _on_wake(self, turn: Turn) -> None:
        if turn.now >= self._boundary:
            self._on_boundary(turn)
        # The gate compares the moment itself, so no buy passes if this wake comes late. This row
        # informs people, and ends the count of the budget.
        if self.state.armed is not None and turn.now >= self.state.armed.until:
            turn.record(Disarmed(turn.now, "its time is over"))
        if self.state.held and window_end(turn.now, self.gate.limits.windows) is None:
            self.orders.sync_after_blackout(turn)
        self._kill_switch.on_wake(turn)
        self.readings.on_wake(turn)

    def _on_boundary(self, turn: Turn) -> None:
        now, ended = turn.now, self._boundary
        phase = str(sessions.phase(Venue.KRX, now))
        turn.publish(PhaseChanged(now, str(sessions.session_id(now)), Venue.KRX, phase))
        self._schedule_boundary(turn)
        self.stocks.on_boundary(turn, ended)
        live = self.state.books.live.values()
        # Orders end with their market session without a notice (KRX has cancelled regular orders at
        # 15:30 since 2026-09-14). Only KIS's list shows it.
        has_expired = any(order.sent_at and expiry(order) <= now for order in live)
        if self.readings.linked and _begins_day(ended):
            # A desk may run for days. It must know the changes of the night before its agents go
            # on.
            self.readings.schedule(turn, now, "begin of a trading day", account=True)
        elif has_expired or (self.readings.linked and live):
            at = ended + AFTER_BOUNDARY
            self.readings.schedule(turn, at, "end of a session", account=True)
        else:
            self.readings.schedule_regular(turn)


def _begins_day(boundary: Ns) -> bool:
    """Return True for the first boundary of a trading day. False for 0, which means no boundary."""
    return boundary > 0 and boundary == min(sessions.boundaries(kst_day(boundary)), default=0)
