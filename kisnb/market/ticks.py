"""Tick grid and daily price limits, by date, kind of issue and board. Prices in won.

``day`` None means the newest rules. The board matters only before 2023-01-25, when KOSDAQ's tick
size stopped at 100 won.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from kisnb.market.session_table import Certainty
from kisnb.terms import Board, Kind, Side


class Grid(NamedTuple):
    """Tick sizes by price: ``sizes[i]`` holds from ``starts[i]`` won on."""

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
    """Percent of the base price, up and down."""
    source: str
    certainty: Certainty = "A"


# Nextrade's limits are KRX's: both start from KRX's previous close.
LIMITS: tuple[Band, ...] = (
    Band(date.min, 15, "KRX rule until 2015-06-12"),
    Band(date(2015, 6, 15), 30, "KRX rule since 2015-06-15"),
)


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
    """Return the nearest price on the grid that is not worse for the one who orders.

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

    0 when the grid ends before.
    """
    for _ in range(n):
        price += tick_size(price, kind, day, board)
    # Going down from the start of a band, the tick of the band below counts.
    for _ in range(-n):
        price -= tick_size(price - 1, kind, day, board)
        if price <= 0:
            return 0
    return price


@lru_cache(maxsize=4096)
def limits(
    base: int, kind: Kind, day: date | None = None, board: Board = Board.KOSPI
) -> tuple[int, int]:
    """Return the lower and upper limit price (하한가, 상한가) of a day with base price ``base``.

    Both are rounded to the grid, toward the base.
    """
    # Fractions of a won do not exist: the exact limit is cut toward the base, then put on the grid.
    percent = next(band.percent for band in reversed(LIMITS) if day is None or band.since <= day)
    lower = snap(-(-base * (100 - percent) // 100), Side.SELL, kind, day, board)
    upper = snap(base * (100 + percent) // 100, Side.BUY, kind, day, board)
    return lower, upper


@lru_cache(maxsize=256)
def _grid(kind: Kind, day: date | None, board: Board) -> Grid:
    grids = STOCK_GRIDS[board] if kind is Kind.STOCK else FUND_GRIDS
    if day is None:
        return grids[-1]
    return next(grid for grid in reversed(grids) if grid.since <= day)
