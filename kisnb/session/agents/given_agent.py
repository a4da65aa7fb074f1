"""Checks an agent that a person starts, gives it an id, and compares it with a running agent."""

from __future__ import annotations

from types import FunctionType

from kisnb.errors import BadInput, UnknownInstrument
from kisnb.market.universe import Universe
from kisnb.trading.agents.agent import Agent


def check_agent(agent: object, universe: Universe) -> None:
    """Raise BadInput if ``agent`` is no agent, or has no stock, or one that is not listed."""
    if isinstance(agent, type):
        raise BadInput(
            f"{agent.__name__} is a class of agents", f"make one: {agent.__name__}(code='005930')"
        )
    if not isinstance(agent, Agent):
        cure = "give an instance of a class that derives from kisnb.Agent"
        raise BadInput(f"{agent!r} is not an agent", cure)
    name = type(agent).__name__
    if not agent.code:
        raise BadInput(f"{name} has no stock to trade", "give it one: code='005930'")
    for code in dict.fromkeys((agent.code, *agent.stocks())):
        try:
            is_spelt = universe.spell(code) == code
        except UnknownInstrument:
            is_spelt = False
        if not is_spelt:
            raise BadInput(
                f"{code}, {'the' if code == agent.code else 'a'} stock of {name}, is not listed",
                "give it a listed code: code='005930'",
            )


def id_of(agent: Agent) -> str:
    """Return the agent's own ``id``, or its class and stock (``"Dip-005930"``) if that is empty."""
    return agent.id or f"{type(agent).__name__}-{agent.code}"


def difference(running: Agent, given: Agent) -> str:
    """Return how ``given`` differs from the running agent, in words that end a sentence.

    Empty when both are equal. A person who changes a strategy and runs its start cell again must
    learn that the old agent still runs.
    """
    if running is given:
        return ""
    mine, other = type(running), type(given)
    if mine.__qualname__ != other.__qualname__:
        return f"as a {mine.__name__}, not a {other.__name__}"
    if not _same_code(mine, other):
        return f"with {mine.__name__} as it was before it was changed"
    changed = [n for n in given.parameters() if getattr(running, n) != getattr(given, n)]
    named = (f"{n}={getattr(running, n)!r}, not {getattr(given, n)!r}" for n in changed)
    return f"with {' and '.join(named)}" if changed else ""


def _same_code(a: type, b: type) -> bool:
    """Return whether two classes have the same code.

    When the cell of a class is run again, Python makes another class object with the same code.
    """
    if a is b:
        return True
    return len(a.__mro__) == len(b.__mro__) and all(
        x is y or _body(x) == _body(y) for x, y in zip(a.__mro__, b.__mro__, strict=True)
    )


def _body(kind: type) -> dict[str, object]:
    return {
        name: value.__code__ if isinstance(value, FunctionType) else value
        for name, value in vars(kind).items()
        # Python writes names such as ``__module__`` and ``__dict__`` into each class.
        if not name.startswith("__")
    }
