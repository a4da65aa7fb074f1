"""The verb ``agents``: list, start, stop, pause, flatten, adopt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.errors import BadInput
from kisnb.notebook.agent_classes import agent_classes
from kisnb.notebook.commands.grammar import Typed, did_you_mean, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb
from kisnb.values import ordinal

if TYPE_CHECKING:
    from kisnb.trading.agents.agent import Agent


def _agents(context: Context, typed: Typed) -> object:
    agents = context.session.agents
    action, name, code, _ = typed.words
    if action == "adopt":
        return _adopt(context, typed)
    # Only `adopt` takes a code, but the grammar has a place for one after every action.
    if code is not None:
        raise BadInput(
            f"%kis agents {action} takes one name", "Write its parameters as --NAME VALUE"
        )
    match action:
        case "start":
            context.console.say_when_agents_stand_still()
            return _start(context, typed, str(name))
        case "stop":
            return agents.stop(str(name))
        case "pause":
            return agents.pause(str(name))
        case "flatten":
            return agents.flatten(str(name))
        case "restore":
            return _restore(context, str(name))
        case "why":
            return agents.why(str(name))
        case "snapshot":
            return agents.snapshot(str(name))
    context.console.say_when_agents_stand_still()
    return agents


def _start(context: Context, typed: Typed, name: str) -> object:
    parameters = dict(typed.options)
    at, until = (str(parameters.pop(word, "")) for word in ("at", "until"))
    days, fresh = parameters.pop("days", None), parameters.pop("fresh", False)
    return context.session.agents.start(
        _agent(context, name, parameters),
        fresh=fresh is True,
        at=at,
        until=until,
        days=days,  # type: ignore[arg-type]
    )


def _adopt(context: Context, typed: Typed) -> object:
    name, code = str(typed.words[1]), typed.word(2, str)
    stock = "" if code is None else context.code(code)
    # An agent that exists has its stock already. Only a new agent takes the stock as a parameter.
    has_parameters = bool(stock) and name in agent_classes(context.namespace)
    agent = _agent(context, name, {"code": stock} if has_parameters else {})
    return context.session.agents.adopt(
        agent,
        stock,
        typed.word(3, int),
        key=typed.option("key", str),
        again=ordinal(typed.option("again", str)),
    )


def _restore(context: Context, name: str) -> object:
    agents = context.session.agents
    # A class of the notebook is in no module, so it cannot be imported.
    return agents.restore(name, agent_classes(context.namespace).get(agents.class_name_of(name)))


def _agent(context: Context, name: str, parameters: dict[str, object]) -> Agent | str:
    """Return the agent that ``name`` means, or the id of a known agent. Raises BadInput.

    The name of a class or a strategy means a new agent with ``parameters``. The name of a variable
    means its agent. The id of a known agent is returned as it is.
    """
    from kisnb.trading.agents.agent import Agent

    classes = agent_classes(context.namespace)
    if name in classes:
        # A person may write the name of a stock, but an agent takes its code.
        if "code" in parameters:
            parameters["code"] = context.code(str(parameters["code"]))
        return classes[name](**parameters)
    agents: dict[str, Agent | str] = {
        n: v for n, v in context.namespace.items() if isinstance(v, Agent)
    }
    # A variable comes before an id, because the object itself can be started again, and an id only
    # names a known agent.
    known = {a.id: a.id for a in context.session.agents} | agents
    if name not in known:
        names = [*classes, *known]
        raise BadInput(
            f"There is no agent {name!r} here{did_you_mean(name, names)}",
            f"There are {', '.join(names)}",
        )
    if parameters:
        raise BadInput(
            f"{name!r} is a running agent, not a class, so it takes no parameters",
            "Set them on the agent itself",
        )
    return known[name]


AGENTS = (
    Verb(
        "agents",
        usage(
            "[start|stop|pause|flatten|snapshot|why|restore|adopt ID] [CODE] [QTY] "
            "[--at WHEN] [--until WHEN] [--days N] [--fresh] [--NAME VALUE ...]"
        ),
        "the agents; start one by the name of an Agent or of a strategy, with its parameters; "
        "--at KRX_REG or --at 09:10 lets it run from then on each trading day; "
        "restore starts one again that ended with its kernel; why shows what it decided; "
        "snapshot shows its state, parameters and orders, and why it does nothing; "
        "adopt lets it take over shares that no agent holds, with their cost",
        _agents,
    ),
)
"""The verb of this file, as a row of the table of verbs."""
