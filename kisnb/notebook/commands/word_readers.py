"""Reads one word of a command by its kind in the usage line.

Each value is read by the function of ``kisnb.values`` that also reads it for a call in Python. Only
the messages differ, because here the usage line is the cure. The readers raise ValueError, and the
grammar adds the cure. The readers of ``KEY`` and ``EVERY`` raise BadInput with a cure of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import StrEnum

from kisnb.errors import BadInput
from kisnb.terms import OrderKind, Venue
from kisnb.values import SHARES, WON, choice, order_name, time_of_day, whole_text

FREE = frozenset({"REASON", "KEY", "FILE", "VALUE"})
"""Kinds of words whose text is not changed: width, quotation marks and hashes stay."""


def span(text: str) -> str:
    """Return the length of a bar as typed. Raises BadInput when the text is not a length."""
    # The import is here, so that only a command with a length loads the market's rules.
    from kisnb.market.bars import span_of

    span_of(text)
    return text


def _every(text: str) -> str:
    """Return the length of a bar: ``1d``, ``1w``, or a text that ``span`` accepts.

    Raises BadInput.
    """
    return text if text in ("1d", "1w") else span(text)


def _whole(text: str, what: str, unit: str = "") -> int:
    """Return ``text`` as a whole number of at least 0. Raises ValueError."""
    # In `%kis buy 005930 @70000` the quantity is missing: 70,000 is not a number of shares.
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
    # The at sign marks a price. In the place of the quantity it shows that the quantity is missing.
    price = _whole(text.removeprefix("@"), "the price in won", WON)
    if price < 1:
        raise ValueError("The price must be at least 1 won; leave it out for a market order")
    return price


def _day(text: str) -> str:
    """Return a date in the ISO form. Raises ValueError."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write it as YYYY-MM-DD") from None


def _time(text: str) -> str:
    """Return a time of day as typed, because ``session.until`` takes a text. Raises ValueError."""
    try:
        # This only refuses a wrong text. The session reads the text again, because it knows the
        # day.
        time_of_day(text, "")
    except BadInput:
        raise ValueError(f"{text!r} is not a time of day; write it as HH:MM") from None
    return text


def _one_of(kinds: type[StrEnum], what: str) -> Callable[[str], StrEnum]:
    """Return a reader that returns the member of ``kinds`` for a text."""

    def read(text: str) -> StrEnum:
        member = choice(text, tuple(kinds))
        if member is None:
            raise ValueError(f"There is no {what} {text!r}; it is one of {', '.join(kinds)}")
        return member

    return read


CHOICES: dict[str, tuple[str, ...]] = {"V": tuple(Venue), "K": tuple(OrderKind)}
"""The values of the kinds that have a fixed set of values. Tab offers them."""
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
"""The reader of each kind. A word of another kind stays a text."""
