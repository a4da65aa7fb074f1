"""The exchange's facts about orders, trades, depth and interruptions. Won and shares.

``t`` is always the moment at which it happened. An *own* order is one that a client sent. All other
orders belong to the simulated background. ``id`` is the id of an own order.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.exchange.volatility import ViWhy
from kisnb.terms import Side, Venue

Refusal: TypeAlias = Literal[
    "closed", "tick", "limit", "quantity", "halted", "unknown", "kind", "venue", "no price"
]
"""The reason of a refusal. ``no price``: the order takes its price from a side that is empty."""
Why: TypeAlias = ViWhy | Literal["circuit breaker", "halt"]
"""The reason of an interruption of trading."""


class OrderAccepted(msgspec.Struct, frozen=True, gc=False):
    """The exchange accepted the order."""

    t: Ns
    id: int
    venue: Venue = Venue.KRX
    """The venue that has the order. For an order to SOR, it is the venue that SOR chose."""


class OrderNotAccepted(msgspec.Struct, frozen=True, gc=False):
    """The exchange refused an order, a cancel or a revise.

    A cancel or revise of an order that is not live is refused as ``unknown``.
    """

    t: Ns
    id: int
    why: Refusal


class Traded(msgspec.Struct, frozen=True, gc=False):
    """One trade on the tape, with the state of the venue's day after it.

    An auction is one trade. It has no taker, and its ids are 0.
    """

    t: Ns
    code: str
    price: int
    qty: int
    taker: Side | None
    buy_id: int
    """Id of the buyer's order; 0 for an auction."""
    sell_id: int
    """Id of the seller's order; 0 for an auction."""
    volume: int
    """Accumulated shares of the venue's day."""
    value: int
    """Accumulated won of the venue's day."""
    open: int
    high: int
    low: int
    ask: int
    """Best ask after the trade; 0 when there is none."""
    bid: int
    """Best bid after the trade; 0 when there is none."""
    venue: Venue = Venue.KRX
    segment: str = "main"
    """Name of the segment in which the trade happened."""
    both_volume: int = 0
    """Accumulated shares of both venues; 0 for a stock that one venue lists."""
    both_value: int = 0
    """Accumulated won of both venues; 0 for a stock that one venue lists."""


class OrderFilled(msgspec.Struct, frozen=True, gc=False):
    """``qty`` shares of an own order were filled."""

    t: Ns
    id: int
    qty: int
    price: int
    venue: Venue = Venue.KRX


class OrderCancelled(msgspec.Struct, frozen=True, gc=False):
    """``qty`` shares of an own order were cancelled.

    The client cancelled them, or they are the leaves of an order whose kind never rests.
    """

    t: Ns
    id: int
    qty: int


class OrderRevised(msgspec.Struct, frozen=True, gc=False):
    """``qty`` shares of the own order ``original`` moved to the order ``id`` at ``price``."""

    t: Ns
    id: int
    original: int
    qty: int
    price: int


class OrderExpired(msgspec.Struct, frozen=True, gc=False):
    """The leaves of an own order ended with its market session."""

    t: Ns
    id: int
    qty: int


class DepthChanged(msgspec.Struct, frozen=True, gc=False):
    """The depth of a stock changed."""

    t: Ns
    code: str
    venue: Venue = Venue.KRX


class TradingInterrupted(msgspec.Struct, frozen=True, gc=False):
    """Trading in a stock stopped.

    In a VI the exchange collects orders for a call auction. In a halt it accepts none.
    """

    t: Ns
    code: str
    venue: Venue
    why: Why
    until: Ns
    """The end of the call or halt; 0 when it is not known yet."""
    price: int = 0
    """The price at which the stock would have traded."""
    static_reference: int = 0
    """Reference price of the static VI; 0 for a halt."""
    dynamic_reference: int = 0
    """Reference price of the dynamic VI; 0 for a halt."""


class TradingResumed(msgspec.Struct, frozen=True, gc=False):
    """An interruption of trading in a stock ended."""

    t: Ns
    code: str
    venue: Venue
    why: Why


class SessionBegan(msgspec.Struct, frozen=True, gc=False):
    """A span of a venue's day began. ``name`` is that of the session table."""

    t: Ns
    venue: Venue
    name: str


class SessionEnded(msgspec.Struct, frozen=True, gc=False):
    """A span of a venue's day ended."""

    t: Ns
    venue: Venue
    name: str


Happening: TypeAlias = (
    OrderAccepted
    | OrderNotAccepted
    | Traded
    | OrderFilled
    | OrderCancelled
    | OrderRevised
    | OrderExpired
    | DepthChanged
    | TradingInterrupted
    | TradingResumed
    | SessionBegan
    | SessionEnded
)
