"""``kisnb.backtest``: an agent over bars or over a recorded day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from kisnb import values
from kisnb.backtesting.bar_agents import BarCommand, BarRunner
from kisnb.backtesting.bar_feed import BarFeed, Data, read_feed
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.bar_rules import NO_LIMITS, BarGate, BarRules, off_grid, universe_of
from kisnb.backtesting.bar_run import BarRun
from kisnb.backtesting.engine import Result, replay
from kisnb.backtesting.results.benchmark import BenchmarkLike
from kisnb.backtesting.results.result import BacktestResult
from kisnb.backtesting.run_record import RunRecord
from kisnb.backtesting.run_words import assumed, costs_in_words, parameters_in_words
from kisnb.clock import DAY, SECOND
from kisnb.errors import BadInput, ConfigError
from kisnb.history.tape.blocks import is_tape
from kisnb.market.bars import length_of
from kisnb.market.costs import PLANS, TAXES, CostModel, read_fees
from kisnb.market.universe import Universe
from kisnb.paths import data_dir
from kisnb.terms import Kind
from kisnb.trading.agents.agent import Agent
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State

Agents = Agent | type[Agent] | Sequence[Agent]
"""An agent, several agents, or a class: then each stock of the data gets an agent of it."""
Sizing = Literal["decision", "fill"]
CASH = 100_000_000
"""Cash at the start when the caller gives none, won."""


def backtest(
    agent: Agents,
    data: Data,
    *,
    cash: int | None = None,
    costs: CostModel | str | None = None,
    fills: int | None = 100,
    latency: float = 0.0,
    sizing: Sizing = "decision",
    params: Mapping[str, object] | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    every: str = "",
    separate: bool = False,
    limits: Limits | None = None,
    universe: Universe | None = None,
    patience: float = 60.0,
    benchmark: BenchmarkLike = None,
) -> BacktestResult | Result:
    """Run an agent over bars, or over a recorded day, and return the result.

    ``agent`` is an agent, several agents, or a class. If it is a class, each stock of the data gets
    an agent of it, made with ``params``. ``data`` are bars: a DataFrame with the columns code, time
    (or date), open, high, low, close (won), volume (shares), a dict of code -> DataFrame, or a
    parquet or CSV file. A tape (``.tape``) or a recording (``.jsonl``) of a day plays ticks and
    depth.

    - ``cash``: won at the start. None: 100 million for bars. On a recorded day None means that
      the cash is not checked. All agents share the cash. With ``separate=True`` each agent has this
      amount.
    - ``costs``: a commission plan such as ``"bankis"``, or a CostModel. It is required for bars.
    - ``fills``: percent of a bar's volume that orders may take; None takes any quantity.
    - ``latency``: seconds from the decision until the order is at the exchange.
    - ``sizing``: ``"decision"`` sizes ``target`` and ``buy_value`` at the decision, as live does.
      ``"fill"`` sizes them at the price of the fill, for research on bars.
    - ``start``, ``end``: first and last day, inclusive. ``every``: length of the bars, when the
      data do not show it. ``limits``: the desk's own limits; None for no limits. ``patience``:
      seconds after which a handler that does not return ends the run.
    - ``benchmark``: an index such as ``"KOSPI"`` (from ``KISNB_DATA``), a stock of the data, or a
      DataFrame of date and close.

    An order meets the next bar of its stock (``exchange/BAR_FILLS.md``). Raises BadInput and
    ConfigError with the cure, and RuntimeError with the agent's traceback when an agent fails.
    """
    if isinstance(data, str | Path) and (Path(data).suffix == ".jsonl" or _is_tape(Path(data))):
        model = None if costs is None else _costs(costs)
        return replay(_single(agent, params), data, limits=limits, costs=model, cash=cash)
    model = _costs(costs)
    won = CASH if cash is None else values.price(cash, "the cash")
    if won < 1:
        raise BadInput(f"the cash of {won:,} won buys nothing", "give won above 0")
    named = _code_of(agent)
    feed = read_feed(data, code=named, start=_day(start), end=_day(end), every=every)
    agents = _agents(agent, feed, params or {})
    listed = universe or Universe.load(data_dir(), feed.last)
    issues, unknown = universe_of(feed.codes, listed)
    _check_tax(model, feed, issues)
    run = prepared(
        agents, feed, issues, model, cash=won, fills=fills,
        latency=latency, sizing=sizing, separate=separate, limits=limits or NO_LIMITS,
    )  # fmt: skip
    parameters = tuple(parameters_in_words(runner.agent) for runner in run.runners)
    run.run(values.seconds(patience, "patience"))
    record = RunRecord(
        agents=tuple(runner.id for runner in run.runners),
        books=run.state.books,
        equity=run.equity(),
        bars=feed.frame(),
        first=feed.first,
        last=feed.last,
        cash=won * (len(agents) if separate else 1),
        costs=costs_in_words(model),
        assumptions=assumed(
            feed,
            run.rules,
            unknown,
            fills,
            latency,
            sizing,
            separate=separate,
            has_limits=limits is not None,
            has_guards=any(runner.agent.guards is not None for runner in run.runners),
        ),
        parameters=parameters,
    )
    return BacktestResult(record, benchmark)


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
) -> BarRun:
    """Return a run over bars that is ready to begin. Raises BadInput."""
    if fills is not None and not 1 <= values.whole(fills, "fills") <= 100:
        raise BadInput(
            f"fills={fills} is no share of a bar's volume",
            "give 1 to 100 percent, or None for any quantity",
        )
    values.one_of(sizing, ("decision", "fill"), "sizing")

    rules = BarRules(issues, costs, off_grid(feed.rows, issues).__contains__)
    state, out = State(), list[tuple[BarRunner, BarCommand]]()
    own: dict[str, int] | None = {} if separate else None
    runners = []
    for agent_id, agent in _named(agents).items():
        runner = BarRunner(
            agent, agent_id, state.books, rules, feed, out, at_fill=sizing == "fill",
            cash=lambda: state.cash,
        )  # fmt: skip
        if own is not None:
            own[agent_id] = cash
        runners.append(runner)
    orders = BarOrders(
        state, rules, BarGate(rules, limits), feed.hours[0][1],
        cash * len(runners) if separate else cash, percent=fills,
        own_cash=own,
    )  # fmt: skip
    behind = int(values.seconds(latency, "latency") * SECOND)
    return BarRun(feed, runners, orders, rules, state, out, behind)


# what a person gives


def _costs(costs: object) -> CostModel:
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


def _day(day: date | str | None) -> date | None:
    if day is None or isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except (TypeError, ValueError):
        raise BadInput(f"{day!r} is not a date", "write it as 2024-01-31") from None


def _is_tape(path: Path) -> bool:
    return path.suffix == ".tape" or (path.is_file() and is_tape(path))


def _code_of(agent: Agents) -> str:
    return agent.code if isinstance(agent, Agent | type) else ""


def _single(agent: Agents, params: Mapping[str, object] | None) -> Agent:
    if isinstance(agent, type):
        return agent(**(params or {}))
    if isinstance(agent, Agent):
        return agent
    raise BadInput("a recording is played to one agent", "give one agent")


def _agents(given: Agents, feed: BarFeed, params: Mapping[str, object]) -> list[Agent]:
    """Return the checked agents, each with its stock. Raises BadInput."""
    if isinstance(given, type):
        if not issubclass(given, Agent):
            raise BadInput(f"{given.__name__} is no agent", "derive it from kisnb.Agent")
        own = str(params.get("code") or given.code)
        codes = [own] if own else feed.codes
        agents = [given(**{**params, "code": code}) for code in codes]
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
        _check_agent(agent, feed)
    return agents


def _check_agent(agent: Agent, feed: BarFeed) -> None:
    name = type(agent).__name__
    if not agent.code and len(feed.codes) == 1:
        agent.code = feed.codes[0]
    if not agent.code:
        cure = f"give it one, or give the class {name} for an agent of each stock"
        raise BadInput(f"{name} has no stock to trade", cure)
    if agent.code not in feed.codes:
        raise BadInput(
            f"the data have no bars of {agent.code}, the stock of {name}",
            f"add them, or take one of {', '.join(feed.codes[:5])}",
        )
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


def _named(agents: Sequence[Agent]) -> dict[str, Agent]:
    """Return the agents by id. Raises BadInput for two agents with the same id."""
    several, named = len(agents) > 1, dict[str, Agent]()
    for agent in agents:
        name = type(agent).__name__
        agent_id = agent.id or (f"{name}-{agent.code}" if several else name)
        if agent_id in named:
            raise BadInput(f"two agents are named {agent_id}", "give each an id of its own")
        named[agent_id] = agent
    return named


def _check_tax(costs: CostModel, feed: BarFeed, issues: Universe) -> None:
    """Raise ConfigError when the tax of a sale in the data is not known."""
    first = TAXES[0].since
    if (
        costs.stock_tax is None
        and feed.first < first
        and any(item.kind is Kind.STOCK for item in issues)
    ):
        raise ConfigError(
            f"the tax on sales before {first} is not known, and the bars begin on {feed.first}",
            f"take start='{first}', or costs=CostModel(stock_tax=3_000_000) for 0.30 %",
        )


__all__ = ["backtest", "prepared"]
