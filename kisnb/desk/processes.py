"""Processes of this machine by number and start, because numbers are given out again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def process_of(pid: int) -> psutil.Process | None:
    """The process that has this number now."""
    import psutil

    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def lives(process: psutil.Process) -> bool:
    """Return whether this very process runs.

    A process that has ended and was not waited for does not.
    """
    import psutil

    try:
        # psutil compares the time of the start, so a new process with the same number is not taken
        # for this one. A zombie still has its number and does nothing any more.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def terminate(process: psutil.Process) -> None:
    """Ask it to end; nothing when it has ended already."""
    import psutil

    with suppress(psutil.Error):
        process.terminate()


def wait_until_gone(processes: Iterable[psutil.Process], seconds: float) -> bool:
    """Returns whether all have ended within the time."""
    deadline = time.monotonic() + seconds
    left = [p for p in processes if lives(p)]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [p for p in left if lives(p)]
    return not left
