"""How a defect is planted in one run's desk, without a trace in the next run's."""

from __future__ import annotations

from contextlib import contextmanager
from types import ModuleType

from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State

from .campaign import Make


def with_part(name: str, kind: type) -> Make:
    """A desk one of whose parts is of another class; ``name`` may lead through other parts."""

    def make(rules: Rules, limits: Limits, state: State) -> DeskCore:
        core = part = DeskCore(rules, limits, state)
        for step in name.split("."):
            part = getattr(part, step)
        part.__class__ = kind  # type: ignore[assignment]
        return core

    return make


def with_function(module: ModuleType, name: str, instead) -> Make:
    """A desk that calls ``instead`` for a function of a module, and nobody else does."""

    @contextmanager
    def planted():
        true = getattr(module, name)
        setattr(module, name, instead)
        try:
            yield
        finally:
            setattr(module, name, true)

    class Planted(DeskCore):
        def start(self, now):
            with planted():
                return super().start(now)

        def step(self, now, said):
            with planted():
                return super().step(now, said)

        def may_send(self, now, key):
            with planted():
                return super().may_send(now, key)

    return Planted
