"""The days of a run: equity, return and drawdown, compared with the benchmark.

The days are plain lists. The years of a run are so few rows that polars would take longer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from kisnb.backtesting.results.benchmark import Benchmark
from kisnb.backtesting.run_record import RunRecord, kst_days, last_of_day
from kisnb.history.download import trading_days
from kisnb.market import calendar

if TYPE_CHECKING:
    import polars as pl


class BenchmarkDays(NamedTuple):
    """The benchmark on the days of a run. Each list is None on days without a close."""

    closes: Sequence[float | None]
    returns: Sequence[float | None]
    """Return of the day, 0.01 = 1 %. None also when the day before has no close."""
    worth: Sequence[float | None]
    """The cash at the start, had it been put into the benchmark, won, not rounded."""


class Days(NamedTuple):
    """The days of a run, oldest first: a list for each column of ``daily_frame``."""

    dates: Sequence[date]
    cash: Sequence[int]
    holdings: Sequence[int]
    equity: Sequence[int]
    returns: Sequence[float | None]
    drawdowns: Sequence[float]
    benchmark: BenchmarkDays | None


def run_days(record: RunRecord, benchmark: Benchmark | None) -> Days:
    """Return the days of a run. ``daily_frame`` explains the figures."""
    rows = last_of_day(record.equity, "time")
    dates: list[date] = kst_days(rows["time"]).to_list()
    equity: list[int] = rows["equity"].to_list()
    before = [record.cash, *equity]
    returns = [own / old - 1 if old > 0 else None for own, old in zip(equity, before, strict=False)]
    drawdowns, highest = [], record.cash
    for own in equity:
        if own > highest:
            highest = own
        drawdowns.append(own / highest - 1)
    return Days(
        dates, rows["cash"].to_list(), rows["holdings"].to_list(), equity, returns, drawdowns,
        None if benchmark is None else _benchmark_days(record, benchmark, dates),
    )  # fmt: skip


def _benchmark_days(
    record: RunRecord, benchmark: Benchmark, dates: Sequence[date]
) -> BenchmarkDays:
    known = dict(zip(benchmark.dates, benchmark.values, strict=True))
    closes = [known.get(day) for day in dates]
    # The day's return of the benchmark needs the close before the run. Without one the benchmark
    # begins with its first close in the run.
    count = bisect_left(benchmark.dates, record.first)
    earlier = benchmark.values[count - 1] if count else None
    base = next((close for close in (earlier, *closes) if close is not None), 1.0)
    # Multiplied, and not divided by the base: the last digit decides the hash of a run, and hashes
    # of older versions must stay valid.
    shares = 1 / base
    returns = [
        None if close is None or old is None else close / old - 1
        for close, old in zip(closes, [earlier, *closes], strict=False)
    ]
    worth = [None if close is None else close * record.cash * shares for close in closes]
    return BenchmarkDays(closes, returns, worth)


def daily_frame(days: Days) -> pl.DataFrame:
    """Return a DataFrame with one row per trading day, at the end of the day.

    Columns: date; cash, holdings, equity (won); return (of the day, 0.01 = 1 %; null after a day
    without equity above 0); drawdown (equity ÷ the highest equity so far, − 1). The first day's
    return and the first highest equity start from the cash at the start.

    With a benchmark also: benchmark (its close), benchmark_return (null when the day or the day
    before has no close), benchmark_equity (the cash at the start, had it been put into the
    benchmark, won), relative (equity ÷ benchmark_equity). They are null on days without a close.
    """
    import polars as pl

    whole, part = pl.Int64(), pl.Float64()
    schema = {
        "date": pl.Date(), "cash": whole, "holdings": whole, "equity": whole, "return": part,
        "drawdown": part,
    }  # fmt: skip
    columns: list[Sequence[object]] = [*days[:-1]]
    if days.benchmark is not None:
        schema |= {
            "benchmark": part, "benchmark_return": part, "benchmark_equity": whole, "relative": part
        }  # fmt: skip
        closes, returns, worth = days.benchmark
        columns += (
            closes, returns, [None if own is None else round(own) for own in worth],
            [own / other if other else None for own, other in zip(days.equity, worth, strict=True)],
        )  # fmt: skip
    return pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)


def exposed() -> pl.Expr:
    """Return the column exposure: holdings ÷ equity; null when equity is 0 or less."""
    import polars as pl

    share = pl.when(pl.col("equity") > 0).then(pl.col("holdings") / pl.col("equity"))
    return share.alias("exposure")


def exposure_frame(daily: pl.DataFrame, fills: pl.DataFrame) -> pl.DataFrame:
    """Return a DataFrame by day: date, holdings, equity (won), exposure, stocks (number held).

    exposure is holdings ÷ equity; null when equity is 0 or less.
    """
    import polars as pl

    frame = daily.select("date", "holdings", "equity", exposed())
    signed = pl.when(pl.col("side") == "buy").then("quantity").otherwise(-pl.col("quantity"))
    # +1 on the first day that ends with the stock held, -1 on the first that ends without it.
    held = (
        fills.group_by("code", pl.col("time").dt.date().alias("date"))
        .agg(signed.sum().alias("change"))
        .sort("date")
        .with_columns(pl.col("change").cum_sum().over("code").alias("shares"))
        .with_columns((pl.col("shares") > 0).cast(pl.Int64).alias("now"))
        .with_columns(step=pl.col("now") - pl.col("now").shift(1, fill_value=0).over("code"))
        .group_by("date")
        .agg(pl.col("step").sum())
    )
    stocks = pl.col("step").fill_null(0).cum_sum().alias("stocks")
    joined = frame.join(held, on="date", how="left", maintain_order="left")
    return joined.with_columns(stocks).drop("step")


def monthly_frame(daily: pl.DataFrame, cash: int) -> pl.DataFrame:
    """Return a DataFrame by month: year, month, return (0.01 = 1 %).

    The return is null after equity of 0 or less. The first month's return is measured against the
    cash at the start. It may be a part of a month.
    """
    import polars as pl

    month = [pl.col("date").dt.year().alias("year"), pl.col("date").dt.month().alias("month")]
    ends = daily.group_by(month, maintain_order=True).agg(pl.last("equity"))
    before = pl.col("equity").shift(1, fill_value=cash)
    change = pl.when(before > 0).then(pl.col("equity") / before - 1).alias("return")
    return ends.select("year", "month", change)


def days_a_year(first: date, last: date) -> float | None:
    """Return the mean number of KRX's trading days a year, over the calendar years of the range.

    None when the calendar lacks all of these years (``market/calendar.py`` has 2001 to 2027).
    """
    years = range(max(first.year, calendar.FIRST_YEAR), min(last.year, calendar.LAST_YEAR) + 1)
    counts = [len(_trading_days_of(year, calendar.edition())) for year in years]
    return sum(counts) / len(counts) if counts else None


def share_of_days(first: date, last: date, days: int) -> float:
    """Return the share of the trading days from ``first`` to ``last`` on which the run has bars.

    ``days`` are the days of the run. 1.0 when none is missing, and when the calendar does not know
    the range.
    """
    if first.year < calendar.FIRST_YEAR or last.year > calendar.LAST_YEAR:
        return 1.0
    edition = calendar.edition()
    whole = sum(len(_trading_days_of(year, edition)) for year in range(first.year, last.year + 1))
    before = bisect_left(_trading_days_of(first.year, edition), first)
    of_last = _trading_days_of(last.year, edition)
    after = len(of_last) - bisect_right(of_last, last)
    return days / max(whole - before - after, days, 1)


@lru_cache(maxsize=64)
def _trading_days_of(year: int, _edition: int) -> list[date]:
    return trading_days(date(year, 1, 1), date(year, 12, 31))
