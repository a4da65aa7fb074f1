"""The frames of bars that people get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

_NUMBERS = ("open", "high", "low", "close", "volume", "value")


def bars_of_days(rows: pl.DataFrame, venue: Venue) -> pl.DataFrame:
    """Return stored days as people see them.

    Columns: date, code, venue, open, high, low, close (won), volume (shares), value (won).
    """
    import polars as pl

    return rows.select("date", "code", pl.lit(str(venue)).alias("venue"), *_NUMBERS)
