"""The desk panel's tables as rows of plain text: agents, orders, and the header above them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from kisnb.clock import clock_text
from kisnb.notebook.panels.desk_notices import banner, notices
from kisnb.notebook.panels.kill_button import face, other_ways
from kisnb.notebook.panels.row_deltas import Cells, Column
from kisnb.notebook.rendering.tables import badge_html, number, signed
from kisnb.orders import Order

if TYPE_CHECKING:
    from kisnb.session.agents.agent_view import AgentView
    from kisnb.session.session import Session

AGENT_COLUMNS = (
    Column("agent"),
    Column("code"),
    Column("state", "state"),
    Column("position", "number"),
    Column("average", "number"),
    Column("last", "number"),
    Column("realised", "signed"),
    Column("unrealised", "signed"),
    Column("orders", "number"),
    Column("fills", "number"),
    Column("note", "note"),
)
ORDER_COLUMNS = (
    Column("time"),
    Column("number", "number"),
    Column("agent"),
    Column("code"),
    Column("venue"),
    Column("side", "side"),
    Column("qty", "number"),
    Column("price", "number"),
    Column("filled", "number"),
    Column("at", "number"),
    Column("state", "state"),
    Column("note", "note"),
)
ORDERS_SHOWN = 200
"""Newest orders in the panel; open ones stay in it however old they are."""


def header(session: Session, note: str = "") -> dict[str, object]:
    """What stands above the tables, in words; the badge is HTML of ours. ``note``: what a button came to."""
    clock = session.status.clock_text()
    return {
        "mode": str(session.mode),
        "badge": badge_html(session.mode),
        "label": session.label,
        "clock": clock,
        "link": "closed" if session.closed else session.status.link,
        "trading": banner(session),
        "notices": [{"kind": n.kind, "text": n.text} for n in notices(session, note)],
        "kill": face(session),
        "ways": other_ways(),
        "silent": f"no news for {{n}} s: the kernel is busy or gone; what stands here is as of {clock}",
    }


def agent_rows(agents: Iterable[AgentView]) -> dict[str, Cells]:
    """One row per agent, by its id."""
    return {agent.id: agent_cells(agent) for agent in agents}


def order_rows(orders: Iterable[Order]) -> dict[str, Cells]:
    """One row per order, newest first, by its key; ``orders`` come oldest first."""
    newest_first = list(orders)[::-1]
    recent = islice(newest_first, ORDERS_SHOWN)
    older_open = (o for o in islice(newest_first, ORDERS_SHOWN, None) if o.is_open)
    return {order.key: order_cells(order) for part in (recent, older_open) for order in part}


def agent_cells(agent: AgentView) -> Cells:
    """The cells of ``AGENT_COLUMNS``."""
    return (
        agent.id,
        agent.code,
        str(agent.state),
        number(agent.position),
        number(agent.average),
        number(agent.last),
        signed(agent.realised),
        "" if agent.unrealised is None else signed(agent.unrealised),
        number(agent.orders),
        number(agent.fills),
        agent.note,
    )


def order_cells(order: Order) -> Cells:
    """The cells of ``ORDER_COLUMNS``."""
    return (
        clock_text(order.t),
        str(order.number or ""),
        order.intent.agent,
        order.code,
        str(order.route.venue) if order.route else "",
        str(order.side),
        number(order.quantity),
        str(order.intent.kind) if order.intent.price is None else number(order.intent.price),
        number(order.filled),
        number(order.average),
        "cancelling" if order.cancel_asked and order.is_open else str(order.state),
        order.text,
    )
