"""Live panels. Python decides what they show. JavaScript and CSS draw it.

Nothing is built, and nothing is loaded from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.errors import BadInput

if TYPE_CHECKING:
    from kisnb.notebook.panels.desk_panel import DeskPanel
    from kisnb.session.session import Session

PANELS = ("desk",)
DESK_PANEL = f"{__name__}.desk_panel"
"""The module of the desk panel. It is imported when the first panel is opened."""


def open_panel(session: Session, name: str = "desk") -> DeskPanel:
    """Return the session's panel of this name. Raises BadInput when there is none."""
    from kisnb.notebook.panels.desk_panel import desk_panel

    if name not in PANELS:
        raise BadInput(f"there is no panel {name!r}", f"the panels: {', '.join(PANELS)}")
    return desk_panel(session)
