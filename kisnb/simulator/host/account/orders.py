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
        self.number = number
        self.original = original
        """Number of the order that this one takes shares of, or that this request cancels; 0 for none."""
        self.item = item
        self.side = side
        self.kind = kind
        self.qty = qty
        self.price = price
        """0 for a market order."""
        self.reserve_price = reserve_price
        """What a share of a buy may cost at most."""
        self.filled = 0
        self.value = 0
        """Sum of price × shares of the fills."""
        self.traded: dict[Venue, int] = {}
        """``value`` by the venue that executed."""
        self.cancelled = 0
        self.expired = 0
        self.revised = 0
        """Shares that go on under another number."""
        self.rejected = 0
        """Shares that the exchange refused after the order had been taken."""
        self.venue = venue
        """Where the customer sent it."""
        self.at: Venue = Venue.KRX if venue is Venue.SOR else venue
        """The exchange's venue at which it stands."""
        self.stop = stop
        self.state: State = "entered"

    @property
    def leaves(self) -> int:
        return self.qty - self.filled - self.cancelled - self.expired - self.revised - self.rejected

    @property
    def average(self) -> int:
        """Average fill price, rounded; 0 without fills."""
        return round(self.value / self.filled) if self.filled else 0


class AccountPosition:
    """What is held of one stock; ``cost`` is its purchase amount without fees, at the moving average."""

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
        self.bought = 0
        """Shares bought today."""
        self.sold = 0
        """Shares sold today."""
        self.bought_value = self.sold_value = self.fees = self.taxes = 0
        """Won of today's trades."""
        self.realised = 0
        """Today's sale proceeds less what the shares had cost, before fees and taxes."""
