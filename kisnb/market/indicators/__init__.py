"""Technical indicators, each in two forms with equal results.

An agent feeds an object value by value. A DataFrame takes an expression over a column::

    mean = indicators.Sma(20)
    mean.update(71_000)                                   # float, or None while it warms up
    bars.with_columns(indicators.sma("close", 20))        # a new column, sma_20
    bars.with_columns(indicators.sma("close", 20).over("code"))     # each stock for itself
    upper, middle, lower = indicators.bollinger("close", 20)        # three expressions

====================  ================  ================  =================
object                expression        input             first value
====================  ================  ================  =================
``Sma(n)``            ``sma``           price             n
``Ema(n)``            ``ema``           price             n
``Rsi(14)``           ``rsi``           price             n + 1
``Macd(12, 26, 9)``   ``macd``          price             slow + signal - 1
``Bollinger(20, 2)``  ``bollinger``     price             n
``ZScore(20)``        ``z_score``       price             n
``RollingRank(n)``    ``rolling_rank``  price             n
``Atr(14)``           ``atr``           high, low, close  n + 1
``Donchian(20)``      ``donchian``      high, low         n
``Vwap()``            ``vwap``          price, volume     1
====================  ================  ================  =================

- **Missing is None** (null in a column), never 0 and never NaN. Inputs that are None, NaN or
  infinite count as missing.
- **A missing input is skipped.** Its own row has no value. It changes no later value: windows and
  means count only the inputs that are there.
- Rows must be in the order of time, oldest first. No value uses a later row.
- Values are floats (Float64), in the unit of the input unless the class says another.
"""

from __future__ import annotations

from kisnb.market.indicators.averages import Ema, Sma, Vwap, ema, sma, vwap
from kisnb.market.indicators.indicator import Bands, Column, Indicator, PriceIndicator
from kisnb.market.indicators.momentum import Macd, MacdLines, Rsi, macd, rsi
from kisnb.market.indicators.ranges import Atr, Donchian, atr, donchian
from kisnb.market.indicators.windows import (
    Bollinger,
    RollingRank,
    ZScore,
    bollinger,
    rolling_rank,
    z_score,
)

__all__ = [
    "Atr", "Bands", "Bollinger", "Column", "Donchian", "Ema", "Indicator", "Macd", "MacdLines",
    "PriceIndicator", "RollingRank", "Rsi", "Sma", "Vwap", "ZScore", "atr", "bollinger", "donchian",
    "ema", "macd", "rolling_rank", "rsi", "sma", "vwap", "z_score",
]  # fmt: skip
