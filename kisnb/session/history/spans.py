"""Reads the span of days, or of time, that a call for past rows names."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TypeAlias

from kisnb.clock import DAY, KST, MINUTE, SECOND, Ns, clock_text, kst, kst_day, parse_time
from kisnb.errors import BadInput

YEAR = timedelta(days=365)
"""The span of a call for days that names no start."""
LAST_TRADES: Ns = 10 * MINUTE
"""The span of a call for trades that names no start. It is short:

KIS gives thirty trades a call.
"""
Moment: TypeAlias = "datetime | date | time | str | None"
"""A moment in Korea: ``"09:30"`` (today), ``"2026-11-20"``, ``"2026-11-20 09:30"``."""


def read_days(
    now: Ns, start: date | str | None, end: date | str | None, back: timedelta = YEAR
) -> tuple[date, date]:
    """Return the first and the last day that a call names. Raises BadInput.

    Without ``end`` the last day is today. Without ``start`` the first day is ``back`` before the
    last.
    """
    last = kst_day(now) if end is None else _day(end, "end")
    first = last - back if start is None else _day(start, "start")
    if first > last:
        raise BadInput(f"{first} comes after {last}", "give the first day first")
    return first, last


def read_moments(now: Ns, start: Moment, end: Moment, back: Ns = LAST_TRADES) -> tuple[Ns, Ns]:
    """Return the first and the last moment that a call names, none later than ``now``.

    A day without a time means the whole day. Raises BadInput.
    """
    until = now if end is None else min(now, _moment(now, end, "end", is_end=True))
    since = until - back if start is None else _moment(now, start, "start", is_end=False)
    if since > until:
        raise BadInput(
            f"{_seen(since)} comes after {_seen(until)}", "give the first moment first; KST counts"
        )
    return since, until


def _day(value: date | str, what: str) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadInput(f"{what}={value!r} is not a date", "write it as YYYY-MM-DD") from None


def _moment(now: Ns, value: datetime | date | time | str, what: str, *, is_end: bool) -> Ns:
    read = _read(value)
    if isinstance(read, datetime):
        # A time without a zone is Korean time.
        there = read if read.tzinfo is not None else read.replace(tzinfo=KST)
        return int(there.timestamp()) * SECOND
    if isinstance(read, date):
        return kst(read, 0) + (DAY - 1 if is_end else 0)
    if isinstance(read, time):
        return kst(kst_day(now), read)
    raise BadInput(
        f"{what}={value!r} is not a time", 'write "09:30", "2026-11-20" or "2026-11-20 09:30"'
    )


def _read(value: object) -> datetime | date | time | None:
    if isinstance(value, datetime | date | time):
        return value
    if not isinstance(value, str):
        return None
    for read in (date.fromisoformat, parse_time, datetime.fromisoformat):
        try:
            return read(value.strip())
        except ValueError:
            continue
    return None


def _seen(t: Ns) -> str:
    return f"{kst_day(t)} {clock_text(t)}"
