"""The tables of a session's panels: agents, orders, exits, price alerts and notices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from kisnb.columns import Column, number, text_column
from kisnb.exits import PriceAlert
from kisnb.notebook.panels.desk_notices import listed_notices, notice_table
from kisnb.notebook.panels.panel_table import FormField, PanelTable, RowForm, Shown
from kisnb.notebook.panels.result_curves import ResultCurves
from kisnb.notebook.panels.row_deltas import PanelCell
from kisnb.notebook.panels.stock_rows import STOCK, stock_table, stock_views
from kisnb.orders import Order
from kisnb.session.agents.agent_columns import AGENT_COLUMNS
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.exits.exit_view import ALERT_COLUMNS, EXIT_COLUMNS, ExitView
from kisnb.trading.order_books.order_columns import ORDER_COLUMNS, may_be_cancelled

if TYPE_CHECKING:
    from kisnb.columns import S
    from kisnb.session.agents.agent_view import AgentView
    from kisnb.session.session import Session

ORDERS_SHOWN = 200
"""The panel shows this number of newest orders, and all open orders, however old."""
NameOf = Callable[[str], str]
"""Returns the name of a stock by its code, or the code itself when the name is not known."""


def panel_tables(session: Session) -> Mapping[str, PanelTable[Any]]:
    """Return all tables of a session, by name."""
    curves = ResultCurves(lambda: session.now)
    name_of = session.universe.name
    prices = session.data.prices
    return {
        "orders": order_table(
            name_of, lambda: session.book.orders.values(), session.status.may_be_revised
        ),
        "stocks": stock_table(lambda: stock_views(session)),
        "agents": agent_table(name_of, lambda: session.agents, curves.of),
        "exits": exit_table(name_of, session.exits.views),
        "alerts": alert_table(name_of, prices.get, session.exits.price_alerts),
        "notices": notice_table(lambda: listed_notices(session)),
    }


def agent_table(
    name_of: NameOf,
    agents: Callable[[], Iterable[AgentView]],
    curve: Callable[[AgentView], PanelCell] | None = None,
) -> PanelTable[AgentView]:
    """Return the table of agents, with those that ended with their session.

    ``curve`` returns the curve of an agent's result.
    """
    columns = {column.name: column for column in AGENT_COLUMNS}
    return PanelTable(
        title="Agents",
        empty="none yet: the button start an agent starts one, or %kis agents start NAME",
        shown=[
            Shown(columns["id"], 19),
            Shown(columns["state"], 9),
            Shown(stock_column(lambda a: a.code, name_of), STOCK, extra=1),
            Shown(columns["position"], 8),
            Shown(columns["average"], 8, extra=2),
            Shown(columns["last"], 8, extra=1),
            Shown(columns["realised"], 10),
            Shown(columns["unrealised"], 10),
            Shown(columns["orders"], 6, extra=2),
            Shown(columns["fills"], 5, extra=2),
            Shown(columns["note"]),
        ],
        key=lambda a: a.id,
        actions=agent_actions,
        tips={
            "show": "Its parameters, its order book, its decisions, and why it does nothing",
            "start": "Start this agent again",
            "restore": "Start this agent again, with its parameters and its shares",
            "pause": "Let this agent decide nothing; its orders stay",
            "stop": "Stop this agent and cancel its open orders",
            "flatten": "Stop this agent, cancel its open orders and sell all that it holds",
        },
        widest="show pause stop flatten",
        subjects=agents,
        height=6,
        curve=curve,
    )


def agent_actions(agent: AgentView) -> str:
    """Return the buttons that an agent's row has now, separated by blanks."""
    match agent.state:
        case AgentState.RUNNING:
            return "show pause stop flatten"
        case AgentState.PAUSED:
            return "show start stop flatten"
        case AgentState.STOPPED | AgentState.FAILED:
            return "show start flatten" if agent.position else "show start"
        case AgentState.LOST:
            return "show restore"
        case _:
            return "show"


def order_actions(order: Order, may_be_revised: Callable[[Order], bool]) -> str:
    """Return the buttons that an order's row has now, separated by blanks."""
    if not may_be_cancelled(order):
        return ""
    return "revise cancel" if may_be_revised(order) else "cancel"


def order_table(
    name_of: NameOf,
    orders: Callable[[], Iterable[Order]],
    may_be_revised: Callable[[Order], bool] = lambda _: False,
) -> PanelTable[Order]:
    """Return the table of orders, newest first. ``orders`` returns them oldest first."""
    columns = {column.name: column for column in ORDER_COLUMNS}
    return PanelTable(
        title="Orders",
        empty="none yet: the ticket sends one, or %kis buy CODE QTY",
        shown=[
            Shown(columns["time"], 8, extra=1),
            Shown(columns["side"], 4),
            Shown(stock_column(lambda o: o.code, name_of), STOCK),
            Shown(columns["quantity"], 8),
            Shown(columns["price"], 8),
            Shown(columns["filled"], 8),
            Shown(columns["average"], 8, extra=2),
            Shown(columns["state"], 10),
            Shown(columns["venue"], 5, extra=2),
            Shown(columns["number"], 7, extra=2),
            Shown(columns["agent"], 19, extra=1),
            Shown(columns["text"]),
        ],
        key=lambda o: o.key,
        actions=lambda o: order_actions(o, may_be_revised),
        tips={
            "revise": "Move what is left of this order to another price",
            "cancel": "Cancel what is left of this order",
        },
        widest="revise cancel",
        forms={
            "revise": RowForm(
                [
                    FormField("price", "new price", "price"),
                    FormField("quantity", "shares", "quantity"),
                ],
                [("revise", "move", "Move these shares to this price")],
            )
        },
        # Only a few of hundreds of orders change. The others keep their cells.
        version=lambda o: (
            len(o.facts),
            o.state,
            o.cancel_asked,
            o.is_open and may_be_revised(o),
        ),
        subjects=lambda: panel_orders(orders()),
    )


def exit_table(name_of: NameOf, exits: Callable[[], Iterable[ExitView]]) -> PanelTable[ExitView]:
    """Return the table of the exits that are set."""
    columns = {column.name: column for column in EXIT_COLUMNS}
    return PanelTable(
        title="Exits",
        empty="none: the ticket sets one with a buy, or %kis protect CODE --stop 3% --take 5%",
        shown=[
            Shown(stock_column(lambda v: v.code, name_of), STOCK),
            Shown(columns["owner"], 14),
            Shown(columns["quantity"], 8),
            Shown(columns["entry"], 8),
            Shown(columns["conditions"]),
            Shown(columns["stop"], 8),
            Shown(columns["take"], 8),
            Shown(columns["peak"], 8, extra=1),
            Shown(columns["stage"], 9, extra=2),
            Shown(columns["state"]),
        ],
        key=lambda v: v.key,
        actions=lambda _: "off",
        tips={"off": "End this exit and cancel what it has in the market. The shares stay."},
        widest="off",
        subjects=exits,
        height=3,
    )


def alert_table(
    name_of: NameOf,
    last_of: Callable[[str], int | None],
    alerts: Callable[[], Iterable[PriceAlert]],
) -> PanelTable[PriceAlert]:
    """Return the table of the price alerts. ``last_of`` returns the newest price of a code."""
    columns = {column.name: column for column in ALERT_COLUMNS}
    last: Column[PriceAlert] = text_column("last", lambda a: number(last_of(a.code)), kind="number")
    tells = text_column("tells", _when_it_tells, kind="note")
    return PanelTable(
        title="Price alerts",
        empty="none: the button alert of a stock sets one, or %kis alert CODE above PRICE",
        shown=[
            Shown(stock_column(lambda a: a.code, name_of), STOCK),
            Shown(columns["side"], 7),
            Shown(columns["price"], 8),
            Shown(last, 8),
            Shown(tells),
        ],
        key=lambda a: a.key,
        actions=lambda _: "off",
        tips={"off": "End this price alert"},
        widest="off",
        subjects=alerts,
        height=3,
    )


def stock_column(code_of: Callable[[S], str], name_of: NameOf) -> Column[S]:
    """Return the column that shows a stock's code and name."""

    def text(subject: S) -> str:
        code = code_of(subject)
        name = name_of(code)
        return code if name == code else f"{code} {name}"

    return text_column("stock", text)


def panel_orders(orders: Iterable[Order]) -> list[Order]:
    """Return the orders that the panel shows, newest first. ``orders`` are oldest first."""
    newest_first = list(orders)[::-1]
    # An open order can be cancelled here, so it stays even when 200 orders are newer.
    older_open = (o for o in islice(newest_first, ORDERS_SHOWN, None) if o.is_open)
    return [*islice(newest_first, ORDERS_SHOWN), *older_open]


def _when_it_tells(alert: PriceAlert) -> str:
    return f"once, at the first trade at {alert.price:,} or {'above' if alert.above else 'below'}"
