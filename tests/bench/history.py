"""The store of past days: 25, 250 and 2,500 stocks, ten years, made up. Milliseconds, medians.

Syncs to the disk are a part of each write, so the time of one sync is shown beside them.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from itertools import count
from pathlib import Path

import polars as pl

from kisnb.history.download import trading_days
from kisnb.history.store import Store
from tests.history.bars import DAYS

SIZES, YEARS, RUNS = (25, 250, 2_500), 10, 15
CODE = "000012"


def market(days: list[date], stocks: int = SIZES[-1]) -> pl.DataFrame:
    """The bars of all stocks on some days. The close walks with stock and day."""
    code = pl.int_range(stocks).cast(pl.String).str.zfill(6).alias("code")
    rows = pl.select(code).join(pl.DataFrame({"date": days}), how="cross")
    step = (pl.col("code").cast(pl.Int64) * 37 + pl.col("date").dt.epoch("d") * 101) % 7_919
    return rows.with_columns(close=20_000 + step).select(
        "code",
        "date",
        open=pl.col("close") - 50,
        high=pl.col("close") + 100,
        low=pl.col("close") - 100,
        close="close",
        volume=pl.col("close") * 3,
        value=pl.col("close") ** 2 * 3,
    )


def took(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median of some runs, in ms."""
    spent = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1e3)
    return statistics.median(spent)


def plain_upsert(file: Path, rows: pl.DataFrame) -> None:
    """Merge rows into a file of one day, without checks, manifest, temporary file or sync."""
    merged = pl.concat([pl.read_parquet(file), rows]).unique(["code", "date"], keep="last")
    merged.sort("code", "date").write_parquet(file)


def measure(folder: Path, stocks: int) -> dict[str, float]:
    """Milliseconds by work."""
    store, number = Store(folder), count(1)
    days = trading_days(date(2026 - YEARS, 1, 1), date(2025, 12, 31))
    *past, last = days
    whole, after = market(past[:-RUNS], stocks), [market([day], stocks) for day in past[-RUNS:]]
    today = market([last], stocks)
    found = {"write of all": took(lambda: store.upsert(DAYS, whole), 1)}
    month, day = past[1_000:1_021], past[1_000]
    found["one stock, one month"] = took(lambda: store.read(DAYS, month[0], month[-1], [CODE]))
    found["one day, all stocks"] = took(lambda: store.read(DAYS, day, day))
    found["one stock, all years"] = took(lambda: store.read(DAYS, days[0], last, [CODE]))
    new = iter(after)
    found["append a day"] = took(lambda: store.upsert(DAYS, next(new)))
    store.upsert(DAYS, today)
    found["upsert a day"] = took(
        lambda: store.upsert(DAYS, today.with_columns(pl.col("volume") + next(number)))
    )
    found["the same again"] = took(lambda: store.upsert(DAYS, store.read(DAYS, last, last)))
    file = folder / "plain.parquet"
    today.write_parquet(file)
    found["upsert by polars alone"] = took(lambda: plain_upsert(file, today))
    probe = folder / "probe"
    with probe.open("wb") as f:

        def sync() -> None:
            f.write(bytes(70_000))
            f.flush()
            os.fsync(f.fileno())

        found["one sync of the disk"] = took(sync)
    store.close()
    return found


def show() -> None:
    """Print the figures of three sizes beside their targets."""
    targets = {"one day, all stocks": 10, "append a day": 4, "upsert a day": 4}
    targets["one stock, one month"] = 4
    found = []
    for stocks in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(Path(folder), stocks))
    print("\nthe store of past days, ten years, ms")
    print(f"{'stocks':26s}{''.join(f'{stocks:10,d}' for stocks in SIZES)}")
    for work in found[0]:
        target = f"   target ≤ {targets[work]}" if work in targets else ""
        print(f"{work:26s}{''.join(f'{ms[work]:10.1f}' for ms in found)}{target}")


if __name__ == "__main__":
    show()
