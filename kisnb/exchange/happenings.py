"""What an exchange says: frozen facts about orders, trades, depth and interruptions. Won and shares."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.exchange.volatility import ViWhy
from kisnb.terms import Side, Venue

Refusal: TypeAlias = Literal[
    "closed", "tick", "limit", "quantity", "halted", "unknown", "kind", "venue", "no price"
]
"""``no price``: the side that would price the order is empty."""
Why: TypeAlias = ViWhy | Literal["circuit breaker", "halt"]


class OrderAccepted(msgspec.Struct, frozen=True, gc=False):
    """The exchange has the order; ``venue`` is where it stands."""

    t: Ns
    id: int
    venue: Venue = Venue.KRX


class OrderNotAccepted(msgspec.Struct, frozen=True, gc=False):
    """The exchange did not take an order, or has nothing to cancel (``unknown``)."""

    t: Ns
    id: int
    why: Refusal


class Traded(msgspec.Struct, frozen=True, gc=False):
    """One print of the tape, with the state of the day after it. An auction is one print without taker and ids."""

    t: Ns
    code: str
    price: int
    qty: int
    taker: Side | None
    buy_id: int
    """0 when nobody in particular bought: an auction."""
    sell_id: int
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
    venue: Venue = Venue.KRX
    segment: str = "main"
    """The book that it traded in: KRX's after-hours markets have their own."""
    both_volume: int = 0
    both_value: int = 0
    """Accumulated over both venues; 0 for a stock of one venue."""


class OrderFilled(msgspec.Struct, frozen=True, gc=False):
    """An own order traded ``qty`` shares."""

    t: Ns
    id: int
    qty: int
    price: int
    venue: Venue = Venue.KRX


class OrderCancelled(msgspec.Struct, frozen=True, gc=False):
    """``qty`` shares of an own order were taken out: on demand, or as the rest of an order that does not wait."""

    t: Ns
    id: int
    qty: int


class OrderRevised(msgspec.Struct, frozen=True, gc=False):
    """``qty`` shares of an own order go on under the number ``id`` at ``price``, taken from ``original``."""

    t: Ns
    id: int
    original: int
    qty: int
    price: int


class OrderExpired(msgspec.Struct, frozen=True, gc=False):
    """The rest of an own order ended with its session."""

    t: Ns
    id: int
    qty: int


class DepthChanged(msgspec.Struct, frozen=True, gc=False):
    """The book of a stock looks different now."""

    t: Ns
    code: str
    venue: Venue = Venue.KRX


class TradingInterrupted(msgspec.Struct, frozen=True, gc=False):
    """Trading in a stock stops: orders are collected for a call (a VI), or nothing is taken (a halt)."""

    t: Ns
    code: str
    venue: Venue
    why: Why
    until: Ns
    """When the call or halt ends; 0 when nobody knows yet."""
    price: int = 0
    """At which the stock would have traded."""
    static_reference: int = 0
    dynamic_reference: int = 0


class TradingResumed(msgspec.Struct, frozen=True, gc=False):
    """A stock trades again as its session says."""

    t: Ns
    code: str
    venue: Venue
    why: Why


class SessionBegan(msgspec.Struct, frozen=True, gc=False):
    """A venue enters a stretch of its day, by the name that the table of sessions gives it."""

    t: Ns
    venue: Venue
    name: str


class SessionEnded(msgspec.Struct, frozen=True, gc=False):
    """A venue leaves a stretch of its day."""

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
