"""The call stack, seen from the notebook: which code of the user is running."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any


def callers() -> Iterator[FrameType]:
    """The frames below the caller's, innermost first."""
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame else None
    while frame is not None:
        yield frame
        frame = frame.f_back


def locals_of_user(namespace: dict[str, Any]) -> Mapping[str, Any]:
    """The local variables of the innermost function that was written in the notebook of ``namespace``."""
    return next((frame.f_locals for frame in callers() if frame.f_globals is namespace), {})
