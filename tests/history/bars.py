"""Daily bars and minutes that tests and benches write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.terms import Venue

DAYS = Series(SeriesKind.DAY, Venue.KRX, Basis.ADJUSTED)
MINUTES = Series(SeriesKind.MINUTE, Venue.KRX, Basis.RAW)


def day_bars(code: str, days: Sequence[date], close: int = 70_000) -> pl.DataFrame:
    """One bar of a stock a day, all alike."""
    rows = [
        (code, day, close, close + 500, close - 500, close, 1_000, 1_000 * close) for day in days
    ]
    return pl.DataFrame(rows, schema=DAYS.schema(), orient="row")
