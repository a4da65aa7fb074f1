"""Fills and round trips of an order book as DataFrames."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import date
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from kisnb.clock import Ns, kst_ordinal
from kisnb.orders import Fill, Order
from kisnb.terms import BUY
from kisnb.trading.order_books.ledger import Lot, take_oldest
from kisnb.trading.order_books.order_book import OrderBook

if TYPE_CHECKING:
    import polars as pl


def fills_frame(book: OrderBook) -> pl.DataFrame:
    """Return a DataFrame with one row per fill, oldest first.

    Columns: time (Datetime ns, KST), agent, code, side, quantity (shares), price (won), value (won,
    price × quantity), fee, tax (won), venue, key (of the order).
    """
    import polars as pl

    rows = [
        (
            f.t, o.intent.agent, o.code, str(o.side), f.qty, f.price, f.qty * f.price, f.fee, f.tax,
            str(f.venue), o.key,
        )
        for o, f in _in_time(book)
    ]  # fmt: skip
    whole = dict.fromkeys(("quantity", "price", "value", "fee", "tax"), pl.Int64())
    names = {"time": pl.Int64(), **dict.fromkeys(("agent", "code", "side"), pl.String())}
    schema: dict[str, Any] = {**names, **whole, "venue": pl.String(), "key": pl.String()}
    return _timed(_by_column(rows, schema), "time")


class RoundTrip(NamedTuple):
    """One round trip. ``trades_frame`` explains the fields."""

    agent: str
    code: str
    quantity: int
    entry: Ns
    exit: Ns
    entry_price: int
    exit_price: int
    pnl: int
    costs: int
    pnl_net: int
    change: float
    days: int


def round_trips(book: OrderBook, days: Sequence[date]) -> list[RoundTrip]:
    """Return the round trips of an order book, in the order of their exits.

    A *round trip* is the part of one lot that one fill sold. The ledger sells the oldest shares
    first. ``days`` are the trading days of the run.
    """
    numbers = [day.toordinal() for day in days]
    found = [
        trip for code, fills in _by_code(book).items() for trip in _matched(code, fills, numbers)
    ]
    return sorted(found, key=attrgetter("exit"))


def trades_frame(trips: Sequence[RoundTrip]) -> pl.DataFrame:
    """Return round trips as a DataFrame, in their order. Columns:

    - agent (the seller), code, quantity (shares)
    - entry, exit (Datetime ns, KST), entry_price, exit_price (won)
    - pnl: won before cost. costs: won, the shares' part of both fees, and the tax.
      pnl_net: pnl less costs.
    - return: pnl_net ÷ the cost of the shares with their fee. 0.01 = 1 %.
    - days: trading days from entry to exit, 0 for a sale on the day of the buy.

    Shares that are still held have no round trip yet. The sums of pnl and pnl_net are the order
    book's realised PnL.
    """
    import polars as pl

    schema: dict[str, Any] = {
        "agent": pl.String(), "code": pl.String(), "quantity": pl.Int64(),
        "entry": pl.Int64(), "exit": pl.Int64(),
        "entry_price": pl.Int64(), "exit_price": pl.Int64(),
        "pnl": pl.Int64(), "costs": pl.Int64(), "pnl_net": pl.Int64(),
        "return": pl.Float64(), "days": pl.Int64(),
    }  # fmt: skip
    return _timed(_by_column(trips, schema), "entry", "exit")


def _by_column(rows: Sequence[tuple[object, ...]], schema: dict[str, Any]) -> pl.DataFrame:
    """Return rows as a DataFrame."""
    import polars as pl

    # polars reads columns several times as fast as rows.
    return pl.DataFrame(dict(zip(schema, zip(*rows, strict=True), strict=False)), schema=schema)


class _Bought(Lot):
    """Shares bought in one fill and still held, with the moment of the fill."""

    __slots__ = ("day", "t")

    def __init__(self, fill: Fill, day: int) -> None:
        self.qty, self.price, self.fee = fill.qty, fill.price, fill.fee
        self.t = fill.t
        self.day = day
        """The number of the run's days before it."""


def _matched(
    code: str, fills: Iterable[tuple[Order, Fill]], numbers: Sequence[int]
) -> Iterable[RoundTrip]:
    """Yield the round trips of one stock. ``numbers`` are the ordinals of the run's days."""
    # The ledger decides which shares a sale takes, so that its figures and these cannot differ.
    lots = deque[_Bought]()
    for order, fill in fills:
        day, intent = bisect_left(numbers, kst_ordinal(fill.t)), order.intent
        if intent.side is BUY:
            lots.append(_Bought(fill, day))
            continue
        parts = take_oldest(lots, fill.qty)
        price, paid = fill.price, fill.fee + fill.tax
        left = sum([qty for _, qty, _ in parts])
        for lot, qty, fee in parts:
            # Amounts are whole won: each part is rounded down, and the last part gets the
            # difference.
            own = paid * qty // left
            left, paid = left - qty, paid - own
            pnl, costs = qty * (price - lot.price), fee + own
            net = pnl - costs
            yield RoundTrip(
                intent.agent, code, qty, lot.t, fill.t, lot.price, price, pnl, costs, net,
                net / (qty * lot.price + fee), day - lot.day,
            )  # fmt: skip


def _in_time(book: OrderBook) -> list[tuple[Order, Fill]]:
    """Return the fills with their orders, sorted by time.

    Fills of the same moment are in the order in which their orders were made.
    """
    return sorted(book.fills, key=lambda pair: pair[1].t)


def _by_code(book: OrderBook) -> dict[str, list[tuple[Order, Fill]]]:
    found = defaultdict[str, list[tuple[Order, Fill]]](list)
    for order, fill in _in_time(book):
        found[order.intent.code].append((order, fill))
    return found


def _timed(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Return the DataFrame with these columns of UTC nanoseconds converted to KST."""
    import polars as pl

    return frame.with_columns(
        pl.col(name).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Seoul")
        for name in columns
    )
