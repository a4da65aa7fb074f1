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
        record: Callable[[Row], None],
        emit: Callable[[Effect], None],
    ) -> None:
        self._state = state
        self._reconciliation = reconciliation
        self._record = record
        self._emit = emit

    def request(self, now: Ns, key: str, qty: int | None, *, kill_switch: bool) -> None:
        order = self._state.books.orders.get(key)
        if order is None or not order.is_open:
            what = "no order" if order is None else f"the order is {order.state}"
            self._emit(Publish(Trouble(now, f"nothing to cancel: {what} ({key})")))
        elif order.intent.agent == EXTERNAL and not kill_switch:
            why = "it was not placed from here: only the kill switch cancels it"
            self._record(CancelRefused(now, key, "", why))
        elif order.state is OrderState.NEW:
            self._record(
                Denied(
                    now,
                    key,
                    "it was cancelled before it was sent",
                    "order again if it is still wanted",
                )
            )
        elif order.ref is None and (order.state is not OrderState.SENDING or qty is not None):
            self._record(
                CancelRefused(now, key, "", "the order has no number yet; cancel again when it has")
            )
        elif not order.cancel_asked:
            self._record(CancelStarted(now, key, qty))
            if order.ref is not None:
                self._emit(Cancel(key, order.ref, qty))

    def on_reply(self, now: Ns, reply: SendReply) -> None:
        order = self._state.books.orders[reply.key]
        if not order.is_open:
            return
        if reply.outcome == "sent":
            self._reconciliation.on_cancel_accepted(now, reply.key)
            return
        text = reply.text or "no answer came; the order may or may not be cancelled"
        self._record(CancelRefused(now, reply.key, reply.msg_cd, text))
        self._reconciliation.schedule(now, now, "cancel refused")

    def send_deferred(self, now: Ns, order: Order) -> None:
        """The cancel that was asked for while the order itself was being sent."""
        if order.ref is not None:
            self._emit(Cancel(order.key, order.ref, None))
        else:
            self._record(CancelRefused(now, order.key, "", "the order has no number"))
