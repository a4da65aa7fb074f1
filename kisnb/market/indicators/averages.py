"""Averages: simple (SMA), exponential (EMA), weighted by volume (VWAP)."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from kisnb.market.indicators.indicator import (
    Column,
    Indicator,
    KnownRows,
    PriceIndicator,
    all_finite,
    length_of,
)

if TYPE_CHECKING:
    import polars as pl


class Sma(PriceIndicator[float]):
    """Simple moving average: the mean of the newest ``length`` prices.

    The first value comes with price number ``length``.

    >>> mean = Sma(2)
    >>> [mean.update(price) for price in (70_000, 71_000, None, 72_000)]
    [None, 70500.0, None, 71500.0]
    """

    def __init__(self, length: int) -> None:
        self.length = length_of(length)
        super().__init__(self.length, self.length)
        self._window = deque[float](maxlen=self.length)
        self._total = 0.0
        self._until_summed = self.length

    def _next(self, price: float) -> float | None:
        window = self._window
        if len(window) == self.length:
            self._total -= window[0]
        window.append(price)
        self._total += price
        self._until_summed -= 1
        # Rounding errors of a running total would grow for ever. So it is summed anew each time
        # the window has been filled, which costs little.
        if not self._until_summed:
            self._total = math.fsum(window)
            self._until_summed = self.length
        return self._total / self.length if len(window) == self.length else None


def sma(column: Column, length: int) -> pl.Expr:
    """Return `Sma` of a column, as ``sma_20`` (Float64). Raises BadInput."""
    import polars as pl

    n = length_of(length)
    rows = KnownRows(price=column).then(mean=pl.field("price").rolling_mean(n))
    return rows.line("mean", f"sma_{n}")


class RecursiveMean:
    """A mean that begins with the mean of the first ``length`` numbers.

    Each later number changes it: ``mean += weight × (number - mean)``. EMA, RSI, ATR and MACD are
    made of it.
    """

    def __init__(self, length: int, weight: float) -> None:
        self._length = length
        self._weight = weight
        self._first: list[float] = []
        self._mean: float | None = None

    def add(self, number: float) -> float | None:
        """Add a number and return the mean; None for the first ``length - 1`` numbers."""
        if self._mean is not None:
            self._mean += self._weight * (number - self._mean)
            return self._mean
        self._first.append(number)
        if len(self._first) == self._length:
            self._mean = math.fsum(self._first) / self._length
            self._first.clear()
        return self._mean


def recursive_mean(field: str, length: int, weight: float, skip: int = 0) -> pl.Expr:
    """Return the expression of `RecursiveMean` over a field of `KnownRows`.

    The first ``skip`` values of the field must be null, and no others.
    """
    import polars as pl

    numbers, first = pl.field(field), skip + length - 1
    # Null in the rows before the seed, 0 in its own row, then 1, 2 and so on.
    after = pl.field("row").shift(first)
    seed = numbers.head(first + 1).mean()
    # ewm_mean begins with its first value that is not null, so that value is the seed.
    seeded = pl.when(after > 0).then(numbers).otherwise(seed + after)
    return seeded.ewm_mean(alpha=weight, adjust=False)


def ema_weight(length: int) -> float:
    """Return the weight of the newest price in an EMA: ``2 / (length + 1)``."""
    return 2 / (length + 1)


class Ema(PriceIndicator[float]):
    """Exponential moving average: ``ema += 2 / (length + 1) × (price - ema)``.

    It begins with the mean of the first ``length`` prices, so the first value comes with price
    number ``length``. No later correction is made (``adjust=False`` in polars and pandas). Source:
    Appel, Technical Analysis: Power Tools for Active Investors (2005); TA-Lib begins in the same
    way.
    """

    def __init__(self, length: int) -> None:
        self.length = length_of(length)
        super().__init__(self.length, self.length)
        self._mean = RecursiveMean(self.length, ema_weight(self.length))

    def _next(self, price: float) -> float | None:
        return self._mean.add(price)


def ema(column: Column, length: int) -> pl.Expr:
    """Return `Ema` of a column, as ``ema_20`` (Float64). Raises BadInput."""
    n = length_of(length)
    rows = KnownRows(price=column).then(mean=recursive_mean("price", n, ema_weight(n)))
    return rows.line("mean", f"ema_{n}")


class Vwap(Indicator[float]):
    """Volume-weighted average price: traded won ÷ traded shares, since the start or `reset`.

    Feed it trades (``tick.price, tick.qty``), or bars with their typical price, ``(high + low +
    close) / 3``. The value is there from the first input with a volume. Begin each day with
    ``reset``. Source: Berkowitz, Logue and Noser, Journal of Finance 43 (1988).
    """

    def __init__(self) -> None:
        super().__init__(1)
        self.reset()

    def reset(self) -> None:
        """Forget all inputs, as at the start of a day."""
        self.value = None
        self._won = self._shares = 0.0

    def update(self, price: float | None, volume: float | None) -> float | None:
        """Add a price in won and the shares that traded at it, and return the new value.

        None while no share has traded. An input of which one part is missing (None, NaN, infinite)
        gives None and changes nothing else. Raises BadInput for a value that is no number.
        """
        known = all_finite(price, volume)
        if known is None:
            self.value = None
            return None
        self._won += known[0] * known[1]
        self._shares += known[1]
        self.value = self._won / self._shares if self._shares else None
        return self.value


def vwap(price: Column, volume: Column) -> pl.Expr:
    """Return `Vwap` of two columns, as ``vwap`` (Float64).

    It begins anew each day with ``vwap("price", "qty").over(pl.col("t").dt.date())``.
    """
    import polars as pl

    won = (pl.field("price") * pl.field("volume")).cum_sum()
    shares = pl.field("volume").cum_sum()
    rows = KnownRows(price=price, volume=volume).then(won=won, shares=shares)
    mean = pl.when(pl.field("shares") != 0).then(pl.field("won") / pl.field("shares"))
    return rows.then(mean=mean).line("mean", "vwap")
