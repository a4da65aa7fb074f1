"""What happens to the notebooks of a seed: who comes and goes, and what their agents do wrong."""

from __future__ import annotations

from random import Random
from typing import Literal

import msgspec

from kisnb.clock import SECOND, Ns

LAST: Ns = 150 * SECOND
"""By then all has happened."""
TurnStep = Literal[
    "open",
    "leave",
    "die",
    "cut",
    "start",
    "stop",
    "pause",
    "deed",
    "block",
    "tick",
    "steal",
    "type",
    "cancel",
]
WEIGHTS: dict[TurnStep, int] = {
    "open": 5, "leave": 1, "die": 2, "cut": 5, "start": 8, "stop": 1, "pause": 1, "deed": 16,
    "block": 3, "tick": 3,
    "steal": 4, "type": 0, "cancel": 0,
}  # fmt: skip
ORDERING: dict[TurnStep, int] = WEIGHTS | {"type": 14, "cancel": 4}
"""Where people at the notebooks and agents order, too."""
HOWS = (
    "at once",
    "after an order",
    "after an order",
    "after an order",
    "asleep",
    "awaiting",
    "until done",
    "in its clean-up",
)
ERRORS = (
    "",
    "",
    "Exception",
    "CancelledError",
    "GeneratorExit",
    "KeyboardInterrupt",
    "SystemExit",
    "Sour",
    "nonsense",
)


class Turn(msgspec.Struct, frozen=True):
    """Something that happens to notebook or agent number ``which``, ``t`` after the run
    has begun."""

    t: Ns
    step: TurnStep
    which: int = 0
    agent: int = 0
    how: str = ""
    error: str = ""
    amount: Ns = 0


def trades(seed: int) -> bool:
    """Whether the seed's agents order, too.

    In the other seeds they listen, and the desk's day is as without them.
    """
    return seed % 4 == 3


def turns(seed: int) -> list[Turn]:
    """The turns of a seed: always the same."""
    rng = Random(seed ^ 0x7025)
    many = rng.randrange(2, 14) if rng.random() < 0.35 or trades(seed) else rng.randrange(4)
    # The agents of the first notebook are there from the beginning.
    first = [Turn(SECOND // 2, "start", 0, agent) for agent in range(4 if trades(seed) else 2)]
    weights = ORDERING if trades(seed) else WEIGHTS
    return [*first, *sorted((_turn(rng, weights) for _ in range(many)), key=lambda turn: turn.t)]


def _turn(rng: Random, weights: dict[TurnStep, int]) -> Turn:
    t = rng.randrange(SECOND, LAST)
    step = rng.choices(list(weights), list(weights.values()))[0]
    amount = rng.randrange(SECOND // 100, 20 * SECOND)
    return Turn(
        t, step, rng.randrange(3), rng.randrange(4), rng.choice(HOWS), rng.choice(ERRORS), amount
    )
