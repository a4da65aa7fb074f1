"""What an exchange says: frozen facts about orders, trades and depth. Won and shares."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.terms import Side, Venue

Refusal: TypeAlias = Literal["closed", "tick", "limit", "quantity", "halted", "unknown"]


class OrderAccepted(msgspec.Struct, frozen=True, gc=False):
    """The exchange has the order."""

    t: Ns
    id: int


class OrderRefused(msgspec.Struct, frozen=True, gc=False):
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
    """Accumulated shares of the day."""
    value: int
    """Accumulated won of the day."""
    open: int
    high: int
    low: int
    ask: int
    """Best ask after the trade; 0 when there is none."""
    bid: int
    venue: Venue = Venue.KRX


class OrderFilled(msgspec.Struct, frozen=True, gc=False):
    """An own order traded ``qty`` shares."""

    t: Ns
    id: int
    qty: int
    price: int
    venue: Venue = Venue.KRX


class OrderCancelled(msgspec.Struct, frozen=True, gc=False):
    """``qty`` shares of an own order were taken out: on demand, or as the rest of a market order."""

    t: Ns
    id: int
    qty: int


class OrderExpired(msgspec.Struct, frozen=True, gc=False):
    """The rest of an own order ended with the regular session."""

    t: Ns
    id: int
    qty: int


class DepthChanged(msgspec.Struct, frozen=True, gc=False):
    """The book of a stock looks different now."""

    t: Ns
    code: str
    venue: Venue = Venue.KRX


Happening: TypeAlias = (
    OrderAccepted | OrderRefused | Traded | OrderFilled | OrderCancelled | OrderExpired | DepthChanged
)
