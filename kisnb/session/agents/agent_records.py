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
from msgspec.structs import replace

from kisnb.clock import SECOND, Ns
from kisnb.errors import BadInput, DeskLost
from kisnb.events import AgentArchived, AgentRecord
from kisnb.session.agents.schedule import AgentSchedule, schedule_of
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.ports.commands import NoteAgent
from kisnb.values import shown

KEEPS_EVERY: Ns = 5 * SECOND
"""A change of the ``keep`` fields alone is journaled at most this often."""
_RAN = (AgentState.RUNNING, AgentState.PAUSED, AgentState.WAITING)


class AgentRecords:
    """Keeps the desk's records of agents up to date, and makes agents from records."""

    def __init__(self, link: Link, state: SessionState) -> None:
        self._link = link
        self._state = state
        self._given: dict[str, AgentRecord] = {}
        """The record of each agent that the desk got last."""
        self._noted: dict[str, Ns] = {}
        """When it got them."""
        self._late: dict[str, AgentRunner] = {}
        """Agents whose newest record it has not got yet."""

    def note(self, runner: AgentRunner) -> None:
        """Send the desk the record of an agent if the record has changed. Raises BadInput."""
        if runner.state is AgentState.READY:
            return
        record, given = record_of(runner), self._given.get(runner.id)
        if given == record:
            return
        now = self._state.now
        # An agent may change what it keeps at each trade, and each row syncs the disk.
        is_new = now < self._noted.get(runner.id, 0) + KEEPS_EVERY
        if given is not None and is_new and replace(given, kept=record.kept) == record:
            self._late[runner.id] = runner
            return
        self._given[runner.id], self._noted[runner.id] = record, now
        self._late.pop(runner.id, None)
        # The next desk has the record from the journal. A change meanwhile is given with the next.
        with suppress(DeskLost):
            self._link.submit([NoteAgent(record)])

    def note_late(self, *, at_once: bool = False) -> None:
        """Give the desk the records that were not given because the last one was too new."""
        if not self._late:
            return
        for runner in list(self._late.values()):
            if at_once:
                self._noted.pop(runner.id, None)
            # What cannot be kept was refused when it was noted first.
            with suppress(BadInput):
                self.note(runner)

    def begin_anew(self, runner: AgentRunner) -> None:
        """Let the desk archive what it knows of an earlier life of an agent. Raises BadInput."""
        if runner.id in self._state.desk.agents:
            with suppress(DeskLost):
                self._link.submit([NoteAgent(record_of(runner), fresh=True)])

    def take_up(self, agent: Agent, agent_id: str) -> None:
        """Set the ``keep`` fields of an agent to the values that the desk recorded for this id."""
        noted = self._state.desk.agents.get(agent_id)
        if noted is None:
            return
        for name, value in msgspec.json.decode(noted.record.kept).items():
            if name in agent.keep:
                setattr(agent, name, value)

    def archived(self, agent_id: str) -> list[AgentArchived]:
        """Return what an agent kept before each fresh start, oldest first."""
        return [row for row in self._state.desk.archived if row.record.agent == agent_id]

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

    def schedule_of(self, agent_id: str) -> AgentSchedule | None:
        """Return the schedule that the desk noted of an agent; None for none."""
        noted = self._state.desk.agents.get(agent_id)
        return None if noted is None else schedule_of(noted.record)

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
        runner.schedule,
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
