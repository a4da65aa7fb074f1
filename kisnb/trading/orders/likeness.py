"""Compares a row of KIS's list with an order by venue, kind and price.

The resolver's table says what the result means for an order with unknown outcome.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from kisnb.orders import Order, OrderRow
from kisnb.terms import OrderKind, Venue

Likeness: TypeAlias = Literal["other", "maybe", "like"]
"""The result of a comparison: the row differs, may be the order, or is like the order."""

_K = OrderKind
_LISTED_AS = {_K.CONDITIONAL: _K.MARKET, _K.STOP_LIMIT: _K.LIMIT}
"""Kinds that turn into another kind. KIS does not document under which kind it then lists them."""
_PRICED_ON_ARRIVAL = frozenset({
    _K.BEST_OPPOSITE, _K.BEST_OPPOSITE_IOC, _K.BEST_OPPOSITE_FOK, _K.BEST_OWN,
    _K.MID_PRICE, _K.MID_PRICE_IOC, _K.MID_PRICE_FOK,
    _K.NXT_PRE_BEST_OPPOSITE, _K.NXT_PRE_BEST_OWN,
    _K.AFTER_BEST_OPPOSITE, _K.AFTER_BEST_OPPOSITE_IOC, _K.AFTER_BEST_OPPOSITE_FOK,
    _K.AFTER_BEST_OWN,
})  # fmt: skip
"""Kinds that get their price at the exchange. KIS does not document whether its list shows it."""


def venue_of(order: Order, row: OrderRow, parent: Order | None) -> Likeness:
    """Return how well the row's venue fits the venue to which the order was sent.

    ``parent`` is the revised order. None: the order is not a revise.
    """
    sent = order.sent_venue
    # A revise stays at the venue of its order, and the row names that order.
    if row.ref.venue is sent or (sent is Venue.SOR and parent is not None):
        return "like"
    return "maybe" if sent is Venue.SOR or not row.venue_given else "other"


def kind_of(order: Order, row: OrderRow, parent: Order | None) -> Likeness:
    """Return how well the row's kind fits the kind that was sent.

    ``parent`` is the revised order. None: the order is not a revise.
    """
    sent = order.sent_kind
    # KIS may list a revise under the kind that it asked for, or under that of the revised order.
    known = {sent} if parent is None else {sent, parent.sent_kind}
    if not row.kind_known:
        return "maybe"
    if row.kind in known:
        return "like"
    # A revise's row names its original order, which is stronger evidence than its kind.
    return "maybe" if parent is not None or row.kind is _LISTED_AS.get(sent) else "other"


def price_of(order: Order, row: OrderRow) -> Likeness:
    """Return how well the row's price fits the price that was sent."""
    if row.price == (order.intent.price or 0):
        return "like"
    return "maybe" if order.sent_kind in _PRICED_ON_ARRIVAL else "other"
