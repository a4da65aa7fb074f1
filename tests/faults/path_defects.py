"""Desks with a defect on an order's way: what is started, awaited, and ended."""

from __future__ import annotations

from kisnb.events import Denied, Disarmed, SendUnknown
from kisnb.market import order_rules
from kisnb.orders import OrderState, Route
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.revise import place_lost
from kisnb.trading.ports.effects import Revise, Send
from kisnb.trading.turn import Turn

from .campaign import Make
from .planting import planted, with_part, with_turn


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

    def _revise(self, turn, intent, old):
        turn.emit(Revise(intent, old.ref))
        self._start(turn, intent, Route(old.ref.venue, intent.kind, place_lost(old, intent)))


class ForgetsTheCancel(Cancels):
    """A cancel that was asked for while the order was being sent stays asked for, and is
    not sent."""

    def send_deferred(self, turn, order):
        pass


class OldRules(OrderPath):
    """At the last hop the session is the one in which the order was taken."""

    def may_send(self, now, key):
        with planted(order_rules, "legal", lambda *_: order_rules.Verdict()):
            return super().may_send(now, key)


class StaysArmed(Turn):
    """A restart lets buys pass as before."""

    def record(self, row):
        if not (isinstance(row, Disarmed) and row.why == "the desk restarted"):
            super().record(row)


class NamesOneOfTwo(DeskCore):
    """At a restart an order that was being sent and cancelled is named for its cancel alone."""

    def _close_open_calls(self, turn, order):
        if order.cancel_asked:
            turn = _WithoutFate(turn)
        super()._close_open_calls(turn, order)


class _WithoutFate:
    """A turn that records no SendUnknown."""

    def __init__(self, turn):
        self.now = turn.now
        self._turn = turn

    def record(self, row):
        if not isinstance(row, SendUnknown):
            self._turn.record(row)


class DropsAtTheLastHop(OrderPath):
    """What a blackout kept at the last hop is refused for good."""

    def on_kept(self, turn, order, why):
        turn.record(Denied(turn.now, order.key, why))


class RepeatsThePost(OrderPath):
    """What KIS turned away for its speed is posted again at once, and no row says so."""

    def on_turned_away(self, turn, order, why):
        turn.emit(Send(order.intent, order.route))


PATH_DEFECTS: dict[str, Make] = {
    "sends two orders of a stock and side at once": with_part("orders", OneEach),
    "sends a revise before its row": with_part("orders", RevisesFirst),
    "forgets a cancel asked for while the order was sent": with_part("cancels", ForgetsTheCancel),
    "stays armed over a restart": with_turn(StaysArmed),
    "forgets at a restart what was sent and cancelled": NamesOneOfTwo,
    "refuses for good what a blackout keeps": with_part("orders", DropsAtTheLastHop),
    "lets an order out when its session is over": with_part("orders", OldRules),
    "posts again without a row": with_part("orders", RepeatsThePost),
}
