"""A stock's day by minute, through the four prices of its bar, moving with its board."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from datetime import date
from itertools import accumulate, pairwise
from math import sqrt
from typing import NamedTuple

from kisnb.clock import MINUTE, Ns
from kisnb.market import sessions
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.simulator.day.model.character import NIGHT, Character
from kisnb.simulator.day.model.draws import stable_random
from kisnb.simulator.day.model.market_factor import (
    DAY_SIGMA,
    Factor,
    activity,
    factor,
    jump,
    liveliness,
    minutes_of,
    walk,
)

_JUMP_CHANCE, _JUMP = 0.25, 0.3
"""Chance of a jump on a day, and its smallest size against the daily standard deviation."""
_ROUGHNESS, _NERVOUSNESS = 0.45, 0.6
"""Differences between minutes in the shares that they trade, and in how far a trade moves the
price."""


class MinutePath(NamedTuple):
    """KRX's continuous trading of one stock.

    Index 0 is the open, index i the end of the i-th minute.
    """

    fair: array[float]
    """Fair price in won. It need not be on the grid of ticks."""
    done: array[float]
    """Fraction of the continuous session's volume that is traded by then: 0 to 1."""
    rough: array[float]
    """Standard deviation of the fair price within each minute, in won.

    It has one item less than ``fair``.
    """
    high_at: int
    """The minute at whose end the high is. -1 when an auction traded at it."""
    low_at: int
    """The minute at whose end the low is. -1 when an auction traded at it."""

    def at(self, now: Ns, day: date) -> tuple[float, float]:
        """Return the fair price (won) and the traded fraction of the volume at a moment.

        Before the session they are those of its first moment, after it those of its last.
        """
        minute = (now - sessions.regular_open(day)) / MINUTE
        i = min(max(int(minute), 0), len(self.fair) - 2)
        w = min(max(minute - i, 0.0), 1.0)
        fair, done = self.fair, self.done
        return fair[i] + (fair[i + 1] - fair[i]) * w, done[i] + (done[i + 1] - done[i]) * w


def minute_path(
    item: Instrument,
    day: date,
    seed: int,
    bar: DailyBar,
    traits: Character,
    common: Factor | None = None,
) -> MinutePath:
    """Return the path of a day whose bar has a volume. The same arguments give the same path.

    Without ``common`` the made-up movement of the stock's board on that day is used.
    """
    rng = stable_random(seed, "minutes", item.code, day)
    common, minutes = common or factor(seed, day, item.board), minutes_of(day)
    lively = [
        sqrt(a) * b
        for a, b in zip(common.activity, activity(rng, minutes, _ROUGHNESS), strict=True)
    ]
    ordinary = liveliness(minutes)
    nervous = activity(rng, minutes, _NERVOUSNESS)
    weights = [
        minutes * share * a * b for share, a, b in zip(ordinary, lively, nervous, strict=True)
    ]
    sigma = sqrt(1 - NIGHT) * traits.sigma * common.volatility
    # The stock's own part of the day, beside the board's.
    own = walk(rng, weights, sigma)
    jump(rng, own, lively, _JUMP_CHANCE, _JUMP * sigma)
    free = [traits.beta * m + o for m, o in zip(common.path, own, strict=True)]
    clock = list(accumulate(weights, initial=0.0))
    fair, scale, high_at, low_at = _fitted(free, clock, bar)
    whole = common.volatility * sqrt((traits.beta * DAY_SIGMA) ** 2 + traits.sigma**2 * (1 - NIGHT))
    roughness = scale * bar.open * whole / sqrt(minutes)
    rough = array("d", [roughness * sqrt(w) for w in weights])
    done = list(
        accumulate((share * a for share, a in zip(ordinary, lively, strict=True)), initial=0.0)
    )
    return MinutePath(
        array("d", fair), array("d", [d / done[-1] for d in done]), rough, high_at, low_at
    )


def _fitted(
    free: list[float], clock: Sequence[float], bar: DailyBar
) -> tuple[list[float], float, int, int]:
    """Return a path of fair prices through a bar's four prices, with its scale and its extremes.

    ``free`` is the path of returns before it is bent. ``clock`` is the variance that has passed.
    The last two values returned are the indices of the high and the low (-1: none).
    """
    last = len(free) - 1
    drift = (bar.close / bar.open - 1 - free[last]) / clock[last]
    lean = [r + drift * c for r, c in zip(free, clock, strict=True)]
    inner = lean[1:last]
    # The free path decides which minutes get the bar's high and low.
    high_at = inner.index(max(inner)) + 1 if bar.high > max(bar.open, bar.close) else -1
    if high_at > 0:
        # One minute cannot get both.
        inner[high_at - 1] = math.inf
    low_at = inner.index(min(inner)) + 1 if bar.low < min(bar.open, bar.close) else -1
    anchors: dict[int, float] = {0: bar.open, last: bar.close}
    if high_at > 0:
        anchors[high_at] = bar.high
    if low_at > 0:
        anchors[low_at] = bar.low
    reach = max(lean) - min(lean)
    # The free path's own swings are stretched to the bar's range, within reason.
    scale = min(max((bar.high - bar.low) / bar.open / reach, 0.2), 3.0) if reach else 1.0
    won = scale * bar.open
    fair = [float(bar.open)]
    for (i, left), (j, right) in pairwise(sorted(anchors.items())):
        # Between two anchors: the free path less its straight line, plus the line from anchor to
        # anchor.
        slope = ((right - left) - won * (lean[j] - lean[i])) / (clock[j] - clock[i])
        begin = left - won * lean[i] - slope * clock[i]
        fair += [
            begin + won * r + slope * c
            for r, c in zip(lean[i + 1 : j], clock[i + 1 : j], strict=True)
        ]
        fair.append(right)
    low, high = bar.low, bar.high
    return [f if low <= f <= high else folded(f, low, high) for f in fair], scale, high_at, low_at


def folded(value: float, low: float, high: float) -> float:
    """Return a value within the two bounds. A value outside is reflected at the bound."""
    if value > high:
        value = 2 * high - value
    elif value < low:
        value = 2 * low - value
    return min(max(value, low), high)
