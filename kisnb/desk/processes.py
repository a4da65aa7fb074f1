"""Processes of this machine by id and start time, because the system reuses ids."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def process_of(pid: int) -> psutil.Process | None:
    """Return the process that has this id now; None when there is none."""
    import psutil

    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def lives(process: psutil.Process) -> bool:
    """Return whether exactly this process still runs.

    A process that has ended counts as gone, even while the system still lists it (a zombie).
    """
    import psutil

    try:
        # psutil compares the time of the start, so a new process with the same number is not taken
        # for this one. A zombie still has its number and does nothing any more.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def terminate(process: psutil.Process) -> None:
    """Send the process the signal to end. Do nothing if it has ended already."""
    import psutil

    with suppress(psutil.Error):
        process.terminate()


def wait_until_gone(processes: Iterable[psutil.Process], seconds: float) -> bool:
    """Wait up to ``seconds`` for the processes to end. Return True when all have ended."""
    deadline = time.monotonic() + seconds
    left = [p for p in processes if lives(p)]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [p for p in left if lives(p)]
    return not left
