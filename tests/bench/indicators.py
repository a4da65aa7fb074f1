"""What an update of an indicator costs, and its expression over a million rows."""

from __future__ import annotations

import random
import timeit
from collections.abc import Callable, Iterable

import polars as pl

from kisnb.market import indicators

ROWS = 1_000_000
UPDATES = 100_000


def frame() -> pl.DataFrame:
    """Closes that walk up and down by a tick, in bars of two ticks."""
    steps = random.Random(1).choices((-100, 0, 100), k=ROWS)
    close = pl.Series(steps).cum_sum() + 1_000_000
    return pl.DataFrame({"close": close, "high": close + 100, "low": close - 100, "volume": 10})


def show() -> None:
    """Print a line for each indicator: microseconds an update, milliseconds a million rows."""
    bars = frame()
    columns = {name: bars[name].head(UPDATES).to_list() for name in bars.columns}
    plain = 1e3 * best(lambda: bars.select(pl.col("close").rolling_mean(20)))
    print(f"\nindicators; polars' own rolling_mean(20) over {ROWS:,} rows: {plain:.1f} ms")
    close, bar = ("close",), ("high", "low", "close")
    for indicator, inputs, made in (
        (indicators.Sma(20), close, indicators.sma("close", 20)),
        (indicators.Ema(20), close, indicators.ema("close", 20)),
        (indicators.Rsi(), close, indicators.rsi("close")),
        (indicators.Macd(), close, indicators.macd("close")),
        (indicators.Bollinger(), close, indicators.bollinger("close")),
        (indicators.ZScore(), close, indicators.z_score("close")),
        (indicators.RollingRank(20), close, indicators.rolling_rank("close", 20)),
        (indicators.Atr(), bar, indicators.atr(*bar)),
        (indicators.Donchian(), bar[:2], indicators.donchian(*bar[:2])),
        (indicators.Vwap(), ("close", "volume"), indicators.vwap("close", "volume")),
    ):
        update = indicator.update
        rows = list(zip(*(columns[name] for name in inputs), strict=True))
        expressions = [made] if isinstance(made, pl.Expr) else list(made)
        micros = 1e6 * best(lambda update=update, rows=rows: fed(update, rows)) / UPDATES
        millis = 1e3 * best(lambda expressions=expressions: bars.select(expressions))
        name = type(indicator).__name__
        print(f"{name:34s} {micros:8.2f} µs an update   {millis:6.0f} ms as columns")


def fed(update: Callable[..., object], rows: Iterable[tuple[float, ...]]) -> None:
    """Give an indicator all rows."""
    for row in rows:
        update(*row)


def best(call: Callable[[], object]) -> float:
    """Seconds of the best of five rounds."""
    return min(timeit.repeat(call, number=1, repeat=5))
