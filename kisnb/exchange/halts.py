"""What interrupts trading: volatility interruptions (VI) of a stock and the circuit breaker of a board.

Every number stands in a dated table with its source. Prices won.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple, TypeAlias

from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.market import sessions
from kisnb.market.session_table import ALWAYS, REFORM, Certainty
from kisnb.terms import Venue

When: TypeAlias = Literal["regular", "closing auction", "after hours"]
Level: TypeAlias = Literal[1, 2, 3]


class DynamicVi(NamedTuple):
    """Percent of the last trade's price at which a stock outside KOSPI200 is interrupted."""

    when: When
    percent: int
    percent_kospi200: int
    source: str
    certainty: Certainty = "B"


DYNAMIC: tuple[DynamicVi, ...] = (
    DynamicVi("regular", 6, 3, "KRX rule of 2014"),
    DynamicVi("closing auction", 4, 2, "KRX rule of 2014"),
    DynamicVi("after hours", 6, 3, "KRX rule of 2014"),
)
STATIC_PERCENT = 10
"""Of the last auction's price (the base price before there was one); KRX rule since 2015-06-15."""
VI_CALL: Ns = 2 * MINUTE
STATIC_SINCE: dict[Venue, date] = {Venue.KRX: date(2015, 6, 15), Venue.NXT: REFORM}
"""Nextrade only stood still with KRX before the notice of 2026-09-09."""
DYNAMIC_SINCE: dict[Venue, date] = {Venue.KRX: date(2014, 9, 1), Venue.NXT: date.max}

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


class Bounds(NamedTuple):
    """Prices at which, and beyond which, nothing trades before a call."""

    lower: int
    upper: int


def after_halt(venue: Venue, day: date) -> Ns:
    """How long the call auction after a halt takes."""
    return next(length for since, length in reversed(CALL_AFTER_HALT[venue]) if since <= day)


def static_bounds(venue: Venue, day: date, reference: int) -> Bounds | None:
    """None when the venue has no static VI on ``day``."""
    return _around(reference, STATIC_PERCENT) if day >= STATIC_SINCE[venue] else None


def dynamic_bounds(venue: Venue, day: date, when: When, reference: int, *, kospi200: bool) -> Bounds | None:
    """None when the venue has no dynamic VI on ``day``."""
    if day < DYNAMIC_SINCE[venue]:
        return None
    row = next(row for row in DYNAMIC if row.when == when)
    return _around(reference, row.percent_kospi200 if kospi200 else row.percent)


def _around(reference: int, percent: int) -> Bounds:
    """The lowest fall and rise of ``percent``: both bounds themselves interrupt."""
    return Bounds(reference * (100 - percent) // 100, -(-reference * (100 + percent) // 100))


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
