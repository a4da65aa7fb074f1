"""The DataFrames and the statistics of a back-test, each made when it is first read."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from kisnb.backtesting.results.benchmark import BenchmarkLike, read_benchmark
from kisnb.backtesting.results.daily import (
    Days,
    daily_frame,
    exposed,
    exposure_frame,
    monthly_frame,
    run_days,
)
from kisnb.backtesting.results.round_trips import (
    RoundTrip,
    fills_frame,
    round_trips,
    trades_frame,
)
from kisnb.backtesting.results.statistic import Statistic, Value, statistics_frame
from kisnb.backtesting.results.statistics import StatisticsInput, statistics
from kisnb.backtesting.run_record import RunRecord
from kisnb.errors import BadInput
from kisnb.trading.order_books.order_book import OrderBook
from kisnb.values import near_names

if TYPE_CHECKING:
    import polars as pl


FEW_DAYS = 5
"""Runs of fewer days are drawn by steps instead of days, if they have more steps than days."""


class RunFrames:
    """The figures of a run as polars DataFrames.

    Amounts are whole won, returns are fractions (0.01 = 1 %), times are KST.
    """

    def __init__(self, record: RunRecord, benchmark: BenchmarkLike = None) -> None:
        """Keep the record, and read the benchmark.

        ``benchmark`` is an index, a stock of the run, a DataFrame of date and close, or None.
        Raises BadInput for a benchmark that cannot be read.
        """
        self.record = record
        self.benchmark = read_benchmark(benchmark, record)

    @property
    def book(self) -> OrderBook:
        """The account's order book at the end of the run."""
        return self.record.book

    @property
    def title(self) -> str:
        """The agents and the range: ``"Dip-005930, 2021-01-04 to 2023-12-28"``."""
        agents = self.record.agents
        named = ", ".join(agents[:3]) + (f" and {len(agents) - 3} more" if len(agents) > 3 else "")
        return f"{named}, {self.record.first} to {self.record.last}"

    @cached_property
    def equity(self) -> pl.DataFrame:
        """Equity after each step of the run.

        Columns: time (Datetime ns, KST), cash, holdings, equity (won), drawdown (equity ÷ the
        highest equity so far, − 1). The cash at the start counts as the first highest equity.
        """
        import polars as pl

        highest = pl.max_horizontal(pl.col("equity").cum_max(), pl.lit(self.record.cash))
        drawdown = (pl.col("equity") / highest - 1).alias("drawdown")
        return self.record.equity.with_columns(drawdown)

    @cached_property
    def daily(self) -> pl.DataFrame:
        """Equity, return, drawdown and benchmark by day.

        ``daily.daily_frame`` lists the columns.
        """
        return daily_frame(self.days)

    @cached_property
    def days(self) -> Days:
        """The days of the run as lists."""
        return run_days(self.record, self.benchmark)

    @cached_property
    def curve(self) -> pl.DataFrame:
        """The points of the charts, one for each day.

        A run over a few days of trades has one per step. Columns: at (Date, or Datetime ns, KST),
        equity (won), drawdown, exposure (null when equity is 0 or less). The days of a run with a
        benchmark also have benchmark_equity (won).
        """
        import polars as pl

        columns = ["equity", "drawdown"]
        if len(self.daily) >= FEW_DAYS or len(self.equity) == len(self.daily):
            theirs = ["benchmark_equity"] if self.benchmark else []
            return self.daily.select(pl.col("date").alias("at"), *columns, *theirs, exposed())
        return self.equity.select(pl.col("time").alias("at"), *columns, exposed())

    @cached_property
    def monthly(self) -> pl.DataFrame:
        """Returns by month: year, month, return."""
        return monthly_frame(self.daily, self.record.cash)

    @property
    def orders(self) -> pl.DataFrame:
        """One row per order, with the columns of ``OrderBook.frame()``."""
        return self.book.frame()

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row per fill; ``round_trips.fills_frame`` lists the columns."""
        return fills_frame(self.book)

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row per round trip. The oldest shares are sold first.

        ``round_trips.trades_frame`` lists the columns.
        """
        return trades_frame(self.round_trips)

    @cached_property
    def round_trips(self) -> list[RoundTrip]:
        """The rows of ``trades``, in the order of their exits."""
        return round_trips(self.book, self.days.dates)

    @cached_property
    def exposure(self) -> pl.DataFrame:
        """The share of the equity that was in stocks at the end of each day.

        Columns: date, holdings, equity (won), exposure (holdings ÷ equity; null when equity is 0 or
        less), stocks (number of stocks held).
        """
        return exposure_frame(self.daily, self.fills)

    @property
    def statistics(self) -> pl.DataFrame:
        """One row per statistic: name, value, unit, text, definition.

        The value is a Float64, and null when it is not defined.
        """
        return statistics_frame(self.statistics_by_name.values())

    @cached_property
    def statistics_by_name(self) -> dict[str, Statistic]:
        """The statistics by name, in the order in which people read them."""
        name = self.benchmark.name if self.benchmark else ""
        run = StatisticsInput(self.record, self.days, self.round_trips, name)
        return {each.name: each for each in statistics(run)}

    def statistic(self, name: str) -> Statistic:
        """Return one statistic with its value, its text and its definition.

        Raises BadInput for a name that ``statistics`` does not have.
        """
        found = self.statistics_by_name.get(name)
        if found is None:
            near = near_names(name, self.statistics_by_name)
            hint = f"did you mean {near[0]!r}?" if near else "result.statistics lists the names"
            raise BadInput(f"there is no statistic {name!r}", hint)
        return found

    def value(self, name: str) -> Value:
        """Return the value of one statistic: won and counts as int, other units as float.

        None when it is not defined. Raises BadInput as ``statistic`` does.
        """
        return self.statistic(name).value

    @property
    def bars(self) -> pl.DataFrame:
        """The bars that the run has played; ``RunRecord.bars`` lists the columns."""
        return self.record.bars

    def bars_of(self, code: str) -> pl.DataFrame:
        """Return the bars of one stock that the run has played; empty for an unknown stock."""
        import polars as pl

        return self.record.bars.filter(pl.col("code") == code)
