"""Checks of bars before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.errors import BadInput
from kisnb.history.series import NUMBERS, Series

if TYPE_CHECKING:
    import polars as pl


def check_bars(series: Series, rows: pl.DataFrame) -> None:
    """Raise BadInput for a bar that contradicts itself, or that comes twice.

    The high must be the highest and the low the lowest price, and no number may be missing or
    below 0.
    """
    import polars as pl

    missing = [name for name in series.schema() if name not in rows.columns]
    if missing:
        raise BadInput(f"bars lack the columns {', '.join(missing)}", "add them")
    wrong = bad_bars(rows).fill_null(value=True)
    for row in rows.filter(wrong).head(1).iter_rows(named=True) if wrong.any() else ():
        raise BadInput(
            f"the bar of {row['code']} at {row[series.time]} contradicts itself: open"
            f" {row['open']}, high {row['high']}, low {row['low']}, close {row['close']},"
            f" volume {row['volume']}",
            "correct the row, or leave it out",
        )
    # To sort and compare neighbours is five times as fast as polars' is_duplicated on two columns.
    keys = rows.select("code", series.time).sort("code", series.time)
    twice = keys.filter(
        (pl.col("code") == pl.col("code").shift())
        & (pl.col(series.time) == pl.col(series.time).shift())
    )
    for row in twice.head(1).iter_rows(named=True):
        raise BadInput(f"the bar of {row['code']} at {row[series.time]} comes twice", "keep one")


def bad_bars(rows: pl.DataFrame) -> pl.Series:
    """Return for each bar True when its numbers contradict each other; null when one is missing."""
    import polars as pl

    prices = ("open", "close", "low")
    return rows.select(
        (pl.max_horizontal(*prices) > pl.col("high"))
        | (pl.min_horizontal("open", "close", "high") < pl.col("low"))
        | (pl.col("low") <= 0)
        | (pl.col("volume") < 0)
        | (pl.col("value") < 0)
        | pl.any_horizontal(pl.col(*NUMBERS).is_null())
    ).to_series()
