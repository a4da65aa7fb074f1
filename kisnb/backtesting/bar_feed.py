"""The bars that a back-test plays: checked, and sorted by time and code."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from kisnb.backtesting.bar_checks import checked, refuse_closed_days
from kisnb.clock import DAY, KST_SHIFT, MINUTE, SECOND, Ns
from kisnb.errors import BadInput
from kisnb.events import Bar
from kisnb.market import sessions
from kisnb.market.bars import span_of

if TYPE_CHECKING:
    import polars as pl

Data: TypeAlias = "pl.DataFrame | str | Path | Mapping[str, pl.DataFrame]"
"""Bars: a DataFrame, a parquet or CSV file, or a DataFrame for each code."""
CHUNK = 2_048
"""Number of rows whose columns are made into lists at one time.

With these lists, the engine still fits into the processor's cache. A day is never split. A day of a
whole market may have more rows.
"""


_WHOLE = ("open", "high", "low", "close", "volume")


class Chunk(NamedTuple):
    """Some whole days of bars, as lists for each column.

    ``days`` has five values for each day: the day, the time at which it opens, the time at which it
    closes, the index of its first row, and the index after its last row.
    """

    days: list[tuple[date, Ns, Ns, int, int]]
    t: list[Ns]
    codes: list[int]
    """The index of each bar's stock in ``BarFeed.codes``."""
    open: list[int]
    high: list[int]
    low: list[int]
    close: list[int]
    volume: list[int]
    traded: list[int]
    """1 for a bar with trades, 0 for a bar without."""


class BarFeed:
    """Checked bars of one or many stocks, sorted by time and code."""

    def __init__(self, frame: pl.DataFrame, span: Ns) -> None:
        """Build a feed from the rows of ``checked``. ``span`` is the length of its bars."""
        import polars as pl

        self.span = span
        """Length of a bar, nanoseconds; ``DAY`` for daily bars."""
        self.codes: list[str] = frame["code"].unique().sort().to_list()
        days = frame.select(pl.col("day").unique().sort())
        opens: list[tuple[date, Ns, Ns]] = [
            (day, sessions.regular_open(day), sessions.regular_close(day)) for day in days["day"]
        ]
        hours = pl.DataFrame(
            opens, schema={"day": pl.Date, "opens": pl.Int64, "closes": pl.Int64}, orient="row"
        )
        ends = pl.col("closes") if span == DAY else pl.col("t") + span
        self.rows = (
            frame.join(hours, on="day", how="left", maintain_order="left")
            .with_columns(ends.alias("end"), traded=pl.col("volume") > 0)
            .with_columns(code=pl.col("code").cast(pl.Enum(self.codes)))
        )
        """The bars, with ``end`` and the ``opens`` and ``closes`` of their day."""
        self.hours = opens
        """Each day with its opening and its official close."""
        self._columns: dict[tuple[str, Ns], BarColumns] = {}

    @property
    def first(self) -> date:
        """The first day of the data."""
        return self.hours[0][0]

    @property
    def last(self) -> date:
        """The last day of the data."""
        return self.hours[-1][0]

    @property
    def every(self) -> str:
        """The length of the bars as an agent writes it, such as ``"1d"`` or ``"5m"``."""
        return text_of(self.span)

    def __len__(self) -> int:
        return self.rows.height

    def chunks(self) -> Iterator[Chunk]:
        """Yield the bars in order, in chunks of whole days."""
        import polars as pl

        lengths = self.rows.group_by("day", maintain_order=True).len()["len"].to_list()
        first = 0
        start = 0
        while first < len(lengths):
            last, rows, days = first, 0, []
            while last < len(lengths) and (not rows or rows + lengths[last] <= CHUNK):
                days.append((*self.hours[last], rows, rows + lengths[last]))
                rows += lengths[last]
                last += 1
            part = self.rows.slice(start, rows)
            o, h, lo, c, v = (part[name].to_list() for name in _WHOLE)
            # A column with one value needs no conversion.
            traded = [1] * rows if part["traded"].all() else part["traded"].cast(pl.Int64).to_list()
            index = (
                [0] * rows
                if len(self.codes) == 1
                else part["code"].to_physical().cast(pl.Int64).to_list()
            )
            yield Chunk(days, part["t"].to_list(), index, o, h, lo, c, v, traded)
            first, start = last, start + rows

    def frame(self) -> pl.DataFrame:
        """Return the bars as a DataFrame: code, time (KST), prices (won), volume (shares)."""
        import polars as pl

        time = pl.from_epoch("t", time_unit="ns").dt.replace_time_zone("UTC")
        return self.rows.select(
            pl.col("code").cast(pl.String),
            time.dt.convert_time_zone("Asia/Seoul").alias("time"),
            "open", "high", "low", "close", "volume",
        )  # fmt: skip

    def of(self, code: str, span: Ns = 0) -> BarColumns:
        """Return the bars of one stock as columns.

        ``span`` is a length in nanoseconds. 0 returns the bars as they are. A longer span joins
        bars. Raises BadInput for a span that is no multiple of the bars' length.
        """
        import polars as pl

        length = span or self.span
        column = self._columns.get((code, length))
        if column is None:
            if length % self.span:
                raise BadInput(
                    f"bars of {text_of(length)} cannot be made of bars of {self.every}",
                    f"take {self.every} or a multiple of it",
                )
            rows = self.rows.filter(pl.col("code") == code)
            if length != self.span:
                rows = _joined(rows, length)
            column = self._columns[code, length] = BarColumns(code, length, rows)
        return column


class BarColumns:
    """The bars of one stock as columns of whole numbers, oldest first.

    ``end`` is the moment from which an agent may know a bar.
    """

    def __init__(self, code: str, span: Ns, rows: pl.DataFrame) -> None:
        self.code = code
        self.span = span
        # An array needs eight bytes for a number. A list of Python integers would need five times
        # as much.
        self.t, self.end, self.open, self.high, self.low, self.close, self.volume = (
            array("q", rows[name].to_list())
            for name in ("t", "end", "open", "high", "low", "close", "volume")
        )

    def bar(self, at: int) -> Bar:
        """Return the bar in row ``at``."""
        volume = self.volume[at]
        return Bar(
            self.t[at], self.code, self.span, self.open[at], self.high[at], self.low[at],
            self.close[at], volume, min(volume, 1),
        )  # fmt: skip

    def known(self, now: Ns) -> int:
        """Return the number of bars that are known at ``now``."""
        return bisect_right(self.end, now)

    def __len__(self) -> int:
        return len(self.t)


def read_feed(
    data: Data,
    *,
    code: str = "",
    start: date | None = None,
    end: date | None = None,
    every: str = "",
) -> BarFeed:
    """Read and check bars. Return them as a feed.

    ``code`` is the stock of data without the column code. ``every`` is the length of the bars when
    the data do not show it. ``start`` and ``end`` are inclusive; None: all days. Raises BadInput.
    """
    frame, is_daily = checked(data, code)
    frame = _within(frame, start, end)
    refuse_closed_days(frame)
    return BarFeed(frame, DAY if is_daily else _span(frame, every))


def _within(frame: pl.DataFrame, start: date | None, end: date | None) -> pl.DataFrame:
    import polars as pl

    first, last = str(frame["day"].min()), str(frame["day"].max())
    kept = frame
    if start is not None:
        kept = kept.filter(pl.col("day") >= start)
    if end is not None:
        kept = kept.filter(pl.col("day") <= end)
    if kept.is_empty():
        raise BadInput(
            f"no trading day with bars lies between {start or first} and {end or last}",
            f"the bars go from {first} to {last}: choose start and end among them",
        )
    return kept


def _span(frame: pl.DataFrame, every: str) -> Ns:
    """Return the length of bars, nanoseconds.

    It is ``every``. When that is empty, it is the shortest distance of two bars.
    """
    import polars as pl

    if every:
        return span_of(every)
    steps = frame.sort("code", "t").select(pl.col("t").diff().over("code", "day"))["t"]
    span = steps.filter(steps > 0).min()
    if not isinstance(span, int) or span % SECOND:
        raise BadInput(
            "the length of the bars cannot be seen in the data",
            "name it: backtest(..., every='1m'); daily bars have a column date",
        )
    return span


def _joined(rows: pl.DataFrame, span: Ns) -> pl.DataFrame:
    """Join the bars of one stock to bars of length ``span``.

    A longer bar never contains bars of two days. An agent knows such a bar from its end on. It
    knows a daily bar from the end of the day's last bar on.
    """
    import polars as pl

    midnight = pl.col("day").cast(pl.Datetime("ns")).dt.epoch("ns") - KST_SHIFT
    begin = midnight if span == DAY else pl.col("t") // span * span
    end = pl.col("end").last() if span == DAY else pl.col("t").first() + span
    return (
        rows.with_columns(begin.alias("t"))
        .group_by("t", maintain_order=True)
        .agg(
            end.alias("end"),
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
    )


def text_of(span: Ns) -> str:
    """Return the length of a bar as agents write it, such as ``"1d"``, ``"5m"`` or ``"20s"``."""
    if span == DAY:
        return "1d"
    if span % (60 * MINUTE) == 0:
        return f"{span // (60 * MINUTE)}h"
    return f"{span // MINUTE}m" if span % MINUTE == 0 else f"{span // SECOND}s"


__all__ = ["BarColumns", "BarFeed", "Chunk", "Data", "read_feed", "text_of"]
