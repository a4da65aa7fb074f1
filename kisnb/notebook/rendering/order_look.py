"""One order as an output: its state and time, the reason, and the next step."""

from __future__ import annotations

from markupsafe import Markup

from kisnb.clock import clock_text
from kisnb.columns import Tone
from kisnb.drawing.tables import (
    UNSURE,
    Cell,
    badge_text,
    bundle,
    card,
    coloured,
    html_table,
    joined,
)
from kisnb.orders import Order
from kisnb.terms import Mode
from kisnb.trading.order_books.order_columns import side_tone, state_tone
from kisnb.trading.order_books.order_words import next_step, owned_order, standing, why

_STYLES: dict[Tone, str] = {
    "unsure": UNSURE,
    "bad": "background:#c40000;color:#ffffff;padding:0 4px",
}


def order_look(o: Order, mode: Mode | None, *, movable: bool = False) -> dict[str, str]:
    """Return an order as text and HTML: its state and time, the reason, and the next step.

    The HTML can be opened to show everything that happened to the order. ``movable`` says whether
    the order could be revised now.
    """
    what, stands = owned_order(o), standing(o)
    lines = [f"why   {reason}" for reason in [why(o)] if reason] + [
        f"next  {next_step(o, movable=movable)}"
    ]
    text = "\n".join([f"{badge_text(mode)}{what}: {stands}", *(f"  {line}" for line in lines)])
    title = Markup("{}: {}").format(coloured(what, side_tone(o)), _stands_html(o, stands))
    line_html = Markup('<div style="opacity:.8;white-space:pre-wrap">{}</div>')
    body = joined([*(line_html.format(line) for line in lines), _story(o)])
    return bundle(text, card(mode, title, body))


def _stands_html(o: Order, stands: str) -> Markup:
    state = str(o.state)
    style = _STYLES.get(state_tone(o), "")
    # `stands` begins with the state. That part is cut off, so that the state is shown once, in its
    # colour.
    return Markup('<b style="{}">{}</b>{}').format(style, state, stands.removeprefix(state))


def _story(o: Order) -> Markup:
    if not o.facts:
        return Markup()
    rows = [[Cell(clock_text(t), left=True), Cell(text, left=True)] for t, text in o.log]
    return Markup(
        '<details><summary style="opacity:.6;cursor:pointer">story</summary>{}</details>'
    ).format(html_table(("time", "what happened"), rows))
