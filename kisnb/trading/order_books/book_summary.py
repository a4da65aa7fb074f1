"""The summary of an order book per stock: activity, win rate, and PnL before and after cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from kisnb.orders import Order
from kisnb.trading.order_books.ledger import Position

if TYPE_CHECKING:
    import polars as pl

ALL = "all"
"""The code in the last row, which is the sum over the stocks."""


def summary(orders: Collection[Order], positions: Mapping[str, Position]) -> pl.DataFrame:
    """Return a DataFrame with one row per stock that was ordered or held, and a last row over all.

    Columns: orders and fills (counts); bought, sold and position (shares); turnover (won, both
    sides); win_rate (share of the sells with a profit after cost, null without sells); realised
    (won, before cost); costs (fees and taxes paid, won); realised_net (won, after the costs of the
    sold shares).
    """
    # polars is imported here and not at the top, because ``import kisnb`` must be fast.
    import polars as pl

    schema: dict[str, Any] = {
        "code": pl.String, "orders": pl.Int64, "fills": pl.Int64, "bought": pl.Int64,
        "sold": pl.Int64, "position": pl.Int64, "turnover": pl.Int64, "wins": pl.Int64,
        "losses": pl.Int64, "realised": pl.Int64,
        "costs": pl.Int64, "realised_net": pl.Int64,
    }  # fmt: skip
    # One pass over the orders, because a back-test has thousands of them in hundreds of stocks.
    by_code: dict[str, list[Order]] = {}
    for order in orders:
        by_code.setdefault(order.code, []).append(order)
    codes = dict.fromkeys([*by_code, *positions])
    stocks = pl.DataFrame(
        [
            _row(code, by_code.get(code, ()), positions.get(code) or Position(code))
            for code in codes
        ],
        schema=schema,
        orient="row",
    )
    # A sum of shares of different stocks has no meaning.
    counted = [c for c in schema if c not in ("code", "bought", "sold", "position")]
    total = stocks.select(pl.lit(ALL).alias("code"), *(pl.col(c).sum() for c in counted))
    decided = pl.col("wins") + pl.col("losses")
    win_rate = pl.when(decided > 0).then(pl.col("wins") / decided).alias("win_rate")
    return (
        pl.concat([stocks, total], how="diagonal")
        .with_columns(win_rate)
        .select(
            "code", "orders", "fills", "bought", "sold", "position", "turnover", "win_rate",
            "realised", "costs", "realised_net",
        )
    )  # fmt: skip


def _row(code: str, orders: Collection[Order], p: Position) -> tuple[object, ...]:
    """Return the row of one stock, from its own orders."""
    fills = [f for o in orders for f in o.fills]
    return (
        code, len(orders), len(fills), p.bought, p.sold, p.qty, sum(f.qty * f.price for f in fills),
        p.wins, p.losses, p.realised, p.costs, p.realised_net,
    )  # fmt: skip
