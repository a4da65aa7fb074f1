"""An order that waits for bars, and the price at which it trades in a part of a bar.

A bar is met as a whole. When an exit watches its stock, it is met in parts, because the exit must
come between the orders:

    part   way of the price     orders that may trade
    OPEN   the open alone       all kinds
    FALL   down to the low      buy limits, sell stops
    RISE   up to the high       sell limits, buy stops

A trade of a run over trades is met as TRADE: a limit order that came before takes part when it
trades through its limit. Who stood there before is not known.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from kisnb.clock import Ns
from kisnb.events import Bar
from kisnb.exchange.bar_fills import is_reached, limit_price, stop_limit_price, stop_price
from kisnb.orders import Intent, Order
from kisnb.terms import Side
from kisnb.trading.agents.sizing import Wanted


class Way(Enum):
    """The part of a bar that orders meet."""

    WHOLE = 0
    OPEN = 1
    FALL = 2
    RISE = 3
    TRADE = 4


class Leg(NamedTuple):
    """A part of a bar: where the price begins, its highest and its lowest, won."""

    way: Way
    open: int
    high: int
    low: int


class Waiting:
    """An order that waits for a bar: it is at the exchange, or will be sized at its fill."""

    __slots__ = ("arrives", "intent", "order", "reached", "rests", "traded", "wanted")

    def __init__(self, order: Order, intent: Intent, arrives: Ns, wanted: Wanted | None) -> None:
        self.order = order
        self.intent = intent
        self.arrives = arrives
        """The order meets bars that begin at this moment or later."""
        self.wanted = wanted
        """The amount that sizes the order at its fill. None: its shares are known."""
        self.reached = False
        """True for a stop-limit order whose stop was reached: it is now a limit order."""
        self.rests = False
        """It met a trade before, so it stands in the market."""
        self.traded = 0
        """Value of its fills so far, won."""

    def price_in(self, leg: Leg, t: Ns) -> int:
        """Return the price at which it trades in a part of a bar that begins at ``t``; 0: none.

        A stop that the part reaches is noted.
        """
        intent = self.intent
        buys, way, prices = intent.side is Side.BUY, leg.way, leg[1:]
        stop = None if self.reached else intent.stop
        if stop is None:
            # A price that falls comes to the buyers, a rising one to the sellers.
            comes = Way.FALL if buys else Way.RISE
            if way in (Way.FALL, Way.RISE) and (intent.price is None or way is not comes):
                return 0
            if way is Way.TRADE and intent.price is not None and self.rests:
                through = leg.open < intent.price if buys else leg.open > intent.price
                return intent.price if through else 0
            self.rests = True
            return limit_price(buys, intent.price or 0, *prices)
        if (way is Way.FALL and buys) or (way is Way.RISE and not buys):
            return 0
        self.reached = is_reached(buys, stop, leg.high, leg.low)
        if intent.price is None:
            return stop_price(buys, stop, *prices)
        price = stop_limit_price(buys, stop, intent.price, *prices)
        if self.reached and not price and (way is Way.FALL or way is Way.RISE):
            # Reached within the bar, it is a limit order from the next bar on (rule 5).
            self.arrives = t + 1
        return price


def whole(bar: Bar) -> Leg:
    """Return all of a bar as one part."""
    return Leg(Way.WHOLE, bar.open, bar.high, bar.low)


__all__ = ["Leg", "Waiting", "Way", "whole"]
