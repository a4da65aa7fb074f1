"""Compares one order with its row of KIS's list, and books the difference.

Fills only grow, so more fills in the list are booked at once, and fewer change nothing. Other
figures of the list may be wrong: a row may be late, or show a part of the order. So an unexpected
end is first kept as a difference (``DriftFound``). The order stays open until a second reading,
``AGREES`` later, says the same. If the account looks as if these shares had traded, the order stays
open for ``FOLLOWED``: a row may show a part of the order for minutes.

| the list says                          | it is expected when …                    | and else     |
|----------------------------------------|------------------------------------------|--------------|
| more shares filled                     | always                                   |              |
| shares are gone                        | a cancel was asked for here, or has a    | held until a |
|                                        | row; a revise has a row; the order's     | second       |
|                                        | session is over; its kind does not wait  | reading      |
| the quantity is smaller than ours      | a revise moved no more than was left     | agrees       |
| a revise, of shares that count as gone | always: only their new order is new      |              |
| the exchange refused the order         | never: its notice was lost               |              |
| living shares that we count as gone    | the list alone had said that they are    |              |
|                                        | gone; or more is filled than was left    |              |

The last line opens an order again that has ended (``Reopened``). It is never sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kisnb.clock import SECOND, Ns, day_number, kst_day
from kisnb.errors import BadInput
from kisnb.events import (
    Accepted,
    Cancelled,
    CancelStarted,
    DriftCleared,
    DriftFound,
    Expired,
    Rejected,
    Reopened,
    Revised,
)
from kisnb.market import order_rules, sessions
from kisnb.orders import Order, OrderRow, OrderState
from kisnb.terms import Side
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.ledger import split
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.fill_booking import execution, record_fill
from kisnb.trading.orders.readings import EVERY, Readings
from kisnb.trading.orders.resolver import ref_of
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

AGREES: Ns = 10 * SECOND
"""The least time between a first and a second reading.

An unexpected end counts only when the second reading says the same.
"""

FOLLOWED: Ns = 600 * SECOND
"""An order that ended by the list alone is still read every minute for this time."""


class OrderReconciliation:
    """Adjusts one order to its totals in KIS's list."""

    def __init__(self, rules: Rules, state: State, readings: Readings, cancels: Cancels) -> None:
        self._rules = rules
        self._state = state
        self._readings = readings
        self._cancels = cancels
        self._confirmed: dict[str, Ns] = {}
        """By the order's key: when a second reading confirmed its unexpected end."""

    @property
    def _books(self) -> OrderBooks:
        return self._state.books

    def reconcile(
        self,
        turn: Turn,
        asked: Ns,
        order: Order,
        row: OrderRow,
        changes: Sequence[OrderRow],
        *,
        may_move: bool,
        whole: bool,
        stated: Mapping[str, int] | None = None,
    ) -> None:
        """Book the fills and the ends that KIS's row has and our order lacks.

        Shares that our order has and the row lacks are booked as cancelled or expired only when
        ``may_move`` is False and ``whole`` is True.

        - ``asked``: the row was read after this moment.
        - ``changes``: the rows that revise or cancel this order.
        - ``may_move``: a revise may have moved those shares to another order.
        - ``whole``: no row of the list is missing.
        - ``stated``: the shares of each stock by the account that was read with the list. None: no
          account was read, or something was booked since.
        """
        if self._is_refused(turn, asked, order, row):
            return
        self._open_again(turn, asked, order, row)
        if order.is_ended:
            self._record_revises(turn, order, row, changes)
            if _back_by(order, row) <= 0:
                self._clear(turn, order)
            if self.is_doubtful(turn.now, order):
                self._readings.schedule(turn, turn.now + EVERY, "an end by the list")
            return
        self._repair_fills(turn, order, row)
        self._record_revises(turn, order, row, changes)
        smaller = min(order.quantity - row.qty, order.leaves)
        # A row with fewer shares than were filled is wrong, and does not show which shares were
        # moved.
        is_whole = row.qty >= order.filled and not order.cancelled
        if smaller > 0 and is_whole and self._has_moved_less(order):
            turn.record(Cancelled(turn.now, order.key, smaller))
        gone = min(gone_by(order, row), order.leaves)
        if gone > 0 and not may_move and whole:
            self._take_out(turn, asked, order, row, changes, gone, stated)
        elif gone == 0:
            self._clear(turn, order)
        # The notice of the acceptance was lost: KIS lists waiting shares, so the exchange has the
        # order.
        if order.is_open and row.leaves and order.state is OrderState.SENT:
            turn.record(Accepted(turn.now, order.key, ref_of(order, row)))
        if (
            order.is_open
            and order.ref is not None
            and order.ref.day < day_number(turn.now)
            and order.leaves
            and whole
        ):
            turn.record(Expired(turn.now, order.key, order.leaves))
        self._cancels.on_listed(turn, asked, order, row)

    # unexpected ends

    def is_doubtful(self, now: Ns, order: Order) -> bool:
        """Return whether the order's state comes from the list alone, which may be wrong."""
        if (order.key, "cancelled") in self._state.drifts:
            return True
        since = self._confirmed.get(order.key)
        return since is not None and now < since + FOLLOWED

    def _agrees(
        self,
        turn: Turn,
        asked: Ns,
        order: Order,
        ours: int,
        theirs: int,
        *,
        expected: bool = False,
        contradicted: bool = False,
    ) -> bool:
        """Record a figure of the list that differs from ours. Return whether it may be booked now.

        An expected figure may be booked at once, an unexpected one only after a second reading. If
        the account contradicts it, it may be booked ``FOLLOWED`` after the first reading.
        """
        found = self._state.drifts.get((order.key, "cancelled"))
        same = found is not None and (found.ours, found.theirs) == (ours, theirs)
        if not same:
            turn.record(DriftFound(turn.now, order.key, "cancelled", ours, theirs))
        wait = FOLLOWED if contradicted else AGREES
        if expected or (same and found is not None and asked >= found.t + wait):
            self._clear(turn, order)
            if not expected:
                # Both readings may have been wrong, so the order is read again.
                self._confirmed[order.key] = turn.now
                self._readings.schedule(turn, turn.now + EVERY, "an end by the list")
            return True
        self._readings.schedule(turn, turn.now + AGREES, "surprise")
        return False

    def _clear(self, turn: Turn, order: Order) -> None:
        if (order.key, "cancelled") in self._state.drifts:
            turn.record(DriftCleared(turn.now, order.key, "cancelled"))

    def _is_refused(self, turn: Turn, asked: Ns, order: Order, row: OrderRow) -> bool:
        """Return whether the list says that the exchange refused the order.

        Record the rejection once a second reading agrees. The notice of it was lost or is still to
        come, or the row is wrong.
        """
        if order.state is not OrderState.SENT or row.rejected < order.quantity:
            return False
        if self._agrees(turn, asked, order, 0, order.quantity):
            why = "the exchange refused the order, as KIS's list says"
            turn.record(Rejected(turn.now, order.key, "", why))
        return True

    def _open_again(self, turn: Turn, asked: Ns, order: Order, row: OrderRow) -> None:
        """Open an order again if the list shows living shares that we count as gone."""
        back = _back_by(order, row)
        if back <= 0 or row.rejected >= order.quantity:
            return
        ours, refused = order.cancelled, order.state is OrderState.REJECTED
        # Fills prove that the order is open. Waiting shares do not: the list may be late, because a
        # notice had reported their end, or the list was asked for before that end.
        proven = row.filled > order.filled + (order.leaves if order.is_open else 0)
        last = next((f for f in reversed(order.facts) if isinstance(f, _REMOVALS)), None)
        by_list = isinstance(last, Expired) or (isinstance(last, Cancelled) and not last.number)
        expected = proven or (by_list and last is not None and asked > last.t)
        if not self._agrees(turn, asked, order, ours, ours - back, expected=expected):
            return
        figures = f"{row.filled:,} filled and {row.leaves:,} open"
        why = f"KIS lists {figures}, and the order counted as {order.state}"
        turn.record(Reopened(turn.now, order.key, 0 if refused else back, why))
        if not _gone_by_list(order):
            # No end of this order comes from the list any more, so nothing waits for its proof.
            self._confirmed.pop(order.key, None)

    # figures

    def _repair_fills(self, turn: Turn, order: Order, row: OrderRow) -> None:
        missing = min(row.filled - order.filled, order.leaves)
        if missing <= 0:
            return
        # Both sums are exact. KIS's average price is rounded, and is used only where its sum cannot
        # be right.
        value = row.value - sum(f.qty * f.price for f in order.fills)
        turn.record(DriftFound(turn.now, order.key, "filled", order.filled, row.filled))
        for qty, price in split(missing, value if value >= missing else missing * row.average):
            fill = execution(self._rules, turn.now, order, qty, price, row.ref.venue, 0)
            record_fill(turn, self._state, order, fill)
        turn.record(DriftCleared(turn.now, order.key, "filled"))

    def _record_revises(
        self, turn: Turn, order: Order, row: OrderRow, changes: Sequence[OrderRow]
    ) -> None:
        """Record the shares that revising orders have taken over, each revise once."""
        # A revise is a new row whose original is this order (KIS document 주식주문(정정취소): the
        # reply has a new ODNO).
        for child_row in changes:
            of, number = child_row.ref, child_row.ref.number
            child = self._books.by_number(of.day, number, of.branch)
            if child is None or child.intent.supersedes != order.key or number in order.cancels:
                continue
            moved = min(child_row.qty, order.leaves, max(gone_by(order, row), 0))
            # An earlier list lacked this row. By that list the shares were only gone.
            counted = min(child_row.qty, _gone_by_list(order)) if not moved else 0
            if qty := moved or counted:
                turn.record(
                    Revised(turn.now, order.key, qty, child.key, number, counted=counted > 0)
                )

    def _take_out(
        self,
        turn: Turn,
        asked: Ns,
        order: Order,
        row: OrderRow,
        changes: Sequence[OrderRow],
        gone: int,
        stated: Mapping[str, int] | None,
    ) -> None:
        """Record ``gone`` shares as cancelled or expired, at once if that is expected.

        Otherwise they are recorded when a second reading agrees. ``stated`` is explained in
        ``reconcile``.
        """
        ours = order.cancelled
        expected = self._is_expected(turn.now, order, row, changes, gone)
        contradicted = self._may_have_traded(order, row, gone, stated)
        if not expected and not self._agrees(
            turn, asked, order, ours, ours + gone, contradicted=contradicted
        ):
            return
        # The list counts cancelled shares separately. Other shares that are gone have expired,
        # unless the order could not expire yet.
        cancelled = min(gone, row.cancelled - (order.cancelled - order.expired))
        if cancelled <= 0:
            cancelled = gone if turn.now < expiry(order) else 0
        if cancelled > 0:
            if expected:
                turn.record(DriftFound(turn.now, order.key, "cancelled", ours, ours + cancelled))
            turn.record(Cancelled(turn.now, order.key, cancelled))
        if gone > cancelled:
            turn.record(Expired(turn.now, order.key, gone - cancelled))
        self._clear(turn, order)

    def _may_have_traded(
        self, order: Order, row: OrderRow, gone: int, stated: Mapping[str, int] | None
    ) -> bool:
        """Return whether ``gone`` shares, which the list shows as gone, look as if they had traded.

        Then the list is wrong or late. An exit that believed the list would sell the shares twice.
        Three things show that the shares may have traded: KIS's account, a confirmed cancel of all
        leaves, and a row of an exit that is smaller than the exit. A cancel of all leaves ends all
        shares that have not traded. So the shares that it did not end have traded. ``stated`` is
        explained in ``reconcile``.
        """
        if order.intent.protective and row.qty < order.quantity and not self._has_moved_less(order):
            return True
        if _has_cancelled_all(order):
            return True
        ours = self._books.account.position(order.code).qty
        drift = self._state.account_drift(order.code)
        change = drift.theirs - drift.ours if drift is not None else 0
        if stated is not None:
            change = stated.get(order.code, 0) - ours
        return 0 < (change if order.side is Side.BUY else -change) <= gone

    def _is_expected(
        self, now: Ns, order: Order, row: OrderRow, changes: Sequence[OrderRow], gone: int
    ) -> bool:
        """Return whether there is a known reason why these shares are gone."""
        cancelled = order.cancelled - order.expired
        return (row.qty == order.quantity or self._has_moved_less(order)) and (
            order.cancel_asked
            or order.sent_kind.immediate
            or now >= expiry(order)
            or cancelled + gone <= sum(change.qty for change in changes)
        )

    def _has_moved_less(self, order: Order) -> bool:
        """Return whether a revise may have moved fewer shares than it asked for.

        A revise moves the shares that are still open when it arrives at the exchange. If some had
        traded before, it moves fewer, and the revised order has ended.
        """
        parent = self._books.orders.get(order.intent.supersedes or "")
        return parent is not None and not parent.is_open


_REMOVALS = (Cancelled, Revised, Expired)


def gone_by(order: Order, row: OrderRow) -> int:
    """Return the number of shares that are gone in KIS's list and open in our order book."""
    return row.gone + order.quantity - row.qty - order.cancelled


def _has_cancelled_all(order: Order) -> bool:
    """Return whether KIS has confirmed a cancel of all leaves.

    A cancel of a part that followed a refused cancel of all does not count.
    """
    is_of_all = False
    for fact in order.facts:
        if isinstance(fact, CancelStarted):
            is_of_all = fact.qty is None
        elif isinstance(fact, Cancelled) and fact.number and is_of_all:
            return True
    return False


def _gone_by_list(order: Order) -> int:
    """Return how many shares count as cancelled only because a list showed them as gone.

    Shares that a later list showed in a revising order are not counted.
    """
    gone = sum(f.qty for f in order.facts if isinstance(f, Cancelled) and not f.number)
    moved = sum(f.qty for f in order.facts if isinstance(f, Revised) and f.counted)
    back = sum(f.qty for f in order.facts if isinstance(f, Reopened))
    return max(gone - moved - back, 0)


def _back_by(order: Order, row: OrderRow) -> int:
    """Return the number of shares that are open or filled in KIS's list but gone in our order book.

    Shares that a revise moved belong to another order, and are not counted.
    """
    if order.state is OrderState.REJECTED:
        return row.filled + row.leaves
    back = -gone_by(order, row)
    if back <= 0:
        return back
    moved = sum(fact.qty for fact in order.facts if isinstance(fact, Revised))
    return min(back, order.cancelled - moved)


def expiry(order: Order) -> Ns:
    """Return when the leaves of an order end by the table of order rules.

    If the table has no rule for the order, return the close of the regular market session.
    """
    try:
        return order_rules.expires(order.sent_at, order.sent_venue, order.sent_kind)
    except BadInput:
        return sessions.regular_close(kst_day(order.sent_at))
