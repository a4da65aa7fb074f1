"""Live panels. Python decides what they show. JavaScript and CSS draw it.

Nothing is built, and nothing is loaded from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.errors import BadInput

if TYPE_CHECKING:
    from kisnb.notebook.panels.desk_panel import DeskPanel
    from kisnb.session.session import Session

PANELS: dict[str, tuple[str, ...]] = {
    "desk": ("agents", "orders", "exits", "alerts"),
    "account": (),
    "agents": ("agents",),
    "orders": ("orders",),
    "exits": ("exits", "alerts"),
}
"""The panels by name, with their tables."""
WHOLE_HEAD = ("desk", "account")
"""The panels that have the account line and HALT. The others have one line above their tables."""
DESK_PANEL = f"{__name__}.desk_panel"
"""The module of the panels. It is imported when the first one is opened."""


def open_panel(session: Session, name: str = "desk") -> DeskPanel:
    """Return the session's panel of this name. Raises BadInput when there is none."""
    from kisnb.notebook.panels.desk_panel import desk_panel

    if name not in PANELS:
        raise BadInput(f"there is no panel {name!r}", f"the panels: {', '.join(PANELS)}")
    return desk_panel(session, name)
