"""Facts of agents that the journal keeps: what ran, what it decided, and what guards it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.events.fact import Fact
from kisnb.guards import Guards

Input: TypeAlias = int | float | str | bool | None
"""A number that an agent decided on. None: it was missing."""


class GuardsSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The guards of an agent's buys from now on; None: it has none."""

    agent: str
    guards: Guards | None


class DecisionMade(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent decided something. ``t`` is the first moment of an equal decision in a row.

    A later fact of the same key replaces this one: it counts more repetitions.
    """

    key: str
    """The agent, its run and the number of the decision."""
    agent: str
    code: str
    session_id: str
    """The part of the day in which it was made, such as ``KRX_REG``."""
    venue: str
    """The venue whose prices the agent gets at that moment; empty when nothing is open."""
    action: str
    """What was decided, in the agent's words: ``"buy"``, ``"HOLD"``."""
    why: str
    inputs: tuple[tuple[str, Input], ...]
    """The numbers of the newest repetition, with their names."""
    order: str = ""
    """Key of the order that came of it; empty for none."""
    times: int = 1
    """Equal decisions in a row: the same action, reason and stock, and no order."""
    last: Ns = 0
    """The moment of the newest repetition. 0: there was none."""


class AgentRecord(msgspec.Struct, frozen=True, gc=False):
    """All that is needed to start an agent again."""

    agent: str
    """Its id."""
    kind: str
    """The name of its class."""
    source: str
    """The module and the qualified name of the class."""
    parameters: str
    """The values of its parameters, a JSON object."""
    kept: str
    """The values of its ``keep`` fields, a JSON object."""
    state: str
    """running, waiting, paused, stopped or failed."""
    note: str = ""
    """The line that made it fail; empty for others."""
    when_lost: str = "hold"
    """What the desk does with its orders and shares when its session is lost: hold, cancel,
    flatten."""
    schedule: str = ""
    """When its session starts and stops it, a JSON object. Empty: a person does."""


class AgentNoted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent was started, paused, stopped, failed, or changed what it keeps."""

    record: AgentRecord


class AgentArchived(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent was started afresh: this is what the desk knew of its earlier life."""

    record: AgentRecord
    since: Ns
    """The moment of that record."""


AgentFact: TypeAlias = DecisionMade | GuardsSet | AgentNoted | AgentArchived
"""Facts of agents that the journal keeps."""
