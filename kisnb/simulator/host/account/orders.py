"""An order and a position of the simulated account. Money in won, quantities in shares."""

from __future__ import annotations

from typing import Literal, TypeAlias

from kisnb.clock import Ns
from kisnb.market.instruments import Instrument
from kisnb.terms import OrderKind, Side, Venue

State: TypeAlias = Literal[
    "entered",
    "accepted",
    "partially filled",
    "filled",
    "cancelled",
    "expired",
    "revised",
    "confirmed",
    "rejected",
]
"""States of an order. A request to cancel is ``confirmed``."""


class AccountOrder:
    """One order of the day, or one request to cancel, which KIS lists under a number of its own."""

    __slots__ = (
        "at",
        "cancelled",
        "expired",
        "filled",
        "item",
        "kind",
        "number",
        "original",
        "price",
        "qty",
        "rejected",
        "reserve_price",
        "revised",
        "side",
        "state",
        "stop",
        "t",
        "traded",
        "value",
        "venue",
    )

    def __init__(
        self,
        t: Ns,
        number: int,
        item: Instrument,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int,
        *,
        original: int = 0,
        reserve_price: int = 0,
        venue: Venue = Venue.KRX,
        stop: int | None = None,
    ) -> None:
        self.t = t
        """Moment at which the order was placed."""
        self.number = number
        self.original = original
        """Number of the order from which shares moved, or that this request cancels.

        0: no such order.
        """
        self.item = item
        self.side = side
        self.kind = kind
        self.qty = qty
        self.price = price
        """Won; 0 for a kind without a price."""
        self.reserve_price = reserve_price
        """The most won that a share of a buy may cost.

        For a kind without a price: the upper limit.
        """
        self.filled = 0
        self.value = 0
        """Won: price × shares, added up over the fills."""
        self.traded: dict[Venue, int] = {}
        """``value`` by the venue of the fill."""
        self.cancelled = 0
        self.expired = 0
        self.revised = 0
        """Shares that moved to another number."""
        self.rejected = 0
        """Shares that the exchange refused after the broker had taken the order."""
        self.venue = venue
        """Venue to which the customer sent the order. It may be SOR."""
        self.at: Venue = Venue.KRX if venue is Venue.SOR else venue
        """The venue that has the order. It is never SOR."""
        self.stop = stop
        """Won at which a stop-limit order becomes active; None for other kinds."""
        self.state: State = "entered"

    @property
    def leaves(self) -> int:
        """Shares that are neither filled nor ended in another way."""
        return self.qty - self.filled - self.cancelled - self.expired - self.revised - self.rejected

    @property
    def average(self) -> int:
        """Average price of the fills in won, rounded; 0 without fills."""
        return round(self.value / self.filled) if self.filled else 0


class AccountPosition:
    """Shares of one stock and their cost."""

    __slots__ = (
        "bought",
        "bought_value",
        "cost",
        "fees",
        "item",
        "qty",
        "realised",
        "sold",
        "sold_value",
        "taxes",
    )

    def __init__(self, item: Instrument) -> None:
        self.item = item
        self.qty = 0
        self.cost = 0
        """Purchase amount of the shares in won, without fees, at the moving average."""
        self.bought = 0
        """Shares bought today."""
        self.sold = 0
        """Shares sold today."""
        self.bought_value = self.sold_value = self.fees = self.taxes = 0
        """Won of today's trades. The other three fields are in won as well."""
        self.realised = 0
        """Today's sale proceeds less the cost of the sold shares, before fees and taxes."""
