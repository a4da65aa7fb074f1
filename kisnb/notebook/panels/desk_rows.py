"""The desk panel's tables as rows of cells: agents, orders, and the header above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from kisnb.columns import Column, S
from kisnb.drawing.tables import badge_html
from kisnb.notebook.panels.desk_notices import banner, notices
from kisnb.notebook.panels.kill_button import face, other_ways
from kisnb.notebook.panels.row_deltas import Cells, PanelColumn
from kisnb.orders import Order
from kisnb.session.agents import agent_columns
from kisnb.trading.order_books import order_columns

if TYPE_CHECKING:
    from kisnb.session.agents.agent_view import AgentView
    from kisnb.session.session import Session

ORDERS_SHOWN = 200
"""The number of newest orders in the panel. Open orders stay in it however old they are."""


def _panel_columns(columns: Sequence[Column[S]], tip: str) -> tuple[PanelColumn, ...]:
    """Return columns as the front end draws them, and the column of the button behind them."""
    shown = (PanelColumn(column.head, column.kind) for column in columns)
    return (*shown, PanelColumn("", "action", tip))


AGENT_PANEL_COLUMNS = _panel_columns(
    agent_columns.IN_OUTPUT, "Stop this agent and cancel its open orders"
)
ORDER_PANEL_COLUMNS = _panel_columns(order_columns.IN_PANEL, "Cancel what is left of this order")


def header(session: Session, note: str = "") -> dict[str, object]:
    """Return the lines above the tables.

    ``note`` says what became of the newest press of a button. The badge is HTML of ours.
    """
    clock = session.status.clock_text()
    link = "closed" if session.closed else session.status.link
    return {
        "mode": str(session.mode),
        "badge": str(badge_html(session.mode)),
        "label": session.label,
        "clock": clock,
        "link": link,
        "link_tone": "" if link == "up" else "bad",
        "closed": session.closed,
        "trading": banner(session),
        "notices": [{"kind": n.kind, "text": n.text} for n in notices(session, note)],
        "kill": face(session),
        "ways": other_ways(),
        "silent": f"no news for {{n}} s: the kernel is busy or gone; the figures are as of {clock}",
    }


def agent_rows(agents: Iterable[AgentView]) -> dict[str, Cells]:
    """Return one row per agent, by its id."""
    return {
        agent.id: _cells(agent_columns.IN_OUTPUT, agent, "stop" if agent.may_be_stopped else "")
        for agent in agents
    }


def order_rows(orders: Iterable[Order]) -> dict[str, Cells]:
    """Return one row per order of the panel, newest first, by its key."""
    return {
        order.key: _cells(
            order_columns.IN_PANEL,
            order,
            "cancel" if order_columns.may_be_cancelled(order) else "",
        )
        for order in panel_orders(orders)
    }


def panel_orders(orders: Iterable[Order]) -> list[Order]:
    """Return the orders that the panel shows, newest first. ``orders`` come oldest first."""
    newest_first = list(orders)[::-1]
    # An open order can be cancelled here, so it may not scroll away behind 200 newer ones.
    older_open = (o for o in islice(newest_first, ORDERS_SHOWN, None) if o.is_open)
    return [*islice(newest_first, ORDERS_SHOWN), *older_open]


def _cells(columns: Sequence[Column[S]], subject: S, action: str) -> Cells:
    """Return the cells of a row. The last one names what its button does; empty: no button."""
    shown = ((column.text(subject), column.tone(subject)) for column in columns)
    # Most cells have no tone, and travel as text alone.
    return (*((text, tone) if tone else text for text, tone in shown), action)
