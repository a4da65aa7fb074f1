"""Leases of the attached sessions, with the events that tell sessions who runs an agent."""

from __future__ import annotations

from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.connection import Connection
from kisnb.desk.serve.event_feed import EventFeed
from kisnb.desk.serve.leases import Leases
from kisnb.events import AgentLeased, AgentReleased, Trouble
from kisnb.trading.ports.effects import AgentLost


class PublishedLeases:
    """Gives and ends leases, and publishes each change."""

    def __init__(self, host: DeskHost, feed: EventFeed, leases: Leases) -> None:
        self._host = host
        self._feed = feed
        self._leases = leases

    def acquire(self, connection: Connection, agent: str) -> None:
        """Lease an agent to a session. Raises DeskBusy when another living session runs it."""
        former = self._leases.owner(agent)
        if not self._leases.acquire(agent, connection):
            return
        now = self._host.clock.now()
        # The former session died without a message. The others show its agent as running until this
        # event comes.
        if former is not None:
            self._feed.publish(AgentReleased(now, agent, former.name, lost=True))
        self._feed.publish(AgentLeased(now, agent, connection.name, connection.where))

    def release(self, connection: Connection, agent: str) -> None:
        """End the lease of an agent, if this session has it."""
        if self._leases.release(agent, connection):
            self._feed.publish(AgentReleased(self._host.clock.now(), agent, connection.name))

    def drop(self, connection: Connection) -> None:
        """End all leases of a lost session, publish that, and submit the loss of its agents."""
        now = self._host.clock.now()
        for agent in self._leases.drop(connection):
            self._feed.publish(AgentReleased(now, agent, connection.name, lost=True))
            text = f"{connection.where} is gone and its agent {agent} with it; its orders stay"
            self._feed.publish(Trouble(now, text))
            self._host.submit(AgentLost(agent))

    def agents_of(self, connection: Connection) -> list[str]:
        """Return the agents that a session runs."""
        return [lease.agent for lease in self._leases.all() if lease.session == connection.name]
