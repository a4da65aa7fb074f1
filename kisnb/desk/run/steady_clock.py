"""The desk's clock at paper and live: the machine's time, which never goes back within a day.

A person or a time server may set the machine's clock back, and the clock stops while the machine
sleeps. For the orders, bars and budgets of a day time must not go back. So the desk's clock
continues from its last time. At the next Korean midnight it uses the machine's time again. Jumps
are reported.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from kisnb.clock import SECOND, Ns, kst_day

BACK: Ns = SECOND // 2
"""The largest step back that counts as a time server's correction.

Then this clock stops for a moment, and nothing is reported.
"""
AHEAD: Ns = 5 * SECOND
"""If the wall clock gains more than this on the processor's clock, there was a jump.

The machine slept, or its clock was set.
"""
NAP = 1.0
"""The longest single sleep, seconds.

A timer stops while the machine sleeps, so the wall clock is read again after each sleep.
"""


class SteadyClock:
    """A Clock made from the machine's time.

    ``take_jumps`` returns sentences about jumps of the machine's clock since the last call.
    """

    def __init__(
        self, wall: Callable[[], Ns] = time.time_ns, ticking: Callable[[], Ns] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._ticking = ticking
        self._ahead: Ns = 0
        """Nanoseconds by which this clock is ahead of the machine's clock, which was set back."""
        self._last = wall()
        self._seen = (self._last, ticking())
        self._jumps: list[str] = []

    def now(self) -> Ns:
        """Return the time, UTC nanoseconds. It never goes back within a Korean day."""
        wall, ticking = self._wall(), self._ticking()
        # Both clocks advance equally. If they do not, the wall clock was set or the machine slept,
        # and the difference is the jump.
        jumped = (wall - self._seen[0]) - (ticking - self._seen[1])
        before, self._seen = self._seen[0], (wall, ticking)
        if jumped < -BACK:
            self._ahead += -jumped
            self._jumps.append(
                f"the machine's clock was set back by {-jumped / SECOND:,.1f} s; the desk's goes on"
            )
        elif jumped > AHEAD:
            # When the machine's clock is corrected, the lead that this clock got from the wrong
            # time is removed.
            taken = min(self._ahead, jumped)
            self._ahead -= taken
            self._jumps.append(
                f"the machine slept, or its clock was set forward, for {jumped / SECOND:,.1f} s: "
                "what happened meanwhile was not seen"
            )
        # At midnight nothing of the old day is left for which time could go back.
        if self._ahead and kst_day(wall) > kst_day(before):
            self._ahead = 0
        self._last = max(self._last, wall + self._ahead)
        return self._last

    async def sleep_until(self, t: Ns) -> None:
        """Sleep until ``t`` on this clock, also when the machine sleeps meanwhile."""
        while (left := t - self.now()) > 0:  # noqa: ASYNC110 - sleep has no event
            await asyncio.sleep(min(left / SECOND, NAP))

    def take_jumps(self) -> list[str]:
        """Return sentences about jumps of the machine's clock, oldest first, each once."""
        self.now()
        jumps, self._jumps = self._jumps, []
        return jumps
