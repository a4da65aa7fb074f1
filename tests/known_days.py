"""The trades that the simulator makes up for a stock's day, computed once for all tests of a
process.

They follow from the arguments of one function, and many tests play the same days.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date

from kisnb.market import sessions, uncertain
from kisnb.market.calendar import previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.market.universe import Universe
from kisnb.simulator.day import day_plan
from kisnb.simulator.day.market_day import Schedule
from kisnb.simulator.day.model.character import Character
from kisnb.simulator.day.model.daily_plan import market_return
from kisnb.simulator.day.model.minute_path import MinutePath
from kisnb.terms import Board

MOST = 100
"""Days of a stock that are kept: about 100 MB."""
USUAL = (7, date(2026, 11, 20), ("005930", "000660"))
"""Seed, day and stocks that most tests trade."""
DAYS_BEFORE = 260
"""Past days of the boards that are kept: quotes state the highest and lowest price of a year."""

_made = day_plan._schedule
_known: dict[Hashable, Schedule] = {}


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


def keep() -> None:
    """Keep what this process computes from now on."""
    day_plan._schedule = _schedule


def compute_usual() -> None:
    """Compute the days that most tests trade, and how the boards moved on the days before."""
    seed, day, codes = USUAL
    plan = day_plan.DayPlan(Universe.packaged(), day, seed)
    for code in codes:
        plan.schedule(code)
    for _ in range(DAYS_BEFORE):
        day = previous_trading_day(day)
        for board in Board:
            market_return(seed, day, board)
