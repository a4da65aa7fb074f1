"""The past in the folder with real prices: daily bars of issues, days of indices, day ranges."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from kisnb.market.parquet_tables import Content
from kisnb.market.price_files import (
    LISTING,
    PRICES,
    DailyBar,
    boards_of,
    daily,
    kind_of,
    read,
    snapped,
)
from kisnb.terms import Board

if TYPE_CHECKING:
    import polars as pl

INDEX = "index_daily.parquet"
"""Name of the file with the days of indices. The file may be missing.

Columns index, date, open, high, low, close (points), volume (shares), turnover (won).
"""
_INDEX: dict[str, Content] = {
    "index": "text",
    "date": "date",
    **PRICES,
    "volume": "whole",
    "turnover": "whole",
}
IndexName: TypeAlias = Literal["KOSPI", "KOSDAQ", "KOSPI200"]


class IndexDay(msgspec.Struct, frozen=True, gc=False):
    """One day of an index. Prices in points."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    """Shares."""
    value: int
    """Won."""


class PricePast:
    """Reads the days before ``day`` from the files in ``folder``, each file once, when needed.

    The methods raise ConfigError when a file is missing or broken.
    """

    def __init__(self, folder: Path, day: date) -> None:
        self.folder = folder
        self.day = day

    def bars(self, code: str) -> list[tuple[date, DailyBar]]:
        """Return all real bars of an issue, oldest first, each on the tick grid of its day."""
        frame = self._daily.get(code)
        if frame is None:
            return []
        board = self._boards.get(code, Board.KOSPI)
        return [
            (then, snapped(kind_of(code, name), then, board, *prices))
            for _, name, then, *prices in frame.iter_rows()
        ]

    def index(self, name: IndexName) -> list[IndexDay]:
        """Return the real days of an index, oldest first; empty when the file is missing."""
        return [known for known in self._indices.get(name, ()) if known.day < self.day]

    def index_that_day(self, name: IndexName) -> IndexDay | None:
        """Return the prices of an index on ``day`` itself; None when the file lacks that day."""
        known = self._indices.get(name)
        return known[-1] if known and known[-1].day == self.day else None

    def day_range(self, code: str) -> float:
        """Return high / low - 1 of an issue on the day that the listing file shows.

        0.0 for an issue without trades, and when the file has no columns High and Low.
        """
        return self._ranges.get(code, 0.0)

    @cached_property
    def _daily(self) -> dict[str, pl.DataFrame]:
        import polars as pl

        before = daily(self.folder).filter(pl.col("date") < self.day).sort("date")
        return {
            str(code): frame for (code,), frame in before.partition_by("code", as_dict=True).items()
        }

    @cached_property
    def _boards(self) -> dict[str, Board]:
        return boards_of(self.folder)

    @cached_property
    def _ranges(self) -> dict[str, float]:
        import polars as pl

        if not {"High", "Low"} <= pl.read_parquet_schema(self.folder / LISTING).keys():
            return {}
        columns: dict[str, Content] = {"Code": "text", "High": "number", "Low": "number"}
        rows = read(self.folder, LISTING, columns, ("Code",)).iter_rows()
        # A stock that did not trade has 0 in both columns.
        return {code: high / low - 1 for code, high, low in rows if low}

    @cached_property
    def _indices(self) -> dict[str, list[IndexDay]]:
        import polars as pl

        if not (self.folder / INDEX).is_file():
            return {}
        known: dict[str, list[IndexDay]] = {}
        rows = (
            read(self.folder, INDEX, _INDEX, ("index", "date"))
            # The row of the day itself stays: ``index_that_day`` needs it, and ``index`` leaves it
            # out.
            .filter(pl.col("date") <= self.day)
            .sort("date")
        )
        for name, then, o, h, lo, c, volume, value in rows.iter_rows():
            known.setdefault(name, []).append(IndexDay(then, o, h, lo, c, volume, value))
        return known
