"""The market's rules for a back-test over bars: base prices, limits and grids of past days.

A live desk asks KIS for these facts each day. Here they follow from the bars: the base price of a
day is the stock's close of the day before. On the first day of the data it is the first open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from kisnb.clock import DAY, Ns, kst, kst_day
from kisnb.events import StockDay
from kisnb.market import order_rules, ticks
from kisnb.market.costs import CostModel
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.orders import Capabilities, Intent
from kisnb.terms import Board, Kind, OrderKind, Venue
from kisnb.trading.gate.risk import Gate, No, Rules
from kisnb.trading.gate.stock_days import StockDays
from kisnb.trading.ports.limits import Limits

if TYPE_CHECKING:
    import polars as pl

SAMPLED = 200_000
"""The most bars whose prices are compared with the tick grid."""
_PRICES = ("open", "high", "low", "close")
BARS_TAKE = Capabilities(
    venues=(Venue.KRX,),
    kinds=(OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_LIMIT),
    can_order=True,
)
"""The venue and the kinds of orders over bars.

The venue is KRX, because bars have KRX's prices. The kinds are those that four prices can fill.
"""
NO_LIMITS = Limits(max_order_value=1 << 62)
"""The limits of a back-test whose caller gives no limits: no order is too large."""


class BarDays(StockDays):
    """The facts about stocks on the day that is played."""

    def __init__(self, universe: Universe, is_adjusted: Callable[[str], bool]) -> None:
        super().__init__(universe)
        self.bases: dict[str, int] = {}
        """Base price of each stock on the played day, won."""
        self._known: dict[str, tuple[int, Ns, StockDay]] = {}
        """Base price, end of the day, and facts of each stock that was looked up."""
        self._is_adjusted = is_adjusted

    def of(self, now: Ns, code: str) -> StockDay | None:
        """Return base price and limit prices of a stock. None before its first bar."""
        base, known = self.bases.get(code), self._known.get(code)
        if known is not None and known[0] == base and known[1] - DAY <= now < known[1]:
            return known[2]
        if base is None or code not in self.universe:
            return None
        today = StockDay(now, code, base, self.limits(now, code, base), base, False, False, 0)
        self._known[code] = base, kst(kst_day(now), 0) + DAY, today
        return today

    def limits(self, now: Ns, code: str, base: int) -> tuple[int, int]:
        """Return the lower and the upper limit price for a base price, won.

        If the stock's prices are adjusted, both limits are one percent nearer to the base price
        (BAR_FILLS.md, rule 11).
        """
        item, day = self.universe.get(code), kst_day(now)
        if not self._is_adjusted(code):
            lower, upper = ticks.limits(base, item.kind, day, item.board, item.multiple)
            return lower, upper
        percent = next(band.percent for band in reversed(ticks.LIMITS) if band.since <= day)
        width = base * (int(percent * max(item.multiple, 1.0)) - 1) // 100
        return max(base - width, 1), base + width


class BarRules(Rules):
    """The market's rules for a back-test over bars."""

    def __init__(
        self, universe: Universe, costs: CostModel, is_adjusted: Callable[[str], bool]
    ) -> None:
        super().__init__(universe, BARS_TAKE, costs)
        self.bar_days = self.days = BarDays(universe, is_adjusted)
        self.is_adjusted = is_adjusted


class BarGate(Gate):
    """The desk's gate for a back-test over bars. It does not check the grid of adjusted prices."""

    def __init__(self, rules: BarRules, limits: Limits) -> None:
        super().__init__(rules, limits)
        self._bar_rules = rules

    def check(self, now: Ns, intent: Intent, state: object) -> No | None:
        """Return the reason why the order may not be sent. None when it may."""
        no = super().check(now, intent, state)  # type: ignore[arg-type]
        if no is not None or intent.kind in (OrderKind.MARKET, OrderKind.LIMIT):
            return no
        item = self.rules.universe.get(intent.code)
        verdict = order_rules.legal(now, Venue.KRX, intent.kind, item)
        return None if verdict else No(verdict.why_not, verdict.cure)

    def _price(
        self, now: Ns, intent: Intent, item: Instrument, price: int, place: str
    ) -> No | None:
        if not self._bar_rules.is_adjusted(item.code):
            return super()._price(now, intent, item, price, place)
        limits = self._limits(now, intent)
        if price > 0 and (limits is None or limits[0] <= price <= limits[1]):
            return None
        low, high = limits or (1, price)
        return No(f"{price:,} is outside today's limits", f"stay within {low:,} to {high:,}")


def universe_of(codes: Sequence[str], listed: Universe) -> tuple[Universe, tuple[str, ...]]:
    """Return the issues of the bars, and the codes that ``listed`` lacks.

    Such a code counts as a stock of KOSPI, or as an ETN when it begins with Q. All issues trade
    only at KRX, because the bars have KRX's prices.
    """
    items, unknown = [], []
    for code in codes:
        if code in listed:
            known = listed.get(code)
            items.append(msgspec.structs.replace(known, nxt=False, halted=False, liquidation=False))
        else:
            unknown.append(code)
            kind = Kind.ETN if code.startswith("Q") else Kind.STOCK
            items.append(Instrument(code, code, Board.KOSPI, kind, 0, 0, 0))
    return Universe(items, source=listed.source), tuple(unknown)


def off_grid(rows: pl.DataFrame, issues: Universe) -> frozenset[str]:
    """Return the codes of the stocks whose prices are adjusted.

    Such a stock has a price that is not on the tick grid of its day. At most ``SAMPLED`` bars are
    compared, drawn from all of them. ``rows`` has the columns code, day, open, high, low, close.
    """
    import polars as pl

    sample = rows if rows.height <= SAMPLED else rows.sample(SAMPLED, seed=1)
    sample = sample.select(pl.col("code").cast(pl.String), "day", *_PRICES)
    sorts: dict[tuple[Kind, Board], list[str]] = {}
    for item in issues:
        sorts.setdefault((item.kind, item.board), []).append(item.code)
    found: set[str] = set()
    for (kind, board), codes in sorts.items():
        grids = ticks.STOCK_GRIDS[board] if kind is Kind.STOCK else ticks.FUND_GRIDS
        ends = [grid.since for grid in grids[1:]]
        for grid, end in zip(grids, [*ends, date.max], strict=True):
            of_grid = sample.filter(
                pl.col("code").is_in(codes), pl.col("day") >= grid.since, pl.col("day") < end
            )
            off = pl.any_horizontal(
                pl.col(name) % _tick_at(pl.col(name), grid) != 0 for name in _PRICES
            )
            found.update(of_grid.filter(off)["code"].unique().to_list())
    return frozenset(found)


def _tick_at(price: pl.Expr, grid: ticks.Grid) -> pl.Expr:
    import polars as pl

    size = pl.lit(grid.sizes[0])
    for start, tick in zip(grid.starts[1:], grid.sizes[1:], strict=True):
        size = pl.when(price >= start).then(tick).otherwise(size)
    return size
