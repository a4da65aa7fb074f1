"""A panel where no kernel runs: one line of text, or static tables for exported pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from kisnb.columns import Column, S
from kisnb.drawing.tables import (
    badge_text,
    card,
    cells_of,
    heads_of,
    html_table,
    joined,
    trusted,
)
from kisnb.notebook.panels.depth_view import depth_cells
from kisnb.notebook.panels.desk_head import account_line

if TYPE_CHECKING:
    from kisnb.notebook.panels.panel_table import PanelTable
    from kisnb.session.session import Session

ROWS = 50
"""Most rows of a static table. JupyterLab reads through each output's HTML, shown or not."""


def desk_text(session: Session) -> str:
    """Return one line, such as ``"[SIM] desk: sim 2026-11-20 seed 1, 09:10:00, agents 1, …"``."""
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


def desk_html(
    session: Session,
    tables: Iterable[PanelTable[Any]],
    parts: Collection[str] = (),
    code: str = "",
) -> str:
    """Return header, tables, depth and chart as they are now.

    The page needs no script and no kernel. ``parts`` are the parts of the panel, ``code`` is the
    stock that it shows.
    """
    clock = f"as of {session.status.clock_text()}"
    title = " · ".join(part for part in (session.label, clock, session.trading.text) if part)
    line = "  ".join(f"{f.name} {f.text}" for f in account_line(session.status.figures))
    body = _of_one_stock(session, parts, code) + joined(
        table_html(t.title, t.columns, list(t.subjects())) for t in tables
    )
    return str(card(session.mode, title, Markup("<div>{}</div>{}").format(line, body)))


def _of_one_stock(session: Session, parts: Collection[str], code: str) -> Markup:
    """Return a stock's chart or depth as it is now. Empty for a panel without these parts."""
    if not code:
        return Markup()
    # The chart is drawn only for the panel ``chart``, because drawing it would delay a larger
    # panel.
    if list(parts) == ["chart"]:
        from kisnb.notebook.charts.chart import chart

        orders = [order for order in session.book.orders.values() if order.code == code]
        bars = session.heard_bars(code, running=True)
        return trusted(chart(bars, orders, f"{code} {session.universe.name(code)}").svg())
    if "depth" not in parts:
        return Markup()
    title = Markup("<div><b>{}</b></div>").format(f"{code} {session.universe.name(code)}")
    return title + html_table(("KRX", "price", "NXT"), depth_cells(session, code))


def table_html(title: str, columns: Sequence[Column[S]], subjects: Collection[S]) -> Markup:
    """Return a titled table of the first ``ROWS`` subjects, or a line that says there are none.

    A line below the table says how many more there are.
    """
    # An empty table would look as if it had not loaded.
    if not subjects:
        return Markup("<div><b>{}</b>: none</div>").format(title)
    table = html_table(heads_of(columns), cells_of(columns, islice(subjects, ROWS)))
    left = len(subjects) - ROWS
    more = Markup("<div>and {} more</div>").format(f"{left:,}") if left > 0 else Markup()
    return Markup("<div><b>{}</b></div>{}{}").format(title, table, more)
