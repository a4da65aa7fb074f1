"""The numbers of a session's day for a report: plain tables, and a hash over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kisnb.columns import Column, S, number_column, signed_column, text_column, time_column
from kisnb.drawing.candles import Candle, Mark, candles, marks
from kisnb.drawing.tables import Cell, cells_of, heads_of
from kisnb.errors import KisnbError
from kisnb.notebook.rendering import holding_columns
from kisnb.orders import Account, Fill, Order
from kisnb.session.agents import agent_columns
from kisnb.terms import Mode
from kisnb.trading.order_books import order_columns

if TYPE_CHECKING:
    import polars as pl

    from kisnb.session.session import Session

CHART_SPAN = "1m"


class OrderFill(NamedTuple):
    """A fill and its order."""

    order: Order
    fill: Fill


class StockResult(NamedTuple):
    """The result of one stock, or of all stocks together. Shares and won.

    A field is None when it is not known, or has no meaning as a sum over stocks.
    """

    code: str
    name: str
    bought: int | None
    sold: int | None
    position: int | None
    average: float | None
    last: int | None
    realised: int
    costs: int
    realised_net: int
    unrealised: int | None


FILL_COLUMNS: tuple[Column[OrderFill], ...] = (
    time_column("time", lambda f: f.fill.t),
    text_column("number", lambda f: str(f.order.number or ""), kind="number"),
    text_column("agent", lambda f: f.order.intent.agent),
    text_column("code", lambda f: f.order.code),
    text_column(
        "side",
        lambda f: str(f.order.side),
        kind="side",
        tone=lambda f: order_columns.side_tone(f.order),
    ),
    number_column("quantity", lambda f: f.fill.qty),
    number_column("price", lambda f: f.fill.price),
    number_column("value", lambda f: f.fill.qty * f.fill.price),
    number_column("fee", lambda f: f.fill.fee),
    number_column("tax", lambda f: f.fill.tax),
    text_column("venue", lambda f: str(f.fill.venue)),
)
RESULT_COLUMNS: tuple[Column[StockResult], ...] = (
    text_column("code", lambda r: r.code),
    text_column("name", lambda r: r.name),
    number_column("bought", lambda r: r.bought),
    number_column("sold", lambda r: r.sold),
    number_column("position", lambda r: r.position),
    number_column("average", lambda r: r.average, "Float64"),
    number_column("last", lambda r: r.last),
    signed_column("realised before cost", lambda r: r.realised),
    number_column("fees and tax", lambda r: r.costs),
    signed_column("realised after cost", lambda r: r.realised_net),
    signed_column("unrealised", lambda r: r.unrealised),
)
CASH_COLUMNS: tuple[Column[Account], ...] = (
    number_column("cash", lambda a: a.cash),
    number_column("cash D+1", lambda a: a.cash_d1),
    number_column("cash D+2", lambda a: a.cash_d2),
    number_column("orderable", lambda a: a.orderable),
)


class Table(msgspec.Struct, frozen=True):
    """A titled table."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class StockChart(msgspec.Struct, frozen=True):
    """The data of one stock's candle chart."""

    title: str
    candles: Sequence[Candle]
    fills: Sequence[Mark]


class Numbers(msgspec.Struct, frozen=True):
    """All parts of a report that come from the day itself."""

    mode: Mode
    label: str
    clock: str
    halt: str
    config: str
    """The hash of the desk's configuration."""
    results: Sequence[Table]
    charts: Sequence[StockChart]
    records: Sequence[Table]

    @property
    def content_hash(self) -> str:
        """A hash of the numbers, as 16 hex digits.

        The same numbers always give the same digits, on any machine and at any time.
        """
        # The fields have neither a path nor the run. So two reports of equal numbers have equal
        # hashes.
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


def numbers(session: Session) -> Numbers:
    """Return the numbers of the session's day up to now."""
    orders = list(session.book.orders.values())
    agents = list(session.agents)
    account = _account(session)
    # A price that the session received comes before the statement's price, so that results and
    # charts use the same price.
    prices = {h.code: h.price for h in account.holdings} if isinstance(account, Account) else {}
    results = _results(session, prices | session.data.prices)
    # A dict, not a set, so that the charts are always in the order of the first orders.
    codes = dict.fromkeys([*(o.code for o in orders if o.fills), *(agent.code for agent in agents)])
    charts = [_stock_chart(session, code, orders) for code in codes if code in session.universe]
    return Numbers(
        mode=session.mode,
        label=session.label,
        clock=session.status.clock_text(),
        halt=session.trading.text,
        config=session.limits.config,
        results=[
            *_account_tables(account),
            _table("Result by stock", RESULT_COLUMNS, results),
            _table("Agents", agent_columns.IN_OUTPUT, agents),
        ],
        charts=[chart for chart in charts if chart.candles],
        records=[
            _table("Orders", order_columns.IN_PANEL, orders),
            _table("Fills", FILL_COLUMNS, _fills(orders)),
        ],
    )


def _table(title: str, columns: Sequence[Column[S]], subjects: Iterable[S]) -> Table:
    return Table(title, heads_of(columns), cells_of(columns, subjects))


def _account(session: Session) -> Account | str:
    """Return KIS's statement of the account, or the reason why there is none."""
    try:
        # The call blocks, because a report may be written where the code cannot await: after
        # `%time`, in a function. If the desk does not answer, the report is still written.
        return session.blocking.balance()
    except (KisnbError, TimeoutError) as error:
        return str(error) or "the desk did not answer in time"


def _account_tables(account: Account | str) -> list[Table]:
    if isinstance(account, str):
        return [Table("Account", ["not known"], [[Cell(account, left=True)]])]
    return [
        _table("Account, won", CASH_COLUMNS, [account]),
        _table("Holdings", holding_columns.IN_REPORT, account.holdings),
    ]


def _results(session: Session, prices: Mapping[str, int]) -> list[StockResult]:
    """Return the result of each stock. The last one is the result of all together."""
    book = session.book
    results = []
    for p in book.positions.values():
        last = prices.get(p.code)
        unrealised = None if last is None else p.unrealised(last)
        results.append(
            StockResult(
                p.code, session.universe.name(p.code), p.bought, p.sold, p.qty, p.average, last,
                p.realised, p.costs, p.realised_net, unrealised,
            )
        )  # fmt: skip
    if results:
        costs = sum(p.costs for p in book.positions.values())
        unrealised = book.unrealised(prices)
        results.append(
            StockResult(
                "all", "", None, None, None, None, None, book.realised, costs, book.realised_net,
                unrealised,
            )
        )  # fmt: skip
    return results


def _fills(orders: Iterable[Order]) -> list[OrderFill]:
    """Return all fills by time. Fills of the same moment are in the order of their orders."""
    # `sorted` keeps the order of equal times, so the same day gives the same rows and the same
    # hash.
    return sorted((OrderFill(o, f) for o in orders for f in o.fills), key=lambda pair: pair.fill.t)


def _stock_chart(session: Session, code: str, orders: Iterable[Order]) -> StockChart:
    title = f"{code} {session.universe.name(code)}"
    return StockChart(
        title,
        candles(_bars(session, code)),
        marks(order for order in orders if order.code == code),
    )


def _bars(session: Session, code: str) -> pl.DataFrame:
    """Return the bars of the day. If the desk does not answer: the bars that the session has."""
    try:
        return session.blocking.bars(code, CHART_SPAN)
    except (KisnbError, TimeoutError):
        return session.heard_bars(code, CHART_SPAN)
