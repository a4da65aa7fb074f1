"""Desks with a defect, planted to see whether the campaign finds it."""

from __future__ import annotations

from kisnb.events import Cancelled, CancelRefused, Rejected, SendUnknown
from kisnb.orders import OrderState
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Gate
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.notice_intake import NoticeIntake
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.reconciliation import execution
from kisnb.trading.ports.commands import Persist, Publish, Send
from kisnb.trading.ports.limits import Limits

from .campaign import Make, rules
from .evidence_defects import EVIDENCE_DEFECTS
from .gate_defects import GATE_DEFECTS
from .path_defects import PATH_DEFECTS
from .planting import with_part
from .switch_defects import SWITCH_DEFECTS


class BelievesEveryFill(NoticeIntake):
    def _on_filled(self, now, order, notice):
        if order.is_open and notice.qty <= order.leaves:
            self._record(
                execution(rules(), now, order, notice.qty, notice.price, notice.venue, notice.t)
            )


class BelievesEveryCancel(NoticeIntake):
    def _on_cancelled(self, now, order, notice):
        if order.is_open and notice.qty <= order.leaves:
            self._record(Cancelled(now, order.key, notice.qty, notice.number))


class SendsAgain(DeskCore):
    def _on_send_reply(self, now, reply):
        order = self.state.books.orders[reply.key]
        super()._on_send_reply(now, reply)
        if order.state is OrderState.UNKNOWN:
            self._emit(Send(order.intent, order.route))


class TakesSilenceForRefusal(DeskCore):
    def _record(self, row):
        super()._record(
            Rejected(row.t, row.key, "", row.text) if isinstance(row, SendUnknown) else row
        )


class LetsExitsPass(DeskCore):
    """In HALTED too, and at the last hop."""

    def __init__(self, rules, limits, state):
        super().__init__(rules, limits, state)
        self.gate = self.orders.gate = ExitGate(rules, limits)

    def may_send(self, now, key):
        return (
            None if self.state.books.orders[key].intent.protective else super().may_send(now, key)
        )


class ExitGate(Gate):
    def check(self, now, intent, state, *, begun=False):
        halt, state.halt = state.halt, "active" if intent.protective else state.halt
        try:
            return super().check(now, intent, state, begun=begun)
        finally:
            state.halt = halt


class ForgetsTheLastHop(DeskCore):
    def may_send(self, now, key):
        return None


def overlooking(what: str) -> Make:
    """At the last hop one reason to keep an order does not count."""

    class Overlooks(DeskCore):
        def may_send(self, now, key):
            no = super().may_send(now, key)
            return None if no is not None and what in no.reason else no

    return Overlooks


class KeepsReservations(DeskCore):
    """What a refused order had reserved is never free again."""

    def _record(self, row):
        super()._record(row)
        if isinstance(row, Rejected):
            self.state.books.live[row.key] = self.state.books.orders[row.key]


class SpendsTwice(DeskCore):
    def __init__(self, rules, limits, state):
        super().__init__(rules, limits, state)
        self.gate._reserved = lambda *_: 0  # type: ignore[method-assign]


class AdoptsAgain(DeskCore):
    """A repeated call takes over a second time."""

    def _adopt(self, now, wish):
        self.state.books.adoptions.pop(wish.key, None)
        super()._adopt(now, wish)


class CancelsThePhone(Cancels):
    def request(self, now, key, qty, *, kill_switch):
        super().request(now, key, qty, kill_switch=True)


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


class GivesUpACancel(DeskCore):
    """Of a cancel in the air when the desk died nothing is said: it can never be cancelled
    again."""

    def _record(self, row):
        if not isinstance(row, CancelRefused):
            super()._record(row)


DEFECTS: dict[str, Make] = {
    "books a fill twice": with_part("_notices", BelievesEveryFill),
    "counts a cancel twice": with_part("_notices", BelievesEveryCancel),
    "sends again": SendsAgain,
    "forgets an order": TakesSilenceForRefusal,
    "lets exits pass in halted": LetsExitsPass,
    "forgets the last hop": ForgetsTheLastHop,
    "lets an order into a blackout": overlooking("blackout until"),
    "lets a buy outlive its arming": overlooking("is not armed"),
    "lets a cancelled order out": overlooking("was cancelled before it was sent"),
    "keeps the reservation of a refused order": KeepsReservations,
    "spends the same won twice": SpendsTwice,
    "adopts again": AdoptsAgain,
    "cancels orders of the phone": with_part("cancels", CancelsThePhone),
    "sends in a blackout": IgnoresBlackout,
    "tells before it writes": TellsFirst,
    "buys beside an order of unknown fate": with_part("orders", BuysBesideTheUnknown),
    "gives up a cancel": GivesUpACancel,
    **GATE_DEFECTS,
    **PATH_DEFECTS,
    **EVIDENCE_DEFECTS,
    **SWITCH_DEFECTS,
}
