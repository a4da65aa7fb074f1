"""Cancels: one at a time for each order, sent at once or as soon as the order has its number."""

from __future__ import annotations

from kisnb.clock import SECOND, Ns
from kisnb.events import Cancelled, CancelRefused, CancelStarted, Denied, Trouble
from kisnb.orders import Order, OrderRow, OrderState, SendReply
from kisnb.trading.order_books.order_book import EXTERNAL
from kisnb.trading.orders.readings import SETTLES, Readings
from kisnb.trading.ports.effects import Cancel, CancelReserved
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

TRIED: Ns = 30 * SECOND
"""A call that KIS turns away is tried again for this time."""


class Cancels:
    """Sends the cancels of orders, and handles KIS's replies."""

    def __init__(self, state: State, readings: Readings) -> None:
        self._state = state
        self._readings = readings
        self._accepted: dict[str, Ns] = {}
        """By the order's key: when KIS accepted a cancel that it has not confirmed yet."""
        self._turned_away: dict[str, Ns] = {}
        """When KIS first turned away the cancel of an order, by the order's key."""

    def request(self, turn: Turn, key: str, qty: int | None, *, kill_switch: bool) -> None:
        """Cancel ``qty`` shares of an order; None means all leaves.

        An order that was not sent yet is denied. An order without a number cannot be cancelled,
        except while it is being sent: then its cancel follows its reply. ``kill_switch`` True: the
        kill switch cancels. Only then external orders are cancelled too.
        """
        order = self._state.books.orders.get(key)
        if order is None or not order.is_open:
            what = "no order" if order is None else f"the order is {order.state}"
            turn.publish(Trouble(turn.now, f"nothing to cancel: {what} ({key})"))
        # Orders of another program or the phone are not ours to cancel, except in an emergency.
        elif order.intent.agent == EXTERNAL and not kill_switch:
            why = "it was not placed from here: only the kill switch cancels it"
            turn.record(CancelRefused(turn.now, key, "", why))
        elif order.state is OrderState.RESERVED:
            # A reserved order has its own number, and KIS has a separate call to cancel it.
            if qty is not None and qty != order.leaves:
                why = "a reserved order is cancelled as a whole"
                turn.record(CancelRefused(turn.now, key, "", why))
            elif not order.cancel_asked:
                turn.record(CancelStarted(turn.now, key, None))
                turn.emit(CancelReserved(key, order.reserved_as, order.intent.day))
        elif order.state is OrderState.NEW:
            why = "it was cancelled before it was sent"
            turn.record(Denied(turn.now, key, why, "order again if it is still wanted"))
        # KIS names the order to cancel by its number (KIS document 주식주문(정정취소), ORGN_ODNO).
        # A cancel of all leaves waits for that number while the order is being sent. A partial
        # cancel does not wait.
        elif order.ref is None and (order.state is not OrderState.SENDING or qty is not None):
            why = "the order has no number yet; cancel again when it has"
            turn.record(CancelRefused(turn.now, key, "", why))
        elif not order.cancel_asked:
            turn.record(CancelStarted(turn.now, key, qty))
            # Without a number only the row is written: ``send_deferred`` sends the cancel when the
            # order's reply has come.
            if order.ref is not None:
                turn.emit(Cancel(key, order.ref, qty))

    def send_deferred(self, turn: Turn, order: Order) -> None:
        """Send a cancel that was requested while the order itself was being sent."""
        if order.ref is not None:
            turn.emit(Cancel(order.key, order.ref, None))
        elif order.state is OrderState.RESERVED:
            turn.emit(CancelReserved(order.key, order.reserved_as, order.intent.day))
        else:
            turn.record(CancelRefused(turn.now, order.key, "", "the order has no number"))

    def on_reply(self, turn: Turn, reply: SendReply) -> None:
        """Record KIS's reply to a cancel. If KIS turned the cancel away, send it again."""
        order = self._state.books.orders[reply.key]
        if reply.outcome != "again":
            self._turned_away.pop(reply.key, None)
        # The order may have ended while its cancel was on the way. Then the reply changes nothing.
        if not order.is_open:
            return
        if reply.outcome == "sent" and order.state is OrderState.RESERVED:
            # KIS replies when it has carried out the cancel (NRML_PRCS_YN), and sends no notice.
            turn.record(Cancelled(turn.now, reply.key, order.leaves))
            return
        if reply.outcome == "sent":
            self._accepted[reply.key] = turn.now
            self._readings.schedule(turn, turn.now + SETTLES, "cancel")
            return
        if reply.outcome == "again" and self._start_again(turn, order):
            return
        # Other cancels are not repeated here. KIS's list shows whether they were carried out.
        text = reply.text or "no answer came; the order may or may not be cancelled"
        turn.record(CancelRefused(turn.now, reply.key, reply.msg_cd, text))
        self._readings.schedule(turn, turn.now, "cancel refused")

    def _start_again(self, turn: Turn, order: Order) -> bool:
        """Send a cancel again that KIS turned away for its speed or token.

        Each POST has its own row. Return False when the cancel may not be tried again.
        """
        started = [fact for fact in order.facts if isinstance(fact, CancelStarted)]
        since = self._turned_away.setdefault(order.key, turn.now)
        # The kill switch may cancel orders of others, and only while it runs.
        is_not_ours = order.intent.agent == EXTERNAL and not self._state.halting
        if order.ref is None or not started or is_not_ours or turn.now >= since + TRIED:
            del self._turned_away[order.key]
            return False
        turn.record(CancelStarted(turn.now, order.key, started[-1].qty))
        turn.emit(Cancel(order.key, order.ref, started[-1].qty))
        return True

    def on_listed(self, turn: Turn, asked: Ns, order: Order, row: OrderRow) -> None:
        """Record an accepted cancel as refused if KIS's list does not show the cancel.

        The list was read after ``asked``.
        """
        accepted = self._accepted.get(order.key)
        if not order.cancel_asked:
            self._accepted.pop(order.key, None)
        # A list that was asked for earlier may be older than the cancel, so it proves nothing.
        elif accepted is not None and asked >= accepted + SETTLES and row.leaves == order.leaves:
            del self._accepted[order.key]
            text = f"KIS still lists {row.leaves:,} shares; cancel again"
            turn.record(CancelRefused(turn.now, order.key, "", text))

    def is_unconfirmed(self, order: Order) -> bool:
        """Return whether KIS accepted a cancel of the order that its list does not show yet."""
        return order.cancel_asked and order.key in self._accepted
