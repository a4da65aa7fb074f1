"""The rate limit of a server: a sliding window, with lanes in which orders pass reads.

KIS counts all REST calls of an appkey in any second (KIS notice of 2026-04-20 on rate limits). It
does not say how many calls it accepts from this appkey: a new customer has 3 a second for three
days (KIS notice of 2026-03-20), and a server may accept fewer than the notice says. So the rate is
learned from the calls that KIS refuses for their speed.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from enum import IntEnum

from kisnb.clock import SECOND, Activity, Clock, Ns, clock_text

PAUSE: Ns = SECOND // 8
"""Time after a refusal in which no call is sent.

KIS advises 100 to 150 ms (KIS notice of 2026-04-20).
"""
NEAR = 4
"""Calls a second. At this rate or below, a refusal lowers the rate by one call a second."""
RECOVERS: Ns = 20 * SECOND
"""After this time without a refusal, one more call a second is tried."""


class Lane(IntEnum):
    """The queue of a call.

    The lane with the lower number comes first, in a lane the earlier call.
    """

    CANCEL = 0
    ORDER = 1
    READ = 2


class SlidingWindow:
    """At most ``limit`` calls in any ``span``. The caller states the times."""

    def __init__(self, limit: int, span: Ns = SECOND) -> None:
        self.limit = limit
        """Most calls in a span. The caller may lower it, and raise it up to its first value."""
        self.span = span
        # The oldest of the last ``limit`` calls decides: a second after it, one more call may be
        # sent.
        self._calls: deque[Ns] = deque(maxlen=limit)

    def earliest(self, now: Ns) -> Ns:
        """Return the moment at which the next call may be sent; ``now`` when at once."""
        calls = self._calls
        return max(now, calls[-self.limit] + self.span) if len(calls) >= self.limit else now

    def record_call(self, now: Ns) -> None:
        """Record that a call goes out at ``now``."""
        self._calls.append(now)


class LearnedRate:
    """Calls a second that KIS accepts from this appkey, learned from its refusals.

        most ──refused──► half of it, or one less ──refused──► … ──► 1
                 ▲               │
                 └── one more ◄──┘ after each 20 s without a refusal

    The rate is kept only in memory, so the next desk begins with ``most`` again.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        """The rate that KIS documents for this host, or that is configured."""
        self.refusals = 0
        """Calls that were refused for their speed."""
        self.newest: Ns = 0
        """The moment of the newest refusal; 0 before the first."""
        self._limit = most
        self._since: Ns | None = None
        """The moment at which the rate last changed; None: it has not changed."""

    def limit(self, now: Ns) -> int:
        """Return the calls a second that may go out now."""
        while self._limit < self.most and self._since is not None and now >= self._since + RECOVERS:
            self._limit, self._since = self._limit + 1, self._since + RECOVERS
        return self._limit

    def on_refused(self, left: Ns, now: Ns) -> bool:
        """Note that KIS refused a call that was sent at ``left``.

        Return True when the rate is lower. The refusals of one burst lower the rate once: only a
        call that was sent after the last change shows that the new rate is too high.
        """
        self.refusals, self.newest = self.refusals + 1, now
        if self._since is not None and left <= self._since:
            return False
        rate = self.limit(now)
        # Halving finds a rate far below in few steps. Near the documented rate one call less is
        # enough: KIS refuses some calls at its exact limit.
        lower = rate // 2 if rate > NEAR else max(rate - 1, 1)
        is_lower, self._limit, self._since = lower < self._limit, lower, now
        return is_lower

    def text(self, now: Ns) -> str:
        """Return the rate in a sentence; empty while KIS has refused nothing."""
        if not self.refusals:
            return ""
        calls = f"{self.refusals:,} call{'s' if self.refusals > 1 else ''}"
        return (
            f"KIS refused {calls} for speed, the last at {clock_text(self.newest)}. "
            f"Calls a second: {self.limit(now)} now, {self.most} at most"
        )


class Limiter:
    """Makes callers wait until they may call.

    The desk counts a waiting caller as waiting for the clock.
    """

    def __init__(self, most: int, clock: Clock, activity: Activity) -> None:
        """Begin with ``most`` calls a second, the rate before KIS has refused any call."""
        self.rate = LearnedRate(most)
        self._window = SlidingWindow(most)
        self._not_before: Ns = 0
        self._clock = clock
        self._activity = activity
        self._queue: list[tuple[Lane, int]] = []
        self._count = 0
        self._moved = asyncio.Event()
        """Set, and replaced, whenever the queue has changed."""

    async def enter(self, lane: Lane) -> Ns:
        """Wait until a call of this lane may go out. Return the moment at which it does."""
        self._count += 1
        ticket = (lane, self._count)
        insort(self._queue, ticket)
        try:
            # A cancel may have come to the front while this call waited, so each call checks again.
            while not self._my_turn(ticket):
                with self._activity.resting():
                    await self._wait(ticket)
            left = self._clock.now()
            self._window.record_call(left)
            return left
        finally:
            # A cancelled caller gets here too. Its ticket would block all others.
            self._queue.remove(ticket)
            # This wakes all callers that wait now. Later callers wait for the next change.
            self._moved.set()
            self._moved = asyncio.Event()

    def on_refused(self, left: Ns) -> bool:
        """Note that KIS refused a call that was sent at ``left`` for its speed.

        Return True when fewer calls are sent from now on.
        """
        now = self._clock.now()
        self._not_before = now + PAUSE
        return self.rate.on_refused(left, now)

    def _earliest(self, now: Ns) -> Ns:
        self._window.limit = self.rate.limit(now)
        return max(self._window.earliest(now), self._not_before)

    def _my_turn(self, ticket: tuple[Lane, int]) -> bool:
        now = self._clock.now()
        return self._queue[0] == ticket and self._earliest(now) <= now

    async def _wait(self, ticket: tuple[Lane, int]) -> None:
        if self._queue[0] == ticket:
            await self._clock.sleep_until(self._earliest(self._clock.now()))
        else:
            await self._moved.wait()
