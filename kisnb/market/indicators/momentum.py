"""Momentum: the relative strength index (RSI), and the distance of two averages (MACD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple

from kisnb.errors import BadInput
from kisnb.market.indicators.averages import RecursiveMean, ema_weight, recursive_mean
from kisnb.market.indicators.indicator import Column, KnownRows, L, PriceIndicator, length_of

if TYPE_CHECKING:
    import polars as pl

# Without a bound, the means of a stock that stands still would get ever smaller, until their
# quotient is a matter of rounding. TA-Lib has the same bound (TA_EPSILON).
NO_MOVE = 1e-14
"""Below this mean move, in the unit of the price, an RSI has no value."""


class Rsi(PriceIndicator[float]):
    """Relative strength index: mean rise ÷ (mean rise + mean fall) × 100, from 0 to 100.

    Rises and falls are those from one price to the next. A fall counts as 0 in the mean rise, and a
    rise as 0 in the mean fall. Each mean begins with the mean of the first ``length`` changes, then
    ``mean += (newest - mean) / length``. The first value comes with price number ``length + 1``. It
    is None while the price has not moved at all. Source: Wilder, New Concepts in Technical Trading
    Systems (1978).
    """

    def __init__(self, length: int = 14) -> None:
        self.length = length_of(length)
        super().__init__(self.length + 1, self.length)
        self._last: float | None = None
        self._rise = RecursiveMean(self.length, 1 / self.length)
        self._fall = RecursiveMean(self.length, 1 / self.length)

    def _next(self, price: float) -> float | None:
        last, self._last = self._last, price
        if last is None:
            return None
        rise = self._rise.add(max(price - last, 0.0))
        fall = self._fall.add(max(last - price, 0.0))
        if rise is None or fall is None or rise + fall < NO_MOVE:
            return None
        return 100 * rise / (rise + fall)


def rsi(column: Column, length: int = 14) -> pl.Expr:
    """Return `Rsi` of a column, as ``rsi_14`` (Float64). Raises BadInput."""
    import polars as pl

    n = length_of(length)

    rows = KnownRows(price=column).then(change=pl.field("price").diff())
    rows.then(
        rises=pl.field("change").clip(lower_bound=0),
        falls=(-pl.field("change")).clip(lower_bound=0),
    )
    rows.then(
        rise=recursive_mean("rises", n, 1 / n, skip=1),
        fall=recursive_mean("falls", n, 1 / n, skip=1),
    )
    rows.then(move=pl.field("rise") + pl.field("fall"))
    strength = 100 * pl.field("rise") / pl.field("move")
    rows.then(strength=pl.when(pl.field("move") >= NO_MOVE).then(strength))
    return rows.line("strength", f"rsi_{n}")


class MacdLines(NamedTuple, Generic[L]):
    """The three lines of a MACD, in the unit of the price, as floats or as expressions."""

    macd: L
    signal: L
    histogram: L


class Macd(PriceIndicator[MacdLines[float]]):
    """Moving average convergence/divergence.

    ``macd`` is the fast `Ema` of the price less the slow one, ``signal`` is the `Ema` of ``macd``,
    and ``histogram`` is ``macd - signal``. All three come together, first with price number ``slow
    + signal - 1``. Source: Appel, Technical Analysis: Power Tools for Active Investors (2005).
    TA-Lib begins the fast average later, together with the slow one, so its first values differ.
    """

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self.fast, self.slow, self.signal = macd_lengths(fast, slow, signal)
        super().__init__(self.slow + self.signal - 1, self.fast, self.slow, self.signal)
        self._means = [RecursiveMean(n, ema_weight(n)) for n in (self.fast, self.slow, self.signal)]

    def _next(self, price: float) -> MacdLines[float] | None:
        fast, slow = (mean.add(price) for mean in self._means[:2])
        if fast is None or slow is None:
            return None
        signal = self._means[2].add(fast - slow)
        return None if signal is None else MacdLines(fast - slow, signal, fast - slow - signal)


def macd(column: Column, fast: int = 12, slow: int = 26, signal: int = 9) -> MacdLines[pl.Expr]:
    """Return `Macd` of a column: ``macd``, ``macd_signal``, ``macd_histogram`` (Float64).

    Raises BadInput.
    """
    import polars as pl

    f, s, n = macd_lengths(fast, slow, signal)

    rows = KnownRows(price=column).then(
        fast=recursive_mean("price", f, ema_weight(f)),
        slow=recursive_mean("price", s, ema_weight(s)),
    )
    rows.then(line=pl.field("fast") - pl.field("slow"))
    rows.then(signal=recursive_mean("line", n, ema_weight(n), skip=s - 1))
    rows.then(histogram=pl.field("line") - pl.field("signal"))
    # The line has no value before the signal has one. `otherwise(None)` would do the same, but
    # polars shares no expression with a literal None among the three lines.
    both = (
        pl.when(pl.field("signal").is_null()).then(pl.field("signal")).otherwise(pl.field("line"))
    )
    rows.then(line=both)
    return MacdLines(
        rows.line("line", "macd"),
        rows.line("signal", "macd_signal"),
        rows.line("histogram", "macd_histogram"),
    )


def macd_lengths(fast: int, slow: int, signal: int) -> tuple[int, int, int]:
    """Return the three lengths of a MACD. Raises BadInput when the fast one is not the shortest."""
    f, s = length_of(fast, what="the fast length"), length_of(slow, what="the slow length")
    if f >= s:
        raise BadInput(
            f"the fast length {f} is not below the slow length {s}", "give them as 12, 26"
        )
    return f, s, length_of(signal, what="the signal length")
