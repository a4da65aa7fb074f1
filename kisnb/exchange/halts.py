"""Halts: how long they take, the call after them, and the circuit breaker that stops a board.

Every number stands in a dated table with its source.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.market import sessions
from kisnb.market.session_table import ALWAYS, REFORM
from kisnb.terms import Venue

Level: TypeAlias = Literal[1, 2, 3]

HALT: Ns = 20 * MINUTE
"""How long a circuit breaker stops everything."""
CALL_AFTER_HALT: dict[Venue, tuple[tuple[date, Ns], ...]] = {
    Venue.KRX: ((ALWAYS, 10 * MINUTE),),
    Venue.NXT: ((ALWAYS, 0), (REFORM, 30 * SECOND)),
}
"""The call auction after a halt by date; Nextrade's begins when KRX trades again. KRX rule; notice of 2026-09-09."""
BREAKER: tuple[tuple[Level, int], ...] = ((1, 8), (2, 15), (3, 20))
"""Percent that the index has fallen since the previous close. KRX rule since 2015-06-15."""
FURTHER = 1
"""Percent below where the level before was set off, for levels 2 and 3."""
LASTING: Ns = MINUTE
NOT_WITHIN: Ns = 40 * MINUTE
"""Levels 1 and 2 end 40 minutes before the closing auction's end (14:50), level 3 with continuous trading."""


def after_halt(venue: Venue, day: date) -> Ns:
    """How long the call auction after a halt takes."""
    return next(length for since, length in reversed(CALL_AFTER_HALT[venue]) if since <= day)


class Breaker:
    """Watches one board's index for a day: which level of the circuit breaker it sets off, and when."""

    def __init__(self, day: date, previous: float) -> None:
        self._previous = previous
        self._opens = sessions.regular_open(day)
        self._ends = sessions.continuous_end(day)
        self._latest = sessions.regular_close(day) - NOT_WITHIN
        self._level = 0
        self._set_off_at = 0.0
        self._since: Ns | None = None

    def index(self, now: Ns, value: float) -> Level | None:
        """The index stands at ``value``; the level that is set off now, each at most once a day."""
        if self._level == len(BREAKER) or not self._opens <= now < self._ends:
            return None
        level, percent = BREAKER[self._level]
        fallen = (1 - value / self._previous) * 100
        if fallen < percent or (self._level and fallen < self._set_off_at + FURTHER):
            self._since = None
            return None
        if self._since is None:
            self._since = now
        if now - self._since < LASTING or (level < BREAKER[-1][0] and now >= self._latest):
            return None
        self._level, self._set_off_at, self._since = level, fallen, None
        return level
