"""Cancels: asked once at a time, at once or as soon as the order has its number."""

from __future__ import annotations

from collections.abc import Callable

from kisnb.clock import Ns
from kisnb.events import CancelRefused, CancelStarted, Denied, Trouble
from kisnb.orders import Order, OrderState, SendReply
from kisnb.trading.order_books.order_book import EXTERNAL
from kisnb.trading.orders.reconciliation import Reconciliation
from kisnb.trading.ports.commands import Cancel, Effect, Publish
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State


class Cancels:
    """Takes orders out of the market. Pure: rows and effects go out."""

    def __init__(
        self,
        state: State,
        reconciliation: Reconciliation,
        row: Callable[[Row], None],
        then: Callable[[Effect], None],
    ) -> None:
        self._state = state
        self._reconciliation = reconciliation
        self._row = row
        self._then = then

    def ask(self, now: Ns, key: str, qty: int | None, *, kill_switch: bool) -> None:
        order = self._state.books.orders.get(key)
        if order is None or not order.is_open:
            what = "no order" if order is None else f"the order is {order.state}"
            self._then(Publish(Trouble(now, f"nothing to cancel: {what} ({key})")))
        elif order.intent.agent == EXTERNAL and not kill_switch:
            why = "it was not placed from here: only the kill switch cancels it"
            self._row(CancelRefused(now, key, "", why))
        elif order.state is OrderState.NEW:
            self._row(Denied(now, key, "it was cancelled before it was sent", "order again if it is still wanted"))
        elif order.ref is None and (order.state is not OrderState.SENDING or qty is not None):
            self._row(CancelRefused(now, key, "", "the order has no number yet; cancel again when it has"))
        elif not order.cancel_asked:
            self._row(CancelStarted(now, key, qty))
            if order.ref is not None:
                self._then(Cancel(key, order.ref, qty))

    def replied(self, now: Ns, reply: SendReply) -> None:
        order = self._state.books.orders[reply.key]
        if not order.is_open:
            return
        if reply.outcome == "sent":
            self._reconciliation.cancel_taken(now, reply.key)
            return
        text = reply.text or "no answer came; the order may or may not be cancelled"
        self._row(CancelRefused(now, reply.key, reply.msg_cd, text))
        self._reconciliation.look(now, now, "cancel refused")

    def at_last(self, now: Ns, order: Order) -> None:
        """The cancel that was asked for while the order itself was being sent."""
        if order.ref is not None:
            self._then(Cancel(order.key, order.ref, None))
        else:
            self._row(CancelRefused(now, order.key, "", "the order has no number"))
