"""The difference between a running agent and one that a person starts in its place.

A start cell that is run again must not drop a changed strategy in silence.
"""

from __future__ import annotations

from types import FunctionType

from kisnb.trading.agents.agent import Agent


def difference(running: Agent, given: Agent) -> str:
    """Return how ``given`` differs from the running agent, as the end of a sentence.

    Empty when both would do the same.
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

    A class whose cell was run again is another object with the same body.
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
        if not name.startswith("__")
    }
