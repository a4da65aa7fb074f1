"""Time: UTC nanoseconds from an injected clock, and Korean wall time for people.

Only a clock reads the time of the machine.
"""

from __future__ import annotations

import asyncio
import heapq
import re
import time as _time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from typing import Protocol, TypeAlias

Ns: TypeAlias = int
"""UTC nanoseconds since 1970-01-01."""

SECOND: Ns = 1_000_000_000
MINUTE: Ns = 60 * SECOND
DAY: Ns = 24 * 60 * MINUTE
# Korea has had no daylight saving time since 1988, so a fixed offset is right for every day that
# kisnb handles, and needs no table of time zones.
KST = timezone(timedelta(hours=9), "KST")
KST_SHIFT: Ns = 9 * 60 * MINUTE
"""Nanoseconds by which KST is ahead of UTC, all year round."""
_EPOCH = datetime(1970, 1, 1, 9, tzinfo=KST)
_EPOCH_ORDINAL = _EPOCH.toordinal()


class Clock(Protocol):
    """Gives the time in UTC nanoseconds, and lets a task sleep until a moment."""

    def now(self) -> Ns:
        """Return the present moment."""
        ...

    async def sleep_until(self, t: Ns) -> None:
        """Sleep until the moment ``t``; return at once when it is past."""
        ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> Ns:
        """Return the machine's time."""
        return _time.time_ns()

    async def sleep_until(self, t: Ns) -> None:
        """Sleep in real time until the moment ``t``."""
        # The loop's timers follow the monotonic clock. When somebody changes the machine's time
        # during the sleep, the sleep ends early or late by that change.
        await asyncio.sleep(max(0, t - self.now()) / SECOND)


class SimulatedClock:
    """A clock of simulated time: it runs at a speed, or moves only when its owner sets it.

    In lockstep, in tests and in the back-tester it moves only when its owner sets it.
    """

    def __init__(self, now: Ns = 0, speed: float = 0.0) -> None:
        self._then = now
        # Simulated time runs from the pair (_then, _wall). The monotonic clock measures it, so a
        # correction of the machine's time does not make simulated time jump.
        self._wall = _time.monotonic_ns()
        self.speed = speed
        """Simulated seconds in a real second. 0: the clock moves only when it is set."""
        # The number in the middle wakes sleepers of one moment in the order in which they began. It
        # also keeps heapq from comparing futures, which have no order.
        self._sleepers: list[tuple[Ns, int, asyncio.Future[None]]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> Ns:
        """Return the simulated moment."""
        if not self.speed:
            return self._then
        return self._then + int((_time.monotonic_ns() - self._wall) * self.speed)

    def set(self, now: Ns, speed: float | None = None) -> None:
        """Set the clock to ``now``, and its speed when ``speed`` is given.

        Wake the sleepers whose time has come, in the order of their times.
        """
        # Both are set together. A new moment with the old `_wall` would add the time that has
        # passed since the last call.
        self._then, self._wall = now, _time.monotonic_ns()
        if speed is not None:
            self.speed = speed
        self._wake()

    def next_wake(self) -> Ns | None:
        """Return the earliest moment that a sleeper waits for; None without sleepers."""
        # A task that was cancelled leaves its future in the heap. It is dropped here, so lockstep
        # does not wait for a moment that nobody needs.
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def sleep_until(self, t: Ns) -> None:
        """Sleep until the simulated moment ``t``; return at once when it is past."""
        # For a past moment, return without a turn of the event loop.
        if t <= self.now():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (t, self._count, future))
        self._wake()
        await future

    def _wake(self) -> None:
        """Wake the sleepers whose time has come. If time runs, set a timer for the next sleeper."""
        now = self.now()
        while (t := self.next_wake()) is not None and t <= now:
            heapq.heappop(self._sleepers)[2].set_result(None)
        # `set` may have changed the speed, or a nearer sleeper may have come. The old timer would
        # wake at the wrong wall time.
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if t is not None and self.speed:
            # A timer may fire early by its resolution. A little later the time has surely come.
            delay = (t - now) / self.speed / SECOND
            self._timer = asyncio.get_running_loop().call_later(delay + 1e-4, self._wake)


class Activity:
    """Counts work under way, so that lockstep knows when a process only waits for the clock.

    Wrap work in ``working()``. Wrap a part of the work that only waits for the clock in
    ``resting()``.
    """

    def __init__(self) -> None:
        self.busy = 0
        """Number of pieces of work under way."""
        self.at_rest = 0
        """Number of pieces of work that only wait for the clock."""
        self.on_rest: Callable[[], None] = lambda: None
        """Called when work begins to wait for the clock."""

    @property
    def quiet(self) -> bool:
        """True when all work under way waits for the clock."""
        return self.busy == self.at_rest

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a piece of work while the block runs."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Count a wait for the clock while the block runs."""
        self.at_rest += 1
        self.on_rest()
        try:
            yield
        finally:
            self.at_rest -= 1


def kst(day: date, at: time | int) -> Ns:
    """Return the moment ``at`` (a time, or seconds since midnight) of a Korean day."""
    seconds = at if isinstance(at, int) else seconds_since_midnight(at)
    # Integers only. A float of UTC nanoseconds is exact to about 200 ns, and two moments that are
    # equal would compare as different.
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY - KST_SHIFT + seconds * SECOND


def kst_day(now: Ns) -> date:
    """Return the Korean date of a moment."""
    return date.fromordinal(kst_ordinal(now))


def kst_ordinal(now: Ns) -> int:
    """Return the Korean date of a moment as a number of days, as ``date.toordinal`` counts them."""
    return (now + KST_SHIFT) // DAY + _EPOCH_ORDINAL


def day_number(day: date | Ns) -> int:
    """Return a Korean date, or the Korean date of a moment, as a number: 20261120."""
    if isinstance(day, int):
        day = kst_day(day)
    return day.year * 10_000 + day.month * 100 + day.day


def date_of(number: int) -> date:
    """Return the date that is written as a number, such as 20261120."""
    return date(number // 10_000, number // 100 % 100, number % 100)


def date_text(number: int) -> str:
    """Return a date that is a number, such as 20261120, as ``"2026-11-20"``."""
    return date_of(number).isoformat()


def seconds_since_midnight(at: time) -> int:
    """Return a time of day as whole seconds since midnight."""
    return at.hour * 3600 + at.minute * 60 + at.second


def kst_seconds(now: Ns) -> int:
    """Return the whole seconds since Korean midnight."""
    return (now + KST_SHIFT) % DAY // SECOND


def kst_datetime(now: Ns) -> datetime:
    """Return the moment as an aware datetime in KST, rounded down to microseconds."""
    # Whole numbers only, because a float of the moment would be rounded.
    return _EPOCH + timedelta(0, 0, now // 1000)


def hhmmss(now: Ns) -> str:
    """Return a moment's time of day as KIS writes it: ``"091500"`` (KST)."""
    s = kst_seconds(now)
    return f"{s // 3600 * 10_000 + s // 60 % 60 * 100 + s % 60:06d}"


def clock_text(now: Ns) -> str:
    """Return a moment's time of day as people read it: ``"09:15:00"`` (KST)."""
    s = kst_seconds(now)
    return f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"


def parse_time(text: str) -> time:
    """Return ``"9:10"``, ``"09:10"`` or ``"09:10:30"`` as a time of day. Raises ValueError."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time of day; write it as HH:MM or HH:MM:SS")
    return time(int(match[1]), int(match[2]), int(match[3] or 0))
