"""The rate limit of a host: a sliding window, with lanes in which orders overtake reads.

KIS counts all REST calls of an appkey in any second (KIS notice of 2026-04-20 on rate limits).
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from enum import IntEnum

from kisnb.clock import SECOND, Activity, Clock, Ns


class Lane(IntEnum):
    """The queue of a call: a lower lane goes first, within a lane the first comer does."""

    CANCEL = 0
    ORDER = 1
    READ = 2


class SlidingWindow:
    """At most ``limit`` calls in any ``span``; the caller gives the times."""

    def __init__(self, limit: int, span: Ns = SECOND) -> None:
        self.limit = limit
        self.span = span
        # Of the last ``limit`` calls the oldest decides: a second after it, one more call fits.
        self._calls: deque[Ns] = deque(maxlen=limit)

    def earliest(self, now: Ns) -> Ns:
        """Return when the next call may go out; ``now`` when at once."""
        return max(now, self._calls[0] + self.span) if len(self._calls) == self.limit else now

    def record_call(self, now: Ns) -> None:
        """Note that a call goes out."""
        self._calls.append(now)


class Limiter:
    """Makes callers wait until they may call. A waiting caller counts as waiting for the clock."""

    def __init__(self, window: SlidingWindow, clock: Clock, activity: Activity) -> None:
        self._window = window
        self._clock = clock
        self._activity = activity
        self._queue: list[tuple[Lane, int]] = []
        self._count = 0
        self._moved = asyncio.Event()
        """Set, and replaced, whenever the queue has changed."""

    async def enter(self, lane: Lane) -> None:
        """Wait until a call of this lane may go out."""
        self._count += 1
        ticket = (lane, self._count)
        insort(self._queue, ticket)
        try:
            # A cancel may have come in front while this call waited, so each call looks again.
            while not self._my_turn(ticket):
                with self._activity.resting():
                    await self._wait(ticket)
            self._window.record_call(self._clock.now())
        finally:
            # A caller that was cancelled comes here, too. Its ticket would block all others.
            self._queue.remove(ticket)
            # Wakes all who wait now. Those who come later wait for the next change.
            self._moved.set()
            self._moved = asyncio.Event()

    def _my_turn(self, ticket: tuple[Lane, int]) -> bool:
        now = self._clock.now()
        return self._queue[0] == ticket and self._window.earliest(now) <= now

    async def _wait(self, ticket: tuple[Lane, int]) -> None:
        if self._queue[0] == ticket:
            await self._clock.sleep_until(self._window.earliest(self._clock.now()))
        else:
            await self._moved.wait()
