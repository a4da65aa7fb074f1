"""The behaviour of each kind of order on arrival: its price, and what is done with its leaves.

The leaves of a market order never wait in continuous trading. They are cancelled at once, like an
IOC's. No source says what KRX does with them: this is kisnb's choice.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from kisnb.terms import OrderKind

_K = OrderKind
Pricing: TypeAlias = Literal["limit", "market", "best opposite", "best own", "mid", "stop", "fixed"]
Rest: TypeAlias = Literal["waits", "is cancelled", "forbids"]


class Style(NamedTuple):
    """The behaviour of one kind of order."""

    pricing: Pricing
    """The source of the order's price. ``fixed``: the one price of a closing-price market."""
    rest: Rest = "waits"
    """What is done with the order's leaves.

    ``forbids``: the order trades whole or not at all (FOK).
    """


# 최유리지정가 and 최우선지정가 become limit orders on arrival, so their leaves wait.
STYLES: dict[OrderKind, Style] = {
    _K.LIMIT: Style("limit"),
    _K.LIMIT_IOC: Style("limit", "is cancelled"),
    _K.LIMIT_FOK: Style("limit", "forbids"),
    _K.MARKET: Style("market", "is cancelled"),
    _K.MARKET_IOC: Style("market", "is cancelled"),
    _K.MARKET_FOK: Style("market", "forbids"),
    _K.CONDITIONAL: Style("limit"),
    _K.BEST_OPPOSITE: Style("best opposite"),
    _K.BEST_OPPOSITE_IOC: Style("best opposite", "is cancelled"),
    _K.BEST_OPPOSITE_FOK: Style("best opposite", "forbids"),
    _K.BEST_OWN: Style("best own"),
    _K.MID_PRICE: Style("mid"),
    _K.MID_PRICE_IOC: Style("mid", "is cancelled"),
    _K.MID_PRICE_FOK: Style("mid", "forbids"),
    _K.STOP_LIMIT: Style("stop"),
    _K.PRE_CLOSE: Style("fixed"),
    _K.POST_CLOSE: Style("fixed"),
    _K.SINGLE_PRICE: Style("limit"),
    _K.NXT_PRE_LIMIT: Style("limit"),
    _K.NXT_PRE_BEST_OPPOSITE: Style("best opposite"),
    _K.NXT_PRE_BEST_OWN: Style("best own"),
    _K.AFTER_LIMIT: Style("limit"),
    _K.AFTER_LIMIT_IOC: Style("limit", "is cancelled"),
    _K.AFTER_LIMIT_FOK: Style("limit", "forbids"),
    _K.AFTER_BEST_OPPOSITE: Style("best opposite"),
    _K.AFTER_BEST_OPPOSITE_IOC: Style("best opposite", "is cancelled"),
    _K.AFTER_BEST_OPPOSITE_FOK: Style("best opposite", "forbids"),
    _K.AFTER_BEST_OWN: Style("best own"),
}
