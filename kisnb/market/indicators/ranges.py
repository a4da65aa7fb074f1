"""Ranges of bars: the average true range (ATR), and the highest and lowest price (Donchian)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kisnb.market.indicators.averages import RecursiveMean, recursive_mean
from kisnb.market.indicators.indicator import (
    Bands,
    Column,
    Indicator,
    KnownRows,
    all_finite,
    length_of,
)

if TYPE_CHECKING:
    import polars as pl


class Atr(Indicator[float]):
    """Average true range, in the unit of the price.

    The true range of a bar is the difference of two prices: the higher of its high and the previous
    close, less the lower of its low and the previous close. The first bar has no previous close, so
    it has no true range. The average begins with the mean of the first ``length`` true ranges, then
    ``atr += (true range - atr) / length``. The first value comes with bar number ``length + 1``.
    Source: Wilder, New Concepts in Technical Trading Systems (1978); TA-Lib begins in the same way.
    """

    def __init__(self, length: int = 14) -> None:
        self.length = length_of(length)
        super().__init__(self.length + 1, self.length)
        self._close: float | None = None
        self._mean = RecursiveMean(self.length, 1 / self.length)

    def update(self, high: float | None, low: float | None, close: float | None) -> float | None:
        """Add the next bar and return the new value; None while the indicator warms up.

        A bar of which one part is missing (None, NaN, infinite) gives None and changes nothing
        else: the next bar is compared with the close before it. Raises BadInput for a value that is
        no number.
        """
        bar = all_finite(high, low, close)
        self.value = None if bar is None else self._next(*bar)
        return self.value

    def _next(self, high: float, low: float, close: float) -> float | None:
        before, self._close = self._close, close
        if before is None:
            return None
        return self._mean.add(max(high, before) - min(low, before))


def atr(high: Column, low: Column, close: Column, length: int = 14) -> pl.Expr:
    """Return `Atr` of three columns, as ``atr_14`` (Float64). Raises BadInput."""
    import polars as pl

    n = length_of(length)

    before = pl.field("before")
    # The first bar is compared with null, and gets null.
    top = pl.when(pl.field("high") > before).then(pl.field("high")).otherwise(before)
    bottom = pl.when(pl.field("low") < before).then(pl.field("low")).otherwise(before)
    rows = KnownRows(high=high, low=low, close=close).then(before=pl.field("close").shift(1))
    rows.then(range=top - bottom)
    rows.then(mean=recursive_mean("range", n, 1 / n, skip=1))
    return rows.line("mean", f"atr_{n}")


class Donchian(Indicator[Bands[float]]):
    """Donchian channel: the highest high and the lowest low of the newest ``length`` bars.

    ``middle`` is their mean. The newest bar is among them, so its high is never above ``upper``: to
    see a breakout, compare its high with the value before the update. The first value comes with
    bar number ``length``. Source: Donchian's four-week rule (1960s).
    """

    def __init__(self, length: int = 20) -> None:
        self.length = length_of(length)
        super().__init__(self.length, self.length)
        self._highs = deque[float](maxlen=self.length)
        self._lows = deque[float](maxlen=self.length)

    def update(self, high: float | None, low: float | None) -> Bands[float] | None:
        """Add the next bar and return the new value; None while the indicator warms up.

        A bar of which one part is missing (None, NaN, infinite) gives None and changes nothing
        else. Raises BadInput for a value that is no number.
        """
        bar = all_finite(high, low)
        self.value = None if bar is None else self._next(*bar)
        return self.value

    def _next(self, high: float, low: float) -> Bands[float] | None:
        self._highs.append(high)
        self._lows.append(low)
        if len(self._highs) < self.length:
            return None
        upper, lower = max(self._highs), min(self._lows)
        return Bands(upper, (upper + lower) / 2, lower)


def donchian(high: Column, low: Column, length: int = 20) -> Bands[pl.Expr]:
    """Return the `Donchian` of the columns ``high`` and ``low``.

    The result is three columns, Float64: ``donchian_20_upper``, ``donchian_20_middle`` and
    ``donchian_20_lower``. 20 is the ``length``. Raises BadInput.
    """
    import polars as pl

    n = length_of(length)
    rows = KnownRows(high=high, low=low).then(
        upper=pl.field("high").rolling_max(n), lower=pl.field("low").rolling_min(n)
    )
    rows.then(middle=(pl.field("upper") + pl.field("lower")) / 2)
    return Bands(*(rows.line(name, f"donchian_{n}_{name}") for name in Bands._fields))
