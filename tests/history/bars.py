"""Daily bars and minutes that tests and benches write, and what a power cut leaves of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.history.store import Store
from kisnb.terms import Venue

DAYS = Series(SeriesKind.DAY, Venue.KRX, Basis.ADJUSTED)
MINUTES = Series(SeriesKind.MINUTE, Venue.KRX, Basis.RAW)


def day_bars(code: str, days: Sequence[date], close: int = 70_000) -> pl.DataFrame:
    """One bar of a stock a day, all alike."""
    rows = [
        (code, day, close, close + 500, close - 500, close, 1_000, 1_000 * close) for day in days
    ]
    return pl.DataFrame(rows, schema=DAYS.schema(), orient="row")


def after_a_power_cut(folder: Path) -> Store:
    """A copy of a store in use, without what SQLite had not yet written into the manifest."""
    copy = folder.with_name("after")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    return Store(copy)
