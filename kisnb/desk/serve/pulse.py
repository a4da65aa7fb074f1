"""The pulse of a desk: a thread asks again and again whether the desk replies.

Neither the desk's process nor a cell needs to do anything for it. Only silence counts: a desk that
is busy, or whose clock waits in lockstep, replies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BEAT_SECONDS = 1.0
SILENT_SECONDS = 5.0
"""Wall time without a reply after which a desk is silent."""


# A beat each second, and what it does:
#
#   the newest question             the desk      what the beat does
#   ──────────────────────────────  ────────────  ────────────────────────────────────────────
#   answered                        replies       asks again
#   open for SILENT_SECONDS or less replies       waits
#   open for longer                 falls silent  calls ``changed``
#   open, and this process stood    replies       counts anew from now: the answer may be here
#   still                                         and not read yet
class Pulse:
    """Asks the desk from a thread of its own, each time the desk has replied.

    It calls ``ask`` for that, and ``changed`` when silence begins or ends.
    """

    def __init__(self, ask: Callable[[], object], changed: Callable[[], object]) -> None:
        self._ask = ask
        self._changed = changed
        self._asked: float | None = None
        """Time of the oldest question without a reply; None when there is none."""
        self._silent = False
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def silence(self) -> float | None:
        """Seconds of wall time since a silent desk was asked; None while it answers."""
        asked = self._asked
        return time.monotonic() - asked if self._silent and asked is not None else None

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._watch, name="kisnb-pulse", daemon=True).start()

    def stop(self) -> None:
        """End the thread within a beat. Nothing is called any more."""
        self._ended.set()

    def on_received(self) -> None:
        """Note that a message came from the desk, whatever it is. From the thread that reads."""
        with self._lock:
            self._asked = None
            ended, self._silent = self._silent, False
        if ended:
            # Outside the lock, because it calls the session's code.
            self._changed()

    def _watch(self) -> None:
        woke_at = time.monotonic()
        while not self._ended.wait(BEAT_SECONDS):
            now = time.monotonic()
            # This process stood still itself. What the desk sent meanwhile is still to be read.
            stood, woke_at = now - woke_at > SILENT_SECONDS, now
            with self._lock:
                is_answered = self._asked is None
                if is_answered or (stood and not self._silent):
                    self._asked = now
                begins = (
                    not self._silent
                    and self._asked is not None
                    and now - self._asked > SILENT_SECONDS
                )
                self._silent = self._silent or begins
            if is_answered:
                self._ask()
            elif begins:
                self._changed()
