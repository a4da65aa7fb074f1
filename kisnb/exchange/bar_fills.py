"""The fill of an order in one bar. ``BAR_FILLS.md`` beside this file defines it, with its cases.

All functions are pure, over whole won and whole shares. 0 stands for no price, so that a compiled
engine can follow them line by line. ``buys`` is True for a buy, False for a sell.
"""

from __future__ import annotations

from typing import NamedTuple

from kisnb.errors import BadInput
from kisnb.events import Bar
from kisnb.terms import Side


class BarFill(NamedTuple):
    """A number of shares, and the price in won at which they trade."""

    qty: int
    price: int


def bar_fill(
    side: Side,
    qty: int,
    price: int | None,
    bar: Bar,
    *,
    percent: int = 100,
    stop: int | None = None,
    lower: int = 0,
    upper: int = 0,
) -> BarFill | None:
    """Return the fill of an order for ``qty`` shares in ``bar``; None when it does not trade.

    ``price`` is its limit in won, None for a market order. ``stop`` is its stop price, None for an
    order without one. ``percent`` is the share of the bar's volume that it may take. ``lower`` and
    ``upper`` are the limit prices of the day, 0 when there are none. Raises BadInput unless
    ``percent`` is from 1 to 100 and ``qty`` is at least 1.
    """
    if qty < 1 or not 1 <= percent <= 100:
        raise BadInput(
            f"{qty} shares, {percent} % of a bar", "give at least one share, and 1 to 100 percent"
        )
    buys, prices = side is Side.BUY, (bar.open, bar.high, bar.low)
    if not bar.volume or locked(buys, bar.high, bar.low, lower, upper):
        return None
    if stop is None:
        at = limit_price(buys, price or 0, *prices)
    elif price is None:
        at = stop_price(buys, stop, *prices)
    else:
        at = stop_limit_price(buys, stop, price, *prices)
    shares = min(qty, bar.volume * percent // 100)
    return BarFill(shares, at) if at and shares else None


def locked(buys: bool, high: int, low: int, lower: int, upper: int) -> bool:
    """Return True when an order cannot trade, because the bar stays at a limit price (rule 8)."""
    return low >= upper > 0 if buys else 0 < high <= lower


def limit_price(buys: bool, limit: int, open_: int, high: int, low: int) -> int:
    """Return the price of a limit order's fill, 0 for none. Limit 0 means a market order."""
    if not limit:
        return open_
    # Touching the limit is not enough: earlier orders at that price may take all of the shares.
    if buys:
        return open_ if open_ <= limit else limit if low < limit else 0
    return open_ if open_ >= limit else limit if high > limit else 0


def stop_price(buys: bool, stop: int, open_: int, high: int, low: int) -> int:
    """Return the price of a stop order's fill, 0 while the stop is not reached."""
    if buys:
        return open_ if open_ >= stop else stop if high >= stop else 0
    return open_ if open_ <= stop else stop if low <= stop else 0


def stop_limit_price(buys: bool, stop: int, limit: int, open_: int, high: int, low: int) -> int:
    """Return the price of a stop-limit order's fill, 0 for none in this bar."""
    if (open_ >= stop) if buys else (open_ <= stop):
        return limit_price(buys, limit, open_, high, low)
    reached = stop_price(buys, stop, open_, high, low)
    within = stop <= limit if buys else stop >= limit
    return reached if within else 0


def is_reached(buys: bool, stop: int, high: int, low: int) -> bool:
    """Return True when a bar reaches a stop. A stop-limit order is a limit order afterwards."""
    return high >= stop if buys else low <= stop


def exit_price(stop: int, take: int, open_: int, high: int, low: int) -> int:
    """Return the price at which a position is sold in a bar; 0 when it is not sold.

    ``stop`` is the price below, and ``take`` the price above, at which it is sold. 0 means that
    there is no such price. When a bar reaches both, the stop counts (rule 6).
    """
    if (stop and open_ <= stop) or (take and open_ >= take):
        return open_
    if stop and low <= stop:
        return stop
    return take if take and high > take else 0
