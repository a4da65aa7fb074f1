"""Live panels. Python decides what they show. JavaScript and CSS draw it.

There is no build step, and nothing is loaded from the internet: the libraries that draw tables and
candles come with kisnb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.errors import BadInput

if TYPE_CHECKING:
    from kisnb.notebook.panels.desk_panel import DeskPanel
    from kisnb.session.session import Session

PANELS: dict[str, tuple[str, ...]] = {
    "desk": (
        "chart", "tape", "depth", "ticket", "orders", "stocks", "agents", "exits", "alerts",
        "notices",
    ),
    "account": (),
    "agents": ("agents",),
    "orders": ("orders",),
    "stocks": ("stocks",),
    "exits": ("exits", "alerts"),
    "notices": ("notices",),
    "depth": ("depth",),
    "tape": ("tape",),
    "ticket": ("ticket",),
    "chart": ("chart",),
}  # fmt: skip
"""The panels by name, each with the names of its parts."""
WHOLE_HEAD = ("desk", "account")
"""The panels with the account line and HALT. Other panels have one line above their parts."""
OF_ONE_STOCK = ("depth", "tape", "chart", "ticket", "desk")
"""The panels that show one stock, which a person may name."""
DESK_PANEL = f"{__name__}.desk_panel"
"""The module with the panels. It is imported when the first panel is opened."""


def open_panel(session: Session, name: str = "desk", code: str = "") -> DeskPanel:
    """Return the session's panel of this name. Raises BadInput when there is no such panel.

    ``code`` is the stock that the panel shows. Without ``code`` it is the stock of the ticket,
    which a person may change in the ticket.
    """
    from kisnb.notebook.panels.desk_panel import desk_panel

    if name not in PANELS:
        raise BadInput(f"there is no panel {name!r}", f"the panels: {', '.join(PANELS)}")
    if code and name not in OF_ONE_STOCK:
        raise BadInput(f"the panel {name!r} shows all stocks", "leave the code out")
    return desk_panel(session, name, code)
