"""How one order looks: its state, since when, why, and what comes next."""

from __future__ import annotations

from html import escape

from kisnb.clock import clock_text
from kisnb.notebook.rendering.tables import UNSURE, Cell, badge_text, card, coloured, html_table
from kisnb.orders import Order, OrderState
from kisnb.terms import Mode, Side
from kisnb.trading.order_books.order_words import next_step, standing, why

_STATE_STYLE = {
    OrderState.UNKNOWN: UNSURE,
    OrderState.DENIED: "background:#c40000;color:#ffffff;padding:0 4px",
    OrderState.REJECTED: "background:#c40000;color:#ffffff;padding:0 4px",
}
"""States that a person must not overlook."""


def order_look(o: Order, mode: Mode | None, *, movable: bool = False) -> dict[str, str]:
    """What state, since when; why; what next. The HTML unfolds into the order's whole story.

    ``movable``: it could be revised now.
    """
    what = f"#{o.number} {o.intent.text}" if o.number else o.intent.text
    what += f" ({o.intent.agent})" if o.intent.agent else ""
    stands = standing(o)
    lines = [f"why   {reason}" for reason in [why(o)] if reason] + [
        f"next  {next_step(o, movable=movable)}"
    ]
    text = "\n".join([f"{badge_text(mode)}{what}: {stands}", *(f"  {line}" for line in lines)])
    title = f"{coloured(what, 1 if o.side is Side.BUY else -1)}: {_stands_html(o.state, stands)}"
    body = "".join(
        f'<div style="opacity:.8;white-space:pre-wrap">{escape(line)}</div>' for line in lines
    )
    return {"text/plain": text, "text/html": card(mode, title, body + _story(o))}


def _stands_html(state: OrderState, stands: str) -> str:
    rest = stands.removeprefix(str(state))
    return f'<b style="{_STATE_STYLE.get(state, "")}">{escape(str(state))}</b>{escape(rest)}'


def _story(o: Order) -> str:
    if not o.facts:
        return ""
    rows = [[Cell(clock_text(t), left=True), Cell(said, left=True)] for t, said in o.log]
    table = html_table(("time", "what happened"), rows)
    return f'<details><summary style="opacity:.6;cursor:pointer">story</summary>{table}</details>'
