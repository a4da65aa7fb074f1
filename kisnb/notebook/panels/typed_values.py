"""Reads the texts that a person types into a panel. Each wrong text gets an error sentence."""

from __future__ import annotations

from kisnb.errors import BadInput
from kisnb.values import SHARES, WON, narrow, whole_text


def won_of(text: object, what: str) -> int:
    """Return an amount of won from a text: ``"71,000"``, ``"71000원"``. Raises BadInput."""
    return _whole(text, what, WON, "won", 1)


def shares_of(text: object, what: str) -> int:
    """Return a number of shares from a text such as ``"1,000"`` or ``"10주"``. Raises BadInput."""
    return _whole(text, what, SHARES, "shares", 1)


def minutes_of(text: object, what: str) -> int:
    """Return the minutes that a text is: ``"30"``, ``"30분"``. 0 is allowed. Raises BadInput."""
    return _whole(text, what, "분", "minutes", 0)


def _whole(text: object, what: str, unit: str, words: str, least: int) -> int:
    typed = narrow(str(text or "")).strip()
    if not typed:
        raise BadInput(f"{what} is missing", f"type it in {words}")
    number = whole_text(typed, unit)
    if number is None:
        raise BadInput(f"{what} {typed!r} is not a whole number", f"type it in {words}")
    if number < least:
        raise BadInput(f"{what} is below {least}", f"type at least {least}")
    return number
