"""The verb ``backtest``: an agent over bars, or over a recorded day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kisnb.errors import BadInput
from kisnb.notebook.agent_classes import agent_classes
from kisnb.notebook.commands.grammar import Typed, did_you_mean, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb

if TYPE_CHECKING:
    from kisnb.trading.agents.agent import Agent

_OWN = ("code", "costs", "cash", "sizing", "every", "from", "to")
"""The verb's own options. All other options are parameters of the agent."""


async def _backtest(context: Context, typed: Typed) -> object:
    # The first back-test loads polars and the engine, so that the extension stays fast.
    from kisnb.backtesting.backtest import backtest
    from kisnb.config import load_config

    name, source = typed.text(0), typed.word(1, str)
    parameters = {n: v for n, v in typed.options.items() if n not in _OWN}
    code = typed.option("code", str) or ""
    agent = _agent(context, name)
    options: dict[str, Any] = {"sizing": typed.option("sizing", str) or "decision"}
    if source is not None:
        data = _data(context, source)
    else:
        code = context.code(code or _own_code(agent))
        one = agent(**{**parameters, "code": code}) if isinstance(agent, type) else agent
        data, options["flows"] = await _past(context, typed, one)
    if isinstance(agent, type) and code:
        parameters["code"] = code
    if cash := typed.option("cash", int):
        options["cash"] = cash
    return backtest(
        agent,
        data,
        # By default the fees are those of the account's plan, which a setting names.
        costs=typed.option("costs", str) or load_config().fees,
        params=parameters or None,
        start=typed.option("from", str),
        end=typed.option("to", str),
        **options,
    )


def _agent(context: Context, name: str) -> Agent | type[Agent]:
    """Return the class, strategy or agent of this name. Raises BadInput."""
    from kisnb.trading.agents.agent import Agent

    classes = agent_classes(context.namespace)
    if name in classes:
        return classes[name]
    found = context.namespace.get(name)
    if isinstance(found, Agent):
        return found
    raise BadInput(
        f"There is no agent {name!r} here{did_you_mean(name, classes)}",
        f"There are {', '.join(classes)}",
    )


def _data(context: Context, source: str) -> Any:
    """Return the variable of this name, or else the path of a file. Raises BadInput."""
    if source in context.namespace:
        return context.namespace[source]
    if Path(source).exists():
        return source
    raise BadInput(
        f"There is no variable and no file {source!r}",
        "Name a DataFrame of this notebook, a parquet or CSV file, or a recording (.jsonl)",
    )


def _own_code(agent: Agent | type[Agent]) -> str:
    """Return the stock of an agent. Raises BadInput."""
    if not agent.code:
        raise BadInput("The back-test has no data", "Name a DataFrame or a file, or --code CODE")
    return agent.code


async def _past(context: Context, typed: Typed, agent: Agent) -> tuple[Any, Any]:
    """Return the past bars of the agent's stocks, and their flows if the agent reads flows.

    Raises BadInput, NotOpen.
    """
    import polars as pl

    from kisnb.session.bars.agent_bars import calls

    every = typed.option("every", str) or agent.every or "1d"
    start, end = typed.option("from", str), typed.option("to", str)
    history, codes = context.session.history, agent.stocks()
    bars = pl.concat([await history(code, every, start, end) for code in codes])
    if not calls(agent, "flows"):
        return bars, None
    return bars, pl.concat([await history.flows(code, start, end) for code in codes])


BACKTESTS = (
    Verb(
        "backtest",
        usage(
            "AGENT [FILE] [--code CODE] [--costs PLAN] [--cash PRICE] [--sizing S] "
            "[--every EVERY] [--from D] [--to D] [--NAME VALUE ...]"
        ),
        "run an agent or a strategy over bars: a DataFrame of this notebook, a file, or the "
        "stored days of --code; over a recorded day (.jsonl) too",
        _backtest,
        needs_session=False,
    ),
)
"""The verb of this file, as a row of the table of verbs."""
