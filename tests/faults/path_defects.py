"""Desks with a defect on an order's way: what is started, awaited, and ended."""

from __future__ import annotations

from kisnb.events import Denied, Disarmed, SendUnknown
from kisnb.orders import OrderState, Route
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.revise import place_lost
from kisnb.trading.ports.commands import Revise

from .campaign import Make
from .planting import with_part


class OneEach(OrderPath):
    """One POST in flight for each agent, not for each stock and side."""

    def _is_in_flight(self, intent):
        return any(
            o.state is OrderState.SENDING
            and (o.code, o.side, o.intent.agent) == (intent.code, intent.side, intent.agent)
            for o in self._state.books.live.values()
        )


class RevisesFirst(OrderPath):
    """The revise before its row."""

    def _revise(self, now, intent, old):
        self._emit(Revise(intent, old.ref))
        self._start(now, intent, Route(old.ref.venue, intent.kind, place_lost(old, intent)))


class ForgetsTheCancel(Cancels):
    """A cancel that was asked for while the order was being sent stays asked for, and is
    not sent."""

    def send_deferred(self, now, order):
        pass


class OldRules(OrderPath):
    """At the last hop the session is the one in which the order was taken."""

    def may_send(self, now, key):
        order = self._state.books.orders.get(key)
        no = super().may_send(now, key)
        taken = (
            no is not None
            and order is not None
            and order.route is not None
            and not order.cancel_asked
        )
        if not taken or self._blackout(now) is not None:
            return no
        return self._refusal(now, order.intent, begun=True)


class StaysArmed(DeskCore):
    """A restart lets buys pass as before."""

    def _record(self, row):
        if not (isinstance(row, Disarmed) and row.why == "the desk restarted"):
            super()._record(row)


class NamesOneOfTwo(DeskCore):
    """At a restart an order that was being sent and cancelled is named for its cancel alone."""

    def start(self, now):
        self._starting = True
        try:
            return super().start(now)
        finally:
            self._starting = False

    def _record(self, row):
        order = self.state.books.orders.get(getattr(row, "key", ""))
        both = isinstance(row, SendUnknown) and order is not None and order.cancel_asked
        if not (getattr(self, "_starting", False) and both):
            super()._record(row)


class DropsAtTheLastHop(OrderPath):
    """What a blackout kept at the last hop is refused for good."""

    def on_kept(self, now, order, why):
        self._record(Denied(now, order.key, why))


PATH_DEFECTS: dict[str, Make] = {
    "sends two orders of a stock and side at once": with_part("orders", OneEach),
    "sends a revise before its row": with_part("orders", RevisesFirst),
    "forgets a cancel asked for while the order was sent": with_part("cancels", ForgetsTheCancel),
    "stays armed over a restart": StaysArmed,
    "forgets at a restart what was sent and cancelled": NamesOneOfTwo,
    "refuses for good what a blackout keeps": with_part("orders", DropsAtTheLastHop),
    "lets an order out when its session is over": with_part("orders", OldRules),
}
