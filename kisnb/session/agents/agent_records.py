"""The desk keeps a record of each agent, so that an agent that ended with its kernel can go on.

An agent whose session closed, crashed or was restarted has a record that says that it ran, and no
lease. ``%kis agents`` shows it, and ``restore`` starts it again with its parameters and the values
of its ``keep`` fields. Its shares were its own all the time, because its order book is the desk's.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

import msgspec

from kisnb.errors import BadInput, DeskLost
from kisnb.events import AgentRecord
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.ports.commands import NoteAgent
from kisnb.values import shown

_RAN = (AgentState.RUNNING, AgentState.PAUSED)


class AgentRecords:
    """Keeps the desk's records of agents up to date, and makes agents from records."""

    def __init__(self, link: Link, state: SessionState) -> None:
        self._link = link
        self._state = state
        self._given: dict[str, AgentRecord] = {}
        """The record of each agent as the desk got it last, by the agent's id."""

    def note(self, runner: AgentRunner) -> None:
        """Send the desk the record of an agent if the record has changed. Raises BadInput."""
        if runner.state is AgentState.READY:
            return
        record = record_of(runner)
        if self._given.get(runner.id) == record:
            return
        self._given[runner.id] = record
        # The next desk has the record from the journal. A change meanwhile is given with the next.
        with suppress(DeskLost):
            self._link.submit([NoteAgent(record)])

    def take_up(self, agent: Agent, agent_id: str) -> None:
        """Set the ``keep`` fields of an agent to the values that the desk recorded for this id."""
        noted = self._state.desk.agents.get(agent_id)
        if noted is None:
            return
        for name, value in msgspec.json.decode(noted.record.kept).items():
            if name in agent.keep:
                setattr(agent, name, value)

    @property
    def lost(self) -> list[str]:
        """The ids of agents that ran when their session ended, oldest first."""
        return [
            agent_id
            for agent_id, noted in self._state.desk.agents.items()
            if noted.record.state in _RAN and agent_id not in self._state.leases
        ]

    def class_name_of(self, agent_id: str) -> str:
        """Return the name of an agent's class. Empty when the desk has no record of the agent."""
        noted = self._state.desk.agents.get(agent_id)
        return "" if noted is None else noted.record.kind

    def remade(self, agent_id: str, kind: type[Agent] | None) -> Agent:
        """Return a new agent, made from the record of this id. Raises BadInput.

        ``kind`` is its class. None: the class is imported from the module that the record names.
        """
        noted = self._state.desk.agents.get(agent_id)
        if noted is None:
            known = ", ".join(self._state.desk.agents) or "none"
            raise BadInput(f"the desk has no record of {agent_id!r}", f"it has records of: {known}")
        record = noted.record
        made = (kind or _imported(record))(**msgspec.json.decode(record.parameters))
        made.id = agent_id
        return made


def record_of(runner: AgentRunner) -> AgentRecord:
    """Return the record of an agent. Raises BadInput for a ``keep`` field that JSON cannot hold."""
    agent = runner.agent
    parameters = {name: getattr(agent, name) for name in agent.parameters()}
    kept = {name: getattr(agent, name) for name in agent.keep if hasattr(agent, name)}
    kind = type(agent)
    note = runner.failed_line or (agent.note if isinstance(agent.note, str) else "")
    return AgentRecord(
        runner.id,
        kind.__name__,
        f"{kind.__module__}:{kind.__qualname__}",
        _json(parameters, "parameter"),
        _json(kept, "keep field"),
        str(runner.state),
        note if runner.state is AgentState.FAILED else "",
        agent.when_lost,
    )


def _json(values: dict[str, Any], what: str) -> str:
    for name, value in values.items():
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
            why = f"the {what} {name}={shown(value)} cannot be kept over a restart"
            raise BadInput(why, "use numbers, texts, lists and dicts of them") from None
    return msgspec.json.encode(values).decode()


def _imported(record: AgentRecord) -> type[Agent]:
    """Import and return the class that a record names. Raises BadInput."""
    from kisnb.strategies import NAMES, strategy

    if record.kind in NAMES:
        return strategy(record.kind)
    module, _, name = record.source.partition(":")
    found: object = None
    # A class of a notebook is in ``__main__`` of a kernel that is gone.
    if module != "__main__" and "<locals>" not in name:
        with suppress(ImportError, AttributeError):
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
    if isinstance(found, type) and issubclass(found, Agent):
        return found
    cure = f"run the cell that defines {record.kind} first, then restore it again"
    raise BadInput(f"the class {record.kind} of {record.agent} is not known here", cure)
