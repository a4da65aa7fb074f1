"""Compares our order books with KIS's list of the day's orders, and books each reading.

Fills and cancels are booked from notices, each once. Three kinds of notices book nothing: one that
looks like a notice that is booked already, one of an order whose figures were taken from KIS's
list, and one that does not fit its order. For them the list is read. If its totals are larger than
ours, the difference is booked. Totals only grow. So an old list does no harm, and a fill is never
counted twice, whichever way it came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

import msgspec

from kisnb.clock import SECOND, Ns, day_number, kst_day
from kisnb.events import (
    DriftCleared,
    DriftFound,
    ExternalFound,
)
from kisnb.orders import Account, Intent, Order, OrderPage, OrderRow, OrderState, same_branch
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks
from kisnb.trading.orders.account_reconciliation import AccountReconciliation
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.listed_orders import ListedOrders, compare
from kisnb.trading.orders.order_reconciliation import AGREES, FOLLOWED, OrderReconciliation
from kisnb.trading.orders.readings import EVERY, SETTLES, Readings
from kisnb.trading.orders.reserved_orders import ReservedOrders
from kisnb.trading.orders.resolver import WINDOW, Resolver, candidates
from kisnb.trading.ports.commands import ResolveOrder
from kisnb.trading.ports.effects import OrdersRead
from kisnb.trading.state import State
from kisnb.trading.turn import Turn


class Reconciliation:
    """Adjusts our order books to KIS's list, and resolves orders with unknown outcome by it.

    In its methods, ``asked`` is the moment after which the list was read.
    """

    def __init__(self, rules: Rules, state: State, readings: Readings, cancels: Cancels) -> None:
        self.resolver = Resolver()
        self.reserved = ReservedOrders(state, readings)
        self._state = state
        self._readings = readings
        self._cancels = cancels
        self._orders = OrderReconciliation(rules, state, readings, cancels)
        self._account = AccountReconciliation(state, readings)
        self._reported: set[tuple[str, OrderRow]] = set()
        """Orders whose number is in a row of another order. A person was told about each."""

    @property
    def _books(self) -> OrderBooks:
        return self._state.books

    def decide(self, turn: Turn, command: ResolveOrder) -> None:
        """Store a person's decision about an unknown order, and schedule a reading to check it."""
        if self.reserved.decide(turn, command):
            return
        if self.resolver.decide(turn, self._books, command):
            self._readings.schedule(turn, turn.now, "decision")

    def on_orders_read(self, turn: Turn, read: OrdersRead) -> Account | None:
        """Book a reading. Return the account for the sells that wait for it.

        None when the account or the orders were not read.
        """
        self._readings.on_orders_read(turn, read)
        self.reserved.ask(turn)
        day, asked, page = read.query.day, read.query.asked, read.page
        if page is None:
            self.resolver.on_orders_unread(turn)
            if read.part is not None:
                # The rows of an incomplete list count. Missing rows, and shares that are shown as
                # gone, do not count, because another row could contradict them.
                self._reconcile_day(turn, asked, day, read.part)
            return None
        account, nothing_booked = read.account, read.query.fills == self._state.fills
        stated = (
            {h.code: h.qty for h in account.holdings}
            if account is not None and account.complete and nothing_booked
            else None
        )
        whole = self._reconcile_day(turn, asked, day, page, stated)
        if read.account is not None and day == kst_day(turn.now):
            is_consistent = read.query.fills == self._state.fills
            self._account.reconcile(
                turn, asked, read.account, consistent=is_consistent, listed=whole
            )
        self._schedule_again(turn)
        return self._account.confirmed(read.account)

    def accept(self, turn: Turn, subject: str) -> None:
        """Book a difference between KIS's account and ours that a person accepts."""
        if not self._account.accept(turn, subject):
            turn.report(f"nothing to accept: KIS's figure of {subject} does not differ from ours")

    def _reconcile_day(
        self,
        turn: Turn,
        asked: Ns,
        day: date,
        page: OrderPage,
        stated: Mapping[str, int] | None = None,
    ) -> bool:
        """Book a list of one day. Return True when it lacks no known row and leaves no doubt.

        ``stated`` has the shares of each stock by KIS's account. None: they are not compared.
        """
        number = day_number(day)
        for row in page.rows:
            self._state.note_number(row.ref.day, row.ref.number)
        page = self._without_contradicted(turn, asked, page)
        whole = self._note_missing(turn, asked, day, page) and page.complete
        # This comes before external orders are looked for, because an adopted row is not external.
        self.reserved.adopt(turn, page)
        self.resolver.resolve(turn, asked, number, self._books, page.rows, whole=whole)
        self._find_external(turn, page)
        listing = compare(self._books, page.rows)
        revised = self._being_revised(asked, listing)
        by_original: defaultdict[int, list[OrderRow]] = defaultdict(list)
        for row in page.rows:
            by_original[row.original].append(row)
        # The sequence is that of the order books: an order comes before the orders that revise it.
        for order in [o for key, o in self._books.orders.items() if key in listing.rows]:
            row = listing.rows[order.key]
            changes = [
                r for r in by_original[row.ref.number] if same_branch(r.ref.branch, row.ref.branch)
            ]
            may_move = order.key in revised
            self._orders.reconcile(
                turn, asked, order, row, changes, may_move=may_move, whole=whole, stated=stated
            )
        for order, row in listing.contradictions:
            self._report_contradiction(turn, order, row)
        self._clear_old(turn)
        # Fills that a wrong list does not show would look like a difference of the account.
        return (
            whole
            and not self._lacks_new(number, listing)
            and not any(self._orders.is_doubtful(turn.now, o) for o in self._books.orders.values())
        )

    def _lacks_new(self, number: int, listing: ListedOrders) -> bool:
        """Return whether the list of the day lacks an order that was just sent.

        The list may be older than the order, so that is no difference. But the account is read
        after the list and may contain a fill of which the notice is still to come.
        """
        return any(
            order.ref is not None and order.ref.day == number and order.key not in listing.rows
            for order in self._books.live.values()
        )

    def _without_contradicted(self, turn: Turn, asked: Ns, page: OrderPage) -> OrderPage:
        """Return the list without the rows of new orders that contradict KIS's notices.

        A row with 38 shares is out of date or wrong when the notice of the order said 90. Such a
        row must neither open the account nor become an external order.
        """
        good = tuple(row for row in page.rows if not self._is_contradicted(asked, row))
        if len(good) == len(page.rows):
            return page
        self._readings.schedule(turn, turn.now + AGREES, "surprise")
        return msgspec.structs.replace(page, rows=good, complete=False)

    def _is_contradicted(self, asked: Ns, row: OrderRow) -> bool:
        return any(
            n.kind == "accepted"
            and (n.code, n.side) == (row.code, row.side)
            and same_branch(n.branch, row.ref.branch)
            and n.qty != row.qty
            # If the list stays so, its reason is not known. Then the list counts.
            and asked < n.t + FOLLOWED
            for n in self._state.early.get((row.ref.day, row.ref.number), ())
        )

    def _note_missing(self, turn: Turn, asked: Ns, day: date, page: OrderPage) -> bool:
        """Record whether KIS's list lacks orders that KIS has. Return True when none is missing.

        Only filled and open orders count: KIS does not document that it lists refused orders.
        """
        number, listed = day_number(day), compare(self._books, page.rows).rows
        known = [
            o
            for o in self._books.orders.values()
            if (o.filled or o.is_open)
            and o.ref is not None
            and o.ref.day == number
            and o.sent_at + AGREES <= asked
        ]
        missing = len(known) - sum(o.key in listed for o in known)
        # A notice whose order is in no list also proves an order.
        numbers = {row.ref.number for row in page.rows}
        noticed = [
            of
            for (of_day, of), notices in self._state.early.items()
            if of_day == number
            and any(n.kind in _OF_ORDERS and n.t + AGREES <= asked for n in notices)
        ]
        missing += sum(of not in numbers for of in noticed)
        subject = f"orders of {day}"
        found = self._state.drifts.get((subject, "listed"))
        ours = len(known) + len(noticed)
        theirs = ours - missing
        if missing and (found is None or (found.ours, found.theirs) != (ours, theirs)):
            turn.record(DriftFound(turn.now, subject, "listed", ours, theirs))
        elif not missing and found is not None and page.complete:
            turn.record(DriftCleared(turn.now, subject, "listed"))
        return not missing

    def _report_contradiction(self, turn: Turn, order: Order, row: OrderRow) -> None:
        told = (order.key, row)
        if told in self._reported:
            return
        self._reported.add(told)
        listed = f"{row.side} {row.qty:,} {row.code} ({row.ref.venue}, {row.kind})"
        text = f"KIS lists #{row.ref.number} as {listed}, and here it is {order.intent.text}"
        turn.report(f"{text}: nothing is booked from that row; compare it with KIS's app")

    def _clear_old(self, turn: Turn) -> None:
        """Clear differences that are booked now, or whose order is no longer compared."""
        today = day_number(turn.now)
        for drift in list(self._state.drifts.values()):
            order = self._books.orders.get(drift.subject)
            is_over = order is None or (
                order.is_ended and (order.ref is None or order.ref.day < today)
            )
            # An earlier desk found this difference, and ended before it had booked it.
            if drift.what == "filled" or (drift.what == "cancelled" and is_over):
                turn.record(DriftCleared(turn.now, drift.subject, drift.what))

    def _find_external(self, turn: Turn, page: OrderPage) -> None:
        listing = compare(self._books, page.rows)
        could_be_ours = {
            row.ref for mine in candidates(self._books, listing).values() for row in mine
        }
        could_be_ours |= self.reserved.could_be(page)
        # External orders that have grown are recorded again with their whole quantity. The oldest
        # comes first, so that an external revise finds the order that it revises.
        for row in reversed((*listing.unmatched, *listing.grown)):
            # A request to cancel has its own row, in which no share traded and none is left.
            is_free = row.ref not in could_be_ours or row in listing.grown
            if is_free and (not row.original or row.filled or row.leaves):
                parent = self._books.by_number(row.ref.day, row.original, row.ref.branch)
                intent = _external(row, parent)
                known = self._books.by_number(row.ref.day, row.ref.number, row.ref.branch)
                if known is not None:
                    intent = msgspec.structs.replace(known.intent, qty=row.qty)
                turn.record(ExternalFound(row.t, intent, row.ref))

    def _being_revised(self, asked: Ns, listing: ListedOrders) -> set[str | None]:
        """Return the keys of orders whose missing shares may have moved to a number not known yet.

        A revise of such an order is being sent, or its outcome is unknown. The list may show it
        later, or already has a row that could be it.
        """
        found = candidates(self._books, listing)
        in_the_air = [self._books.orders[key] for key in found]
        return {
            o.intent.supersedes
            for o in in_the_air
            if o.state is OrderState.SENDING or asked < o.sent_at + WINDOW or found[o.key]
        }

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


_OF_ORDERS = ("accepted", "filled")
"""Notices that come only for orders, never for a request to cancel or revise."""


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
