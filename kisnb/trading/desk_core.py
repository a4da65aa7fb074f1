"""The desk as a pure state machine: ``step(now, said) → effects``.

State is the fold of the journal's rows, always: a row is applied in the same breath in which it is handed out to be
persisted. Hosts run effects strictly in order and sync a Persist before the next effect, so that no bytes of an order
leave before their row. One POST is in flight per stock and side; the next waits in state NEW and passes the gate
again when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from kisnb.clock import SECOND, Ns, clock_text, kst, kst_day
from kisnb.events import (
    Accepted,
    Cancelled,
    CancelRefused,
    CancelStarted,
    Denied,
    Depth,
    Event,
    Expired,
    Filled,
    HaltSet,
    IntentRepeated,
    IntentTaken,
    Notice,
    PhaseChanged,
    Rejected,
    SendStarted,
    SendUnknown,
    Sent,
    Tick,
    Trouble,
)
from kisnb.market import sessions
from kisnb.market.router import Refused
from kisnb.market.routing_evidence import EvidenceLog
from kisnb.orders import Intent, Order, OrderPage, OrderRef, OrderState, SendReply
from kisnb.terms import Venue
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
    Publish,
    Question,
    Send,
    SetHalt,
    Submit,
    WakeAt,
    Woke,
)
from kisnb.trading.journal_rows import DESK_ONLY, RouteDecided, Row
from kisnb.trading.latest_books import LatestBooks
from kisnb.trading.order_book import Books
from kisnb.trading.risk import Gate, Limits, Rules

EXPIRY_GRACE: Ns = 2 * SECOND
"""How long after the close the day's orders are asked for, so that the last notices are in."""


class State:
    """What the journal says: the books, notices whose order is not known yet, routing decisions, the trading state."""

    def __init__(self) -> None:
        self.books = Books()
        self.routes = EvidenceLog()
        """The newest decisions; all of them stand in the journal."""
        self.early: dict[int, list[Notice]] = {}
        self.halt: str = "active"

    def apply(self, row: Row) -> None:
        match row:
            case Notice():
                self.early.setdefault(row.original or row.number, []).append(row)
            case HaltSet():
                self.halt = row.state
            case RouteDecided():
                self.routes.add(row.evidence)
            case _:
                self.books.apply(row)
                if isinstance(row, Sent | Accepted):
                    self.early.pop(row.ref.number, None)

    @classmethod
    def fold(cls, rows: Iterable[Row]) -> State:
        state = cls()
        for row in rows:
            state.apply(row)
        return state


class DeskCore:
    """Takes commands, replies and events; gives effects. Knows no clock, no socket and no file."""

    def __init__(self, rules: Rules, limits: Limits, state: State) -> None:
        self.rules = rules
        self.gate = Gate(rules, limits)
        self.state = state
        self.market = LatestBooks()
        self._reading: set[str] = set()
        """Stocks whose books are being read; their orders wait in state NEW."""
        self._rows: list[Row] = []
        self._effects: list[Effect] = []
        self._boundary: Ns = 0

    def start(self, now: Ns) -> list[Effect]:
        """After the fold: what was in the air when the desk stopped is named, and the day's clock is set."""
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW:
                self._row(Denied(now, order.key, "the desk restarted before the order was sent", "send it again"))
            elif order.state is OrderState.SENDING:
                self._row(SendUnknown(now, order.key, "the desk stopped while the order was being sent"))
            if order.cancel_asked:
                # Whether it reached KIS nobody knows; to cancel again does no harm.
                self._row(CancelRefused(now, order.key, "", "the desk stopped while it was being sent; cancel again"))
        self._schedule(now)
        return self._done()

    def step(
        self,
        now: Ns,
        said: Submit | CancelOrder | SetHalt | Event | SendReply | CancelReply | Answer | BooksRead | Woke,
    ) -> list[Effect]:
        """One step; the effects are to be run in order."""
        match said:
            case Tick() | Depth():
                self.market.add(said)
                return [Publish(said)]
            case Submit(intent=intent):
                self._submit(now, intent)
            case SendReply():
                self._replied(now, said)
            case Notice():
                self._noticed(now, said)
            case CancelOrder(key=key, qty=qty):
                self._cancel(now, key, qty)
            case CancelReply(reply=reply):
                self._cancel_replied(now, reply)
            case SetHalt(state=state, reason=reason):
                self._row(HaltSet(now, state, reason))
            case Woke():
                self._woke(now)
            case Answer(question=question, page=page):
                self._answered(now, question, page)
            case BooksRead():
                self._books_read(now, said)
            case _:
                self._effects.append(Publish(said))
        return self._done()

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

    def _done(self) -> list[Effect]:
        self._flush()
        effects, self._effects = self._effects, []
        return effects

    # orders

    def _submit(self, now: Ns, intent: Intent) -> None:
        known = self.state.books.orders.get(intent.key)
        if known is not None:
            # Looked up before any check: a repeated cell must not be refused for what has changed since.
            self._then(Publish(IntentRepeated(now, intent, same_wish(known.intent, intent))))
            return
        self._row(IntentTaken(now, intent))
        self._send(now, self.state.books.orders[intent.key])

    def _send(self, now: Ns, order: Order, *, may_read: bool = True) -> None:
        """Check, route and send; an order whose venues show no book waits for a question, unless it protects."""
        intent = order.intent
        if self._in_flight(intent):
            return
        held = self.state.books.account.position(intent.code).qty
        no = self.gate.check(now, intent, self.state.halt, held)
        if no is not None:
            self._row(Denied(now, intent.key, no.reason, no.cure))
            return
        books = self.market.of(intent.code)
        if may_read and not intent.protective and (venues := self.rules.unseen(now, intent, books)):
            if intent.code not in self._reading:
                self._reading.add(intent.code)
                self._then(AskBooks(intent.code, venues))
            return
        self._route(now, intent, books)

    def _route(self, now: Ns, intent: Intent, books: tuple[Depth, ...]) -> None:
        routed = self.rules.route(now, intent, books)
        self._row(RouteDecided(now, intent.key, routed.evidence))
        if isinstance(routed, Refused):
            self._row(Denied(now, intent.key, routed.reason, routed.cure))
            return
        no = self.gate.connection(routed.kind, routed.venue)
        if no is not None:
            self._row(Denied(now, intent.key, no.reason, no.cure))
            return
        self._row(SendStarted(now, intent.key, routed.plain))
        self._then(Send(intent, routed.plain))

    def _books_read(self, now: Ns, read: BooksRead) -> None:
        self._reading.discard(read.code)
        for book in read.books:
            self.market.add(book)
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW and order.code == read.code:
                self._send(now, order, may_read=False)

    def _in_flight(self, intent: Intent) -> bool:
        return any(
            o.state is OrderState.SENDING and o.code == intent.code and o.side is intent.side
            for o in self.state.books.live.values()
        )

    def _replied(self, now: Ns, reply: SendReply) -> None:
        order = self.state.books.orders[reply.key]
        if reply.outcome == "sent" and reply.ref is not None:
            early = self.state.early.get(reply.ref.number, [])
            self._row(Sent(now, reply.key, reply.ref))
            for notice in early:
                self._noticed(now, notice)
        elif reply.outcome == "rejected":
            self._row(Rejected(now, reply.key, reply.msg_cd, reply.text))
        else:
            self._row(SendUnknown(now, reply.key, reply.text))
        if order.cancel_asked and order.is_open:
            self._cancel_at_last(now, order)
        self._next(now, order.intent)

    def _cancel_at_last(self, now: Ns, order: Order) -> None:
        """The cancel that was asked for while the order itself was being sent."""
        if order.ref is not None:
            self._then(Cancel(order.key, order.ref, None))
        else:
            self._row(CancelRefused(now, order.key, "", "the order has no number"))

    def _next(self, now: Ns, ended: Intent) -> None:
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW and order.code == ended.code and order.side is ended.side:
                self._send(now, order)
                if self._in_flight(ended):
                    return

    def _noticed(self, now: Ns, notice: Notice) -> None:
        order = self.state.books.by_number(day_number(notice.t), notice.original or notice.number)
        if order is None:
            self._row(notice)
            return
        if order.is_ended and notice.kind in ("cancelled", "refused"):
            self._trouble(now, f"notice {notice.kind} of order {notice.number}, which is {order.state}")
            return
        # A cancel goes where the order went: a notice names the venue that executes, which SOR chose.
        venue = order.route.venue if order.route else notice.venue
        ref = OrderRef(day_number(notice.t), notice.branch, notice.number, venue)
        match notice.kind:
            case "accepted":
                self._row(Accepted(now, order.key, ref))
            case "filled":
                self._fill(now, order, notice)
            case "cancelled":
                self._row(Cancelled(now, order.key, min(notice.qty, order.leaves)))
            case "refused" if notice.original:
                self._row(CancelRefused(now, order.key, "", "the exchange refused the cancel"))
            case "refused" if order.state is not OrderState.ACCEPTED:
                self._row(Rejected(now, order.key, "", "the exchange refused the order"))
            case _:
                self._trouble(now, f"notice {notice.kind} of order {notice.number} changes nothing here")

    def _fill(self, now: Ns, order: Order, notice: Notice) -> None:
        if notice.qty > order.leaves or order.state is OrderState.REJECTED:
            self._trouble(
                now,
                f"order {notice.number} is {order.state}, {order.leaves} left: a fill of {notice.qty} cannot be",
            )
            return
        fee, tax = self.rules.fee_and_tax(now, order.code, order.side, notice.qty * notice.price, notice.venue)
        self._row(Filled(now, order.key, notice.qty, notice.price, fee, tax, notice.venue))

    def _cancel(self, now: Ns, key: str, qty: int | None) -> None:
        order = self.state.books.orders.get(key)
        if order is None or not order.is_open:
            what = "no order" if order is None else f"the order is {order.state}"
            self._then(Publish(Trouble(now, f"nothing to cancel: {what} ({key})")))
        elif order.state is OrderState.NEW:
            self._row(Denied(now, key, "it was cancelled before it was sent", "order again if it is still wanted"))
        elif order.ref is None and (order.state is not OrderState.SENDING or qty is not None):
            self._row(CancelRefused(now, key, "", "the order has no number yet; cancel again when it has"))
        elif not order.cancel_asked:
            self._row(CancelStarted(now, key, qty))
            if order.ref is not None:
                self._then(Cancel(key, order.ref, qty))

    def _cancel_replied(self, now: Ns, reply: SendReply) -> None:
        order = self.state.books.orders[reply.key]
        if reply.outcome != "sent" and order.is_open:
            text = reply.text or "no answer came; the order may or may not be cancelled"
            self._row(CancelRefused(now, reply.key, reply.msg_cd, text))

    # the day

    def _schedule(self, now: Ns) -> None:
        self._boundary = next((t for t in self._moments(now) if t > now), kst(kst_day(now) + timedelta(days=1), 0))
        self._then(WakeAt(self._boundary))

    def _moments(self, now: Ns) -> tuple[Ns, ...]:
        day = kst_day(now)
        bounds = sessions.boundaries(day)
        return tuple(sorted({*bounds, sessions.regular_close(day) + EXPIRY_GRACE})) if bounds else ()

    def _woke(self, now: Ns) -> None:
        if now >= self._boundary:
            phase = sessions.phase(Venue.KRX, now)
            self._then(Publish(PhaseChanged(now, str(sessions.session_id(now)), Venue.KRX, str(phase))))
            self._schedule(now)
        if now >= sessions.regular_close(kst_day(now)) + EXPIRY_GRACE and self.state.books.live:
            self._then(Ask(Question(kst_day(now), "expiry")))

    def _answered(self, now: Ns, question: Question, page: OrderPage | None) -> None:
        if page is None:
            self._trouble(now, f"KIS did not list the orders of {question.day}; open orders stay as they are")
            return
        rows = {r.ref.number: r for r in page.rows}
        for order in list(self.state.books.live.values()):
            row = rows.get(order.number or 0)
            if row is not None and not row.leaves and order.leaves and row.filled == order.filled:
                self._row(Expired(now, order.key, order.leaves))

    def _trouble(self, now: Ns, text: str) -> None:
        self._then(Publish(Trouble(now, f"{clock_text(now)} {text}")))


def same_wish(a: Intent, b: Intent) -> bool:
    """Whether two intents with one key mean the same order."""
    return msgspec.structs.replace(a, key="") == msgspec.structs.replace(b, key="")


def day_number(t: Ns) -> int:
    """The Korean date of a moment as YYYYMMDD."""
    day = kst_day(t)
    return day.year * 10_000 + day.month * 100 + day.day
