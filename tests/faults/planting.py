"""How a defect is planted in one run's desk, without a trace in the next run's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

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


def with_turn(kind: type[Turn]) -> Make:
    """A desk whose steps record and emit in a way of their own."""

    class Planted(DeskCore):
        def _begin(self, now):
            return kind(now, self.state)

    return Planted


@contextmanager
def planted(module: ModuleType, name: str, instead) -> Iterator[None]:
    """Put ``instead`` in the place of a function of a module for a while."""
    true = getattr(module, name)
    setattr(module, name, instead)
    try:
        yield
    finally:
        setattr(module, name, true)


def with_function(module: ModuleType, name: str, instead) -> Make:
    """A desk that calls ``instead`` for a function of a module, and nobody else does."""

    class Planted(DeskCore):
        def start(self, now):
            with planted(module, name, instead):
                return super().start(now)

        def step(self, now, said):
            with planted(module, name, instead):
                return super().step(now, said)

        def may_send(self, now, key):
            with planted(module, name, instead):
                return super().may_send(now, key)

    return Planted
