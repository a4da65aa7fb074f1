"""The trades that the simulator makes up for a stock's day and the days before it, computed once
for all tests of a process.

They follow from the arguments of one function each, and many tests play the same days.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import date
from itertools import count, islice

from kisnb.market import calendar, sessions, uncertain
from kisnb.market.calendar import previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.market.universe import Universe
from kisnb.simulator.day import day_plan
from kisnb.simulator.day.market_day import Schedule
from kisnb.simulator.day.model.character import Character
from kisnb.simulator.day.model.daily_plan import Dated, market_return, past_days
from kisnb.simulator.day.model.minute_path import MinutePath
from kisnb.terms import Board

MOST = 100
"""Days of a stock that are kept: about 100 MB."""
USUAL = (7, date(2026, 11, 20), ("005930", "000660"))
"""Seed, day and stocks that most tests trade."""
DAYS_BEFORE = 260
"""Past days that are computed: quotes state the highest and lowest price of a year."""

_made = day_plan._schedule
_known: dict[Hashable, Schedule] = {}
_past: dict[Hashable, tuple[list[Dated], Iterator[Dated]]] = {}
"""The past days of a stock that were made so far, and what makes the days before them."""


def _schedule(
    item: Instrument, day: date, seed: int, bar: DailyBar, traits: Character, path: MinutePath
) -> Schedule:
    # The hours of the day and the uncertain rules count too, and tests change both.
    rules = uncertain.current(), sessions.regular_open(day), sessions.regular_close(day)
    arrays = path.fair.tobytes(), path.done.tobytes(), path.rough.tobytes()
    key = (item, day, seed, bar, traits, arrays, path.high_at, path.low_at, rules)
    if key not in _known:
        if len(_known) >= MOST:
            del _known[next(iter(_known))]
        _known[key] = _made(item, day, seed, bar, traits, path)
    return _known[key]


def _past_days(
    item: Instrument, before: date, seed: int, character: Character | None = None
) -> Iterator[Dated]:
    key = (item, before, seed, character, calendar.edition(), uncertain.current())
    if key not in _past:
        if len(_past) >= MOST:
            del _past[next(iter(_past))]
        _past[key] = [], past_days(item, before, seed, character)
    made, older = _past[key]
    for n in count():
        if n == len(made):
            day = next(older, None)
            if day is None:
                return
            made.append(day)
        yield made[n]


def keep() -> None:
    """Keep what this process computes from now on."""
    day_plan._schedule = _schedule
    day_plan.past_days = _past_days


def compute_usual() -> None:
    """Compute the days that most tests trade, and the days before them."""
    seed, day, codes = USUAL
    plan = day_plan.DayPlan(Universe.packaged(), day, seed)
    for code in codes:
        plan.schedule(code)
    for _ in range(DAYS_BEFORE):
        day = previous_trading_day(day)
        for board in Board:
            market_return(seed, day, board)
    # A ranking compares all stocks.
    for item in plan.universe:
        for _ in islice(plan.past(item.code), DAYS_BEFORE):
            pass
