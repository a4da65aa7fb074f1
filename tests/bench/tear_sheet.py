"""A back-test's statistics and its tear sheet, beside quantstats where it is installed.

The run: daily bars from 2019-06 to 2023-12, some stocks with a trade every three weeks. All works
take turns, so that a busy machine slows each of them alike.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kisnb.backtesting.results.result import BacktestResult
from kisnb.backtesting.run_record import RunRecord
from tests.backtesting.records import walked

RUNS = 9


def works(record: RunRecord, folder: Path) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    found: dict[str, Callable[[], object]] = {
        "statistics": lambda: BacktestResult(record, "005930").statistics,
        "tear sheet": lambda: BacktestResult(record, "005930").report(folder / "own.html"),
    }
    if importlib.util.find_spec("quantstats"):
        found |= peers(record, folder)
    return found


def peers(record: RunRecord, folder: Path) -> dict[str, Callable[[], object]]:
    """The same of quantstats, which needs pandas."""
    import pandas as pd
    import quantstats

    daily = BacktestResult(record, "005930").daily.slice(1)
    days = pd.DatetimeIndex(daily["date"].to_list())
    own = pd.Series(daily["return"].to_list(), index=days)
    other = pd.Series(daily["benchmark_return"].to_list(), index=days)
    page = str(folder / "quantstats.html")
    return {
        "quantstats metrics": lambda: quantstats.reports.metrics(
            own, benchmark=other, mode="full", display=False
        ),
        "quantstats html": lambda: quantstats.reports.html(own, benchmark=other, output=page),
    }


def measure(stocks: int) -> dict[str, float]:
    """Milliseconds by work, medians of runs that take turns. The first run does not count."""
    record = walked(codes=["005930", *(f"{n:06}" for n in range(100, 99 + stocks))])
    spent: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        todo: dict[str, Any] = works(record, Path(home))
        for run in range(RUNS + 1):
            for name, work in todo.items():
                began = time.perf_counter()
                with contextlib.redirect_stdout(io.StringIO()):
                    work()
                if run:
                    spent.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
    return {name: statistics.median(times) for name, times in spent.items()}


def show() -> None:
    """Print a line for each work and number of stocks."""
    targets = {"statistics": "target ≤ 5 ms", "tear sheet": "target ≤ 100 ms"}
    print("\na back-test of 1,131 days, its statistics and its tear sheet")
    for stocks in (1, 3, 32):
        found = measure(stocks)
        for name, millis in found.items():
            print(f"{name:20s} {stocks:3d} stocks    {millis:8.1f} ms   {targets.get(name, '')}")
        if "quantstats html" in found:
            faster = found["quantstats html"] / found["tear sheet"]
            print(f"quantstats html ÷ tear sheet       {faster:8.1f}")
    if importlib.util.find_spec("quantstats") is None:
        print("quantstats is not installed, and was left out")


if __name__ == "__main__":
    show()
