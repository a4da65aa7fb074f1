"""Sessions that are there and say nothing: a frozen kernel is named, and nothing is taken from it.

A cell that blocks its kernel is not silent: the thread that asks whether the desk is there needs no loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

SILENT_SECONDS = 6.0
"""Wall time after which a session that asks each second counts as silent."""


class Heard(Protocol):
    """A session as this sees it."""

    name: str
    where: str
    heard_at: float
    """When it said something last, on the clock that ``look`` is given."""


class SilentSessions:
    """Who has fallen silent, and who speaks again, said once each."""

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._looked: float | None = None

    def look(self, now: float, sessions: Iterable[Heard]) -> list[str]:
        """What is to be told; called every few seconds."""
        # A desk that stood still itself has not read what they said meanwhile.
        stood = self._looked is not None and now - self._looked > SILENT_SECONDS
        self._looked = now
        said = []
        for session in sessions:
            silent = now - session.heard_at
            if session.name in self._named:
                if silent < SILENT_SECONDS:
                    self._named.discard(session.name)
                    said.append(f"{session.where} is heard again")
            elif silent >= SILENT_SECONDS and not stood:
                self._named.add(session.name)
                said.append(
                    f"{session.where} has said nothing for {silent:.0f} s: its agents stand still and keep their "
                    "leases, its orders stay in the market"
                )
        return said
