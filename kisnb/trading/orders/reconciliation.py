"""Our order books against KIS's list of the day's orders: what to book of each reading.

Fills and cancels are booked from notices, each once. Three kinds of notices book nothing: one that
looks like a notice that is booked already, one of an order whose figures were taken from KIS's
list, and one that does not fit its order. For them the list is read, and what its totals have more
than ours is booked. Totals only grow. So an old list does no harm, and a fill is never counted
twice, whichever way it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from kisnb.clock import SECOND, Ns, day_number, kst_day
from kisnb.errors import BadInput
from kisnb.events import (
    Accepted,
    Cancelled,
    DriftCleared,
    DriftFound,
    Expired,
    ExternalFound,
    Filled,
    Rejected,
    Revised,
)
from kisnb.market import order_rules, sessions
from kisnb.orders import Account, Intent, Order, OrderPage, OrderRow, OrderState
from kisnb.terms import Venue
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.ledger import split
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks
from kisnb.trading.orders.account_reconciliation import AccountReconciliation
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.readings import EVERY, SETTLES, Readings
from kisnb.trading.orders.resolver import WINDOW, Resolver, claims, ref_of
from kisnb.trading.ports.commands import ResolveOrder
from kisnb.trading.ports.effects import OrdersRead
from kisnb.trading.state import State
from kisnb.trading.turn import Turn


class Reconciliation:
    """Brings our order books to what KIS lists, and settles orders with unknown outcome by it."""

    def __init__(self, rules: Rules, state: State, readings: Readings, cancels: Cancels) -> None:
        self.resolver = Resolver()
        self._rules = rules
        self._state = state
        self._readings = readings
        self._cancels = cancels
        self._account = AccountReconciliation(state, readings)

    @property
    def _books(self) -> OrderBooks:
        return self._state.books

    def decide(self, turn: Turn, command: ResolveOrder) -> None:
        """Take a person's decision about an order with unknown outcome, and read KIS's list."""
        if self.resolver.decide(turn, self._books, command):
            self._readings.schedule(turn, turn.now, "decision")

    def on_orders_read(self, turn: Turn, read: OrdersRead) -> Account | None:
        """Book a reading. Return the account for the sells that wait for it.

        None when the account was not read, or when KIS did not list everything.
        """
        self._readings.on_orders_read(turn, read)
        day, asked, page = read.query.day, read.query.asked, read.page
        if page is None:
            self.resolver.on_orders_unread(turn)
            if read.part is not None:
                self._book_part(turn, read.part)
            return None
        self._reconcile_day(turn, asked, day, page)
        if read.account is not None and day == kst_day(turn.now):
            is_consistent = read.query.fills == self._state.fills
            self._account.reconcile(turn, asked, read.account, consistent=is_consistent)
        self._schedule_again(turn)
        return read.account

    def _book_part(self, turn: Turn, part: OrderPage) -> None:
        """Book what a list that is not complete says of our orders.

        Fills and the acceptance of an order are proved by its own row. A cancel, an expiry, a
        revise and the fate of an unknown order are not: another row could say otherwise.
        """
        for row in part.rows:
            self._state.note_number(row.ref.day, row.ref.number)
            order = self._books.by_number(row.ref.day, row.ref.number)
            if (
                order is None
                or not order.is_open
                or (order.code, order.side) != (row.code, row.side)
            ):
                continue
            # More than the order has left cannot be its fills. The complete list decides.
            if 0 < row.filled - order.filled <= order.leaves:
                self._repair_fills(turn, order, row)
            if order.is_open and row.leaves and order.state is OrderState.SENT:
                turn.record(Accepted(turn.now, order.key, ref_of(order, row)))

    def _reconcile_day(self, turn: Turn, asked: Ns, day: date, page: OrderPage) -> None:
        number = day_number(day)
        for row in page.rows:
            self._state.note_number(row.ref.day, row.ref.number)
        # Before orders from elsewhere are looked for: a row that is adopted is not external.
        self.resolver.resolve(turn, asked, number, self._books, page.rows)
        self._find_external(turn, page)
        rows = {row.ref.number: row for row in page.rows if row.ref.day == number}
        revised = self._being_revised(asked, page)
        for order in list(self._books.live.values()):
            listed = (
                rows.get(order.ref.number)
                if order.ref is not None and order.ref.day == number
                else None
            )
            if listed is not None:
                self._reconcile_order(
                    turn, asked, order, listed, rows, may_move=order.key in revised
                )
        for drift in list(self._state.drifts.values()):
            if drift.what in ("filled", "cancelled"):
                # A life of the desk found it and ended before it had booked it. It is booked now.
                turn.record(DriftCleared(turn.now, drift.subject, drift.what))

    def _find_external(self, turn: Turn, page: OrderPage) -> None:
        claimed = {
            row.ref.number for mine in claims(self._books, page.rows).values() for row in mine
        }
        # Oldest first, so that a revise from elsewhere finds the order that it revises.
        for row in reversed(page.rows):
            known = self._books.by_number(row.ref.day, row.ref.number)
            # A request to cancel has a row of its own, of which nothing traded and nothing is left.
            if (
                known is None
                and row.ref.number not in claimed
                and (not row.original or row.filled or row.leaves)
            ):
                parent = self._books.by_number(row.ref.day, row.original)
                turn.record(ExternalFound(row.t, _external(row, parent), row.ref))

    def _being_revised(self, asked: Ns, page: OrderPage) -> set[str | None]:
        """Return the keys of orders whose missing shares may live on under a number not known yet.

        A revise of such an order is being sent, or its outcome is unknown. It can still come to
        light, or could be a row of the list.
        """
        found = claims(self._books, page.rows)
        in_the_air = [self._books.orders[key] for key in found]
        return {
            o.intent.supersedes
            for o in in_the_air
            if o.state is OrderState.SENDING or asked < o.sent_at + WINDOW or found[o.key]
        }

    def _reconcile_order(
        self,
        turn: Turn,
        asked: Ns,
        order: Order,
        row: OrderRow,
        rows: Mapping[int, OrderRow],
        *,
        may_move: bool,
    ) -> None:
        """Book what KIS's totals of one order have more than ours.

        ``may_move``: a revise may have moved its missing shares. They are not booked as gone yet.
        """
        # The exchange refused it, and the notice that says so was lost or is still to come.
        if order.state is OrderState.SENT and row.rejected >= order.quantity:
            turn.record(
                Rejected(
                    turn.now, order.key, "", "the exchange refused the order, as KIS's list says"
                )
            )
            return
        if row.filled > order.filled:
            self._repair_fills(turn, order, row)
        # A revise is a new row whose original is this order (KIS document 주식주문(정정취소): the
        # reply has a new ODNO).
        for child_row in rows.values():
            if child_row.original == row.ref.number:
                self._record_revise(turn, order, row, child_row)
        if row.qty < order.leaves + order.filled + order.cancelled and not order.cancelled:
            # A revise moves what is left when it arrives. The other shares had traded before.
            turn.record(Cancelled(turn.now, order.key, order.quantity - row.qty))
        gone = _gone(order, row)
        if gone > 0 and not may_move:
            self._repair_gone(turn, order, row, min(gone, order.leaves))
        # The notice of the acceptance was lost: KIS lists shares that wait, so the exchange has the
        # order.
        if order.is_open and row.leaves and order.state is OrderState.SENT:
            turn.record(Accepted(turn.now, order.key, ref_of(order, row)))
        if (
            order.is_open
            and order.ref is not None
            and order.ref.day < day_number(turn.now)
            and order.leaves
        ):
            turn.record(Expired(turn.now, order.key, order.leaves))
        self._cancels.on_listed(turn, asked, order, row)

    def _repair_fills(self, turn: Turn, order: Order, row: OrderRow) -> None:
        missing = row.filled - order.filled
        # Both sums are exact. KIS's average is rounded, and is used only where its sum cannot be
        # right.
        value = row.value - sum(f.qty * f.price for f in order.fills)
        turn.record(DriftFound(turn.now, order.key, "filled", order.filled, row.filled))
        for qty, price in split(missing, value if value >= missing else missing * row.average):
            turn.record(execution(self._rules, turn.now, order, qty, price, row.ref.venue, 0))
        turn.record(DriftCleared(turn.now, order.key, "filled"))

    def _record_revise(self, turn: Turn, order: Order, row: OrderRow, child_row: OrderRow) -> None:
        """Book the shares that went over to a revising order, unless they are booked as gone."""
        child = self._books.by_number(child_row.ref.day, child_row.ref.number)
        number = child_row.ref.number
        if (
            child is not None
            and child.intent.supersedes == order.key
            and number not in order.cancels
        ):
            moved = min(child_row.qty, order.leaves, max(_gone(order, row), 0))
            turn.record(Revised(turn.now, order.key, moved, child.key, number))

    def _repair_gone(self, turn: Turn, order: Order, row: OrderRow, gone: int) -> None:
        # The list counts cancelled shares apart. What is gone beyond them has expired, unless the
        # order could not expire yet.
        cancelled = min(gone, row.cancelled - (order.cancelled - order.expired))
        if cancelled <= 0 and turn.now < expiry(order):
            cancelled = gone
        if cancelled > 0:
            turn.record(
                DriftFound(
                    turn.now, order.key, "cancelled", order.cancelled, order.cancelled + cancelled
                )
            )
            turn.record(Cancelled(turn.now, order.key, cancelled))
            turn.record(DriftCleared(turn.now, order.key, "cancelled"))
        if gone > max(cancelled, 0):
            turn.record(Expired(turn.now, order.key, gone - max(cancelled, 0)))

    def _schedule_again(self, turn: Turn) -> None:
        """Schedule the next reading for orders that wait for one, and the regular reading."""
        for order in self._books.live.values():
            # The younger the order, the sooner KIS's list may show it.
            if order.state is OrderState.UNKNOWN:
                age = max(turn.now - order.sent_at, SECOND)
                pause = min(max(age // 2, SECOND), EVERY)
                self._readings.schedule(turn, turn.now + pause, "unknown")
            elif self._cancels.is_unconfirmed(order):
                self._readings.schedule(turn, turn.now + SETTLES, "cancel")
            elif order.state is OrderState.NEW and self._books.unknown_in(order.code):
                self._readings.schedule(turn, turn.now + SECOND, "sellable", account=True)
        self._readings.schedule_regular(turn)


def expiry(order: Order) -> Ns:
    """Return when the leaves of an order end by the rule table.

    Where the table has no rule for the order, that is the close of the regular market session.
    """
    if order.route is not None:
        kind, venue = order.route.kind, order.route.venue
    else:
        kind, venue = order.intent.kind, order.ref.venue if order.ref is not None else Venue.KRX
    try:
        return order_rules.expires(order.sent_at, venue, kind)
    except BadInput:
        return sessions.regular_close(kst_day(order.sent_at))


def execution(
    rules: Rules, now: Ns, order: Order, qty: int, price: int, venue: Venue, stamp: Ns
) -> Filled:
    """Return a fill with what it adds to the fee and the tax of its order at its venue.

    The sum does not depend on the number of fills. ``venue`` is SOR when only KIS's list reports
    the fill, because the list names the route alone.
    """
    before = sum(f.qty * f.price for f in order.fills if f.venue is venue)
    fee, tax = rules.fee_and_tax(now, order.code, order.side, before, qty * price, venue)
    return Filled(now, order.key, qty, price, fee, tax, venue, stamp)


def _gone(order: Order, row: OrderRow) -> int:
    """Return the shares that are gone by KIS's list and that our order book still counts."""
    return row.gone + order.quantity - row.qty - order.cancelled


def _external(row: OrderRow, parent: Order | None) -> Intent:
    kind, price = row.kind, row.price if row.kind.priced else None
    key = f"{EXTERNAL}:{row.ref.day}:{row.ref.branch}:{row.ref.number}"
    return Intent(
        key,
        EXTERNAL,
        row.code,
        row.side,
        row.qty,
        kind,
        price,
        row.ref.venue,
        supersedes=parent.key if parent else None,
    )
