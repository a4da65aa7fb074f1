"""Facts of agents that the journal contains: their records, their decisions and their guards."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.events.fact import Fact
from kisnb.guards import Guards

Input: TypeAlias = int | float | str | bool | None
"""A value that an agent used for a decision. None: it was missing."""


class GuardsSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The guards of an agent's buys from now on; None: it has none."""

    agent: str
    guards: Guards | None


class DecisionMade(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent made a decision, once or several times in a row. ``t`` is the first moment.

    A later fact with the same key replaces this fact, and counts the new repetitions too.
    """

    key: str
    """Key of the decision: the agent, its run and the decision's number."""
    agent: str
    code: str
    session_id: str
    """The part of the day in which the decision was made, such as ``KRX_REG``."""
    venue: str
    """The venue whose prices the agent gets at that moment; empty when nothing is open."""
    action: str
    """The decision in the agent's words: ``"buy"``, ``"HOLD"``."""
    why: str
    inputs: tuple[tuple[str, Input], ...]
    """(name, value) of each input of the newest repetition."""
    order: str = ""
    """Key of the order that the decision caused; empty when there is none."""
    times: int = 1
    """Number of equal decisions in a row: the same action, reason and stock, and no order."""
    last: Ns = 0
    """The moment of the newest repetition. 0: the decision was not repeated."""


class AgentRecord(msgspec.Struct, frozen=True, gc=False):
    """The data from which an agent can be started again."""

    agent: str
    """The agent's id."""
    kind: str
    """The name of the agent's class."""
    source: str
    """The module and the qualified name of the class."""
    parameters: str
    """The values of the agent's parameters, a JSON object."""
    kept: str
    """The values of the agent's ``keep`` fields, a JSON object."""
    state: str
    """running, waiting, paused, stopped or failed."""
    note: str = ""
    """The error line of a failed agent; empty for others."""
    when_lost: str = "hold"
    """What the desk does with its orders and shares when its session is lost: hold, cancel,
    flatten."""
    schedule: str = ""
    """The times at which its session starts and stops it, a JSON object.

    Empty: a person does both.
    """


class AgentNoted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent started, paused, stopped or failed, or its ``keep`` fields changed."""

    record: AgentRecord


class AgentArchived(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent was started afresh. This is the desk's record of it before that start."""

    record: AgentRecord
    since: Ns
    """The moment of that record."""


AgentFact: TypeAlias = DecisionMade | GuardsSet | AgentNoted | AgentArchived
"""Facts of agents that the journal keeps."""
