"""What an order trades in one bar of prices, when all that is known is open, high, low, close and volume.

The order stands before the bar begins. A market order trades at the open. A limit order that the open already allows
trades at the open; one that the bar trades *through* trades at its limit, never better; one that the bar only touches
does not trade, because nobody knows who stood before it. At most ``percent`` of the bar's volume is traded, parts of a
share cut off; what is left waits for the next bar. A silent bar trades nothing.
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
    """The fill of an order for ``qty`` shares in ``bar``; None when it does not trade. ``price`` None: at the market.

    Raises BadInput unless ``percent`` lies between 1 and 100 and ``qty`` is at least 1.
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
    if side is Side.BUY:
        return bar.open if bar.open <= limit else limit if bar.low < limit else None
    return bar.open if bar.open >= limit else limit if bar.high > limit else None
