"""Made-up daily bars: of the day to come around its base price, and of the days before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from math import sqrt
from random import Random
from typing import NamedTuple

import msgspec

from kisnb.market import ticks
from kisnb.market.calendar import FIRST_YEAR, previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.simulator.day.model.character import NIGHT, Character, character_of
from kisnb.simulator.day.model.draws import draw, exponential, heavy, scattered, stable_random
from kisnb.simulator.day.model.market_factor import (
    DAY_SIGMA,
    GAP_SIGMA,
    Factor,
    day_volatility,
    factor,
)
from kisnb.simulator.day.model.turnover import value_of
from kisnb.terms import Board

_REACH = 0.9
"""Factor on the range. High and low are drawn separately, which alone would make it too wide."""


class Dated(NamedTuple):
    """The daily bar of a past day, with its date."""

    day: date
    bar: DailyBar
    stated: int | None = None
    """The won traded, for a day of two venues. None: they follow from the bar."""

    @property
    def value(self) -> int:
        """Traded value, won.

        A bar has no such field. Without a stated value it is the volume times the mean of the
        bar's four prices, rounded. The simulated trades of the day have this sum.
        """
        return value_of(self.bar) if self.stated is None else self.stated


class _Returns(NamedTuple):
    gap: float
    """Return from the base price to the open."""
    daytime: float
    """Return from the open to the close."""
    up: float
    """Return from the open to the high."""
    down: float
    volume: float
    """Volume as a multiple of a typical day's volume."""


def plan_day(
    item: Instrument,
    day: date,
    seed: int,
    character: Character | None = None,
    common: Factor | None = None,
) -> DailyBar:
    """Return a made-up daily bar of a stock around its base price.

    It is on the grid of ticks and within the day's limits. Without ``common``, the board's made-up
    day is used.
    """
    board = (common.gap, common.path[-1]) if common else market_return(seed, day, item.board)
    returns = _returns(item, day, seed, character or character_of(item), board)
    return within_limits(_bar(item, day, item.base, returns), item, day)


def past_days(
    item: Instrument, before: date, seed: int, character: Character | None = None
) -> Iterator[Dated]:
    """Return made-up bars of the trading days before a day, the newest first.

    The newest closes at the base price. Each day's limits are measured from the close of the day
    before it. The bars end where the calendar ends.
    """
    traits = character or character_of(item)
    # A special activity of the day itself does not apply to the days before it.
    item = msgspec.structs.replace(item, halted=False, listed_on=None, liquidation=False)
    # The days are made backwards, so that the newest one closes at the base price.
    close, day = item.base, before
    while (day := _day_before(day)).year > FIRST_YEAR:
        returns = _returns(item, day, seed, traits, market_return(seed, day, item.board))
        base = ticks.nearest(
            close / ((1 + returns.gap) * (1 + returns.daytime)), item.kind, day, item.board
        )
        bar = _bar(item, day, base, returns)
        # The close is that of the next day's base. A close that rounding to ticks has moved is
        # replaced.
        bar = DailyBar(bar.open, max(bar.high, close), min(bar.low, close), close, bar.volume)
        yield Dated(day, _limited(bar, base, item, day))
        close = base


def within_limits(bar: DailyBar, item: Instrument, day: date) -> DailyBar:
    """Return the bar with its prices moved into the day's limits.

    Adjusted prices of the past can lie outside of them.
    """
    return _limited(bar, item.base, item, day)


@lru_cache(maxsize=4096)
def market_return(seed: int, day: date, board: Board) -> tuple[float, float]:
    """Return the board's return from the last close to the open, and from there to the close."""
    common = factor(seed, day, board)
    return common.gap, common.path[-1]


@lru_cache(maxsize=1024)
def _day_before(day: date) -> date:
    return previous_trading_day(day)


def _limited(bar: DailyBar, base: int, item: Instrument, day: date) -> DailyBar:
    limits = ticks.limits_of(msgspec.structs.replace(item, base=base), day)
    if limits is None:
        return bar
    lower, upper = limits
    o, h, lo, c = (
        min(max(price, lower), upper) for price in (bar.open, bar.high, bar.low, bar.close)
    )
    return DailyBar(o, h, lo, c, bar.volume)


def _returns(
    item: Instrument, day: date, seed: int, traits: Character, board: tuple[float, float]
) -> _Returns:
    rng = stable_random(seed, "plan", item.code, day)
    gap_m, day_m = board
    calm = day_volatility(seed, day)
    own = traits.sigma * calm
    gap = _bounded(traits.beta * gap_m + own * sqrt(NIGHT) * draw(rng, heavy()))
    daytime = _bounded(traits.beta * day_m + own * sqrt(1 - NIGHT) * draw(rng, heavy()))
    sigma = calm * sqrt((traits.beta * DAY_SIGMA) ** 2 + traits.sigma**2 * (1 - NIGHT))
    up, down = _extreme(rng, daytime, _REACH * sigma), -_extreme(rng, -daytime, _REACH * sigma)
    usual = sqrt((traits.beta * GAP_SIGMA) ** 2 + traits.sigma**2 * NIGHT + sigma**2 / calm**2)
    # Days of large moves have more volume.
    surprise = min(abs(gap + daytime) / usual, 5.0) if usual else 0.0
    volume = scattered(rng, traits.volume_sigma) * (0.8 + 0.25 * surprise)
    return _Returns(gap, daytime, up, down, volume)


def _extreme(rng: Random, end: float, sigma: float) -> float:
    """Return the highest point of a Brownian path of ``sigma`` that ends at ``end``."""
    return (end + sqrt(end * end + 2 * sigma * sigma * draw(rng, exponential()))) / 2


def _bounded(change: float) -> float:
    # Within the daily limits of 30 percent, with room for rounding to ticks.
    return min(max(change, -0.29), 0.29)


def _bar(item: Instrument, day: date, base: int, returns: _Returns) -> DailyBar:
    opened = base * (1 + returns.gap)
    prices = (
        opened,
        *(opened * (1 + change) for change in (returns.up, returns.down, returns.daytime)),
    )
    o, h, lo, c = (ticks.nearest(price, item.kind, day, item.board) for price in prices)
    volume = 0 if item.halted else max(1, int(max(item.volume, 1) * returns.volume))
    return DailyBar(o, max(o, h, c), min(o, lo, c), c, volume)
