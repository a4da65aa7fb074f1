"""The trades that a back-test plays: read, checked, and in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice, repeat, starmap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kisnb.backtesting.bar_checks import (
    TIMES,
    read_codes,
    read_table,
    read_times,
    refuse_closed_days,
    refuse_closed_hours,
)
from kisnb.backtesting.run_record import minute_bars
from kisnb.clock import MINUTE, Ns
from kisnb.errors import BadInput
from kisnb.events import Tick
from kisnb.market import sessions
from kisnb.terms import Side, Venue

if TYPE_CHECKING:
    import polars as pl

CHUNK = 2_048
"""Number of trades whose columns are made into lists at one time.

With these lists, the engine still fits into the processor's cache. A minute is never split. A busy
minute may have more trades.
"""
_MORE = ("volume", "value", "ask", "bid")
_NAMES = "code, time, price, qty"


class Part(NamedTuple):
    """The trades of one minute, in order."""

    ticks: list[Tick]
    start: int
    """Number of trades of the feed before this part."""
    minute: int
    """The minute, counted from the begin of 1970."""
    day: date
    begins_day: bool
    ends_day: bool


class TickFeed:
    """Checked trades of one or many stocks, in order of time."""

    def __init__(self, rows: pl.DataFrame) -> None:
        """Take rows of ``checked_trades``."""
        import polars as pl

        self.codes: list[str] = rows["code"].unique().sort().to_list()
        self.rows = rows.with_columns(minute=pl.col("t") // MINUTE)
        self._more = frozenset(name for name in _MORE if bool((rows[name] != 0).any()))
        days = rows["day"].unique().sort().to_list()
        self.hours: list[tuple[date, Ns, Ns]] = [
            (day, sessions.regular_open(day), sessions.regular_close(day)) for day in days
        ]
        """Each day with its opening and its official close."""

    @property
    def first(self) -> date:
        """The first day of the data."""
        return self.hours[0][0]

    @property
    def last(self) -> date:
        """The last day of the data."""
        return self.hours[-1][0]

    def __len__(self) -> int:
        return self.rows.height

    def parts(self) -> Iterator[Part]:
        """Yield the trades in order, a minute at a time."""
        minute = self.rows["minute"]
        starts = (minute != minute.shift(1)).fill_null(value=True).arg_true()
        minutes, days = minute.gather(starts).to_list(), self.rows["day"].gather(starts).to_list()
        bounds = [*starts.to_list(), len(self)]
        first, count = 0, len(minutes)
        while first < count:
            last = first + 1
            while last < count and bounds[last + 1] - bounds[first] <= CHUNK:
                last += 1
            made = self._made(self.rows.slice(bounds[first], bounds[last] - bounds[first]))
            for at in range(first, last):
                # A minute at a time: what is made and soon dropped stays in the cache.
                yield Part(
                    list(islice(made, bounds[at + 1] - bounds[at])), bounds[at], minutes[at],
                    days[at], at == 0 or days[at] != days[at - 1],
                    at + 1 == count or days[at] != days[at + 1],
                )  # fmt: skip
            first = last

    def ticks(self, rows: pl.DataFrame) -> list[Tick]:
        """Return rows of the feed as trades."""
        return list(self._made(rows))

    def _made(self, rows: pl.DataFrame) -> Iterator[Tick]:
        """Make the trades of some rows, one after another."""
        one = len(self.codes) == 1
        codes = repeat(self.codes[0]) if one else rows["code"].to_list()
        t = rows["t"].to_list()
        sides = [_SIDES.get(side) for side in rows["side"].to_list()] if _has_side(rows) else None
        # A column that the data do not have is 0 for every trade, and needs no list.
        more = (rows[name].to_list() if name in self._more else repeat(0) for name in _MORE)
        # ``map`` would allocate the arguments of each call. ``zip`` fills one tuple anew.
        columns = zip(
            t, codes, repeat(Venue.KRX), rows["price"].to_list(), rows["qty"].to_list(),
            repeat(None) if sides is None else sides, *more, strict=False,
        )  # fmt: skip
        return starmap(Tick, columns)

    def before(self, start: int) -> list[Tick]:
        """Return the first ``start`` trades."""
        return self.ticks(self.rows.slice(0, start))

    def days(self) -> pl.DataFrame:
        """Return a row for each stock and day: code, day, open, high, low, close (won)."""
        import polars as pl

        price = pl.col("price")
        return self.rows.group_by("code", "day", maintain_order=True).agg(
            open=price.first(), high=price.max(), low=price.min(), close=price.last()
        )

    def bars(self) -> pl.DataFrame:
        """Return the columns of ``RunRecord.bars``: the minutes of the trades."""
        return minute_bars(self.rows)


_SIDES = {"buy": Side.BUY, "sell": Side.SELL}


def _has_side(rows: pl.DataFrame) -> bool:
    return bool(rows["side"].null_count() < len(rows))


def is_trades(data: object) -> bool:
    """Return whether ``data`` are trades: a table with a price and without a close."""
    names = getattr(data, "columns", None)
    if isinstance(data, str | Path) and Path(data).suffix in (".parquet", ".csv"):
        import polars as pl

        path = Path(data)
        try:
            scan = pl.scan_csv(path) if path.suffix == ".csv" else pl.scan_parquet(path)
            names = scan.collect_schema().names()
        except (OSError, pl.exceptions.PolarsError):
            return False
    lower = {str(name).lower() for name in (names if names is not None else ())}
    return "price" in lower and "close" not in lower


def read_tick_feed(
    data: object, *, code: str = "", start: date | None = None, end: date | None = None
) -> TickFeed:
    """Read and check trades. Raises BadInput.

    ``code`` is the stock of a table without the column code.
    """
    import polars as pl

    rows = checked_trades(data, code)
    first, last = rows["day"][0], rows["day"][-1]
    kept = rows.filter(pl.col("day") >= (start or first), pl.col("day") <= (end or last))
    if kept.is_empty():
        raise BadInput(
            f"no trade lies between {start or first} and {end or last}",
            f"the trades go from {first} to {last}: choose start and end among them",
        )
    refuse_closed_days(kept)
    return TickFeed(kept)


def checked_trades(data: object, code: str = "") -> pl.DataFrame:
    """Return the trades by time. Trades of the same time keep their order.

    Columns: code, t (UTC ns), day, price (won), qty (shares), side (buy, sell, null), volume and
    value (of the day up to the trade), ask, bid (won). A figure that the data do not have is 0.
    Raises BadInput.
    """
    import polars as pl

    frame = read_table(data, code)
    named = {name.lower(): name for name in frame.columns}
    time = next((named[name] for name in TIMES if name in named), None)
    lacking = [name for name in ("code", "price", "qty") if name not in named]
    if time is None or lacking:
        missing = ", ".join([*lacking, *(["time"] if time is None else [])])
        raise BadInput(f"the trades have no column {missing}", f"name the columns {_NAMES}")
    if frame.is_empty():
        raise BadInput("there are no trades in the data", f"give rows with {_NAMES}")
    begin, is_daily = read_times(frame[time])
    if is_daily:
        raise BadInput("the trades have days and no times", "give the time of each trade")
    whole = [
        pl.col(named[name]).cast(pl.Int64).fill_null(0).alias(name)
        if name in named
        else pl.lit(0, dtype=pl.Int64).alias(name)
        for name in ("price", "qty", *_MORE)
    ]
    side = pl.col(named["side"]) if "side" in named else pl.lit(None)
    rows = frame.select(
        read_codes(frame[named["code"]]),
        begin.alias("t"),
        *whole,
        side.cast(pl.String).alias("side"),
    ).with_columns(pl.from_epoch("t", time_unit="ns").dt.offset_by("9h").dt.date().alias("day"))
    for wrong, what in (
        (rows.filter(pl.col("price") <= 0), "no price above 0"),
        (rows.filter(pl.col("qty") <= 0), "no shares"),
    ):
        if len(wrong):
            row = wrong.row(0, named=True)
            raise BadInput(
                f"a trade of {row['code']} on {row['day']} has {what} ({row['price']}, "
                f"{row['qty']})",
                "drop it, or mend it",
            )
    refuse_closed_hours(rows)
    return rows.sort("t", maintain_order=True)


__all__ = ["Part", "TickFeed", "checked_trades", "is_trades", "read_tick_feed"]
