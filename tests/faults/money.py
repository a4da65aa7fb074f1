"""Buys stay within the cash and the armed budget, sells within the shares: asked whenever an order
is sent.

All of it is counted on the simulated host's ledger. Of the desk's journal only two things are used:
which orders the desk knows, and which of them are on their way or of unknown fate, so that the
ledger does not have them yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import Ns
from kisnb.events import Armed
from kisnb.market.instruments import Instrument
from kisnb.orders import Intent, Order, OrderState
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.terms import Side, Venue

if TYPE_CHECKING:
    from .campaign import Run
    from .invariants import Watch


class _Moving(NamedTuple):
    """A revise on its way: shares, and the price of each that the host would hold for it."""

    qty: int
    price: int


class Money:
    """Asks for cash, budget and shares.

    ``watch`` holds the journal's fold and takes what is violated.
    """

    def __init__(self, run: Run, watch: Watch) -> None:
        self._run = run
        self._watch = watch
        self._bought: dict[int, int] = {}
        """Won that each buy at the host had traded when the desk was armed last."""
        self._life = 0
        """Of the desk that was armed: the next one must be armed anew."""

    def armed(self, row: Armed) -> None:
        """The budget counts from here. What had traded before belongs to the time before."""
        self._life = self._run._life
        self._bought = {o.number: o.value for o in self._there() if o.side is Side.BUY}

    def sent(self, intent: Intent, now: Ns) -> None:
        """An order is about to leave, or leaves; it stands in the journal as being sent."""
        state = self._watch.shadow
        if self._is_misled():
            return
        if intent.side is Side.SELL:
            self._sells(intent)
            return
        self._watch.demand(state.halt != "reducing", f"{intent.key} buys in REDUCING")
        if state.cash is not None and not self._watch.fee_is_open():
            committed, cash = self._committed(), self._cash()
            self._watch.demand(
                committed <= cash,
                f"{intent.key} brings buys of {committed:,} won to {cash:,} of cash",
            )
        if self._run.limits.needs_arming:
            self._budget(intent, now)

    def _budget(self, intent: Intent, now: Ns) -> None:
        armed = self._watch.shadow.armed
        if armed is None or now >= armed.until or self._life != self._run._life:
            self._watch.demand(False, f"{intent.key} was sent by a desk that is not armed")
            return
        known = [o for o in self._there() if o.side is Side.BUY and self._is_known(o)]
        spent = sum(o.value - self._bought.get(o.number, 0) for o in known)
        total = spent + self._committed()
        self._watch.demand(
            total <= armed.budget,
            f"{intent.key} brings {total:,} won to an armed budget of {armed.budget:,}",
        )

    def _sells(self, intent: Intent) -> None:
        state, code = self._watch.shadow, intent.code
        shown = (code, "holding") in state.drifts
        if state.halt != "reducing" and (state.opened is None or (intent.protective and shown)):
            return
        mine = [
            o
            for o in self._there()
            if o.side is Side.SELL and o.item.code == code and self._is_known(o)
        ]
        position = self._run.host.core.account.positions.get(code)
        others = sum(
            o.filled
            for o in self._there()
            if o.side is Side.SELL and o.item.code == code and not self._is_known(o)
        )
        held = (position.qty if position is not None else 0) + others
        new = sum(
            o.quantity
            for o in self._on_the_way(Side.SELL)
            if o.code == code and not self._parent(o)
        )
        selling = sum(o.leaves for o in mine) + new
        self._watch.demand(
            selling <= held,
            f"{intent.key} brings sells of {selling:,} {code} to {held:,} that are held",
        )

    # the ledger

    def _there(self) -> list[AccountOrder]:
        return [o for o in self._run.host.core.account.orders.values() if o.state != "confirmed"]

    def _is_misled(self) -> bool:
        """KIS's list was wrong for so long that the desk counts shares as gone which are not.

        Two readings agreed, or it has never said how large an external order is. The desk
        cannot know better, and KIS refuses what is too much.
        """
        if not self._run.has_misread:
            return False
        for there in self._there():
            order = self._watch.shadow.books.by_number(self._watch.day, there.number)
            if order is not None:
                gone = there.qty - there.filled - there.leaves
                if order.quantity < there.qty or order.cancelled > gone:
                    return True
        return False

    def _is_known(self, there: AccountOrder) -> bool:
        """The desk knows it, or sent it.

        Else it is an order of the phone that nobody has told the desk of.
        """
        watch = self._watch
        if watch.shadow.books.by_number(watch.day, there.number) is not None:
            return True
        key = watch.placed.get(there.number)
        if key is None:
            return False
        # The desk may have adopted a twin of the order from the phone. Then ours counts as the
        # phone's until KIS's list shows it.
        order = watch.shadow.books.orders[key]
        return not order.is_ended and order.number in (None, there.number)

    def _cash(self) -> int:
        """Cash as the host has it, without what the phone bought behind the desk's back."""
        unknown = [o for o in self._there() if o.side is Side.BUY and not self._is_known(o)]
        return self._run.host.core.account.settled_d2 + sum(
            o.value + self._fee(o.item, o.value) for o in unknown
        )

    def _committed(self) -> int:
        """Won that open buys may take, fees included.

        What a revise is about to move counts once, at the dearer price: it may be refused.
        """
        moving = {
            parent.number: _Moving(order.quantity, order.intent.price or 0)
            for order in self._on_the_way(Side.BUY)
            if (parent := self._parent(order)) is not None
        }
        total = 0
        for there in self._there():
            if there.side is Side.BUY and there.leaves and self._is_known(there):
                move = moving.get(there.number, _Moving(0, 0))
                qty = min(move.qty, there.leaves)
                price = max(move.price, there.reserve_price)
                total += self._need(there.item, there.leaves - qty, there.reserve_price)
                total += self._need(there.item, qty, price)
        for order in self._on_the_way(Side.BUY):
            if self._parent(order) is None:
                item = self._run.rules.instrument(order.code)
                assert item is not None
                upper = self._run.host.core._brokerage.upper_limit(item)
                total += self._need(item, order.quantity, order.intent.price or upper)
        return total

    def _on_the_way(self, side: Side) -> Iterator[Order]:
        """Orders that the host may still get, for all that the desk can know."""
        arrived = set(self._watch.placed.values())
        for order in self._watch.shadow.books.live.values():
            in_the_air = order.state in (OrderState.SENDING, OrderState.UNKNOWN)
            if in_the_air and order.side is side and order.key not in arrived:
                yield order

    def _parent(self, order: Order) -> Order | None:
        return self._watch.shadow.books.orders.get(order.intent.supersedes or "")

    def _need(self, item: Instrument, qty: int, price: int) -> int:
        return qty * price + self._fee(item, qty * price)

    def _fee(self, item: Instrument, value: int) -> int:
        return self._run.host.core.account._costs.fee(value, Venue.KRX, item.kind)
