"""A back-test over bars: from the arguments of the call to the record of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from kisnb import values
from kisnb.backtesting.bar_agents import BarClock, BarCommand, BarRunner
from kisnb.backtesting.bar_feed import BarFeed, Data, read_feed
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.bar_prices import BarPrices
from kisnb.backtesting.bar_rules import NO_LIMITS, BarGate, BarRules, off_grid, universe_of
from kisnb.backtesting.bar_run import BarRun
from kisnb.backtesting.data_notes import data_notes
from kisnb.backtesting.given import Agents, Sizing, code_of, named_agents, read_agents
from kisnb.backtesting.run_record import RunRecord
from kisnb.backtesting.run_words import bar_assumptions, costs_in_words, parameters_in_words
from kisnb.clock import DAY, SECOND
from kisnb.errors import BadInput, ConfigError
from kisnb.guards import Guards
from kisnb.market.bars import length_of
from kisnb.market.costs import TAXES, CostModel
from kisnb.market.flows import FlowTable
from kisnb.market.universe import Universe
from kisnb.paths import data_dir
from kisnb.terms import Kind
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State


def bar_record(
    agent: Agents,
    data: Data,
    costs: CostModel,
    *,
    cash: int,
    fills: int | None,
    latency: float,
    sizing: Sizing,
    params: Mapping[str, object],
    start: date | None,
    end: date | None,
    every: str,
    separate: bool,
    limits: Limits | None,
    universe: Universe | None,
    patience: float,
    flows: FlowTable,
) -> RunRecord:
    """Run agents over bars. Takes the arguments of ``backtest``, and raises the same errors."""
    feed = read_feed(data, code=code_of(agent), start=start, end=end, every=every)
    agents = read_agents(agent, feed.codes, params)
    for each in agents:
        _check_bars(each, feed)
    issues, unknown = universe_of(feed.codes, universe or Universe.load(data_dir(), feed.last))
    check_tax(costs, feed.first, issues)
    run = prepared(
        agents, feed, issues, costs, cash=cash, fills=fills,
        latency=latency, sizing=sizing, separate=separate, limits=limits or NO_LIMITS,
        flows=flows,
    )  # fmt: skip
    parameters = tuple(parameters_in_words(runner.agent) for runner in run.runners)
    run.run(values.seconds(patience, "patience"))
    assumptions = bar_assumptions(
        feed, run.rules, unknown, fills, latency, sizing,
        separate=separate, has_limits=limits is not None,
        has_requotes=any(runner.agent.requote is not None for runner in run.runners),
        exits=run.state.exits, refused=run.orders.exits.refused,
    )  # fmt: skip
    notes = data_notes(feed, issues, run.state.books)
    return RunRecord(
        agents=tuple(runner.id for runner in run.runners),
        books=run.state.books,
        equity=run.equity(),
        bars=feed.frame(),
        first=feed.first,
        last=feed.last,
        cash=cash * (len(agents) if separate else 1),
        costs=costs_in_words(costs),
        assumptions=(*assumptions, *notes),
        parameters=parameters,
    )


def prepared(
    agents: Sequence[Agent],
    feed: BarFeed,
    issues: Universe,
    costs: CostModel,
    *,
    cash: int,
    fills: int | None = 100,
    latency: float = 0.0,
    sizing: Sizing = "decision",
    separate: bool = False,
    limits: Limits = NO_LIMITS,
    flows: FlowTable | None = None,
) -> BarRun:
    """Return a run that is ready to begin. The options are those of ``backtest``.

    Raises BadInput.
    """
    check_fills(fills)
    values.one_of(sizing, ("decision", "fill"), "sizing")
    rules = BarRules(issues, costs, off_grid(feed.rows, issues).__contains__)
    state, out, clock = State(), list[tuple[BarRunner, BarCommand]](), BarClock()
    own: dict[str, int] | None = {} if separate else None
    runners = []
    for agent_id, agent in named_agents(agents).items():
        runner = BarRunner(
            agent, agent_id, state.books, rules, feed, out, clock, at_fill=sizing == "fill",
            cash=lambda: state.cash, flows=flows,
        )  # fmt: skip
        if own is not None:
            own[agent_id] = cash
        runners.append(runner)
    orders = BarOrders(
        state, rules, BarGate(rules, limits), feed.hours[0][1],
        cash * len(runners) if separate else cash, percent=fills,
        own_cash=own, prices=BarPrices(feed), guards=guards_of(runners),
    )  # fmt: skip
    behind = int(values.seconds(latency, "latency") * SECOND)
    return BarRun(feed, runners, orders, rules, state, out, behind)


def check_fills(fills: int | None) -> None:
    """Raise BadInput unless ``fills`` is None or a percentage from 1 to 100."""
    if fills is not None and not 1 <= values.whole(fills, "fills") <= 100:
        raise BadInput(
            f"fills={fills} is no share of a bar's volume",
            "give 1 to 100 percent, or None for any quantity",
        )


def guards_of(runners: Sequence[AgentRunner]) -> dict[str, Guards]:
    """Return the guards of each agent that has guards, by the agent's id."""
    found = {runner.id: runner.agent.guards for runner in runners}
    return {name: guards for name, guards in found.items() if guards is not None}


def _check_bars(agent: Agent, feed: BarFeed) -> None:
    """Raise BadInput for an agent that has no handler for bars of this length."""
    name = type(agent).__name__
    if type(agent).on_bar is Agent.on_bar:
        raise BadInput(
            f"{name} has no on_bar, and bars call nothing else",
            "write on_bar, or give ticks: a recording of kisnb sim --record",
        )
    if not agent.every:
        cure = f"write every = {feed.every!r} in the class"
        raise BadInput(f"{name} names no length of bars, so that on_bar would get none", cure)
    length = length_of(agent.every)
    if length % feed.span or (length != DAY and feed.span == DAY):
        raise BadInput(
            f"{name} wants bars of {agent.every}, and the data have bars of {feed.every}",
            f"give bars of {agent.every} or shorter, or write every = {feed.every!r}",
        )


def check_tax(costs: CostModel, begins: date, issues: Universe) -> None:
    """Raise ConfigError when the tax of a sale in the data is not known."""
    first = TAXES[0].since
    if (
        costs.stock_tax is None
        and begins < first
        and any(item.kind is Kind.STOCK for item in issues)
    ):
        raise ConfigError(
            f"the tax on sales before {first} is not known, and the data begin on {begins}",
            f"take start='{first}', or costs=CostModel(stock_tax=3_000_000) for 0.30 %",
        )


__all__ = ["bar_record", "check_fills", "check_tax", "guards_of", "prepared"]
