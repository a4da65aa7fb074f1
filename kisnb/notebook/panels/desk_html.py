"""The desk panel without a kernel: one line of text, and static tables for exported pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from kisnb.notebook.panels.desk_rows import AGENT_COLUMNS, ORDER_COLUMNS, agent_rows, order_rows
from kisnb.notebook.panels.row_deltas import Cells, Column
from kisnb.notebook.rendering.tables import Cell, badge_text, card, html_table

if TYPE_CHECKING:
    from kisnb.session.session import Session


def desk_text(session: Session) -> str:
    """``"[SIM] desk: sim 2026-11-20 seed 1, 09:10:00, agents 1, orders 3"``."""
    agents, orders = len(list(session.agents)), len(session.book.orders)
    doubt = f", {session.status.doubt}" if session.status.doubt else ""
    text = f"desk: {session.label}, {session.status.clock_text()}, agents {agents}, orders {orders}{doubt}"
    halted = session.trading.halted
    return f"{badge_text(session.mode)}{text}{', ' if halted else ''}{halted}"


def desk_html(session: Session) -> str:
    """Header and both tables as they stand, self-contained, everything escaped."""
    tables = (
        table_html("Agents", AGENT_COLUMNS, agent_rows(session.agents)),
        table_html("Orders", ORDER_COLUMNS, order_rows(session.book.orders.values())),
    )
    title = " · ".join(
        escape(part)
        for part in (session.label, f"as of {session.status.clock_text()}", session.trading.text)
        if part
    )
    return card(session.mode, title, "".join(tables))


def table_html(title: str, columns: Sequence[Column], rows: Mapping[str, Cells]) -> str:
    """A titled table of rows, or a line that says there are none."""
    if not rows:
        return f"<div><b>{escape(title)}</b>: none</div>"
    cells = [
        [shown(c, text) for c, text in zip(columns, row, strict=True)] for row in rows.values()
    ]
    return f"<div><b>{escape(title)}</b></div>{html_table([c.name for c in columns], cells)}"


def shown(column: Column, text: str) -> Cell:
    """A panel's cell as a cell of a static table: the same side of its column, the same colour."""
    tone = 0
    if column.kind == "side":
        tone = 1 if text == "buy" else -1
    elif column.kind == "signed":
        tone = {"+": 1, "-": -1}.get(text[:1], 0)
    return Cell(text, tone, left=column.kind not in ("number", "signed"))
