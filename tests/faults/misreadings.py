"""What KIS's list and account say wrongly in a seed, and for how long. Row O15."""

from __future__ import annotations

from random import Random
from typing import Literal

import msgspec

from kisnb.clock import SECOND, Ns

LAST: Ns = 300 * SECOND
"""By then KIS says again what is."""
Wrong = Literal["empty", "miss", "part", "broken"]
"""No rows, no newest row, a part of each order, or every second row and the word that some are
missing."""


class Misread(msgspec.Struct, frozen=True):
    """From ``t`` after the run has begun until ``until``, readings ``of`` this are wrong."""

    t: Ns
    until: Ns
    of: Literal["orders", "account"]
    what: Wrong


def misreadings(seed: int) -> list[Misread]:
    """The wrong readings of a seed: none in most of them."""
    rng = Random(seed ^ 0x0915)
    if rng.random() < 0.6:
        return []
    return [_misread(rng) for _ in range(rng.randint(1, 4))]


def _misread(rng: Random) -> Misread:
    begin = rng.randrange(SECOND, 200 * SECOND)
    length = rng.choice((2 * SECOND, 15 * SECOND, 40 * SECOND, 90 * SECOND))
    of: Literal["orders", "account"] = "orders" if rng.random() < 0.7 else "account"
    wrongs: tuple[Wrong, ...] = ("empty", "miss", "part", "part", "part", "broken")
    what = rng.choice(wrongs)
    return Misread(begin, min(begin + length, LAST), of, what)


def has_unordered_numbers(seed: int) -> bool:
    """Whether the order numbers of a seed do not rise."""
    return Random(seed ^ 0x0D06).random() < 0.12
