"""Converts KIS's texts to Python values and back: numbers, dates and times."""

from __future__ import annotations

from datetime import date

from kisnb.clock import DAY, KST_SHIFT, SECOND, Ns, day_number, kst
from kisnb.errors import FrameError

ODNO_WIDTH = 10
"""Digits of an order number on the wire."""
BOUND = 1 << 63
"""Every number in KIS's messages is below this, because the desk counts in 64 bits."""
_KEPT = 256
"""Number of times of day that are remembered. Above it, all are forgotten."""
_ns_of: dict[str, Ns] = {}
"""Nanoseconds since midnight by HHMMSS, as ``on_day_of`` has found them."""


def whole(text: str) -> int:
    """Return a text as won or shares; 0 when it is empty. Raises FrameError.

    KIS pads numbers with zeros or blanks, and writes the sign in front. Some have decimals, all 0.
    """
    text = text.strip()
    if not text:
        return 0
    try:
        # Averages have decimals (workbook: pchs_avg_pric). Won and shares do not need them.
        number = int(text) if "." not in text else round(float(text))
    except (ValueError, OverflowError):
        # No valid text means BOUND, so the check below refuses this text with the same message.
        number = BOUND
    if not -BOUND < number < BOUND:
        raise FrameError(f"{text[:20]!r} is not a number", "ask again")
    return number


def order_number(number: int) -> str:
    """Return an order number as KIS writes it; ``""`` for none."""
    return f"{number:0{ODNO_WIDTH}d}" if number else ""


def yyyymmdd(day: date) -> str:
    """Return a day as KIS writes it: ``"20261120"``."""
    return f"{day_number(day):08d}"


def read_day(text: str) -> date:
    """Return the day of a YYYYMMDD. Raises FrameError."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        raise FrameError(f"{text[:20]!r} is not a date", "ask again") from None


def seconds_of(text: str) -> int:
    """Return the seconds since midnight of an HHMMSS. Raises FrameError."""
    if len(text) != 6 or not text.isdecimal():
        raise FrameError(f"{text[:20]!r} is not a time of day", "ask again")
    at = int(text)
    seconds = at // 10_000 * 3600 + at // 100 % 100 * 60 + at % 100
    if at % 100 > 59 or at // 100 % 100 > 59 or seconds > 86_400:
        raise FrameError(f"{text!r} is not a time of day", "ask again")
    return seconds


def moment(day: date, hhmmss: str, *, fallback: Ns) -> Ns:
    """Return the moment of an HHMMSS on a Korean day. Without a time: ``fallback``.

    Raises FrameError.
    """
    return kst(day, seconds_of(hhmmss)) if hhmmss.strip() else fallback


def on_day_of(now: Ns, hhmmss: str) -> Ns:
    """Return the moment of an HHMMSS on the Korean day of ``now``. Raises FrameError."""
    ns = _ns_of.get(hhmmss)
    if ns is None:
        if len(_ns_of) >= _KEPT:
            _ns_of.clear()
        ns = _ns_of[hhmmss] = seconds_of(hhmmss) * SECOND
    # Arithmetic instead of dates: this runs for each depth and each execution notice. Korea has no
    # summer time.
    return now - (now + KST_SHIFT) % DAY + ns


def moment_today(now: Ns, hhmmss: str) -> Ns:
    """Return the moment of an HHMMSS on the Korean day of ``now``.

    For an empty text it is ``now``, rounded down to the second. Raises FrameError.
    """
    # KIS's times are whole seconds, so the fallback is too. Otherwise it would come after a time
    # that KIS states for the same second.
    return on_day_of(now, hhmmss) if hhmmss.strip() else now // SECOND * SECOND
