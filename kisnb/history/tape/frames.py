"""The trades of a tape as polars DataFrames: ticks, and bars of minutes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.clock import MINUTE, Ns
from kisnb.events import Tick
from kisnb.history.tape.reader import TapeFile
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl


def tick_frame(
    path: Path,
    codes: Collection[str] | None = None,
    venue: Venue | None = None,
    first: Ns | None = None,
    last: Ns | None = None,
) -> pl.DataFrame:
    """Return the trades of a tape as a DataFrame, in the order of receipt, each trade once.

    ``first`` and ``last`` are moments of receipt (UTC nanoseconds, inclusive). Columns: t (KST, the
    exchange's time), received (KST), code, venue, price (won), qty (shares), side (buy, sell, null
    in auctions), volume (accumulated shares of the venue's day), value (accumulated won). Raises
    BadInput for a file that is not a tape.
    """
    import polars as pl

    rows: list[tuple[object, ...]] = []
    volumes: dict[tuple[str, Venue], int] = {}
    for at, events in TapeFile(path).batches(codes, first, last, trades_only=True):
        for tick in events:
            if not isinstance(tick, Tick) or (venue is not None and tick.venue is not venue):
                continue
            # Two desks may tape one trade twice. Both copies have the same volume of the day.
            key = tick.code, tick.venue
            if tick.volume <= volumes.get(key, 0):
                continue
            volumes[key] = tick.volume
            side = None if tick.side is None else tick.side.value
            rows.append(
                (
                    *(tick.t, at, tick.code, tick.venue.value, tick.price, tick.qty, side),
                    *(tick.volume, tick.value),
                )
            )
    whole = dict.fromkeys(("t", "received"), pl.Int64)
    schema = {
        **whole,
        **dict.fromkeys(("code", "venue"), pl.String),
        **dict.fromkeys(("price", "qty"), pl.Int64),
        "side": pl.String,
        **dict.fromkeys(("volume", "value"), pl.Int64),
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(_kst("t"), _kst("received"))


def minute_frame(
    path: Path,
    codes: Collection[str] | None = None,
    venue: Venue | None = None,
    first: Ns | None = None,
    last: Ns | None = None,
    span: Ns = MINUTE,
) -> pl.DataFrame:
    """Return bars of a tape's trades as a DataFrame, sorted by code, venue and time.

    Minutes without a trade are left out. The last bar is returned even if its minute has not ended.
    Columns: code, venue, t (KST, start), open, high, low, close (won), volume (shares), value
    (won), count (trades). Raises BadInput.
    """
    import polars as pl

    ticks = tick_frame(path, codes, venue, first, last)
    return (
        ticks.group_by("code", "venue", pl.col("t").dt.truncate(f"{span}ns"), maintain_order=True)
        .agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("qty").sum().alias("volume"),
            (pl.col("price") * pl.col("qty")).sum().alias("value"),
            pl.len().cast(pl.Int64).alias("count"),
        )
        .sort("code", "venue", "t")
    )


def _kst(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Seoul")
