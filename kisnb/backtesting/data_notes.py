"""Sentences about missing or odd bars, which would mislead a person about a result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from kisnb.backtesting.bar_feed import BarFeed
from kisnb.history.download import trading_days
from kisnb.market import ticks
from kisnb.market.universe import Universe
from kisnb.orders import OrderState
from kisnb.trading.order_books.order_book import OrderBooks

FEW = 3
"""The most cases that a sentence names."""


def data_notes(feed: BarFeed, issues: Universe, books: OrderBooks) -> list[str]:
    """Return the sentences of a run over bars; ``books`` are its order books at the end."""
    return [
        *_missing_days(feed),
        *_jumps(feed, issues),
        *_unfinished_days(feed),
        *_ended_stocks(feed, books),
        *_late_orders(books),
    ]


def _missing_days(feed: BarFeed) -> list[str]:
    days = [day for day, _, _ in feed.hours]
    known = set(days)
    missing = [day for day in trading_days(days[0], days[-1]) if day not in known]
    if not missing:
        return []
    all_days = len(days) + len(missing)
    said = (
        f"The data have bars on {len(days):,} of the {all_days:,} trading days from {days[0]} to "
        f"{days[-1]}. Without: {_listed(missing)}. Yearly figures count all {all_days:,} days."
    )
    return [said]


def _jumps(feed: BarFeed, issues: Universe) -> list[str]:
    """Return a sentence about opens that are beyond the limit prices of their day."""
    import polars as pl

    multiples = pl.DataFrame(
        [(item.code, max(item.multiple, 1.0)) for item in issues],
        schema={"code": pl.String, "multiple": pl.Float64}, orient="row",
    )  # fmt: skip
    days = feed.rows.lazy().group_by("code", "day", maintain_order=True).agg(
        pl.first("open"), pl.last("close")
    )  # fmt: skip
    before = pl.col("close").shift(1).over("code")
    percent: pl.Expr = pl.lit(0)
    for band in ticks.LIMITS:
        percent = pl.when(pl.col("day") >= band.since).then(band.percent).otherwise(percent)
    # A percent and two won more: adjusted prices are rounded to whole won.
    most = pl.col("before") * (percent * pl.col("multiple") + 1) / 100 + 2
    found = (
        days.with_columns(pl.col("code").cast(pl.String), before=before)
        .join(multiples.lazy(), on="code", how="left", maintain_order="left")
        .filter((pl.col("open") - pl.col("before")).abs() > most)
        .collect()
    )
    cases = [
        f"{code} on {day} ({before_:,} → {open_:,} won)"
        for code, day, before_, open_ in found.select("code", "day", "before", "open").iter_rows()
    ]
    if not cases:
        return []
    said = (
        f"Beyond the limit prices of a day: {_listed(cases)}. No stock trades there, so a split is "
        "not adjusted, or bars are missing. Take adjusted prices."
    )
    return [said]


def _unfinished_days(feed: BarFeed) -> list[str]:
    import polars as pl

    rows = feed.rows.filter(~pl.col("whole"))
    if rows.is_empty():
        return []
    days = rows["day"].unique().sort().to_list()
    said = f"The bars of {_listed(days)} were read before the day was over. They may still change."
    return [said]


def _ended_stocks(feed: BarFeed, books: OrderBooks) -> list[str]:
    import polars as pl

    held = {code: p.qty for code, p in books.account.positions.items() if p.qty}
    newest = feed.rows.group_by("code").agg(pl.last("day")).sort("code")
    cases = [
        f"{held[code]:,} {code} of {day}"
        for code, day in newest.with_columns(pl.col("code").cast(pl.String)).iter_rows()
        if code in held and day < feed.last
    ]
    if not cases:
        return []
    said = (
        f"Still held at the last price known: {_listed(cases)}. There are no newer bars, and no "
        "price at which the shares could be sold."
    )
    return [said]


def _late_orders(books: OrderBooks) -> list[str]:
    late = sum(order.state is OrderState.NEW for order in books.live.values())
    if not late:
        return []
    orders = "1 order was" if late == 1 else f"{late:,} orders were"
    return [f"{orders} decided on the last bar, after which there is no bar to trade on."]


def _listed(cases: Sequence[str | date]) -> str:
    more = f" and {len(cases) - FEW:,} more" if len(cases) > FEW else ""
    return ", ".join(map(str, cases[:FEW])) + more


__all__ = ["data_notes"]
