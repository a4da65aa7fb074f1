"""The benchmark of a back-test: daily closes of an index, of a stock, or from a DataFrame."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias, get_args

from kisnb.backtesting.run_record import RunRecord, kst_days, last_of_day
from kisnb.errors import BadInput
from kisnb.market.instruments import is_code
from kisnb.market.price_past import INDEX, IndexName, PricePast
from kisnb.paths import data_dir

if TYPE_CHECKING:
    import polars as pl

INDICES: tuple[str, ...] = get_args(IndexName)


class Benchmark:
    """Daily closes with a name. ``closes`` has the columns date (Date) and close (Float64)."""

    def __init__(self, name: str, closes: pl.DataFrame) -> None:
        self.name = name
        self.closes = closes
        self.dates: list[date] = closes["date"].to_list()
        self.values: list[float] = closes["close"].to_list()


BenchmarkLike: TypeAlias = "str | pl.DataFrame | Benchmark | None"
"""An index (``"KOSPI"``), a stock of the run (``"005930"``), a DataFrame, or None."""


def read_benchmark(given: BenchmarkLike, record: RunRecord) -> Benchmark | None:
    """Read and check the benchmark of a run. None when ``given`` is None.

    A DataFrame has the columns date (Date) or time (Datetime), and close (a number above 0). An
    index is read from ``index_daily.parquet`` in ``KISNB_DATA``. A stock must be among the bars of
    the run. Raises BadInput when there is no such benchmark, when a close is missing or not above
    0, when a day occurs twice, and when no day is in the range of the run.
    """
    if given is None:
        return None
    if isinstance(given, Benchmark):
        found = given
    elif not isinstance(given, str):
        found = Benchmark("benchmark", _daily_closes(given))
    elif given in INDICES:
        found = Benchmark(given, _index(given, record))
    elif is_code(given):
        found = Benchmark(given, _stock(given, record))
    else:
        raise BadInput(
            f"{given!r} is no benchmark",
            f"name an index ({', '.join(INDICES)}), a stock of the run, or give a DataFrame",
        )
    _check(found, record)
    return found


def _index(name: str, record: RunRecord) -> pl.DataFrame:
    import polars as pl

    folder = data_dir()
    if folder is None or not (folder / INDEX).is_file():
        raise BadInput(
            f"the closes of {name} are not on this machine",
            f"set KISNB_DATA to a folder with {INDEX}, give a DataFrame, or name a stock of the "
            "run as the benchmark",
        )
    past = PricePast(folder, record.last + timedelta(days=1))
    known: dict[str, IndexName] = {each: each for each in get_args(IndexName)}
    rows = [(day.day, day.close) for day in past.index(known[name])]
    return pl.DataFrame(rows, schema={"date": pl.Date(), "close": pl.Float64()}, orient="row")


def _stock(code: str, record: RunRecord) -> pl.DataFrame:
    import polars as pl

    of_code = record.bars["code"] == code
    bars = pl.DataFrame([record.bars[name].filter(of_code) for name in ("time", "close")])
    # The close of a day is that of its last bar.
    bars = last_of_day(bars, "time")
    closes = pl.DataFrame([kst_days(bars["time"]).alias("date"), bars["close"].cast(pl.Float64())])
    if closes.is_empty():
        raise BadInput(f"the run has no bars of {code}", "name a stock that the agents traded on")
    return closes


def _daily_closes(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    day = next((name for name in ("date", "time", "t") if name in frame.columns), None)
    if day is None or "close" not in frame.columns:
        raise BadInput(
            f"the benchmark has the columns {', '.join(frame.columns)}",
            "give it a column date and a column close",
        )
    try:
        closes = frame.select(
            pl.col(day).cast(pl.Date()).alias("date"), pl.col("close").cast(pl.Float64())
        )
    except pl.exceptions.PolarsError as e:
        raise BadInput(
            f"the benchmark cannot be read: {str(e).splitlines()[0]}",
            "give dates in the column date and numbers in the column close",
        ) from e
    return closes.sort("date")


def _check(benchmark: Benchmark, record: RunRecord) -> None:
    name, days = benchmark.name, benchmark.dates
    for day, close in zip(days, benchmark.values, strict=True):
        if day is None or close is None or not 0 < close < math.inf:
            raise BadInput(
                f"{name} has the close {close} on {day}", "give a number above 0, or drop the row"
            )
    # The rows are sorted, so two rows of a day are neighbours.
    for day, following in pairwise(days):
        if day == following:
            raise BadInput(f"{name} has two closes on {day}", "keep one of the two")
    if bisect_left(days, record.first) == bisect_right(days, record.last):
        raise BadInput(
            f"{name} has no close from {record.first} to {record.last}",
            "give one whose days cover the run, or leave the benchmark out",
        )
