"""The newest price compared with the other prices of its window: Bollinger, z-score, rank."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import TYPE_CHECKING

from kisnb.errors import BadInput
from kisnb.market.indicators.indicator import (
    Bands,
    Column,
    KnownRows,
    PriceIndicator,
    finite,
    length_of,
)

if TYPE_CHECKING:
    import polars as pl


def mean_and_deviation(window: deque[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation (divisor n) of all numbers of a window."""
    # Rounding must not give equal prices a deviation: a z-score would divide by it.
    if min(window) == max(window):
        return window[0], 0.0
    mean = math.fsum(window) / len(window)
    # The distance of two points is the root of the sum of squares, and math.dist is written in C.
    return mean, math.dist(window, (mean,) * len(window)) / math.sqrt(len(window))


def window_statistics(column: Column, length: int) -> KnownRows:
    """Return the rows with ``mean`` and ``deviation`` (divisor n) of each full window."""
    import polars as pl

    price = pl.field("price")
    rows = KnownRows(price=column).then(
        mean=price.rolling_mean(length),
        lowest=price.rolling_min(length),
        highest=price.rolling_max(length),
        deviation=price.rolling_std(length, ddof=0),
    )
    are_equal = pl.field("lowest") == pl.field("highest")
    return rows.then(deviation=pl.when(are_equal).then(0.0).otherwise(pl.field("deviation")))


class Bollinger(PriceIndicator[Bands[float]]):
    """Bollinger bands: `Sma`, and ``deviations`` standard deviations above and below it.

    The standard deviation is that of the newest ``length`` prices, with the divisor ``length``. The
    first value comes with price number ``length``. Source: Bollinger, Bollinger on Bollinger Bands
    (2001).
    """

    def __init__(self, length: int = 20, deviations: float = 2.0) -> None:
        self.length, self.deviations = length_of(length, 2), deviations_of(deviations)
        super().__init__(self.length, self.length, self.deviations)
        self._window = deque[float](maxlen=self.length)

    def _next(self, price: float) -> Bands[float] | None:
        self._window.append(price)
        if len(self._window) < self.length:
            return None
        mean, deviation = mean_and_deviation(self._window)
        reach = self.deviations * deviation
        return Bands(mean + reach, mean, mean - reach)


def bollinger(column: Column, length: int = 20, deviations: float = 2.0) -> Bands[pl.Expr]:
    """Return `Bollinger` of a column: ``bollinger_20_upper``, ``_middle``, ``_lower`` (Float64).

    Raises BadInput.
    """
    import polars as pl

    n, reach = length_of(length, 2), deviations_of(deviations) * pl.field("deviation")
    rows = window_statistics(column, n).then(
        upper=pl.field("mean") + reach, lower=pl.field("mean") - reach
    )
    fields = Bands("upper", "mean", "lower")
    return Bands(
        *(
            rows.line(field, f"bollinger_{n}_{name}")
            for field, name in zip(fields, Bands._fields, strict=True)
        )
    )


def deviations_of(deviations: float) -> float:
    """Return ``deviations`` as a float. Raises BadInput unless it is above 0."""
    number = finite(deviations)
    if number is None or number <= 0:
        raise BadInput(f"{deviations} deviations make no bands", "give a number above 0, such as 2")
    return number


class ZScore(PriceIndicator[float]):
    """Standard score: how many standard deviations the newest price is above the mean.

    Mean and standard deviation (with the divisor ``length``) are those of the newest ``length``
    prices, the newest one included. The first value comes with price number ``length``. It is None
    when all prices of the window are equal.
    """

    def __init__(self, length: int = 20) -> None:
        self.length = length_of(length, 2)
        super().__init__(self.length, self.length)
        self._window = deque[float](maxlen=self.length)

    def _next(self, price: float) -> float | None:
        self._window.append(price)
        if len(self._window) < self.length:
            return None
        mean, deviation = mean_and_deviation(self._window)
        return (price - mean) / deviation if deviation else None


def z_score(column: Column, length: int = 20) -> pl.Expr:
    """Return `ZScore` of a column, as ``z_score_20`` (Float64). Raises BadInput."""
    import polars as pl

    n, deviation = length_of(length, 2), pl.field("deviation")
    score = (pl.field("price") - pl.field("mean")) / deviation
    rows = window_statistics(column, n).then(score=pl.when(deviation > 0).then(score))
    return rows.line("score", f"z_score_{n}")


class RollingRank(PriceIndicator[float]):
    """Rank of the newest price among the newest ``length`` prices: 0 the lowest, 1 the highest.

    It is the part of the other ``length - 1`` prices that are lower. An equal price counts half.
    The first value comes with price number ``length``. This is the average rank of pandas and
    polars (1 to ``length``), less 1, divided by ``length - 1``.
    """

    def __init__(self, length: int) -> None:
        self.length = length_of(length, 2)
        super().__init__(self.length, self.length)
        self._window = deque[float](maxlen=self.length)
        self._sorted: list[float] = []

    def _next(self, price: float) -> float | None:
        window, ordered = self._window, self._sorted
        if len(window) == self.length:
            del ordered[bisect_left(ordered, window[0])]
        window.append(price)
        insort(ordered, price)
        if len(window) < self.length:
            return None
        # Between the two places are the equal prices, the newest one among them.
        below, up_to = bisect_left(ordered, price), bisect_right(ordered, price)
        return (below + up_to - 1) / 2 / (self.length - 1)


def rolling_rank(column: Column, length: int) -> pl.Expr:
    """Return `RollingRank` of a column, as ``rolling_rank_20`` (Float64). Raises BadInput."""
    import polars as pl

    n = length_of(length, 2)
    rank = (pl.field("price").rolling_rank(n, method="average") - 1) / (n - 1)
    return KnownRows(price=column).then(rank=rank).line("rank", f"rolling_rank_{n}")
