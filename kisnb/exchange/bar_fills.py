"""The fill of an order in one bar, when only open, high, low, close and volume are known.

The order is there before the bar begins. It trades at most ``percent`` of the bar's volume, cut
down to whole shares. Its leaves wait for the next bar. A bar without trades fills nothing.

| order | the bar | price of the fill |
|---|---|---|
| market | any | the open |
| limit | the open is at the limit or better | the open |
| limit | it trades through the limit | the limit, never better |
| limit | it only touches the limit | no fill: nobody knows which orders were ahead |
"""

from __future__ import annotations

from typing import NamedTuple

from kisnb.errors import BadInput
from kisnb.events import Bar
from kisnb.terms import Side


class BarFill(NamedTuple):
    """Shares at one price in won."""

    qty: int
    price: int


def bar_fill(
    side: Side, qty: int, price: int | None, bar: Bar, *, percent: int = 100
) -> BarFill | None:
    """Return the fill of an order for ``qty`` shares in ``bar``; None when it does not trade.

    ``price`` is its limit in won; None for a market order. Raises BadInput unless ``percent`` is
    from 1 to 100 and ``qty`` is at least 1.
    """
    if qty < 1 or not 1 <= percent <= 100:
        raise BadInput(
            f"{qty} shares, {percent} % of a bar", "give at least one share, and 1 to 100 percent"
        )
    at = _price(side, price, bar) if bar.count and bar.volume else None
    shares = min(qty, bar.volume * percent // 100)
    return BarFill(shares, at) if at is not None and shares else None


def _price(side: Side, limit: int | None, bar: Bar) -> int | None:
    if limit is None:
        return bar.open
    # Touching the limit is not enough: earlier orders at that price may take all of the shares.
    if side is Side.BUY:
        return bar.open if bar.open <= limit else limit if bar.low < limit else None
    return bar.open if bar.open >= limit else limit if bar.high > limit else None
