"""The common part of a board's day: the gap of the morning, the path of the day, and its activity.

KOSDAQ follows KOSPI's shocks and adds its own. Volatility has a memory, over the days and over the
minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import accumulate, repeat
from math import sqrt
from operator import mul
from random import Random
from typing import NamedTuple

from kisnb.clock import MINUTE
from kisnb.market import sessions
from kisnb.simulator.day.model.draws import draw, draws, exp, heavy, normal, stable_random
from kisnb.terms import Board

GAP_SIGMA, DAY_SIGMA = 0.006, 0.009
"""Standard deviation of KOSPI's return on a mean day: close to open, and open to close."""
_KOSDAQ_SCALE = 1.25
_SHARED = 0.8
"""Correlation of KOSDAQ's shocks with KOSPI's."""
_DAYS_OF_MEMORY, _DAILY_MEMORY, _DAILY_ROUGHNESS = 30, 0.9, 0.35
"""Days that a day's volatility remembers, and the part that each day keeps from the day before.

The last one is the standard deviation of the volatility's logarithm.
"""
_ALIKE, _MEMORY = 4, 0.85
"""Minutes in a row with the same activity, and the fraction of it that the next minutes keep."""
_JUMP_CHANCE, _JUMP_SIGMA = 0.08, 0.005
"""Chance of a jump on a day, and its smallest size."""


class Factor(NamedTuple):
    """The movement that all stocks of a board share on a day."""

    gap: float
    """Return from the previous close to the open."""
    path: tuple[float, ...]
    """Return since the open at the end of each minute of continuous trading.

    The first item is 0.
    """
    activity: tuple[float, ...]
    """Activity of each minute relative to an ordinary minute of that time of day.

    Mean about 1.
    """
    volatility: float
    """The day's volatility, as a multiple of an ordinary day's volatility."""


def minutes_of(day: date) -> int:
    """Return the whole minutes of continuous trading in KRX's regular session."""
    return (sessions.continuous_end(day) - sessions.regular_open(day)) // MINUTE


@lru_cache(maxsize=8)
def liveliness(minutes: int) -> tuple[float, ...]:
    """Return the fraction of a day's trades that falls into each minute.

    It is high after the open, low at noon, and rises to the close.
    """
    weights = [
        0.75 + 2.5 * exp(-(m + 0.5) / 30) + 1.2 * exp(-(minutes - m - 0.5) / 20)
        for m in range(minutes)
    ]
    whole = sum(weights)
    return tuple(w / whole for w in weights)


@lru_cache(maxsize=1024)
def factor(seed: int, day: date, board: Board) -> Factor:
    """Return the common part of a board's day. The same arguments give the same on any machine."""
    volatility = day_volatility(seed, day)
    shared = _shocks(seed, day, Board.KOSPI, volatility)
    if board is Board.KOSPI:
        return shared
    own = _shocks(seed, day, board, volatility)
    # The two parts keep the variance of the mixed shock at one.
    rest = sqrt(1 - _SHARED**2)

    def mixed(a: float, b: float) -> float:
        return _KOSDAQ_SCALE * (_SHARED * a + rest * b)

    path = tuple(mixed(a, b) for a, b in zip(shared.path, own.path, strict=True))
    return Factor(mixed(shared.gap, own.gap), path, shared.activity, volatility)


def bent(common: Factor, gap: float, daytime: float) -> Factor:
    """Return ``common`` with other returns: ``gap`` to the open, ``daytime`` from open to close."""
    last = len(common.path) - 1
    miss = daytime - common.path[last]
    path = tuple(r + miss * m / last for m, r in enumerate(common.path))
    return common._replace(gap=gap, path=path)


def activity(rng: Random, minutes: int, roughness: float) -> list[float]:
    """Return the activity of each minute, mean 1.

    It is log-normal. It stays the same for some minutes, and the next minutes keep a part of it.
    """
    z, fresh = draw(rng, normal()), sqrt(1 - _MEMORY**2)
    values: list[float] = []
    for shock in draws(rng, normal(), -(-minutes // _ALIKE)):
        # An autoregressive process of variance one.
        z = _MEMORY * z + fresh * shock
        values += [exp(roughness * z - roughness * roughness / 2)] * _ALIKE
    return values[:minutes]


def walk(rng: Random, weights: Sequence[float], sigma: float) -> list[float]:
    """Return a path that begins at 0. The variance of each step is in proportion to its weight.

    With weights of mean 1, the standard deviation of the last point is ``sigma``.
    """
    # Each step has its part of the day's variance.
    scale = sigma / sqrt(len(weights))
    shocks = draws(rng, normal(), len(weights))
    # A year of past days is 98,000 steps, so the loops are those of the interpreter itself.
    steps = map(mul, map(mul, repeat(scale), map(sqrt, weights)), shocks)
    return list(accumulate(steps, initial=0.0))


def jump(rng: Random, path: list[float], lively: list[float], chance: float, sigma: float) -> None:
    """With probability ``chance``, let ``path`` jump, and raise ``lively`` for minutes after."""
    if rng.random() >= chance:
        return
    at = rng.randrange(len(lively))
    size = sigma * (1 + draw(rng, normal()) ** 2) * (1 if rng.getrandbits(1) else -1)
    for m in range(at + 1, len(path)):
        # A jump shifts the level for the rest of the day.
        path[m] += size
    for m in range(at, min(at + 15, len(lively))):
        # The activity after a jump fades over a quarter of an hour.
        lively[m] *= 1 + 3 * (1 - (m - at) / 15)


@lru_cache(maxsize=1024)
def day_volatility(seed: int, day: date) -> float:
    """Return the volatility of a day as a multiple of an ordinary day's. Near days are alike."""
    fresh = sqrt(1 - _DAILY_MEMORY**2)
    total = 0.0
    for k in range(_DAYS_OF_MEMORY, -1, -1):
        # Thirty days back the memory has faded to four percent, so the sum ends there.
        total = _DAILY_MEMORY * total + _daily_shock(seed, day.toordinal() - k)
    return exp(_DAILY_ROUGHNESS * fresh * total - _DAILY_ROUGHNESS**2 / 2)


@lru_cache(maxsize=4096)
def _daily_shock(seed: int, ordinal: int) -> float:
    return draw(stable_random(seed, "volatility", ordinal), normal())


def _shocks(seed: int, day: date, board: Board, volatility: float) -> Factor:
    rng = stable_random(seed, "factor", board, day)
    minutes = minutes_of(day)
    lively = activity(rng, minutes, 0.4)
    weights = list(map(mul, map(mul, repeat(minutes), liveliness(minutes)), lively))
    path = walk(rng, weights, DAY_SIGMA * volatility)
    jump(rng, path, lively, _JUMP_CHANCE, _JUMP_SIGMA * volatility)
    return Factor(
        GAP_SIGMA * volatility * draw(rng, heavy()), tuple(path), tuple(lively), volatility
    )
