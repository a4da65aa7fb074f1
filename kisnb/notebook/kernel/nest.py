"""A re-entrant event loop, for people whose other libraries call ``run_until_complete`` in a cell.

kisnb never needs it, and applies it only when a person asks for it. With ``nest_asyncio`` on
ipykernel 7 a queued cell was lost. With either library an interrupt (■) ended a busy agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from importlib import import_module
from importlib.util import find_spec

from kisnb.errors import BadInput

LIBRARIES = ("nest_asyncio2", "nest_asyncio")
"""The first one that is installed is used. ipykernel 7.3 and newer bring ``nest_asyncio2``."""
WARNING = (
    "Until the kernel restarts, a cell that waits in the queue may be lost, and ■ may end an agent."
)


def is_nested() -> bool:
    """Return True when asyncio is patched to run a loop inside a running one, by any library."""
    return hasattr(asyncio, "_nest_patched")


def nest(switch: str | None, running_agents: Collection[str] = ()) -> str:
    """Make the running loop re-entrant, and return lines for people.

    ``switch`` is ``"on"`` or ``"off"``. With None nothing changes, and the line says whether the
    loop is re-entrant. Raises BadInput for ``"off"`` while asyncio is patched, because neither
    library takes its patch back. Raises it too for a loop that is not asyncio's own, such as
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
