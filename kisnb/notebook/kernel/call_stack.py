"""The call stack of the notebook: finds the person's code that is running."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any


def callers() -> Iterator[FrameType]:
    """Yield the stack frames that called the calling function, innermost first."""
    frame = inspect.currentframe()
    # The frames of this generator and of the calling function are left out.
    for _ in range(2):
        frame = frame.f_back if frame else None
    while frame is not None:
        yield frame
        frame = frame.f_back


def locals_of_user(namespace: dict[str, Any]) -> Mapping[str, Any]:
    """Return the local variables of the innermost function on the stack that the notebook defines.

    ``namespace`` is the one in which its cells run. Empty when no code of a cell is on the stack.
    """
    # Code of a cell, and of a function in a cell, has the notebook's namespace as its globals. Code
    # of a module has other globals.
    return next((frame.f_locals for frame in callers() if frame.f_globals is namespace), {})
