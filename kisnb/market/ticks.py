"""Tick grid and daily price limits, by date, kind of issue and board. Prices in won.

``day`` None means the newest rules. The board matters only before 2023-01-25, when KOSDAQ's tick
size stopped at 100 won.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from kisnb.market.instruments import Instrument
from kisnb.market.session_table import Certainty
from kisnb.terms import Board, Kind, Side


class Grid(NamedTuple):
    """Tick sizes by price: ``sizes[i]`` is the tick from ``starts[i]`` won on."""

    since: date
    """First day of the grid."""
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    source: str
    certainty: Certainty = "A"


_ALIKE = Grid(
    date(2023, 1, 25),
    (0, 2_000, 5_000, 20_000, 50_000, 200_000, 500_000),
    (1, 5, 10, 50, 100, 500, 1_000),
    "KRX rule since 2023-01-25, KOSPI and KOSDAQ alike",
)
STOCK_GRIDS: dict[Board, tuple[Grid, ...]] = {
    Board.KOSPI: (
        Grid(
            date.min,
            (0, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000),
            (1, 5, 10, 50, 100, 500, 1_000),
            "KRX rule until 2023-01-24, KOSPI",
        ),
        _ALIKE,
    ),
    Board.KOSDAQ: (
        Grid(
            date.min,
            (0, 1_000, 5_000, 10_000, 50_000),
            (1, 5, 10, 50, 100),
            "KRX rule until 2023-01-24, KOSDAQ",
        ),
        _ALIKE,
    ),
}
FUND_GRIDS: tuple[Grid, ...] = (
    Grid(date.min, (0,), (5,), "KRX rule for ETF and ETN until 2023-12-08", "B"),
    Grid(date(2023, 12, 11), (0, 2_000), (1, 5), "KRX rule for ETF and ETN since 2023-12-11", "B"),
)


class Band(NamedTuple):
    """The largest distance of a day's prices from the base price."""

    since: date
    """First day of the rule."""
    percent: int
    """Percent of the base price, up and down. It is multiplied by an ETF's or ETN's multiple."""
    source: str
    certainty: Certainty = "A"


# Nextrade's limits are KRX's: both start from KRX's previous close.
LIMITS: tuple[Band, ...] = (
    Band(date.min, 15, "KRX rule until 2015-06-12"),
    Band(date(2015, 6, 15), 30, "KRX rule since 2015-06-15; replies of 2026-10-07 show the cut"),
)


class ListingBand(NamedTuple):
    """The limit prices of a stock's listing day, from the offer price (공모가)."""

    since: date
    """First day of the rule."""
    lower_percent: int
    """Percent of the offer price."""
    upper_percent: int
    """Percent of the offer price."""
    source: str
    certainty: Certainty = "A"


# Before the first row the opening auction made the base price, so no limits are known before it.
LISTING_DAY: tuple[ListingBand, ...] = (
    ListingBand(date(2023, 6, 26), 60, 400, "KRX rule since 2023-06-26"),
)


class PriceLimits(NamedTuple):
    """The lower and upper limit price (하한가, 상한가) of an issue on a day, won."""

    lower: int
    upper: int


def tick_size(price: int, kind: Kind, day: date | None = None, board: Board = Board.KOSPI) -> int:
    """Return the tick size at ``price``."""
    grid = _grid(kind, day, board)
    return grid.sizes[bisect_right(grid.starts, price) - 1] if price > 0 else grid.sizes[0]


def on_grid(price: int, kind: Kind, day: date | None = None, board: Board = Board.KOSPI) -> bool:
    """Return True when an order may have this price: it is above 0 and on the grid."""
    return price > 0 and price % tick_size(price, kind, day, board) == 0


def snap(
    price: int, side: Side, kind: Kind, day: date | None = None, board: Board = Board.KOSPI
) -> int:
    """Return the nearest price on the grid that is not worse for the buyer or seller.

    A buy is rounded down, a sell is rounded up.
    """
    tick = tick_size(price, kind, day, board)
    down = price - price % tick
    if down == price or side is Side.BUY:
        return max(down, tick)
    # The start of each band is on the grid of the band below, so this price is on the grid, too.
    return down + tick


def nearest(price: float, kind: Kind, day: date | None = None, board: Board = Board.KOSPI) -> int:
    """Return the price on the grid that is nearest to ``price``. Halves are rounded up."""
    tick = tick_size(int(price), kind, day, board)
    # Python's round would take the even one of two halves.
    return max(int(price / tick + 0.5) * tick, tick)


def step(
    price: int, n: int, kind: Kind, day: date | None = None, board: Board = Board.KOSPI
) -> int:
    """Return the price ``n`` ticks above a price on the grid, or below it for a negative ``n``.

    0 when the price would not stay above 0.
    """
    for _ in range(n):
        price += tick_size(price, kind, day, board)
    # Going down from the start of a band, the tick of the band below counts.
    for _ in range(-n):
        price -= tick_size(price - 1, kind, day, board)
        if price <= 0:
            return 0
    return price


def limits_of(item: Instrument, day: date) -> PriceLimits | None:
    """Return the limit prices of an issue on ``day``, won. Both are on the tick grid.

    None when it has none, as in liquidation trading (정리매매). None also when they are not known:
    without a base price, and on a listing day without an offer price or before the rule of
    ``LISTING_DAY``.
    """
    if item.liquidation:
        return None
    # An ETF or ETN starts from its net value with the usual limits.
    if item.listed_on == day and item.kind is Kind.STOCK:
        return _on_listing_day(item, day)
    return limits(item.base, item.kind, day, item.board, item.multiple) if item.base else None


@lru_cache(maxsize=4096)
def limits(
    base: int,
    kind: Kind,
    day: date | None = None,
    board: Board = Board.KOSPI,
    multiple: float = 1.0,
) -> PriceLimits:
    """Return the limit prices of a usual day with base price ``base``, won.

    The width is the percentage of the base, rounded down to the tick of the base (KIS states it as
    rstc_wdth_prc). The lower limit is the base less the width, the upper limit the base plus the
    width. Then each is rounded to its own tick, toward the base.
    """
    # The lower limit needs the second rounding only for a base off the grid: its tick is never
    # larger than the base's, and each tick of a grid is a multiple of the smaller ones.
    percent = next(band.percent for band in reversed(LIMITS) if day is None or band.since <= day)
    # Multiples below one have the usual limits (KRX rule for ETN, 2022-12).
    width = base * int(percent * max(multiple, 1.0)) // 100
    width -= width % tick_size(base, kind, day, board)
    return PriceLimits(
        snap(max(base - width, 1), Side.SELL, kind, day, board),
        snap(base + width, Side.BUY, kind, day, board),
    )


def _on_listing_day(item: Instrument, day: date) -> PriceLimits | None:
    band = next((band for band in reversed(LISTING_DAY) if band.since <= day), None)
    if band is None or not item.offer:
        return None
    # Fractions of a won do not exist: the limit is rounded toward the offer price, then to the
    # grid.
    lower, upper = (
        -(-item.offer * band.lower_percent // 100),
        item.offer * band.upper_percent // 100,
    )
    return PriceLimits(
        snap(lower, Side.SELL, item.kind, day, item.board),
        snap(upper, Side.BUY, item.kind, day, item.board),
    )


@lru_cache(maxsize=256)
def _grid(kind: Kind, day: date | None, board: Board) -> Grid:
    grids = STOCK_GRIDS[board] if kind is Kind.STOCK else FUND_GRIDS
    if day is None:
        return grids[-1]
    return next(grid for grid in reversed(grids) if grid.since <= day)
