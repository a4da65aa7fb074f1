"""Reads the arguments of ``backtest``: agents, costs, days. Each error names its cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal, TypeAlias

from kisnb import values
from kisnb.errors import BadInput
from kisnb.market.costs import PLANS, CostModel, read_fees
from kisnb.market.flows import FlowTable, read_flows
from kisnb.trading.agents.agent import Agent

if TYPE_CHECKING:
    import polars as pl

Agents: TypeAlias = Agent | type[Agent] | Sequence[Agent]
"""An agent, several agents, or a class. For a class, each stock of the data gets its own agent."""
Sizing: TypeAlias = Literal["decision", "fill"]
CASH = 100_000_000
"""Cash at the start, won, for a caller that gives none."""


def read_costs(costs: object) -> CostModel:
    """Return the cost model. Raises BadInput when no costs are given or the plan is unknown."""
    if isinstance(costs, CostModel):
        return costs
    if isinstance(costs, str):
        return read_fees(costs)
    if costs is None:
        raise BadInput(
            "a back-test without costs would promise money that fees and tax take",
            "name them: costs='bankis', or costs=CostModel(krx=..., stock_tax=...)",
        )
    raise BadInput(f"{values.shown(costs)} is no cost model", f"name a plan: {', '.join(PLANS)}")


def read_cash(cash: object) -> int:
    """Return the won at the start. None becomes ``CASH``. Raises BadInput."""
    won = CASH if cash is None else values.price(cash, "the cash")
    if won < 1:
        raise BadInput(f"the cash of {won:,} won buys nothing", "give won above 0")
    return won


def read_day(day: date | str | None) -> date | None:
    """Return the first or last day of the range. None when none was given. Raises BadInput."""
    if day is None or isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except (TypeError, ValueError):
        raise BadInput(f"{day!r} is not a date", "write it as 2024-01-31") from None


def read_flow_table(frame: pl.DataFrame | None, agent: Agents) -> FlowTable:
    """Return the flows for agents. Empty when ``frame`` is None. Raises BadInput."""
    return FlowTable(() if frame is None else read_flows(frame, code_of(agent)))


def code_of(agent: Agents) -> str:
    """Return the stock in an agent or in a class. Empty for several agents."""
    return agent.code if isinstance(agent, Agent | type) else ""


def single_agent(agent: Agents, params: Mapping[str, object] | None) -> Agent:
    """Return the one agent for a run over a recorded day. Raises BadInput for several agents."""
    if isinstance(agent, type):
        return agent(**(params or {}))
    if isinstance(agent, Agent):
        return agent
    raise BadInput("a recording is played to one agent", "give one agent")


def read_agents(given: Agents, codes: Sequence[str], params: Mapping[str, object]) -> list[Agent]:
    """Return the agents. For a class, make one agent for each of ``codes``.

    If the data have one stock, an agent without a stock gets that stock. Raises BadInput.
    """
    if isinstance(given, type):
        if not issubclass(given, Agent):
            raise BadInput(f"{given.__name__} is no agent", "derive it from kisnb.Agent")
        own = str(params.get("code") or given.code)
        agents = [given(**{**params, "code": code}) for code in ([own] if own else codes)]
    else:
        agents = [given] if isinstance(given, Agent) else list(given)
        if params:
            raise BadInput("params belong to a class of agents", "give the class, or no params")
    if not agents:
        raise BadInput("there is no agent", "give an agent, or a class of agents")
    for agent in agents:
        if not isinstance(agent, Agent):
            raise BadInput(
                f"{values.shown(agent)} is not an agent",
                "give an instance of a class that derives from kisnb.Agent",
            )
        _check_stock(agent, codes)
    return agents


def _check_stock(agent: Agent, codes: Sequence[str]) -> None:
    name = type(agent).__name__
    if not agent.code and len(codes) == 1:
        agent.code = codes[0]
    if not agent.code:
        cure = f"give it one, or give the class {name} for an agent of each stock"
        raise BadInput(f"{name} has no stock to trade", cure)
    for code in (agent.code, *agent.stocks()):
        if code not in codes:
            whose = "the stock of" if code == agent.code else "which is followed by"
            raise BadInput(
                f"the data do not have {code}, {whose} {name}",
                f"add it to them, or take one of {', '.join(codes[:5])}",
            )


def named_agents(agents: Sequence[Agent]) -> dict[str, Agent]:
    """Return the agents by id. Raises BadInput for two agents with the same id."""
    several, named = len(agents) > 1, dict[str, Agent]()
    for agent in agents:
        name = type(agent).__name__
        agent_id = agent.id or (f"{name}-{agent.code}" if several else name)
        if agent_id in named:
            raise BadInput(f"two agents are named {agent_id}", "give each an id of its own")
        named[agent_id] = agent
    return named


__all__ = [
    "CASH", "Agents", "Sizing", "code_of", "named_agents", "read_agents", "read_cash",
    "read_costs", "read_day", "read_flow_table", "single_agent",
]  # fmt: skip
