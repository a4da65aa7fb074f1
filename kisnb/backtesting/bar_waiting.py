"""An order that waits for bars, and the price at which it trades in a part of a bar.

An order *meets* a bar when the run looks whether the order trades in it. It meets the bar as a
whole. If an exit watches the stock, the order meets the parts of the bar one by one, because the
exit may sell between them:

    part   way of the price     orders that may trade
    OPEN   the open alone       all kinds
    FALL   down to the low      buy limits, sell stops
    RISE   up to the high       sell limits, buy stops

In a run over trades, an order meets each trade as a part TRADE. A limit order that came before that
trade fills only when the trade is beyond its limit, because the queue at the limit is not known.
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
    """The part of a bar that an order meets."""

    WHOLE = 0
    OPEN = 1
    FALL = 2
    RISE = 3
    TRADE = 4


class Leg(NamedTuple):
    """A part of a bar: its first, its highest and its lowest price, won."""

    way: Way
    open: int
    high: int
    low: int


class Waiting:
    """An order that waits for a bar: it is at the exchange, or its fill will decide its shares."""

    __slots__ = ("arrives", "intent", "order", "reached", "rests", "traded", "wanted")

    def __init__(self, order: Order, intent: Intent, arrives: Ns, wanted: Wanted | None) -> None:
        self.order = order
        self.intent = intent
        self.arrives = arrives
        """The moment at which it is at the exchange. It meets bars that begin then or later."""
        self.wanted = wanted
        """The amount from which its shares are computed at the fill. None: its shares are known."""
        self.reached = False
        """True for a stop-limit order whose stop was reached: it is now a limit order."""
        self.rests = False
        """True when it has met a trade before, so it is already in the exchange's queue."""
        self.traded = 0
        """The value of its fills so far, won."""

    def price_in(self, leg: Leg, t: Ns) -> int:
        """Return the price at which the order trades in a part of a bar. 0: it does not trade.

        The bar begins at ``t``. If the part reaches the stop of the order, ``reached`` becomes
        True.
        """
        intent = self.intent
        buys, way, prices = intent.side is Side.BUY, leg.way, leg[1:]
        stop = None if self.reached else intent.stop
        if stop is None:
            # A falling price reaches buy limits, a rising one sell limits.
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
            # If its stop is reached within the bar, it is a limit order from the next bar on (rule
            # 5).
            self.arrives = t + 1
        return price


def whole(bar: Bar) -> Leg:
    """Return the whole bar as one part."""
    return Leg(Way.WHOLE, bar.open, bar.high, bar.low)


__all__ = ["Leg", "Waiting", "Way", "whole"]
