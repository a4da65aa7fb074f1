"""Leases: an agent runs in one session at a time (row A02).

A lease ends with its session. A session is lost when its socket closes or its process is gone. A
session that is only silent keeps its agents, because they may act again at any moment.
"""

from __future__ import annotations

from typing import Protocol

from kisnb.errors import DeskBusy
from kisnb.trading.ports.desk_port import Lease


class Owner(Protocol):
    """The facts about a session that leases need."""

    name: str
    where: str

    @property
    def alive(self) -> bool:
        """True while the session's process runs."""
        ...


class Leases:
    """Gives and ends the right to run an agent. One session at a time has it."""

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}

    def owner(self, agent: str) -> Owner | None:
        """Return the session that runs an agent. None when no session runs it."""
        return self._owners.get(agent)

    def acquire(self, agent: str, owner: Owner) -> bool:
        """Lease an agent to a session, and return whether the lease is new.

        Raises DeskBusy when another session whose process runs has the lease.
        """
        holder = self._owners.get(agent)
        if holder is owner:
            return False
        # The socket of a dead kernel may stay open for a while, but its agents no longer act. So
        # the process counts.
        if holder is not None and holder.alive:
            raise DeskBusy(
                f"agent {agent} runs in {holder.where}", f"stop it there: %kis agents stop {agent}"
            )
        self._owners[agent] = owner
        return True

    def release(self, agent: str, owner: Owner) -> bool:
        """End a lease, and return whether ``owner`` had it."""
        if self._owners.get(agent) is not owner:
            return False
        del self._owners[agent]
        return True

    def drop(self, owner: Owner) -> list[str]:
        """End all leases of a session, and return the agents that it had leased."""
        agents = [agent for agent, holder in self._owners.items() if holder is owner]
        for agent in agents:
            del self._owners[agent]
        return agents

    def all(self) -> tuple[Lease, ...]:
        """Return all leases."""
        return tuple(Lease(agent, owner.name, owner.where) for agent, owner in self._owners.items())
