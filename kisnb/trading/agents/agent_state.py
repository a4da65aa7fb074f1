"""The states of an agent."""

from __future__ import annotations

from enum import StrEnum


class AgentState(StrEnum):
    """The states of an agent."""

    READY = "ready"
    WAITING = "waiting"
    """Its schedule will start it. Until then no handler is called."""
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"
    """The agent runs in another session."""
    LOST = "lost"
    """The agent ran when its session ended, and was not started again."""


ENDED = (AgentState.STOPPED, AgentState.FAILED)
"""States after which only a new start lets the agent act."""
STANDING = (AgentState.PAUSED, AgentState.WAITING)
"""States in which no handler is called, and after which the agent may go on."""
