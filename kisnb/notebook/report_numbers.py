"""The numbers of a session's day, as a report shows them: plain tables, and a hash over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from kisnb.clock import clock_text
from kisnb.errors import KisnbError
from kisnb.notebook.charts.candles import Candle, Mark, candles, marks
from kisnb.notebook.panels.desk_rows import AGENT_COLUMNS, ORDER_COLUMNS, agent_cells, order_cells
from kisnb.notebook.panels.row_deltas import Cells, Column
from kisnb.notebook.rendering.tables import number, signed
from kisnb.orders import Account, Order
from kisnb.terms import Mode

if TYPE_CHECKING:
    from kisnb.session.session import Session

FILL_COLUMNS = (
    Column("time"), Column("number", "number"), Column("agent"), Column("code"), Column("side", "side"),
    Column("qty", "number"), Column("price", "number"), Column("value", "number"), Column("fee", "number"),
    Column("tax", "number"), Column("venue"),
)  # fmt: skip
RESULT_COLUMNS = (
    Column("code"), Column("name"), Column("bought", "number"), Column("sold", "number"), Column("position", "number"),
    Column("average", "number"), Column("last", "number"), Column("realised before cost", "signed"),
    Column("fees and tax", "number"), Column("realised after cost", "signed"), Column("unrealised", "signed"),
)  # fmt: skip
HOLDING_COLUMNS = (
    Column("code"), Column("name"), Column("qty", "number"), Column("sellable", "number"), Column("cost", "number"),
    Column("price", "number"), Column("value", "number"), Column("gain", "signed"),
)  # fmt: skip
CASH_COLUMNS = (
    Column("cash", "number"), Column("cash D+1", "number"), Column("cash D+2", "number"), Column("orderable", "number"),
)  # fmt: skip
CHART_SPAN = "1m"


class Table(msgspec.Struct, frozen=True):
    """A titled table of text cells."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Cells]


class StockChart(msgspec.Struct, frozen=True):
    """What the candle chart of one stock shows."""

    title: str
    candles: Sequence[Candle]
    fills: Sequence[Mark]


class Numbers(msgspec.Struct, frozen=True):
    """Everything in a report that comes from the day itself."""

    mode: Mode
    label: str
    clock: str
    halt: str
    config: str
    """Hash of the desk's configuration."""
    results: Sequence[Table]
    charts: Sequence[StockChart]
    records: Sequence[Table]

    @property
    def content_hash(self) -> str:
        """The same numbers give the same 16 hex digits, whenever and wherever the report is written."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


def numbers(session: Session) -> Numbers:
    """The session's day as it stands."""
    orders = list(session.book.orders.values())
    account = _account(session)
    prices = {h.code: h.price for h in account.holdings} if isinstance(account, Account) else {}
    results = [
        *_account_tables(account),
        Table(
            "Result by stock", RESULT_COLUMNS, _result_rows(session, prices | session.data.prices)
        ),
        Table("Agents", AGENT_COLUMNS, [agent_cells(agent) for agent in session.agents]),
    ]
    records = [
        Table("Orders", ORDER_COLUMNS, [order_cells(order) for order in orders]),
        Table("Fills", FILL_COLUMNS, _fill_rows(orders)),
    ]
    codes = dict.fromkeys(
        [*(o.code for o in orders if o.fills), *(agent.code for agent in session.agents)]
    )
    charts = [_stock_chart(session, code, orders) for code in codes if code in session.universe]
    clock, halt = session.status.clock_text(), session.trading.text
    return Numbers(
        session.mode,
        session.label,
        clock,
        halt,
        session.limits.config,
        results,
        [c for c in charts if c.candles],
        records,
    )


def _account(session: Session) -> Account | str:
    """The broker's statement, or why there is none."""
    try:
        return session.blocking.balance()
    except (KisnbError, TimeoutError) as error:
        return str(error) or "the desk did not answer in time"


def _account_tables(account: Account | str) -> list[Table]:
    if isinstance(account, str):
        return [Table("Account", (Column("not known", "note"),), [(account,)])]
    cash = (
        number(account.cash),
        number(account.cash_d1),
        number(account.cash_d2),
        number(account.orderable),
    )
    holdings = [
        (
            h.code, h.name, number(h.qty), number(h.sellable), number(h.cost), number(h.price), number(h.qty * h.price),
            signed(h.qty * h.price - h.cost),
        )
        for h in account.holdings
    ]  # fmt: skip
    return [
        Table("Account, won", CASH_COLUMNS, [cash]),
        Table("Holdings", HOLDING_COLUMNS, holdings),
    ]


def _result_rows(session: Session, prices: Mapping[str, int]) -> list[Cells]:
    book = session.book
    rows: list[Cells] = []
    for position in book.positions.values():
        last = prices.get(position.code)
        rows.append(
            (
                position.code, session.universe.name(position.code), number(position.bought), number(position.sold),
                number(position.qty), number(position.average), number(last), signed(position.realised),
                number(position.costs), signed(position.realised_net),
                "" if last is None else signed(position.unrealised(last)),
            )
        )  # fmt: skip
    if rows:
        unrealised = book.unrealised(prices)
        rows.append(
            (
                "all", "", "", "", "", "", "", signed(book.realised),
                number(sum(p.costs for p in book.positions.values())), signed(book.realised_net),
                "" if unrealised is None else signed(unrealised),
            )
        )  # fmt: skip
    return rows


def _fill_rows(orders: Iterable[Order]) -> list[Cells]:
    fills = sorted(
        ((f.t, i, o, f) for i, o in enumerate(orders) for f in o.fills), key=lambda row: row[:2]
    )
    return [
        (
            clock_text(f.t), str(o.number or ""), o.intent.agent, o.code, str(o.side), number(f.qty), number(f.price),
            number(f.qty * f.price), number(f.fee), number(f.tax), str(f.venue),
        )
        for _, _, o, f in fills
    ]  # fmt: skip


def _stock_chart(session: Session, code: str, orders: Iterable[Order]) -> StockChart:
    title = f"{code} {session.universe.get(code).name}"
    bars = candles(session.bars(code, CHART_SPAN))
    return StockChart(title, bars, marks(order for order in orders if order.code == code))
