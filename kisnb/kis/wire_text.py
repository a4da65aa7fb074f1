"""Texts of the wire ⇄ Python values: numbers, dates and times; one way to read each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from kisnb.clock import SECOND, Ns, day_number, kst, kst_day
from kisnb.errors import FrameError

ODNO_WIDTH = 10
BOUND = 1 << 63
"""No number of the wire reaches it."""


def whole(row: Mapping[str, str], field: str) -> int:
    """Won or shares: signed, padded with zeros or blanks, with zero decimals; empty is 0. Raises FrameError."""
    text = row.get(field, "").strip()
    if not text:
        return 0
    try:
        number = int(text) if "." not in text else round(float(text))
    except (ValueError, OverflowError):
        number = BOUND
    if not -BOUND < number < BOUND:
        raise FrameError(f"the field {field} is {text[:20]!r} and should be a number", "ask again")
    return number


def order_number(number: int) -> str:
    """An order number as KIS writes it; ``""`` for none."""
    return f"{number:0{ODNO_WIDTH}d}" if number else ""


def yyyymmdd(day: date) -> str:
    return f"{day_number(day):08d}"


def read_day(text: str) -> date:
    """Raises FrameError when ``text`` is no YYYYMMDD."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        raise FrameError(f"{text[:20]!r} is no date", "ask again") from None


def seconds_of(text: str) -> int:
    """Seconds since midnight of an HHMMSS. Raises FrameError."""
    if len(text) != 6 or not text.isdecimal():
        raise FrameError(f"{text[:20]!r} is no time of day", "ask again")
    at = int(text)
    seconds = at // 10_000 * 3600 + at // 100 % 100 * 60 + at % 100
    if at % 100 > 59 or at // 100 % 100 > 59 or seconds > 86_400:
        raise FrameError(f"{text!r} is no time of day", "ask again")
    return seconds


def moment(day: date, hhmmss: str, *, fallback: Ns) -> Ns:
    """The moment of an HHMMSS on a Korean day; ``fallback`` when KIS gives no time."""
    return kst(day, seconds_of(hhmmss)) if hhmmss.strip() else fallback


def moment_today(now: Ns, hhmmss: str) -> Ns:
    """The moment of an HHMMSS on the Korean day of ``now``."""
    return moment(kst_day(now), hhmmss, fallback=now // SECOND * SECOND)
