"""The texts of a panel's parts that never change: titles, hints, and what a button does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kisnb.notebook.panels.live_chart import LENGTHS
from kisnb.notebook.panels.panel_table import PanelTable
from kisnb.notebook.panels.typed_values import FIRST_EXITS

MISSING = (
    "{what} cannot be drawn: neither JupyterLab's server nor the kernel gave the page its library. "
    "Reload the page."
)
ASLEEP = (
    "Nothing was sent: the kernel does not answer, and it would do it later, at another price. "
    "Try again when it answers."
)
"""The page shows this when a person presses something while the kernel does not answer."""
ENDED = {
    "link": "kernel ended",
    "kernel": "The kernel of this panel has ended: its agents stand still, and what stands here is "
    "as of {time}. The desk goes on with its orders and exits. Run the cells that open it again.",
    "session": "This session is closed: what stands here is as of {time}. %kis open and %kis panel "
    "show the desk again.",
}
"""What the page says once nothing here can change any more. It fills in the time."""
START = {
    "open": "start an agent",
    "tip": "Start a strategy of kisnb or an agent class of this notebook",
    "choose": "agent",
    "go": "start",
    "go_tip": "Start it with these parameters. It trades from now on.",
    "back": "back",
}
"""The texts of the form that starts an agent."""
_WORDS: dict[str, dict[str, object]] = {
    "depth": {"tip": "Click to put this price into the ticket"},
    "tape": {"empty": "no trade was received yet"},
    "chart": {"lengths": list(LENGTHS), "missing": MISSING.format(what="The chart")},
    "ticket": {
        "title": "Ticket",
        "review": "Show the order in words before it is sent",
        "confirm": "Send exactly this order",
        "exits": {name: f"{name} {first}" for name, first in FIRST_EXITS.items()},
        "steps": {
            "price": ["One tick down", "One tick up"],
            "quantity": ["Fewer", "More"],
            "stop": ["A closer stop, or none", "A farther stop"],
            "take": ["A closer profit, or none", "A farther profit"],
            "trail": ["A closer trail, or none", "A farther trail"],
        },
        "arming": {
            "tail": "account's last 4",
            "minutes": "minutes",
            "budget": "won",
            "tip": "Let buys pass at live, for this time and up to this budget",
        },
    },
}


def part_words(
    name: str, tables: Mapping[str, PanelTable[Any]], *, fixed: bool
) -> dict[str, object]:
    """Return the kind, the name and the texts of a part.

    ``fixed`` True: a table keeps its height when rows come and go, so that nothing below it moves.
    """
    if name not in tables:
        return {"kind": name, "name": name, **_WORDS[name]}
    table = tables[name]
    return {
        "kind": "table",
        "name": name,
        "title": table.title,
        "empty": table.empty,
        "rows": table.height,
        "fixed": fixed,
        "missing": MISSING.format(what="The tables"),
        "forms": msgspec.to_builtins(table.forms),
        "start": START if name == "agents" else None,
        "held": "new rows wait for the pointer on a button, 5 seconds at most",
    }
