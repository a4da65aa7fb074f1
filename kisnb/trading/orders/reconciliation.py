"""The books against KIS's own figures: when to ask, and what to book of the answer.

Fills and cancels are booked from notices, each once. A notice that looks like one already booked, that comes to an
order whose figures were taken from KIS's list, or that does not fit its order, books nothing: the list is read, and
what its totals have more than ours is booked. Totals only grow, so an old list does no harm, and a fill is never
counted twice, whichever way it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from kisnb.backoff import Backoff
from kisnb.clock import SECOND, Ns, day_number, kst_day
from kisnb.errors import BadInput
from kisnb.events import (
    Accepted,
    AccountOpened,
    Cancelled,
    CancelRefused,
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
from kisnb.terms import Phase, Venue
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.ledger import split
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks
from kisnb.trading.orders.resolver import WINDOW, Resolver, claims, ref_of
from kisnb.trading.ports.commands import (
    AskOrders,
    Effect,
    OrdersQuery,
    OrdersRead,
    Publish,
    ResolveOrder,
    WakeAt,
)
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State

EVERY: Ns = 60 * SECOND
RETRY = Backoff.doubling(SECOND, EVERY // 2)
"""Pauses before KIS is asked again for its list of orders, which it did not give."""
"""Between two readings while orders are open."""
IDLE: Ns = 300 * SECOND
"""Between two readings while none is, and a venue is open: orders from elsewhere whose notices are lost."""
WAITING = "unknown number"
"""Why to ask when notices wait for an order; not asked when a reply has named it meanwhile."""
AFTER_BOUNDARY: Ns = 2 * SECOND
"""After the end of a session, so that its last notices are in."""
UNANSWERED: Ns = 60 * SECOND
"""After which an AskOrders that never ended is asked again."""
SETTLES: Ns = 5 * SECOND
"""After which a cancel that KIS took, and that its list does not show, has failed."""
STANDS: Ns = 60 * SECOND
"""How long a difference of the account must stand before it is taken as it is."""


class Reconciliation:
    """Asks for the day's orders and the account, and brings the books to what they say."""

    def __init__(
        self,
        rules: Rules,
        state: State,
        record: Callable[[Row], None],
        emit: Callable[[Effect], None],
    ) -> None:
        self.linked = False
        """The stream stood once: from then on open orders are compared every minute."""
        self.resolver = Resolver(record, lambda event: emit(Publish(event)))
        self._rules = rules
        self._state = state
        self._record = record
        self._emit = emit
        self._due: Ns | None = None
        self._account = False
        self._why = ""
        self._asked: dict[date, Ns] = {}
        """By day of the newest question under way: when it was asked."""
        self._cancels_accepted: dict[str, Ns] = {}
        self._failures = 0
        self._not_before: Ns = 0
        """KIS did not tell the account: when it is asked for it again, however many orders wait for it."""

    @property
    def _books(self) -> OrderBooks:
        return self._state.books

    # when

    def schedule(self, now: Ns, at: Ns, why: str, *, account: bool = False) -> None:
        """Ask at ``at``, or earlier when something else wants it."""
        self._account = self._account or account
        at = max(at, self._not_before) if account else at
        if at <= now:
            self._due, self._why = now, why
            self.on_wake(now)
        elif self._due is None or at < self._due or self._due > now + IDLE:
            self._due, self._why = at, why
            self._emit(WakeAt(at))

    def on_wake(self, now: Ns) -> None:
        """Ask, if it is time."""
        if self._due is None or now < self._due:
            return
        if self._why == WAITING and not self._state.early:
            self._due = None
            self.schedule_regular(now)
            return
        today = kst_day(now)
        days = {today, *(self._day_of(order) for order in self._books.live.values())}
        for day in sorted(days):
            if 0 <= now - self._asked.get(day, now - UNANSWERED) < UNANSWERED:
                return
        self._due = None
        for day in sorted(days):
            self._asked[day] = now
            self._emit(
                AskOrders(
                    OrdersQuery(
                        day, self._why, self._account and day == today, now, self._state.fills
                    )
                )
            )
        self._account = False

    def on_cancel_accepted(self, now: Ns, key: str) -> None:
        """KIS took a cancel; that it was carried out is yet to be told."""
        self._cancels_accepted[key] = now
        self.schedule(now, now + SETTLES, "cancel")

    def decide(self, now: Ns, command: ResolveOrder) -> None:
        if self.resolver.decide(now, self._books, command):
            self.schedule(now, now, "decision")

    def unresolved_in(self, code: str) -> Order | None:
        """An order of unknown fate in this stock: its buys are locked."""
        unknown = (
            o for o in self._books.live.values() if o.code == code and o.state is OrderState.UNKNOWN
        )
        return next(unknown, None)

    # what

    def on_orders_read(self, now: Ns, answer: OrdersRead) -> Account | None:
        """Book an answer; gives the account when it may decide about sells that wait for it."""
        day, asked, page = answer.query.day, answer.query.asked, answer.page
        if self._asked.get(day) == asked:
            del self._asked[day]
        missing = page is None or (answer.query.account and answer.account is None)
        self._failures = self._failures + 1 if missing else 0
        if missing:
            self._not_before = now + RETRY.pause(self._failures)
            self.schedule(now, self._not_before, answer.query.why, account=answer.query.account)
        if page is None:
            self.resolver.on_orders_unread(now)
            return None
        self._reconcile_day(now, asked, day, page)
        if answer.account is not None and day == kst_day(now):
            self._reconcile_account(
                now, asked, answer.account, consistent=answer.query.fills == self._state.fills
            )
        self._schedule_again(now)
        return answer.account

    def _reconcile_day(self, now: Ns, asked: Ns, day: date, page: OrderPage) -> None:
        number = day_number(day)
        for row in page.rows:
            self._state.note_number(row.ref.day, row.ref.number)
        self.resolver.resolve(now, asked, number, self._books, page.rows)
        self._find_external(page)
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
                    now, asked, order, listed, rows, may_move=order.key in revised
                )
        for subject, what in list(self._state.drifts):
            if what in ("filled", "cancelled"):
                # Found by a life of the desk that ended before it had booked it; it is booked now.
                self._record(DriftCleared(now, subject, what))  # type: ignore[arg-type]

    def _find_external(self, page: OrderPage) -> None:
        claimed = {
            row.ref.number for mine in claims(self._books, page.rows).values() for row in mine
        }
        for row in reversed(page.rows):
            known = self._books.by_number(row.ref.day, row.ref.number)
            # A request to cancel has a row of its own, of which nothing traded and nothing is left.
            if (
                known is None
                and row.ref.number not in claimed
                and (not row.original or row.filled or row.leaves)
            ):
                parent = self._books.by_number(row.ref.day, row.original)
                self._record(ExternalFound(row.t, _external(row, parent), row.ref))

    def _being_revised(self, asked: Ns, page: OrderPage) -> set[str | None]:
        """Keys of orders of which what is gone may live on under a number that is not known yet: a revise of theirs
        is being sent, or its fate is unknown, and it can still come to light or could be a row of the list."""
        found = claims(self._books, page.rows)
        in_the_air = [self._books.orders[key] for key in found]
        return {
            o.intent.supersedes
            for o in in_the_air
            if o.state is OrderState.SENDING or asked < o.sent_at + WINDOW or found[o.key]
        }

    def _reconcile_order(
        self,
        now: Ns,
        asked: Ns,
        order: Order,
        row: OrderRow,
        rows: Mapping[int, OrderRow],
        *,
        may_move: bool,
    ) -> None:
        """Book what KIS's totals of one order have more than ours; of one that ``may_move`` not yet what is gone."""
        if order.state is OrderState.SENT and row.rejected >= order.quantity:
            self._record(
                Rejected(now, order.key, "", "the exchange refused the order, as KIS's list says")
            )
            return
        if row.filled > order.filled:
            self._repair_fills(now, order, row)
        for child_row in rows.values():
            if child_row.original == row.ref.number:
                self._record_revise(now, order, row, child_row)
        if row.qty < order.leaves + order.filled + order.cancelled and not order.cancelled:
            # A revise moves what is left when it arrives; the rest had traded before.
            self._record(Cancelled(now, order.key, order.quantity - row.qty))
        gone = _gone(order, row)
        if gone > 0 and not may_move:
            self._repair_gone(now, order, row, min(gone, order.leaves))
        if order.is_open and row.leaves and order.state is OrderState.SENT:
            self._record(Accepted(now, order.key, ref_of(order, row)))
        if (
            order.is_open
            and order.ref is not None
            and order.ref.day < day_number(now)
            and order.leaves
        ):
            self._record(Expired(now, order.key, order.leaves))
        taken = self._cancels_accepted.get(order.key)
        if not order.cancel_asked:
            self._cancels_accepted.pop(order.key, None)
        elif taken is not None and asked >= taken + SETTLES and row.leaves == order.leaves:
            del self._cancels_accepted[order.key]
            self._record(
                CancelRefused(
                    now, order.key, "", f"KIS still lists {row.leaves:,} shares; cancel again"
                )
            )

    def _repair_fills(self, now: Ns, order: Order, row: OrderRow) -> None:
        missing = row.filled - order.filled
        value = row.value - sum(f.qty * f.price for f in order.fills)
        self._record(DriftFound(now, order.key, "filled", order.filled, row.filled))
        for qty, price in split(missing, value if value >= missing else missing * row.average):
            self._record(execution(self._rules, now, order, qty, price, row.ref.venue, 0))
        self._record(DriftCleared(now, order.key, "filled"))

    def _record_revise(self, now: Ns, order: Order, row: OrderRow, child_row: OrderRow) -> None:
        """Book what went over to a revising order, as far as it is not booked as gone already."""
        child = self._books.by_number(child_row.ref.day, child_row.ref.number)
        number = child_row.ref.number
        if (
            child is not None
            and child.intent.supersedes == order.key
            and number not in order.cancels
        ):
            moved = min(child_row.qty, order.leaves, max(_gone(order, row), 0))
            self._record(Revised(now, order.key, moved, child.key, number))

    def _repair_gone(self, now: Ns, order: Order, row: OrderRow, gone: int) -> None:
        cancelled = min(gone, row.cancelled - (order.cancelled - order.expired))
        if cancelled <= 0 and not self._is_over(now, order):
            cancelled = gone
        if cancelled > 0:
            self._record(
                DriftFound(
                    now, order.key, "cancelled", order.cancelled, order.cancelled + cancelled
                )
            )
            self._record(Cancelled(now, order.key, cancelled))
            self._record(DriftCleared(now, order.key, "cancelled"))
        if gone > max(cancelled, 0):
            self._record(Expired(now, order.key, gone - max(cancelled, 0)))

    def _is_over(self, now: Ns, order: Order) -> bool:
        return now >= self.expiry(order)

    def expiry(self, order: Order) -> Ns:
        """When the rest of an order ends by the rule table; the regular close where it has no rule for it."""
        kind, venue = (
            (order.route.kind, order.route.venue) if order.route else (order.intent.kind, Venue.KRX)
        )
        if order.route is None and order.ref is not None:
            venue = order.ref.venue
        try:
            return order_rules.expires(order.sent_at, venue, kind)
        except BadInput:
            return sessions.regular_close(kst_day(order.sent_at))

    # the account

    def _reconcile_account(self, now: Ns, asked: Ns, account: Account, *, consistent: bool) -> None:
        """``consistent``: nothing was booked between the account, the list and now, so that all three agree."""
        sending = any(o.state is OrderState.SENDING for o in self._books.live.values())
        if sending or not consistent:
            self.schedule(now, now + SETTLES, "account", account=True)
            return
        stated = {h.code: (h.qty, h.cost) for h in account.holdings}
        unknown = any(o.state is OrderState.UNKNOWN for o in self._books.live.values())
        if self._state.opened is None and unknown:
            # The account already includes the unknown order's fills; opening it now would book them twice.
            self.schedule(now, now + SETTLES, "account", account=True)
            return
        if self._state.opened is None:
            # A stock that was sold out before its holding was ever read is not stated any more.
            sold_out = dict.fromkeys(self._books.account.positions.keys() - stated.keys(), (0, 0))
            self._record_unexplained(now, account.cash_d2 - self._state.flow, stated | sold_out)
            return
        stands = self._track_drift(
            now, asked, "cash", "cash", self._state.opened + self._state.flow, account.cash_d2
        )
        if stands:
            self._record_unexplained(
                now, account.cash_d2 - self._state.opened - self._state.flow, {}
            )
        for code in sorted({*stated, *self._books.account.positions}):
            ours, (theirs, cost) = self._books.account.position(code).qty, stated.get(code, (0, 0))
            if self._track_drift(now, asked, code, "holding", ours, theirs):
                self._record_unexplained(now, 0, {code: (theirs, cost)})

    def _track_drift(
        self, now: Ns, asked: Ns, subject: str, what: str, ours: int, theirs: int
    ) -> bool:
        """Show or clear a difference; True when it has stood long enough to be taken as it is."""
        found = self._state.drifts.get((subject, what))
        if ours == theirs:
            if found is not None:
                self._record(DriftCleared(now, subject, what))  # type: ignore[arg-type]
            return False
        if found is None or (found.ours, found.theirs) != (ours, theirs):
            self._record(DriftFound(now, subject, what, ours, theirs))  # type: ignore[arg-type]
            self.schedule(now, now + STANDS, "drift", account=True)
            return False
        unknown = any(o.state is OrderState.UNKNOWN for o in self._books.live.values())
        if unknown or asked < found.t + STANDS:
            return False
        self._record(DriftCleared(now, subject, what))  # type: ignore[arg-type]
        return True

    def _record_unexplained(
        self, now: Ns, cash: int, stated: Mapping[str, tuple[int, int]]
    ) -> None:
        """Book what no order explains."""
        rows = []
        for code, (qty, cost) in sorted(stated.items()):
            more = qty - self._books.account.position(code).qty
            if more:
                rows.append((code, more, cost * min(more, qty) // qty if more > 0 and qty else 0))
        self._record(AccountOpened(now, cash, tuple(rows)))

    # and when again

    def _schedule_again(self, now: Ns) -> None:
        for order in self._books.live.values():
            if order.state is OrderState.UNKNOWN:
                age = max(now - order.sent_at, SECOND)
                self.schedule(now, now + min(max(age // 2, SECOND), EVERY), "unknown")
            elif order.cancel_asked and order.key in self._cancels_accepted:
                self.schedule(now, now + SETTLES, "cancel")
            elif order.state is OrderState.NEW and self.unresolved_in(order.code):
                self.schedule(now, now + SECOND, "sellable", account=True)
        self.schedule_regular(now)

    def schedule_regular(self, now: Ns) -> None:
        """Once a minute while orders are open or a difference stands, else once in five while anybody can trade."""
        if not self.linked:
            return
        if self._books.live or self._state.drifts:
            self.schedule(now, now + EVERY, "open orders", account=True)
        elif any(
            sessions.phase(venue, now) is not Phase.CLOSED for venue in (Venue.KRX, Venue.NXT)
        ):
            self.schedule(now, now + IDLE, "orders from elsewhere", account=True)

    def _day_of(self, order: Order) -> date:
        if order.ref is None:
            return kst_day(order.sent_at or order.t)
        return date(order.ref.day // 10_000, order.ref.day // 100 % 100, order.ref.day % 100)


def execution(
    rules: Rules, now: Ns, order: Order, qty: int, price: int, venue: Venue, stamp: Ns
) -> Filled:
    """A fill with what it adds to the fee and the tax of its order at its venue: the sum does not depend on how many
    fills it came in. ``venue`` is SOR where KIS's list, which names the route alone, is all that told of it."""
    before = sum(f.qty * f.price for f in order.fills if f.venue is venue)
    fee, tax = rules.fee_and_tax(now, order.code, order.side, before, qty * price, venue)
    return Filled(now, order.key, qty, price, fee, tax, venue, stamp)


def _gone(order: Order, row: OrderRow) -> int:
    """Shares that are neither filled nor left by KIS's list, and that our book has not taken out yet."""
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
