"""The texts that a person types into the fields of a panel: what they mean, and what the arrows
beside a field make of them. Each wrong text gets an error sentence."""

from __future__ import annotations

import re
from decimal import Decimal
from math import ceil, floor

from kisnb.columns import number
from kisnb.errors import BadInput
from kisnb.session.estimates import Estimates
from kisnb.values import SHARES, WON, narrow, whole_text

FIRST_EXITS = {"stop": "3%", "take": "5%", "trail": "2%"}
"""The text that the first arrow up writes into an empty field of the exit."""
_LEAST_WON = 100_000
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%?", re.ASCII)


def won_of(text: object, what: str) -> int:
    """Return an amount of won from a text: ``"71,000"``, ``"71000원"``. Raises BadInput."""
    return _whole(text, what, WON, "won", 1)


def shares_of(text: object, what: str) -> int:
    """Return a number of shares from a text such as ``"1,000"`` or ``"10주"``. Raises BadInput."""
    return _whole(text, what, SHARES, "shares", 1)


def minutes_of(text: object, what: str) -> int:
    """Return the minutes that a text is: ``"30"``, ``"30분"``. 0 is allowed. Raises BadInput."""
    return _whole(text, what, "분", "minutes", 0)


def stepped_shares(text: str, n: int) -> str:
    """Return a number of shares one step up (``n`` 1) or down (-1). Empty when it would be 0.

    A step is 1 up to 10 shares, 10 up to 100 shares, and so on.
    """
    return _stepped(text, n, SHARES, 1)


def stepped_won(text: str, n: int) -> str:
    """Return an amount of won one step up or down, in steps of 100,000 won or more."""
    return _stepped(text, n, WON, _LEAST_WON)


def stepped_price(estimates: Estimates, code: str, text: str, n: int, last: int | None) -> str:
    """Return a price one tick up or down. A text without a price starts at ``last``, won."""
    price = whole_text(text, WON) or last
    return number(estimates.step(code, price, n)) if code and price else text


def stepped_number(text: str, n: int) -> str:
    """Return a number one step up or down, but not below 0: a step is 1 in its last digit.

    Any other text is returned as it is.
    """
    typed = narrow(text).strip().replace(",", "")
    if re.fullmatch(r"\d+(\.\d+)?", typed, re.ASCII) is None:
        return text
    number_ = Decimal(typed)
    moved = number_ + n * Decimal(1).scaleb(int(number_.as_tuple().exponent))
    return text if moved < 0 else str(moved)


def stepped_percent(text: str, n: int, first: str) -> str:
    """Return a percentage one step up or down. Empty below 1 %. An empty text starts at ``first``.

    Any other text is returned as it is.
    """
    typed = narrow(text).strip()
    if not typed:
        return first if n > 0 else ""
    found = _PERCENT.fullmatch(typed)
    if found is None:
        return text
    percent = float(found[1])
    moved = floor(percent) + 1 if n > 0 else ceil(percent) - 1
    return f"{moved}%" if moved >= 1 else ""


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


def _stepped(text: str, n: int, unit: str, least: int) -> str:
    value = whole_text(text, unit) or 0
    if value < least:
        return number(least) if n > 0 else ""
    # Down from 100 goes to 90, in the steps of what lies below it.
    digits = len(str(value if n > 0 else value - 1))
    step = max(least, 10 ** (digits - 1))
    moved = (value // step + 1) * step if n > 0 else (-(-value // step) - 1) * step
    return number(moved) if moved >= least else ""
