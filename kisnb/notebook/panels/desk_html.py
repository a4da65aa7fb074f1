"""The desk panel without a kernel: one line of text, and static tables for exported pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from kisnb.columns import Column, S
from kisnb.drawing.tables import (
    badge_text,
    card,
    cells_of,
    heads_of,
    html_table,
    joined,
)
from kisnb.notebook.panels.desk_rows import panel_orders
from kisnb.session.agents import agent_columns
from kisnb.trading.order_books import order_columns

if TYPE_CHECKING:
    from kisnb.session.session import Session


def desk_text(session: Session) -> str:
    """Return ``"[SIM] desk: sim 2026-11-20 seed 1, 09:10:00, agents 1, orders 3"``."""
    status = session.status
    parts = [
        f"{badge_text(session.mode)}desk: {session.label}",
        status.clock_text(),
        f"agents {len(list(session.agents))}",
        f"orders {len(session.book.orders)}",
        status.doubt,
        session.trading.halted,
    ]
    return ", ".join(part for part in parts if part)


def desk_html(session: Session) -> str:
    """Return header and both tables as they stand. The page needs nothing else."""
    orders = panel_orders(session.book.orders.values())
    tables = (
        table_html("Agents", agent_columns.IN_OUTPUT, list(session.agents)),
        table_html("Orders", order_columns.IN_PANEL, orders),
    )
    clock = f"as of {session.status.clock_text()}"
    title = " · ".join(part for part in (session.label, clock, session.trading.text) if part)
    return str(card(session.mode, title, joined(tables)))


def table_html(title: str, columns: Sequence[Column[S]], subjects: Collection[S]) -> Markup:
    """Return a titled table with a row for each subject, or a line that says there are none."""
    # An empty table looks like one that has not loaded.
    if not subjects:
        return Markup("<div><b>{}</b>: none</div>").format(title)
    table = html_table(heads_of(columns), cells_of(columns, subjects))
    return Markup("<div><b>{}</b></div>{}").format(title, table)
