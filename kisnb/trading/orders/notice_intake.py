"""Books execution notices, each once. A notice that may be a repetition is not booked.

A notice has no id. A fill may equal one that was booked from a notice before: the same second,
shares, price and venue. Then it is either the same fill, received again, or another fill. Only
KIS's list shows which. Cancels and revises have order numbers of their own.

    accepted   SENT: Accepted                     REJECTED: reported, the list decides
    filled     open: Filled                       repeated, listed or too many: the list is read
               ended: the list is read            and opens the order again if it has more filled
    cancelled  open: Cancelled, once per number   listed or too many: the list is read
    revised    both orders known: Revised         listed or too many: the list is read
    refused    of a cancel: CancelRefused         of the order: Rejected
    no order   kept as an early notice            the list is read soon
"""

from __future__ import annotations

from kisnb.clock import SECOND, day_number
from kisnb.events import (
    Accepted,
    Cancelled,
    CancelRefused,
    Notice,
    Rejected,
    Revised,
)
from kisnb.orders import Order, OrderRef, OrderState
from kisnb.trading.gate.risk import Rules
from kisnb.trading.orders.fill_booking import execution, record_fill
from kisnb.trading.orders.readings import SETTLES, WAITING, Readings
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

REPLY_PATIENCE = 2 * SECOND
"""The longest time for which an early notice waits for the reply with its number.

After that the list is read.
"""


class NoticeIntake:
    """Books notices.

    When a notice alone does not say enough, a reading of KIS's list is scheduled.
    """

    def __init__(
        self,
        rules: Rules,
        state: State,
        readings: Readings,
    ) -> None:
        self._rules = rules
        self._state = state
        self._readings = readings

    def receive(self, turn: Turn, notice: Notice) -> None:
        """Book a notice for its order, or keep it until its order is known."""
        order = self._order_of(notice)
        if order is None:
            if not self._is_of_others(notice):
                self._keep_early(turn, notice)
            return
        match notice.kind:
            case "accepted":
                self._on_accepted(turn, order, notice)
            case "filled":
                self._on_filled(turn, order, notice)
            case "cancelled":
                self._on_cancelled(turn, order, notice)
            case "revised":
                self._on_revised(turn, order, notice)
            case "refused":
                self._on_refused(turn, order, notice)

    def _order_of(self, notice: Notice) -> Order | None:
        """Return the order that a notice changes.

        The notice of a cancel or a revise has a number of its own. It also names the order that is
        changed.
        """
        own = self._by_kis_number(notice, notice.number)
        # A cancel and a revise have numbers of their own, and name the order that they change as
        # their original (KIS document 체결통보, H0STCNI0).
        if notice.kind not in ("cancelled", "refused") or not notice.original:
            return own
        old = self._by_kis_number(notice, notice.original)
        if notice.kind == "refused":
            return own or (old if old is not None and old.cancel_asked else None)
        return old if own is None else own

    def _by_kis_number(self, notice: Notice, number: int) -> Order | None:
        """Return the order with this number on the notice's day and branch.

        None when there is no such order, or when it is of another stock or side.
        """
        order = self._state.books.by_number(day_number(notice.t), number, notice.branch)
        if order is None or (order.code, order.side) != (notice.code, notice.side):
            return None
        return order

    def _is_of_others(self, notice: Notice) -> bool:
        """Return whether KIS refused a change of our order that this desk did not request."""
        old = self._by_kis_number(notice, notice.original)
        if notice.kind != "refused" or old is None:
            return False
        return not any(o.intent.supersedes == old.key for o in self._state.books.live.values())

    def _keep_early(self, turn: Turn, notice: Notice) -> None:
        turn.record(notice)
        # The notice may have come before the reply of an order of ours. Then the reply brings its
        # number soon, and the list need not be read.
        in_the_air = any(
            o.state is OrderState.SENDING and o.code == notice.code and o.side is notice.side
            for o in self._state.books.live.values()
        )
        self._readings.schedule(turn, turn.now + (REPLY_PATIENCE if in_the_air else 0), WAITING)

    def _on_accepted(self, turn: Turn, order: Order, notice: Notice) -> None:
        if order.state is OrderState.SENT:
            # A cancel goes where the order went (KIS document 주식주문(정정취소), EXCG_ID_DVSN_CD).
            # A notice names the venue that executes, which SOR chose (ORD_EXG_GB).
            venue = order.route.venue if order.route else notice.venue
            turn.record(
                Accepted(
                    turn.now,
                    order.key,
                    OrderRef(day_number(notice.t), notice.branch, notice.number, venue),
                )
            )
        elif order.state is OrderState.REJECTED:
            self._report_strange(turn, order, notice)

    def _on_filled(self, turn: Turn, order: Order, notice: Notice) -> None:
        filled = (notice.t, notice.qty, notice.price, notice.venue)
        again = any((f.stamp, f.qty, f.price, f.venue) == filled for f in order.fills)
        if order.is_ended:
            self._after_end(turn, order, notice, again=again)
        # It may be a repetition, or be counted already in the list's totals. Only the list shows
        # which.
        elif again or order.listed or notice.qty > order.leaves:
            self._readings.schedule(turn, turn.now, "fill")
        else:
            fill = execution(
                self._rules, turn.now, order, notice.qty, notice.price, notice.venue, notice.t
            )
            record_fill(turn, self._state, order, fill)

    def _on_cancelled(self, turn: Turn, order: Order, notice: Notice) -> None:
        # Its number shows that it is the same cancel again, so the list need not be read.
        if notice.number in order.cancels:
            return
        if order.is_ended:
            self._after_end(turn, order, notice, again=False)
        elif order.listed or notice.qty > order.leaves:
            self._readings.schedule(turn, turn.now, "cancel")
        else:
            turn.record(Cancelled(turn.now, order.key, notice.qty, notice.number))

    def _on_revised(self, turn: Turn, order: Order, notice: Notice) -> None:
        old = self._by_kis_number(notice, notice.original)
        if old is None or notice.number in old.cancels:
            return
        if (
            old.listed
            or order.listed
            or notice.qty > old.leaves
            or order.state is not OrderState.SENT
        ):
            self._readings.schedule(turn, turn.now, "revise")
            return
        # The old order comes first, because the shares must leave it before they count in the new
        # one.
        turn.record(Revised(turn.now, old.key, notice.qty, order.key, notice.number))
        self._on_accepted(turn, order, notice)
        # A part traded while the revise was on its way, so fewer shares moved than requested.
        if notice.qty < order.leaves:
            turn.record(Cancelled(turn.now, order.key, order.leaves - notice.qty, notice.number))

    def _on_refused(self, turn: Turn, order: Order, notice: Notice) -> None:
        # A refused cancel names the order in ``original``, and has a number of its own.
        if order.number != notice.number:
            turn.record(CancelRefused(turn.now, order.key, "", "the exchange refused the cancel"))
        elif order.state is OrderState.SENT:
            turn.record(Rejected(turn.now, order.key, "", "the exchange refused the order"))
        elif order.state is not OrderState.REJECTED:
            self._report_strange(turn, order, notice)

    def _after_end(self, turn: Turn, order: Order, notice: Notice, *, again: bool) -> None:
        """Handle a notice of an order that has ended: the notice may show that the end was wrong.

        ``again``: the notice repeats a fill that is booked.
        """
        if again:
            return
        if not order.listed:
            self._report_strange(turn, order, notice)
        # If the order ended by KIS's list, its totals contain these shares already, or the list was
        # wrong. A later list shows which, and opens the order again if necessary.
        elif notice.kind == "filled" and order.state is not OrderState.FILLED:
            self._readings.schedule(turn, turn.now + SETTLES, "strange notice")

    def _report_strange(self, turn: Turn, order: Order, notice: Notice) -> None:
        said = f"#{notice.number} is {notice.kind} ({notice.qty:,})"
        text = f"a notice says that {said}, but the order is {order.state}"
        turn.report(f"{text}; KIS's list decides")
        self._readings.schedule(turn, turn.now, "strange notice")
