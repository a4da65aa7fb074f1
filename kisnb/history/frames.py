"""Turns stored rows into the DataFrames that people get."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from kisnb.clock import MINUTE, Ns, kst
from kisnb.history.series import NUMBERS, Series
from kisnb.market.sessions import hours
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl


def as_shown(series: Series, rows: pl.DataFrame) -> pl.DataFrame:
    """Return stored rows as a DataFrame for people.

    Columns: date, or t (KST); code, venue; then the columns of ``Series.schema`` in their order,
    and ``whole`` (False for a day that is not over) if the rows have it.
    """
    import polars as pl

    when = pl.col("date") if series.is_by_day else in_korea(pl.col("t")).alias("t")
    names = [*series.schema(), *(["whole"] if "whole" in rows.columns else [])]
    others = [name for name in names if name not in ("code", series.time)]
    return rows.select(when, "code", pl.lit(str(series.venue)).alias("venue"), *others)


def longer_days(bars: pl.DataFrame, every: str) -> pl.DataFrame:
    """Return bars of weeks or months (``every`` is ``"1w"`` or ``"1mo"``) made of daily bars.

    ``bars`` are daily bars of one stock from ``as_shown``, oldest first. ``date`` is the first
    trading day of each week or month. The newest week or month is returned even if it is not over.
    ``value`` is null if the value of one of its days is null. ``whole`` is False if one of its days
    is not over.
    """
    import polars as pl

    made = bars.group_by(
        pl.col("date").dt.truncate(every).alias("_begin"), maintain_order=True
    ).agg(
        pl.col("date", "code", "venue", "open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
        _sum_if_known("value"),
        *([pl.col("whole").all()] if "whole" in bars.columns else []),
    )
    return made.select(bars.columns)


def _sum_if_known(name: str) -> pl.Expr:
    """Return an expression for the sum of a group. It is null when a value of the group is null."""
    import polars as pl

    return pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name)


def in_korea(t: pl.Expr) -> pl.Expr:
    """Return an expression that turns a stored moment into Korean time, in microseconds."""
    return t.dt.cast_time_unit("us").dt.convert_time_zone("Asia/Seoul")


def bars_of_minutes(rows: pl.DataFrame, venue: Venue, span: Ns, now: Ns) -> pl.DataFrame:
    """Make bars of ``span`` nanoseconds from stored minutes.

    Return those that have ended at ``now``. A bar ends early at the end of a span of the session
    table (``market.session_table``), and the next bar begins with the next span. A time without a
    trade has no bar.

    Columns: t (start, KST), code, venue, open, high, low, close (won), volume (shares), value
    (won).
    """
    import polars as pl

    rows = rows.sort("code", "t")
    day = pl.col("t").dt.convert_time_zone("Asia/Seoul").dt.date()
    # KIS states the won of the whole day so far. The won of a minute is the difference of two such
    # sums.
    before = pl.col("value").shift(1, fill_value=0).over("code", day)
    starts = [
        start
        for of_day in rows.select(day.unique().sort()).to_series()
        for start in session_starts(venue, of_day)
    ]
    spans = pl.DataFrame(
        {"from": starts, "to": [*starts, None][1:]}, schema={"from": pl.Int64, "to": pl.Int64}
    )
    whole = pl.col("t") // span * span
    bars = (
        rows.with_columns(pl.col("t").to_physical(), value=pl.col("value") - before)
        .sort("t")
        .join_asof(spans, left_on="t", right_on="from")
        .group_by("code", pl.max_horizontal(whole, "from").alias("t"))
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            _sum_if_known("value"),
            end=pl.min_horizontal(whole + span, "to").first(),
        )
        .filter(pl.col("end") <= now)
        .sort("code", "t")
    )
    seen = in_korea(pl.col("t").cast(pl.Datetime("ns", "UTC")))
    return bars.select(seen, "code", pl.lit(str(venue)).alias("venue"), *NUMBERS)


def session_starts(venue: Venue, day: date) -> list[Ns]:
    """Return the starts of the minutes in which a span of the venue begins or ends, oldest first.

    The first start in the list is midnight. So KRX's closing auction, at 15:30, gets a bar of its
    own.
    """
    moments = {t for row in hours(venue, day) for t in (row.start, row.end)}
    # Nextrade's main market begins at 09:00:30, so its first minute is 09:00.
    return sorted({kst(day, 0), *(t - t % MINUTE for t in moments)})
