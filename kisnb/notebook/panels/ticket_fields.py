"""The fields of the order ticket, and the order and the exit that they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kisnb.errors import BadInput, UnknownInstrument
from kisnb.exits import ExitOptions, read_protection
from kisnb.notebook.panels.typed_values import shares_of, won_of
from kisnb.session.typed_orders.typed_order import TypedOrder
from kisnb.terms import OrderKind, Side, Venue

if TYPE_CHECKING:
    from kisnb.session.session import Session


class TicketFields(msgspec.Struct, frozen=True):
    """The texts of the fields as a person typed them.

    The order is read from them whenever it is needed.
    """

    code: str = ""
    """The code of the chosen stock. Empty: none is chosen."""
    search: str = ""
    side: str = "buy"
    quantity: str = ""
    unit: str = "shares"
    """The unit of the quantity: ``shares``, or ``won`` for as many shares as the amount buys."""
    price: str = ""
    kind: str = "limit"
    venue: str = ""
    """The venue. Empty: the router chooses."""
    stop: str = ""
    """``stop`` and ``take`` of the exit: a percentage, or a price in won. Empty: none."""
    take: str = ""
    trail: str = ""

    @property
    def has_exit(self) -> bool:
        """True for a buy when one of the exit's fields has a text."""
        return bool(self.side == Side.BUY and (self.stop or self.take or self.trail))


NAMES = frozenset(TicketFields.__struct_fields__) - {"code"}
"""The fields that a page may set. ``code`` is not among them: a stock is chosen, and not typed."""


def read_ticket(session: Session, fields: TicketFields) -> TypedOrder:
    """Return the order that the fields mean. Raises BadInput, UnknownInstrument."""
    if not fields.code:
        raise BadInput("no stock is chosen", "type its name, its code or its initials")
    side, kind = Side(fields.side), OrderKind(fields.kind)
    venue = Venue(fields.venue) if fields.venue else None
    price = won_of(fields.price, "the price") if kind.priced else None
    return TypedOrder(
        side=side,
        code=fields.code,
        qty=_shares(session, fields, side, price),
        price=price,
        kind=kind,
        venue=venue,
    )


def _shares(session: Session, fields: TicketFields, side: Side, price: int | None) -> int:
    if fields.unit != "won":
        return shares_of(fields.quantity, "the quantity")
    won = won_of(fields.quantity, "the amount")
    at = price or session.data.prices.get(fields.code)
    if at is None:
        raise BadInput("no price is known, so the won cannot be divided", "type shares")
    shares = session.estimates.shares_for(fields.code, won, at, side)
    if not shares:
        raise BadInput(f"{won:,} won do not pay one share at {at:,}", "type more won")
    return shares


def read_exit(fields: TicketFields) -> ExitOptions:
    """Return the conditions of the exit. Raises BadInput."""
    options = ExitOptions()
    for name in ("stop", "take", "trail"):
        text = str(getattr(fields, name)).strip()
        if text:
            options[name] = text if text.endswith("%") else won_of(text, f"the {name}")
    # The conditions are checked here, so that a wrong one is named before the order is sent.
    read_protection("ticket", "", fields.code, options)
    return options


def chosen(session: Session, code: str) -> str:
    """Return a code as KIS spells it. Empty for a code that is not listed."""
    try:
        return session.universe.spell(code)
    except UnknownInstrument:
        return ""
