"""Trading halts: their length, the call auction after them, and the circuit breaker of a board."""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.market import sessions
from kisnb.market.session_table import ALWAYS, REFORM
from kisnb.terms import Venue

Level: TypeAlias = Literal[1, 2, 3]

HALT: Ns = 20 * MINUTE
"""Length of the halt after a circuit breaker of level 1 or 2. KRX rule."""
CALL_AFTER_HALT: dict[Venue, tuple[tuple[date, Ns], ...]] = {
    Venue.KRX: ((ALWAYS, 10 * MINUTE),),
    Venue.NXT: ((ALWAYS, 0), (REFORM, 30 * SECOND)),
}
"""Length of the call auction after a halt, by first day.

Nextrade's begins when KRX trades again. Sources: KRX rule; notice of 2026-09-09 for Nextrade.
"""
BREAKER: tuple[tuple[Level, int], ...] = ((1, 8), (2, 15), (3, 20))
"""Each level of the breaker, and the percent by which the index must be below its previous close.

KRX rule since 2015-06-15.
"""
FURTHER = 1
"""Percentage points that the index must fall further before level 2 or 3 begins. KRX rule.

The fall is counted from the value at which the level before began.
"""
LASTING: Ns = MINUTE
"""Time for which the index must be that low. KRX rule."""
NOT_WITHIN: Ns = 40 * MINUTE
"""Time before the close in which levels 1 and 2 cannot begin: from 14:50 on. KRX rule.

Level 3 can begin until continuous trading ends.
"""


def after_halt(venue: Venue, day: date) -> Ns:
    """Return the length of the call auction after a halt, nanoseconds; 0 for no auction."""
    return next(length for since, length in reversed(CALL_AFTER_HALT[venue]) if since <= day)


class Breaker:
    """Watches the index of one board for a day, and decides on the circuit breaker's levels."""

    def __init__(self, day: date, previous: float) -> None:
        self._previous = previous
        self._opens = sessions.regular_open(day)
        self._ends = sessions.continuous_end(day)
        self._latest = sessions.regular_close(day) - NOT_WITHIN
        self._level = 0
        self._set_off_at = 0.0
        self._since: Ns | None = None

    def receive(self, now: Ns, value: float) -> Level | None:
        """Receive the value of the index. Return the level that begins now; None when none begins.

        Each level comes at most once a day.
        """
        if self._level == len(BREAKER) or not self._opens <= now < self._ends:
            return None
        level, percent = BREAKER[self._level]
        fallen = (1 - value / self._previous) * 100
        # Level 2 needs -15 % and a further -1 % below level 1, level 3 -20 % likewise (KRX rule).
        if fallen < percent or (self._level and fallen < self._set_off_at + FURTHER):
            self._since = None
            return None
        # The minute begins when the index falls this low, and anew after each rise above it.
        if self._since is None:
            self._since = now
        if now - self._since < LASTING or (level < BREAKER[-1][0] and now >= self._latest):
            return None
        # Each level comes once a day, so from now on only the next level counts.
        self._level, self._set_off_at, self._since = level, fallen, None
        return level
