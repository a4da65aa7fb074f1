"""The machine's clock as ``MACHINE_CLOCK_AHEAD`` (ns) sets it, for every Python that has this
folder on its path.

A desk at a real host goes by the machine's time: what passes in a session is tested at every hour
of the week.
"""

import os
import time
from collections.abc import Callable

AHEAD = "MACHINE_CLOCK_AHEAD"


def ahead_by(ns: int) -> tuple[Callable[[], int], Callable[[], float]]:
    """``time.time_ns`` and ``time.time`` of a clock that is ``ns`` ahead."""
    time_ns, seconds = time.time_ns, time.time
    return lambda: time_ns() + ns, lambda: seconds() + ns / 1e9


if AHEAD in os.environ:
    time.time_ns, time.time = ahead_by(int(os.environ[AHEAD]))
