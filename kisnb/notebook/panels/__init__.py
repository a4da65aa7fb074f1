"""Live panels: Python says what stands there, JavaScript and CSS draw it; nothing is built or loaded from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.errors import BadInput

if TYPE_CHECKING:
    from kisnb.notebook.panels.desk_panel import DeskPanel
    from kisnb.session.session import Session

PANELS = ("desk",)
DESK_PANEL = f"{__name__}.desk_panel"
"""The module of the desk panel, which is imported when the first panel is asked for."""


def open_panel(session: Session, name: str = "desk") -> DeskPanel:
    """The session's panel of this name; raises BadInput for a name that there is not."""
    from kisnb.notebook.panels.desk_panel import desk_panel

    if name not in PANELS:
        raise BadInput(f"there is no panel {name!r}", f"the panels: {', '.join(PANELS)}")
    return desk_panel(session)
