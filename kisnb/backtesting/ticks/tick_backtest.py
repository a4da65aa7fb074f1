"""A back-test over trades: from the arguments of the call to the record of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from kisnb import values
from kisnb.backtesting.bar_agents import BarClock, BarCommand
from kisnb.backtesting.bar_backtest import check_fills, check_tax, guards_of
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.bar_rules import NO_LIMITS, BarGate, BarRules, off_grid, universe_of
from kisnb.backtesting.given import Agents, code_of, named_agents, read_agents
from kisnb.backtesting.run_record import RunRecord
from kisnb.backtesting.run_words import costs_in_words, parameters_in_words, tick_assumptions
from kisnb.backtesting.ticks.tick_agents import TickRunner
from kisnb.backtesting.ticks.tick_feed import TickFeed, read_tick_feed
from kisnb.backtesting.ticks.tick_prices import TickPrices
from kisnb.backtesting.ticks.tick_run import TickRun
from kisnb.clock import SECOND
from kisnb.errors import BadInput
from kisnb.market.costs import CostModel
from kisnb.market.flows import FlowTable
from kisnb.market.universe import Universe
from kisnb.paths import data_dir
from kisnb.trading.agents.agent import Agent
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State


def tick_record(
    agent: Agents,
    data: object,
    costs: CostModel,
    *,
    cash: int,
    fills: int | None,
    latency: float,
    params: Mapping[str, object],
    start: date | None,
    end: date | None,
    limits: Limits | None,
    universe: Universe | None,
    patience: float,
    flows: FlowTable,
) -> RunRecord:
    """Run agents over trades. Takes the arguments of ``backtest``, and raises the same errors."""
    feed = read_tick_feed(data, code=code_of(agent), start=start, end=end)
    agents = read_agents(agent, feed.codes, params)
    for each in agents:
        _check_handlers(each)
    issues, unknown = universe_of(feed.codes, universe or Universe.load(data_dir(), feed.last))
    check_tax(costs, feed.first, issues)
    run = prepared(
        agents, feed, issues, costs, cash=cash, fills=fills, latency=latency,
        limits=limits or NO_LIMITS, flows=flows,
    )  # fmt: skip
    parameters = tuple(parameters_in_words(runner.agent) for runner in run.runners)
    run.run(values.seconds(patience, "patience"))
    return RunRecord(
        agents=tuple(runner.id for runner in run.runners),
        books=run.state.books,
        equity=run.equity(),
        bars=feed.bars(),
        first=feed.first,
        last=feed.last,
        cash=cash,
        costs=costs_in_words(costs),
        assumptions=tick_assumptions(
            unknown, fills, latency, has_limits=limits is not None,
            has_requotes=any(runner.agent.requote is not None for runner in run.runners),
            exits=run.state.exits, refused=run.orders.exits.refused,
        ),
        parameters=parameters,
    )  # fmt: skip


def prepared(
    agents: Sequence[Agent],
    feed: TickFeed,
    issues: Universe,
    costs: CostModel,
    *,
    cash: int,
    fills: int | None = 100,
    latency: float = 0.0,
    limits: Limits = NO_LIMITS,
    flows: FlowTable | None = None,
) -> TickRun:
    """Return a run that is ready to begin. Raises BadInput."""
    check_fills(fills)
    rules = BarRules(issues, costs, off_grid(feed.days(), issues).__contains__)
    state, out, clock = State(), list[tuple[TickRunner, BarCommand]](), BarClock()
    prices = TickPrices()
    runners = [
        TickRunner(
            agent, agent_id, state.books, rules, feed.codes, out, clock, cash=lambda: state.cash,
            prices=prices, before=feed.before, flows=flows,
        )
        for agent_id, agent in named_agents(agents).items()
    ]  # fmt: skip
    orders = BarOrders(
        state, rules, BarGate(rules, limits), feed.hours[0][1], cash, percent=fills, own_cash=None,
        prices=prices, guards=guards_of(runners),
    )  # fmt: skip
    behind = int(values.seconds(latency, "latency") * SECOND)
    return TickRun(feed, runners, orders, rules, state, out, clock, prices, behind)


def _check_handlers(agent: Agent) -> None:
    """Raise BadInput unless the agent has ``on_tick``, or ``on_bar`` with a length of bars."""
    kind = type(agent)
    if kind.on_tick is Agent.on_tick and kind.on_bar is Agent.on_bar:
        cure = "write on_tick, or on_bar with a length: every = '1m'"
        raise BadInput(f"{kind.__name__} has neither on_tick nor on_bar", cure)
    if kind.on_tick is Agent.on_tick and not agent.every:
        cure = "write every = '1m' in the class"
        raise BadInput(f"{kind.__name__} names no length of bars, so on_bar would get none", cure)


__all__ = ["prepared", "tick_record"]
