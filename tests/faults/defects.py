"""Desks with a defect, planted to see whether the campaign finds it."""

from __future__ import annotations

from kisnb.events import Cancelled, CancelRefused, Rejected, SendUnknown
from kisnb.orders import ALLOWED, OrderState
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Gate
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.fill_booking import execution
from kisnb.trading.orders.notice_intake import NoticeIntake
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.ports.effects import Persist, Publish, Send
from kisnb.trading.ports.limits import Limits
from kisnb.trading.turn import Turn

from .campaign import Make, rules
from .evidence_defects import EVIDENCE_DEFECTS
from .gate_defects import GATE_DEFECTS
from .path_defects import PATH_DEFECTS
from .planting import with_part, with_turn
from .switch_defects import SWITCH_DEFECTS


class BelievesEveryFill(NoticeIntake):
    def _on_filled(self, turn, order, notice):
        if order.is_open and notice.qty <= order.leaves:
            told = (notice.qty, notice.price, notice.venue, notice.t)
            turn.record(execution(rules(), turn.now, order, *told))


class BelievesEveryCancel(NoticeIntake):
    def _on_cancelled(self, turn, order, notice):
        if order.is_open and notice.qty <= order.leaves:
            turn.record(Cancelled(turn.now, order.key, notice.qty, notice.number))


class SendsAgain(DeskCore):
    def _on_send_reply(self, turn, reply):
        order = self.state.books.orders[reply.key]
        super()._on_send_reply(turn, reply)
        if order.state is OrderState.UNKNOWN:
            turn.emit(Send(order.intent, order.route))


class TakesSilenceForRefusal(Turn):
    def record(self, row):
        super().record(
            Rejected(row.t, row.key, "", row.text) if isinstance(row, SendUnknown) else row
        )


class LetsExitsPass(DeskCore):
    """In HALTED too, and at the last hop."""

    def __init__(self, rules, limits, state):
        super().__init__(rules, limits, state)
        self.gate = self.orders.gate = ExitGate(rules, limits)

    def may_send(self, now, key):
        protective = self.state.books.orders[key].intent.protective
        return ALLOWED if protective else super().may_send(now, key)


class ExitGate(Gate):
    def check(self, now, intent, state):
        halt, state.halt = state.halt, "active" if intent.protective else state.halt
        try:
            return super().check(now, intent, state)
        finally:
            state.halt = halt


class ForgetsTheLastHop(DeskCore):
    def may_send(self, now, key):
        return ALLOWED


def overlooking(what: str) -> Make:
    """At the last hop one reason to keep an order does not count."""

    class Overlooks(DeskCore):
        def may_send(self, now, key):
            permission = super().may_send(now, key)
            return ALLOWED if what in permission.reason else permission

    return Overlooks


class KeepsReservations(Turn):
    """What a refused order had reserved is never free again."""

    def record(self, row):
        super().record(row)
        if isinstance(row, Rejected):
            books = self._state.books
            books.live[row.key] = books.orders[row.key]


class SpendsTwice(DeskCore):
    def __init__(self, rules, limits, state):
        super().__init__(rules, limits, state)
        self.gate._reserved = lambda *_: 0  # type: ignore[method-assign]


class AdoptsAgain(DeskCore):
    """A repeated call takes over a second time."""

    def _adopt(self, turn, wish):
        self.state.books.adoptions.pop(wish.key, None)
        super()._adopt(turn, wish)


class CancelsThePhone(Cancels):
    def request(self, turn, key, qty, *, kill_switch):
        super().request(turn, key, qty, kill_switch=True)


class IgnoresBlackout(DeskCore):
    def __init__(self, rules, limits, state):
        super().__init__(rules, Limits(), state)


class TellsFirst(DeskCore):
    """Publishes before the row is on the disk."""

    def step(self, now, said):
        effects = super().step(now, said)
        return sorted(
            effects,
            key=lambda e: 0 if isinstance(e, Publish) else 1 if isinstance(e, Persist) else 2,
        )


class BuysBesideTheUnknown(OrderPath):
    def _why_buys_locked(self, intent):
        return None


class GivesUpACancel(Turn):
    """Of a cancel in flight when the desk died nothing is said: it can never be cancelled
    again."""

    def record(self, row):
        if not isinstance(row, CancelRefused):
            super().record(row)


DEFECTS: dict[str, Make] = {
    "books a fill twice": with_part("_notices", BelievesEveryFill),
    "counts a cancel twice": with_part("_notices", BelievesEveryCancel),
    "sends again": SendsAgain,
    "forgets an order": with_turn(TakesSilenceForRefusal),
    "lets exits pass in halted": LetsExitsPass,
    "forgets the last hop": ForgetsTheLastHop,
    "lets an order into a blackout": overlooking("blackout until"),
    "lets a buy outlive its arming": overlooking("is not armed"),
    "lets a cancelled order out": overlooking("was cancelled before it was sent"),
    "keeps the reservation of a refused order": with_turn(KeepsReservations),
    "spends the same won twice": SpendsTwice,
    "adopts again": AdoptsAgain,
    "cancels orders of the phone": with_part("cancels", CancelsThePhone),
    "sends in a blackout": IgnoresBlackout,
    "tells before it writes": TellsFirst,
    "buys beside an order of unknown fate": with_part("orders", BuysBesideTheUnknown),
    "gives up a cancel": with_turn(GivesUpACancel),
    **GATE_DEFECTS,
    **PATH_DEFECTS,
    **EVIDENCE_DEFECTS,
    **SWITCH_DEFECTS,
}
