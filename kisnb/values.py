"""Reads the values that a person or a program gives: each is converted, or refused in one line.

A notebook hands over numbers of numpy and polars, floats that are whole, texts from forms and
magics. They are read here once, where they enter, so that nothing odd travels on to the desk.
Every function raises BadInput with the cure, and imports no library of data.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from enum import StrEnum
from numbers import Integral, Real
from typing import SupportsIndex, TypeVar

from kisnb.errors import BadInput

MOST = 10**15
"""Whole numbers stay below this: won and shares are far smaller, and the desk counts in 64 bits."""
LONGEST = 10 * 366 * 86_400
"""Seconds of the longest wait, about ten years."""
SHOWN = 60
"""Letters of a value that a message shows."""

_Member = TypeVar("_Member", bound=StrEnum)
_Choice = TypeVar("_Choice", bound=str)
_GROUPED = re.compile(r"-?\d{1,3}(?:(?:,\d{3})+|(?:_\d{3})+)(?:\.\d+)?")
_WHOLE = re.compile(r"-?\d{1,15}")


def whole(value: object, what: str) -> int:
    """Return ``value`` as an int: ``3``, ``3.0``, ``numpy.int64(3)``, ``"1,000"``, ``"@70,000"``.

    ``what`` names it in the message, such as ``"the quantity"``. Raises BadInput, also for a bool,
    None, and a number of 10^15 or more.
    """
    number = _whole(value)
    if number is None:
        cure = "give a whole number, such as 10"
        raise BadInput(f"{what} {shown(value)} is no whole number", cure)
    if abs(number) >= MOST:
        raise BadInput(f"{what} {shown(value)} is too large", f"give a number below {MOST:,}")
    return number


def shares(value: object, what: str = "the quantity") -> int:
    """Return ``value`` as a number of shares, at least 1. Raises BadInput."""
    qty = whole(value, what)
    if qty < 1:
        raise BadInput(f"{what} {qty:,} is no quantity", "give at least 1 share")
    return qty


def seconds(value: object, what: str) -> float:
    """Return ``value`` as seconds: a number from 0 to about ten years. Raises BadInput.

    A text is refused, because nobody can tell whether ``"5"`` or ``"0:05"`` was meant.
    """
    number = _number(value)
    if number is None:
        cure = "give seconds as a number, such as 5"
        raise BadInput(f"{what} {shown(value)} is no number of seconds", cure)
    if not 0 <= number <= LONGEST:
        cure = "give a number from 0 to about ten years"
        raise BadInput(f"{what} {shown(value)} is no time to wait", cure)
    return float(number)


def member(kind: type[_Member], value: object, what: str) -> _Member:
    """Return the member of ``kind`` that ``value`` names, in capitals or not. Raises BadInput."""
    return one_of(value, tuple(kind), what)


def one_of(value: object, choices: Sequence[_Choice], what: str) -> _Choice:
    """Return the choice that ``value`` names, in capitals or not. Raises BadInput."""
    if isinstance(value, str):
        spelt = value.strip().lower()
        for choice in choices:
            if spelt == choice.lower():
                return choice
    raise BadInput(f"{shown(value)} is no {what}", f"choose {' or '.join(choices)}")


def text(value: object, what: str) -> str:
    """Return ``value``, a text that can be written down. Raises BadInput for anything else."""
    if not isinstance(value, str):
        raise BadInput(f"{what} {shown(value)} is no text", "write it in quotation marks")
    try:
        value.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair: the desk's wire and journal are UTF-8.
        raise BadInput(f"{what} {shown(value)} cannot be written", "type it anew") from None
    return str(value)


def ungrouped(number: str) -> str:
    """Return a number's text without its thousands separators: ``"1,000"`` gives ``"1000"``.

    A text whose commas cannot separate thousands, such as ``"2,5"``, stays as it is.
    """
    return re.sub("[,_]", "", number) if _GROUPED.fullmatch(number) else number


def shown(value: object) -> str:
    """Return a value as a message shows it: one line, cut when it is long."""
    try:
        line = repr(value)
    except Exception:
        # The repr of a stranger may raise anything; Python itself refuses to print huge integers.
        line = "\n"
    if "\n" in line:
        return f"<{type(value).__name__}>"
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _whole(value: object) -> int | None:
    """Return the whole number that ``value`` is; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = ungrouped(value.strip().removeprefix("@").strip())
        return int(digits) if _WHOLE.fullmatch(digits) else None
    number = _number(value)
    if number is None or isinstance(number, int):
        return number
    return int(number) if number.is_integer() else None


def _number(value: object) -> int | float | None:
    """Return the number that ``value`` is, of Python's own types; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex | Real):
        return None
    try:
        if isinstance(value, Real) and not isinstance(value, Integral):
            return float(value)
        return operator.index(value)
    except Exception:
        # A duration of numpy calls itself a number; the __index__ of a stranger raises anything.
        return None
