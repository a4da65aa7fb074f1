"""Reports attached sessions that send nothing. A frozen kernel keeps its leases and orders.

A kernel that a cell blocks is not silent, because the thread that pings the desk needs no loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

# A session counts a desk as silent after 5 seconds. The desk waits a little longer.
SILENT_SECONDS = 6.0
"""A session counts as silent when it sends nothing for this wall time. It pings each second."""


class AttachedSession(Protocol):
    """The facts about a session that this module needs."""

    name: str
    where: str
    received_at: float
    """When the session's newest message was received, seconds on the clock of ``check``."""


class SilentSessions:
    """Finds sessions that have fallen silent.

    Each begin and each end of a silence is reported once.
    """

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._checked_at: float | None = None

    def check(self, now: float, sessions: Iterable[AttachedSession]) -> list[str]:
        """Return sentences to publish about silences that began or ended.

        Called every few seconds.
        """
        # If the desk itself stood still, it has not read the messages that sessions sent meanwhile.
        stood = self._checked_at is not None and now - self._checked_at > SILENT_SECONDS
        self._checked_at = now
        sentences = []
        for session in sessions:
            silent = now - session.received_at
            if session.name in self._named:
                if silent < SILENT_SECONDS:
                    self._named.discard(session.name)
                    sentences.append(f"{session.where} is heard again")
            elif silent >= SILENT_SECONDS and not stood:
                self._named.add(session.name)
                sentences.append(
                    f"{session.where} has said nothing for {silent:.0f} s: its agents stand still "
                    "and keep their leases, its orders stay in the market"
                )
        return sentences
