"""Reads one word of a command by its kind in the usage line.

Each value is read by one function of ``kisnb.values``, as it is for a call in Python. The messages
differ: here the usage line is the cure. The readers raise ValueError, and the grammar adds the
cure. Those of a whole rule (``KEY``, ``EVERY``) raise BadInput with a cure of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import StrEnum

from kisnb.errors import BadInput
from kisnb.terms import OrderKind, Venue
from kisnb.values import SHARES, WON, choice, order_name, time_of_day, whole_text

FREE = frozenset({"REASON", "KEY", "FILE", "VALUE"})
"""Kinds of a person's own words: they keep their width, their quotation marks and their hashes."""


def span(text: str) -> str:
    """Return the length of a bar as it was typed. Raises BadInput when it is not a length."""
    # The market's rules are imported only by a command that names a length.
    from kisnb.market.bars import span_of

    span_of(text)
    return text


def _every(text: str) -> str:
    """Return the length of a bar: ``1d``, ``1w``, or what ``span`` takes. Raises BadInput."""
    return text if text in ("1d", "1w") else span(text)


def _whole(text: str, what: str, unit: str = "") -> int:
    """Return ``text`` as a whole number of at least 0. Raises ValueError."""
    # `%kis buy 005930 @70000`: the quantity was forgotten, and 70,000 shares were not meant.
    if text.startswith("@"):
        raise ValueError(f"{what} is missing before the price {text}")
    number = whole_text(text, unit)
    if number is None:
        raise ValueError(f"{text!r} is not a whole number, and {what} must be one")
    if number < 0:
        raise ValueError(f"{text} is below zero, and {what} must be at least 1")
    return number


def _quantity(text: str) -> int:
    qty = _whole(text, "the quantity in shares", SHARES)
    if qty < 1:
        raise ValueError("The quantity must be at least 1 share")
    return qty


def _price(text: str) -> int:
    # The at sign marks a price. Where a quantity stands, it shows that the quantity is missing.
    price = _whole(text.removeprefix("@"), "the price in won", WON)
    if price < 1:
        raise ValueError("The price must be at least 1 won; leave it out for a market order")
    return price


def _day(text: str) -> str:
    """Return a date as ISO writes it. Raises ValueError."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write it as YYYY-MM-DD") from None


def _time(text: str) -> str:
    """Return a time of day as it was typed: ``session.until`` takes a text. Raises ValueError."""
    try:
        # Read only to refuse a wrong one now. The session reads the text again and knows its day.
        time_of_day(text, "")
    except BadInput:
        raise ValueError(f"{text!r} is not a time of day; write it as HH:MM") from None
    return text


def _one_of(kinds: type[StrEnum], what: str) -> Callable[[str], StrEnum]:
    """Return a reader that gives the member of ``kinds`` that a text names."""

    def read(text: str) -> StrEnum:
        member = choice(text, tuple(kinds))
        if member is None:
            raise ValueError(f"There is no {what} {text!r}; it is one of {', '.join(kinds)}")
        return member

    return read


CHOICES: dict[str, tuple[str, ...]] = {"V": tuple(Venue), "K": tuple(OrderKind)}
"""The values of the kinds that take one of a fixed set. Tab offers them."""
READERS: dict[str, Callable[[str], object]] = {
    "QTY": _quantity,
    "PRICE": _price,
    "N": lambda text: _whole(text, "the number"),
    "D": _day,
    "T": _time,
    "TIME": _time,
    "EVERY": _every,
    "V": _one_of(Venue, "venue"),
    "K": _one_of(OrderKind, "kind of order"),
    "KEY": order_name,
}
"""The reader of each kind. A word of any other kind stays a text."""
