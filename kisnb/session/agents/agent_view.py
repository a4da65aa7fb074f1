"""An agent as people see it: the values of panels, tables and DataFrames."""

from __future__ import annotations

import msgspec
from msgspec import json

from kisnb.clock import clock_text
from kisnb.events import AgentNoted
from kisnb.session.feed.state import SessionState
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.values import shown

LIVE = (AgentState.RUNNING, AgentState.PAUSED, AgentState.WAITING)
"""The states of an agent that holds a lease."""


class AgentView(msgspec.Struct, frozen=True):
    """The state of one agent at one moment. Quantities in shares, amounts in won."""

    id: str
    name: str
    """The name of the agent's class."""
    code: str
    state: AgentState
    position: int
    """Shares of the agent's own stock that the agent holds."""
    average: float | None
    """Won that a share of the position cost on average. None when the agent holds no share."""
    last: int | None
    """Price of the newest trade of the agent's stock. None before the first trade."""
    realised: int
    """Realised profit after cost."""
    unrealised: int | None
    """Profit of the shares that the agent holds, before cost. None when one has no price yet."""
    orders: int
    fills: int
    note: str
    """The newest note of the agent, or the reason why it stopped."""

    @property
    def line(self) -> str:
        """One line for people: the agent's state, shares, realised profit, orders and fills."""
        return (
            f"{self.id}: {self.state}, holds {self.position:,} {self.code}, "
            f"realised {self.realised:+,} won, {self.orders} orders, {self.fills} fills"
        )

    @property
    def may_be_stopped(self) -> bool:
        """True for an agent that runs, waits or is paused in this session."""
        return self.state in LIVE


def view_of(runner: AgentRunner, state: SessionState) -> AgentView:
    """Return the view of an agent of this session."""
    agent = runner.agent
    # An agent may set any value as its note. Panels and tables show text.
    note = agent.note if isinstance(agent.note, str) else shown(agent.note)
    if runner.error:
        note = (
            f"{runner.failed_line}. Correct it and start it again. "
            f"Traceback: session.agents.error({runner.id!r})"
        )
    elif runner.state is AgentState.WAITING:
        note = runner.waits_for
    return _view(state, runner.id, type(agent).__name__, agent.code, runner.state, note)


def view_elsewhere(agent_id: str, state: SessionState) -> AgentView:
    """Return the view of an agent that runs in another session of the same desk."""
    # This session knows only the agent's id. An id that no person chose consists of class and
    # stock.
    name, _, code = agent_id.rpartition("-")
    codes = state.books.of(agent_id).positions or [code]
    note = f"runs in {state.leases[agent_id].where}"
    return _view(state, agent_id, name, next(iter(codes)), AgentState.ELSEWHERE, note)


def view_lost(noted: AgentNoted, state: SessionState) -> AgentView:
    """Return the view of an agent that ran when its session ended."""
    record = noted.record
    code = json.decode(record.parameters).get("code", "")
    at = clock_text(noted.t)
    note = f"its session ended; last noted at {at}: %kis agents restore {record.agent}"
    return _view(state, record.agent, record.kind, code, AgentState.LOST, note)


def _view(
    state: SessionState, agent_id: str, name: str, code: str, agent_state: AgentState, note: str
) -> AgentView:
    book, prices = state.books.of(agent_id), state.data.prices
    position = book.position(code)
    others = (f"{p.qty:,} {c}" for c, p in book.positions.items() if p.qty and c != code)
    if also := ", ".join(others):
        note = f"{note}; also holds {also}" if note else f"also holds {also}"
    return AgentView(
        agent_id,
        name,
        code,
        agent_state,
        position.qty,
        position.average,
        prices.get(code),
        book.realised_net,
        book.unrealised(prices),
        len(book.orders),
        sum(len(o.fills) for o in book.orders.values()),
        note,
    )
