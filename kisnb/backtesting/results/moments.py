"""Means, standard deviations and quotients. An undefined result is None, never 0 or infinite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import mul

NO_SPREAD = 1e-12
"""A standard deviation below this counts as 0: it comes only from rounding."""


def total(values: Iterable[float]) -> float:
    """Return the exact sum of the values."""
    # The sum is exact to the last digit, so that a run gives the same text on every machine.
    return math.fsum(values)


def mean(values: Sequence[float]) -> float | None:
    """Return the mean. None without values."""
    return total(values) / len(values) if values else None


def whole_mean(values: Sequence[int]) -> int | None:
    """Return the mean, rounded to a whole number; None without values."""
    return round(sum(values) / len(values)) if values else None


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation (n − 1). None for fewer than two values."""
    middle = mean(values)
    if middle is None or len(values) < 2:
        return None
    apart = [v - middle for v in values]
    return math.sqrt(total(map(mul, apart, apart)) / (len(values) - 1))


def downside(values: Sequence[float]) -> float | None:
    """Return √(sum of squares of the values below 0 ÷ number of all values).

    None without values.
    """
    below = [v for v in values if v < 0]
    return math.sqrt(total(map(mul, below, below)) / len(values)) if values else None


def slope(values: Sequence[float], over: Sequence[float]) -> float | None:
    """Return the slope of ``values`` over as many other values.

    None when the other values are all equal.
    """
    own, other = mean(values), mean(over)
    if own is None or other is None:
        return None
    own_apart, apart = [v - own for v in values], [v - other for v in over]
    variance, covariance = total(map(mul, apart, apart)), total(map(mul, own_apart, apart))
    return covariance / variance if variance > NO_SPREAD**2 else None


def ratio(above: float | None, below: float | None) -> float | None:
    """Return ``above`` ÷ ``below``. None when one is None, or ``below`` is 0 or less."""
    if above is None or below is None or below <= NO_SPREAD:
        return None
    return above / below


def part(count: int, whole: int) -> float | None:
    """Return ``count`` ÷ ``whole``; None when ``whole`` is 0."""
    return count / whole if whole else None


def times(value: float | None, factor: float | None) -> float | None:
    """Return the product; None when a factor is None."""
    return None if value is None or factor is None else value * factor
