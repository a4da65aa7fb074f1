"""Reads the values that a person or a program gives: each is converted, or refused in one line.

A notebook passes numbers of numpy and polars, floats that are whole, texts from forms and magics.
They are read here once, where they enter, so that the desk gets plain values only. Pasted text may
contain invisible differences: Korean that macOS took apart into its letters, blanks without width,
and full-width digits of an input method. ``tidy`` and ``narrow`` remove them. Every function raises
BadInput with the cure, and imports neither numpy nor polars. ``what`` always names the value in the
error, such as ``"the price"``.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import time
from difflib import get_close_matches
from enum import StrEnum
from numbers import Integral, Real
from typing import SupportsIndex, TypeVar

from kisnb.clock import parse_time
from kisnb.errors import BadInput

# A float is exact up to about 9 × 10^15, so a whole float below this bound is the number that was
# typed.
MOST = 10**15
"""Whole numbers stay below this. Won and shares are far smaller, and the desk counts in 64 bits."""
SHARES, WON = "주", "원"
"""Units that may follow a quantity, and a price: ``10주``, ``70,000원``."""
WON_SIGNS = "\u20a9\uffe6"
"""The sign of the won, in both widths."""
LONGEST = 10 * 366 * 86_400
"""Seconds of the longest wait, about ten years."""
SHOWN = 60
"""Letters of a value that a message shows."""
MOST_AGAIN = 10_000
"""An ordinal stays below this."""
LONGEST_NAME = 80
"""Letters of the longest name that a person may give an order."""

_Member = TypeVar("_Member", bound=StrEnum)
_Choice = TypeVar("_Choice", bound=str)
# Groups of exactly three digits, and one separator for all of them. "1,00" and "1,000_000" are
# typing errors, and an order must not guess.
_GROUPED = re.compile(r"-?\d{1,3}(?:(?:,\d{3})+|(?:_\d{3})+)(?:\.\d+)?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
"""Signs that editors and input methods put in place of a hyphen or a minus."""
_BLANKS = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
    "\u3000"
)
_FILLERS = "\u115f\u1160\u3164\uffa0"
"""Korean letters that show nothing: people type them as a blank."""
_NOTHING = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
"""Marks that have no width, or turn the direction of writing."""
# They are not in _NOTHING, because `tidy` is also used for reasons and notes, where an emoji must
# stay whole.
_JOINERS = "\u200c\u200d"
"""Marks that join the parts of an emoji in a reason. They mean nothing in a code or a number."""
UNSEEN = _BLANKS + _FILLERS + _NOTHING
"""Letters that look like a blank, or like nothing."""
_TIDY = str.maketrans(dict.fromkeys(_BLANKS + _FILLERS, " ") | dict.fromkeys(_NOTHING))
# Unicode lists the full-width forms of ! to ~ in the order of ASCII, 0xFEE0 higher.
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | dict.fromkeys(
    map(ord, _JOINERS)
)
"""Translation of full-width letters, digits and signs to ASCII; it removes ``_JOINERS``."""


def tidy(text: str) -> str:
    """Return a text with composed Korean and plain blanks, and without invisible characters.

    No word of it changes, so reasons and notes can be tidied, too.
    """
    # macOS gives file names and some pasted text in NFD, where "삼성" is six letters. Names of
    # stocks are composed, so an exact comparison would not find them.
    return text if text.isascii() else unicodedata.normalize("NFC", text.translate(_TIDY))


def narrow(text: str) -> str:
    """Return a code, a name, a number or an option in the spelling that searches use.

    The text is tidied, and full-width characters become ASCII.
    """
    return text if text.isascii() else tidy(text).translate(_NARROW)


def near_names(name: str, known: Iterable[str], most: int = 1, alike: float = 0.6) -> list[str]:
    """Return the known names whose spelling is nearest to ``name``, the nearest first.

    At most ``most`` names. ``alike`` is the least part of the letters that must agree, from 0 to 1.
    """
    return get_close_matches(name, list(known), most, alike)


def whole(value: object, what: str, unit: str = "") -> int:
    """Return ``value`` as an int: ``3``, ``3.0``, ``numpy.int64(3)``, ``"1,000"``, ``"@70,000"``.

    ``what`` names the value in the error, such as ``"the quantity"``. ``unit`` is the word that may
    follow the number, such as ``"원"``. Raises BadInput, also for a bool, None, and a number of
    10^15 or more.
    """
    number = _whole(value, unit)
    if number is None:
        cure = "give a whole number, such as 10"
        raise BadInput(f"{what} {shown(value)} is not a whole number", cure)
    if abs(number) >= MOST:
        raise BadInput(f"{what} {shown(value)} is too large", f"give a number below {MOST:,}")
    return number


def shares(value: object, what: str = "the quantity") -> int:
    """Return ``value`` as a number of shares, at least 1. Raises BadInput."""
    qty = whole(value, what, SHARES)
    if qty < 1:
        raise BadInput(f"{what} {qty:,} is not valid", "give at least 1 share")
    return qty


def price(value: object, what: str = "the price") -> int:
    """Return ``value`` as a price in won. Raises BadInput."""
    return whole(value, what, WON)


def numbered_code(value: object) -> str | None:
    """Return the stock code that a number means: ``5930`` gives ``"005930"``.

    Spreadsheets and DataFrames drop the zeros at the front of a code. None for anything that is not
    a number, and for a text.
    """
    number = None if isinstance(value, str) else _whole(value)
    return f"{number:06d}" if number is not None and 0 < number < 10**6 else None


def seconds(value: object, what: str) -> float:
    """Return ``value`` as seconds: a number from 0 to about ten years. Raises BadInput.

    A text is refused, because ``"5"`` and ``"0:05"`` do not say which unit is meant.
    """
    number = _number(value)
    if number is None:
        cure = "give seconds as a number, such as 5"
        raise BadInput(f"{what} {shown(value)} is not a valid number of seconds", cure)
    if not 0 <= number <= LONGEST:
        cure = "give a number from 0 to about ten years"
        raise BadInput(f"{what} {shown(value)} is not a valid waiting time", cure)
    return float(number)


def member(kind: type[_Member], value: object, what: str) -> _Member:
    """Return the member of ``kind`` that ``value`` names, in either case. Raises BadInput."""
    return one_of(value, tuple(kind), what)


def one_of(value: object, choices: Sequence[_Choice], what: str) -> _Choice:
    """Return the choice that ``value`` names, in upper or lower case. Raises BadInput."""
    found = choice(value, choices) if isinstance(value, str) else None
    if found is not None:
        return found
    raise BadInput(f"{shown(value)} is not a valid {what}", f"choose {' or '.join(choices)}")


def choice(text: str, choices: Sequence[_Choice]) -> _Choice | None:
    """Return the choice that ``text`` names, in upper or lower case; None for other texts."""
    spelt = narrow(text).strip().lower()
    return next((choice for choice in choices if spelt == choice.lower()), None)


def ordinal(again: object) -> int:
    """Return the ordinal that ``again=`` means: 0 when left out, 1 for True. Raises BadInput."""
    # A bool is an int for Python, so it is checked first: `again=True` means one order more.
    if isinstance(again, bool) or again is None:
        return int(bool(again))
    n = whole(again, "again")
    if not 0 <= n < MOST_AGAIN:
        cure = f"count from 1 to {MOST_AGAIN - 1}"
        raise BadInput(f"again={n} is not valid", cure)
    return n


def order_name(key: object) -> str:
    """Return the name that ``key=`` gives an order. Raises BadInput."""
    name = text(key, "the key").strip()
    # A name appears in the journal and in messages of one line, so a line break in it is refused.
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        cure = f"write 1 to {LONGEST_NAME} letters, such as key='monthly'"
        raise BadInput(f"key={name!r} is not a valid order name", cure)
    return name


def order_number(what: object) -> int | None:
    """Return the order number in ``12``, ``"12"`` or ``"#12"``; None for anything else."""
    # KIS pads order numbers differently: 0001569157 in a live reply, 47589 in a paper reply (KIS's
    # workbook; replies seen by public clients). As integers they are equal.
    digits = narrow(str(what)).strip().removeprefix("#")
    return int(digits) if digits.isdecimal() else None


def time_of_day(value: object, cure: str) -> time:
    """Return the time of day in a text such as ``"9:10"``. Raises BadInput with ``cure``."""
    try:
        return parse_time(narrow(text(value, "the time of day")).strip())
    except ValueError as error:
        raise BadInput(str(error), cure) from None


def text(value: object, what: str) -> str:
    """Return the text ``value``, tidy. Raises BadInput unless it is text that UTF-8 can encode."""
    # Such as the code of each order.
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        raise BadInput(f"{what} {shown(value)} is not text", "write it in quotation marks")
    try:
        value.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair: the desk's wire and journal are UTF-8.
        raise BadInput(f"{what} {shown(value)} cannot be written", "type it again") from None
    return tidy(str(value))


def ungrouped(number: str) -> str:
    """Return a number's text without its thousands separators: ``"1,000"`` gives ``"1000"``.

    A text whose commas cannot separate thousands, such as ``"2,5"``, stays as it is.
    """
    return re.sub("[,_]", "", number) if _GROUPED.fullmatch(number) else number


def shown(value: object) -> str:
    """Return a value as a message shows it: one line, cut when it is long."""
    try:
        # `repr` and not `str`: a person sees the difference between "10" and 10, and a blank at the
        # end.
        line = repr(value)
    except Exception:
        # The repr of an unknown class may raise anything; Python refuses to print huge integers.
        line = "\n"
    # The repr of a DataFrame or an array has many lines, and an error is one sentence.
    if "\n" in line:
        return f"<{type(value).__name__}>"
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def whole_text(text: str, unit: str = "") -> int | None:
    """Return ``text`` as a whole number of up to 15 digits; None when it is not one."""
    # `@70,000` is how `%kis buy 005930 10 @70,000` writes a price.
    plain = narrow(text).strip().removeprefix("@").removesuffix(unit).strip()
    if unit == WON:
        plain = plain.lstrip(WON_SIGNS)
    # A tuple, because the empty text is part of every string and would be taken for a dash.
    if plain[:1] in tuple(DASHES):
        plain = f"-{plain[1:]}"
    digits = ungrouped(plain)
    return int(digits) if _WHOLE.fullmatch(digits) else None


def _whole(value: object, unit: str = "") -> int | None:
    """Return ``value`` as a whole number; None when it is not one."""
    # Nearly every order gives an int. The abstract classes below are slow to ask.
    if type(value) is int:
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return whole_text(value, unit)
    number = _number(value)
    if number is None or isinstance(number, int):
        return number
    # 10.0 shares of a DataFrame are 10. 10.5 is refused and not rounded, because only the caller
    # knows what was meant.
    return int(number) if number.is_integer() else None


def _number(value: object) -> int | float | None:
    """Return ``value`` as an int or a float; None when it is not a number."""
    # A bool is an int for Python: True would be 1 share.
    if isinstance(value, bool) or not isinstance(value, SupportsIndex | Real):
        return None
    try:
        if isinstance(value, Real) and not isinstance(value, Integral):
            return float(value)
        return operator.index(value)
    except Exception:
        # A duration of numpy calls itself a number; an unknown class may raise anything.
        return None
