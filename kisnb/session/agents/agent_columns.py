"""The columns of an agent: for DataFrames, outputs, panels and reports."""

from __future__ import annotations

from kisnb.columns import (
    Column,
    Tone,
    number_column,
    picked,
    signed_column,
    text_column,
    time_column,
)
from kisnb.events import AgentArchived
from kisnb.session.agents.agent_view import AgentView
from kisnb.trading.agents.agent_state import AgentState


def _state_tone(agent: AgentView) -> Tone:
    return "bad" if agent.state in (AgentState.FAILED, AgentState.LOST) else ""


AGENT_COLUMNS: tuple[Column[AgentView], ...] = (
    text_column("id", lambda a: a.id, heading="agent"),
    text_column("name", lambda a: a.name),
    text_column("code", lambda a: a.code),
    text_column("state", lambda a: str(a.state), kind="state", tone=_state_tone),
    number_column("position", lambda a: a.position),
    number_column("average", lambda a: a.average, "Float64"),
    number_column("last", lambda a: a.last),
    signed_column("realised", lambda a: a.realised),
    signed_column("unrealised", lambda a: a.unrealised),
    number_column("orders", lambda a: a.orders),
    number_column("fills", lambda a: a.fills),
    text_column("note", lambda a: a.note, kind="note", tone=_state_tone),
)
"""Every column of an agent, in the order of ``Roster.frame()``. Shares and won."""
ARCHIVE_COLUMNS: tuple[Column[AgentArchived], ...] = (
    time_column("since", lambda a: a.since),
    time_column("archived", lambda a: a.t),
    text_column("state", lambda a: a.record.state),
    text_column("parameters", lambda a: a.record.parameters),
    text_column("kept", lambda a: a.record.kept),
)
"""The columns of an agent's archive: a row for each record that a fresh start has replaced."""
IN_OUTPUT = picked(
    AGENT_COLUMNS,
    "id state code position average last realised unrealised orders fills note",
)
"""The columns that outputs of cells, the panel and the report show."""
