"""Notices when a desk falls silent: a thread asks it again and again for a reply.

A cell that computes does not disturb this. A desk that is busy, or whose clock waits in lockstep,
still replies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BEAT_SECONDS = 1.0
SILENT_SECONDS = 5.0
"""A desk counts as silent after this wall time without a reply."""


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
    """A thread that checks once a second that the desk still replies.

    It sends the question with ``ask``. It calls ``changed`` when the desk falls silent, or replies
    again.
    """

    def __init__(self, ask: Callable[[], object], changed: Callable[[], object]) -> None:
        self._ask = ask
        self._changed = changed
        self._asked: float | None = None
        """When the oldest question without a reply was asked, monotonic. None: all have a reply."""
        self._silent = False
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def silence(self) -> float | None:
        """Seconds of wall time for which the desk has not replied; None while it replies."""
        asked = self._asked
        return time.monotonic() - asked if self._silent and asked is not None else None

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._watch, name="kisnb-pulse", daemon=True).start()

    def stop(self) -> None:
        """End the thread within a second. It then calls nothing more."""
        self._ended.set()

    def on_received(self) -> None:
        """Note that any message came from the desk. Called from the thread that reads."""
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
            # This process itself stood still. Messages that the desk sent meanwhile are not read
            # yet.
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
