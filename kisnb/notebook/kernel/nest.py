"""``%kis nest``: lets other libraries call ``run_until_complete`` in a cell.

Such libraries need an event loop that may run inside itself. kisnb never needs that, and switches
it on only when a person asks. With ``nest_asyncio`` on ipykernel 7 a queued cell was lost. With
either library an interrupt (■) ended a busy agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from importlib import import_module
from importlib.util import find_spec

from kisnb.errors import BadInput

LIBRARIES = ("nest_asyncio2", "nest_asyncio")
"""The libraries that can do it. The first installed one is used.

ipykernel 7.3 and newer install ``nest_asyncio2``.
"""
WARNING = (
    "Until the kernel restarts, a cell that waits in the queue may be lost, and ■ may end an agent."
)


def is_nested() -> bool:
    """Return whether any library has patched asyncio to run a loop inside a running one."""
    return hasattr(asyncio, "_nest_patched")


def nest(switch: str | None, running_agents: Collection[str] = ()) -> str:
    """Make the running loop re-entrant, and return lines for people.

    ``switch`` is ``"on"`` or ``"off"``. With None nothing changes, and the line says whether the
    loop is re-entrant. Raises BadInput for ``"off"`` while asyncio is patched, because neither
    library can remove its patch. Raises BadInput too for a loop that is not asyncio's own, such as
    uvloop's.
    """
    if switch is None:
        return f"The event loop is {'re-entrant' if is_nested() else 'as Jupyter made it'}."
    if switch == "off":
        if is_nested():
            raise BadInput("A re-entrant loop stays until the kernel ends", "Restart the kernel")
        return "The event loop is as Jupyter made it."
    name = next(name for name in LIBRARIES if find_spec(name))
    try:
        import_module(name).apply()
    except ValueError as error:
        raise BadInput(
            f"This event loop cannot be made re-entrant: {error}",
            "Await in the cell instead, without %kis nest",
        ) from None
    lines = [f"The event loop is re-entrant now, by {name}.", WARNING]
    if running_agents:
        lines.append(f"These agents run now: {', '.join(running_agents)}.")
    return "\n".join(lines)
