"""Completes the trades of a time span: asks KIS for the trades that ours lack.

A trade states the day's volume, which includes its own shares. So a hole shows: between two trades
nothing is missing if the later volume less the later trade's shares is the earlier volume.

    the span, newest first
    │ page of KIS up to `cursor`: the newest trades of it
    ▼
    trades ──► joined with those that are there
    ▲                          │
    └── cursor: where the run of trades without a hole begins
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kisnb.clock import SECOND, Ns
from kisnb.history.download import Progress, at, to_ns
from kisnb.history.history_source import HistorySource, StreamRecord
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl


def trades_of(venue: Venue) -> Series:
    """Return the series of a venue's trades."""
    return Series(SeriesKind.TICK, venue, Basis.RAW)


def depths_of(venue: Venue) -> Series:
    """Return the series of a venue's depths."""
    return Series(SeriesKind.DEPTH, venue, Basis.RAW)


def recorded(
    records: Sequence[StreamRecord], series: Series, code: str, since: Ns, until: Ns
) -> pl.DataFrame:
    """Return the rows of all records from ``since`` to ``until``, sorted by key.

    If several records have a row of the same key, the row of the first record is kept.
    """
    import polars as pl

    found = [pl.DataFrame(schema=series.schema())]
    for record in records:
        read = record.ticks if series.kind is SeriesKind.TICK else record.depths
        found.append(read(code, series.venue, since, until))
    return joined(series, *found)


def joined(series: Series, *parts: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of all parts, sorted by key.

    If several parts have a row of the same key, the row of the first part is kept.
    """
    import polars as pl

    return pl.concat(parts).unique(series.keys, keep="first", maintain_order=True).sort(series.keys)


async def trades_from_kis(
    source: HistorySource, code: str, venue: Venue, since: Ns, until: Ns, there: pl.DataFrame,
    *, progress: Progress = lambda _done, _all: None,
) -> pl.DataFrame:  # fmt: skip
    """Return today's trades from ``since`` to ``until``.

    ``there`` are the trades that we have. KIS is asked for the trades that are missing among them.
    Raises KisnbError.
    """
    import polars as pl

    series, cursor, found = trades_of(venue), until, there
    seconds = max(1, (until - since) // SECOND)
    while cursor >= since:
        page = await source.trades_of_today(code, venue, cursor)
        # KIS states no day. Before the first trade of a day it may give trades of the day before.
        page = page.filter(pl.col("t") <= at(cursor), pl.col("qty") > 0)
        if page.is_empty():
            break
        before = len(found)
        found = joined(series, found, page)
        begin = _begin_of_run(found, to_ns(page["t"].min()))
        # This second is asked for again, because a page may end within it. When that brings nothing
        # new, the second has more trades than a page, and earlier trades of it cannot be reached.
        cursor = begin if len(found) > before or begin < cursor else cursor - SECOND
        progress(min(seconds, (until - cursor) // SECOND), seconds)
        if found.filter(pl.col("volume") == pl.col("qty"), pl.col("t") >= at(cursor)).height:
            # This is the first trade of the day.
            break
    return found.filter(pl.col("t").is_between(at(since), at(until)))


def _begin_of_run(trades: pl.DataFrame, t: Ns) -> Ns:
    """Return the begin of the run of trades without a hole that contains the moment ``t``."""
    import polars as pl

    follows = (pl.col("volume") - pl.col("qty")) == pl.col("volume").shift()
    heads = trades.sort("volume").filter(~follows.fill_null(value=False), pl.col("t") <= at(t))
    return t if heads.is_empty() else min(t, to_ns(heads["t"].max()))


def missing_shares(trades: pl.DataFrame) -> int:
    """Return how many shares were traded in the holes between these trades of one day."""
    import polars as pl

    held = pl.col("volume") - pl.col("qty") - pl.col("volume").shift()
    return int(trades.sort("volume").select(held.clip(0).sum()).item() or 0)
