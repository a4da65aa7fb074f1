"""The record of one back-test: order books, equity over time, bars, and assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from kisnb.clock import KST_SHIFT, MINUTE, Ns
from kisnb.trading.order_books.order_book import OrderBook, OrderBooks

# msgspec reads annotations at run time. polars is not imported here, because that takes about 145
# ms.
if TYPE_CHECKING:
    import polars as pl
else:
    pl = Any

EQUITY_COLUMNS = ("time", "cash", "holdings", "equity")
"""Columns of ``RunRecord.equity``."""
BAR_COLUMNS = ("code", "time", "open", "high", "low", "close", "volume")
"""Columns of ``RunRecord.bars``."""


class RunRecord(msgspec.Struct, frozen=True):
    """The record of one back-test: order books, equity after each day, bars, and assumptions."""

    agents: tuple[str, ...]
    """Ids of the agents, in the order in which they were given."""
    books: OrderBooks
    """Order books of the account and of every agent, at the end of the run."""
    equity: pl.DataFrame
    """One row for each trading day, at its close. A run over ticks has a row for each minute.

    Columns: time (Datetime("ns"), Asia/Seoul), cash, holdings, equity (Int64, KRW). Holdings are
    valued at the last price known. No row is before the first trade of the data.
    """
    bars: pl.DataFrame
    """The bars that were played, sorted by time and code. For a run over ticks: its minutes.

    Columns: code (String), time (Datetime("ns"), Asia/Seoul, begin of the bar: midnight for a daily
    bar), open, high, low, close (Int64, KRW), volume (Int64, shares).
    """
    first: date
    """First trading day of the data."""
    last: date
    """Last trading day of the data, included."""
    cash: int
    """Cash at the start, KRW."""
    costs: str
    """One sentence on the commission and the tax that were charged."""
    assumptions: tuple[str, ...]
    """The assumptions as sentences: fills, latency, queue, sizing, and what is left out."""
    parameters: tuple[str, ...] = ()
    """The parameters of each agent, in the order of ``agents``: ``"code='005930', n=20"``."""

    @property
    def book(self) -> OrderBook:
        """The account's order book."""
        return self.books.account


def equity_frame(notes: Sequence[tuple[Ns, int, int]]) -> pl.DataFrame:
    """Return the columns of ``RunRecord.equity`` from (moment, cash, holdings), oldest first."""
    import polars as pl

    schema = {"time": pl.Int64, "cash": pl.Int64, "holdings": pl.Int64}
    frame = pl.DataFrame(notes, schema=schema, orient="row")
    return frame.with_columns(_kst("time"), equity=pl.col("cash") + pl.col("holdings"))


def minute_bars(trades: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of ``RunRecord.bars`` from trades: the minutes in which a stock traded.

    Columns of ``trades``: code, t (UTC nanoseconds), price (won), qty (shares), in order of time.
    """
    import polars as pl

    price = pl.col("price")
    return (
        trades.group_by("code", time=pl.col("t") // MINUTE * MINUTE, maintain_order=True)
        .agg(
            open=price.first(), high=price.max(), low=price.min(), close=price.last(),
            volume=pl.col("qty").sum(),
        )
        .sort("time", "code")
        .with_columns(_kst("time"))
    )  # fmt: skip


def last_of_day(rows: pl.DataFrame, time: str) -> pl.DataFrame:
    """Return the last row of each day. ``time`` is the column of their times (KST), oldest first.

    A run by minutes has many rows a day.
    """
    days = kst_days(rows[time])
    if days.n_unique() == len(days):
        return rows
    return rows.filter((days != days.shift(-1)).fill_null(value=True))


def kst_days(times: pl.Series) -> pl.Series:
    """Return the dates (Date) of a column of times (Datetime("ns"), Asia/Seoul)."""
    import polars as pl

    # The offset of Korea is fixed, so this is what ``times.dt.date()`` returns. That call takes
    # five times as long, because it asks the table of time zones about each row.
    return (times.cast(pl.Int64()) + KST_SHIFT).cast(pl.Datetime("ns")).cast(pl.Date())


def _kst(name: str) -> pl.Expr:
    """Return a column of UTC nanoseconds as times in Korea."""
    import polars as pl

    return (
        pl.from_epoch(name, time_unit="ns")
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Asia/Seoul")
    )


__all__ = [
    "BAR_COLUMNS",
    "EQUITY_COLUMNS",
    "RunRecord",
    "equity_frame",
    "kst_days",
    "last_of_day",
    "minute_bars",
]
