"""Books a fill with its costs, and removes stated shares that the fill explains.

Stated shares were booked because KIS had stated them for a minute (``StatedShares``):

| the fill is of                                     | what is done with stated shares       |
|----------------------------------------------------|---------------------------------------|
| a buy, and a notice says that it is older          | they are removed, up to its shares    |
| a buy, only the list shows it, its order is older  | the same: the list had hidden it      |
| any other buy                                      | nothing: it is another purchase       |
| a sell                                             | nothing                               |
"""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.events import AccountOpened, Filled
from kisnb.orders import Order
from kisnb.terms import Side, Venue
from kisnb.trading.gate.risk import Rules
from kisnb.trading.state import State
from kisnb.trading.turn import Turn


def execution(
    rules: Rules, now: Ns, order: Order, qty: int, price: int, venue: Venue, stamp: Ns
) -> Filled:
    """Return the fact of a fill, with the fee and the tax that it adds to its order.

    The cost of an order does not depend on the number of its fills. ``venue`` is SOR when only
    KIS's list reports the fill, because the list names only the route.
    """
    before = sum(f.qty * f.price for f in order.fills if f.venue is venue)
    fee, tax = rules.fee_and_tax(now, order.code, order.side, before, qty * price, venue)
    return Filled(now, order.key, qty, price, fee, tax, venue, stamp)


def record_fill(turn: Turn, state: State, order: Order, fill: Filled) -> None:
    """Record a fill, and remove the stated shares that it explains, with their cash."""
    turn.record(fill)
    if order.side is Side.SELL:
        return
    stated = state.stated.explained_by(order.code, fill.stamp or order.sent_at)
    if qty := min(stated, fill.qty):
        paid = qty * fill.price + fill.fee * qty // fill.qty
        # The cash of a purchase is booked separately from its shares, and may not be booked yet.
        cash = min(paid, max(-state.unexplained(turn.now), 0))
        # This row comes after the fill: if the stated shares are sold already, the fill's own lot
        # is removed. The journal has both rows or none.
        turn.record(AccountOpened(turn.now, cash, ((order.code, -qty, 0),)))
