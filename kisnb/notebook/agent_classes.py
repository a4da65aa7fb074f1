"""The agent classes that a name can start, with the parameters of each as a form shows them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from kisnb.trading.agents.agent import Agent


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of an agent class, as a field of a form."""

    name: str
    text: str
    """The value that it has when nobody changes it, as a text."""
    kind: str
    """``number``: arrows beside the field change it. ``text``: only typing does."""


class Startable(msgspec.Struct, frozen=True):
    """One agent class that can be started by its name."""

    name: str
    about: str
    """What it does: the docstring of the class. Empty: it has none of its own."""
    parameters: list[Parameter]
    """Its parameters. The stock comes first."""


def agent_classes(namespace: Mapping[str, object]) -> dict[str, type[Agent]]:
    """Return the agent classes that a name can start: strategies and the notebook's classes.

    A class of the notebook comes before a strategy of the same name.
    """
    from kisnb.strategies import NAMES, strategy
    from kisnb.trading.agents.agent import Agent

    own = {
        n: v
        for n, v in namespace.items()
        if isinstance(v, type) and issubclass(v, Agent) and v is not Agent
    }
    # The notebook's classes come last and replace strategies of the same name: a person who writes
    # a `Momentum` means that class.
    return {**{name: strategy(name) for name in NAMES}, **own}


def startable(namespace: Mapping[str, object], code: str) -> list[Startable]:
    """Return the agent classes for a form, those of the notebook first.

    ``code`` is the stock that the form proposes. Empty: none.
    """
    classes = agent_classes(namespace)
    names: dict[type[Agent], str] = {}
    # The same class may have several names in a notebook, such as that of an import.
    for name, kind in classes.items():
        names.setdefault(kind, name)
    own_first = sorted(names.items(), key=lambda item: item[1] not in namespace)
    return [Startable(name, _about(kind), _parameters(kind, code)) for kind, name in own_first]


def _about(kind: type[Agent]) -> str:
    # The marks of code in a docstring are for a documentation tool.
    return inspect.cleandoc(vars(kind).get("__doc__") or "").replace("``", "")


def _parameters(kind: type[Agent], code: str) -> list[Parameter]:
    found = []
    for name, declared in kind.parameters().items():
        value = getattr(kind, name)
        # A list or a table cannot be typed into one field. It keeps the value of its class.
        if not isinstance(value, str | int | float):
            continue
        is_number = declared in (int, float) and not isinstance(value, bool)
        text = str(value) or (code if name == "code" else "")
        found.append(Parameter(name, text, "number" if is_number else "text"))
    return sorted(found, key=lambda parameter: parameter.name != "code")
