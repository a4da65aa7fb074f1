"""Sends the desk a record of each agent, so that an agent can go on after its kernel ended.

The record says that the agent ran. When its session closed, crashed or was restarted, the record is
still there, and no session has the agent's lease. ``%kis agents`` shows such an agent, and
``restore`` starts it again with its parameters and the values of its ``keep`` fields. The agent has
kept its shares, because the desk has its order book.
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
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.ports.commands import NoteAgent
from kisnb.values import shown

KEEPS_EVERY: Ns = 5 * SECOND
"""Shortest time between two records of an agent that differ only in their ``keep`` fields."""
_PLAIN = frozenset({int, float, str, bool, type(None)})
"""Types of values that never change in place."""
_RAN = (AgentState.RUNNING, AgentState.PAUSED, AgentState.WAITING)


class AgentRecords:
    """Sends the records of agents to the desk when they change, and makes agents from records."""

    def __init__(self, link: Link, state: SessionState) -> None:
        self._link = link
        self._state = state
        self._given: dict[str, AgentRecord] = {}
        """The record of each agent that was sent to the desk last."""
        self._noted: dict[str, Ns] = {}
        """The moment when the last record of each agent was sent."""
        self._stamps: dict[str, tuple[object, ...] | None] = {}
        """The ``_stamp`` of each agent's newest record.

        An equal stamp shows quickly that nothing changed.
        """
        self._late: dict[str, AgentRunner] = {}
        """Agents whose newest ``keep`` fields were not sent yet: ``note_late`` sends them."""

    def note(self, runner: AgentRunner) -> None:
        """Send the record of an agent to the desk if the record has changed. Raises BadInput.

        If only the ``keep`` fields have changed, at most one record in ``KEEPS_EVERY`` is sent. A
        change that comes sooner waits for ``note_late``.
        """
        if runner.state is AgentState.READY:
            return
        stamp = _stamp(runner)
        is_known = stamp is not None and stamp == self._stamps.get(runner.id)
        if is_known and runner.id not in self._late:
            return
        self._stamps[runner.id] = stamp
        record, given = record_of(runner), self._given.get(runner.id)
        if given == record:
            return
        now = self._state.now
        # An agent may change its ``keep`` fields at each trade, and the desk syncs the disk for
        # each row.
        is_new = now < self._noted.get(runner.id, 0) + KEEPS_EVERY
        if given is not None and is_new and replace(given, kept=record.kept) == record:
            self._late[runner.id] = runner
            return
        self._given[runner.id], self._noted[runner.id] = record, now
        self._late.pop(runner.id, None)
        # The next desk reads the record from the journal. A change that this desk did not get is
        # sent with the agent's next record.
        with suppress(DeskLost):
            self._link.submit([NoteAgent(record)])

    def note_late(self, *, at_once: bool = False) -> None:
        """Send the records that ``note`` kept back, once ``KEEPS_EVERY`` has passed.

        ``at_once`` sends them without regard to the time, for a session that closes.
        """
        if not self._late:
            return
        for runner in list(self._late.values()):
            if at_once:
                self._noted.pop(runner.id, None)
            elif self._state.now < self._noted.get(runner.id, 0) + KEEPS_EVERY:
                continue
            # ``note`` raised for a field that cannot be kept when it was called first.
            with suppress(BadInput):
                self.note(runner)

    def begin_anew(self, runner: AgentRunner) -> None:
        """Let the desk archive an agent's old record and begin a new one. Raises BadInput."""
        if runner.id in self._state.desk.agents:
            with suppress(DeskLost):
                self._link.submit([NoteAgent(record_of(runner), fresh=True)])

    def take_up(self, agent: Agent, agent_id: str) -> None:
        """Set the ``keep`` fields of an agent to the values in the desk's record of this id."""
        noted = self._state.desk.agents.get(agent_id)
        if noted is None:
            return
        for name, value in msgspec.json.decode(noted.record.kept).items():
            if name in agent.keep:
                setattr(agent, name, value)

    def archived(self, agent_id: str) -> list[AgentArchived]:
        """Return the records of an agent that fresh starts have archived, oldest first."""
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
        """Return the schedule in the desk's record of an agent.

        None without a schedule or a record.
        """
        noted = self._state.desk.agents.get(agent_id)
        return None if noted is None else schedule_of(noted.record)

    def remade(self, agent_id: str, kind: type[Agent] | None) -> Agent:
        """Return a new agent, made from the desk's record of this id. Raises BadInput.

        ``kind`` is the agent's class. None: the class is imported from the module that the record
        names.
        """
        noted = self._state.desk.agents.get(agent_id)
        if noted is None:
            known = ", ".join(self._state.desk.agents) or "none"
            raise BadInput(f"the desk has no record of {agent_id!r}", f"it has records of: {known}")
        record = noted.record
        made = (kind or _imported(record))(**msgspec.json.decode(record.parameters))
        made.id = agent_id
        return made


def _stamp(runner: AgentRunner) -> tuple[object, ...] | None:
    """Return the values that an agent's record is made of, for a comparison with later ones.

    None when one of them may change in place, such as a list.
    """
    agent = runner.agent
    # ``...`` stands for a field that is not set yet.
    values = [getattr(agent, name, ...) for name in (*agent.parameters(), *agent.keep)]
    if not all(type(value) in _PLAIN for value in values):
        return None
    # The types are compared too, because 1, 1.0 and True are equal in Python and differ in JSON.
    kinds = tuple(map(type, values))
    return (runner, runner.state, runner.schedule, runner.failed_line, *values, kinds)


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
