"""Plays seeds, alone or over all cores, and tells what came of them."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout

import msgspec

from kisnb.exits import ExitReason
from kisnb.orders import OrderState
from kisnb.trading.desk_core import DeskCore

from .campaign import Make, Run
from .notebooks import Plant, sound
from .schedule import Schedule, make
from .shrink import shrink

SHARE = 25
"""Seeds that a process plays at a time."""
NOTED = 20
"""A defect that more seeds miss is worth a note of the first seed that finds it."""


class Outcome(msgspec.Struct, frozen=True):
    """Of one seed: what was violated, and which transitions orders made."""

    seed: int
    broken: tuple[str, ...]
    transitions: frozenset[tuple[OrderState, OrderState]]
    reasons: frozenset[ExitReason] = frozenset()
    """Why exits have sold."""


def play(schedule: Schedule, core: Make = DeskCore, plant: Plant = sound) -> Outcome:
    """A crash of the desk's core counts as violated.

    ``core`` makes another core than the desk's, and ``plant`` plants a defect in sessions.
    """
    run = Run(schedule, core, plant)
    try:
        # A session prints a line about a cancel that came too late: thousands in a campaign.
        with redirect_stdout(None):
            broken = tuple(run.play())
    except Exception as e:
        broken = (f"{e!r} at {traceback.extract_tb(e.__traceback__)[-1]}",)
    return Outcome(
        schedule.seed, broken, frozenset(run.watch.transitions), frozenset(run.watch.reasons)
    )


def _share(seeds: range) -> list[Outcome]:
    return [play(make(seed)) for seed in seeds]


def outcomes(seeds: range, processes: int | None = None) -> Iterator[Outcome]:
    """In the order of the seeds; ``processes`` None is one per core."""
    shares = [seeds[i : i + SHARE] for i in range(0, len(seeds), SHARE)]
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        for share in pool.map(_share, shares):
            yield from share


def first_seed(finds: Callable[[int], bool], seeds: int, known: int) -> int | None:
    """Return the first seed that finds a defect. ``known`` is tried before all ``seeds``.

    None when none does. It warns when many seeds were played, because that takes long: a change of
    the desk or of the campaign can move a defect to another seed.
    """
    for played, seed in enumerate([known, *(s for s in range(seeds) if s != known)]):
        if finds(seed):
            if played > NOTED:
                warnings.warn(f"note seed {seed}: it was found after {played} others", stacklevel=2)
            return seed
    return None


def smallest(seed: int) -> Schedule:
    """The smallest part of a failing seed's schedule that fails still."""
    return shrink(make(seed), lambda schedule: bool(play(schedule).broken))


def story(schedule: Schedule) -> str:
    """What happened, line by line, with what was violated at the end."""
    run = Run(schedule)
    run.trace = []
    try:
        run.play()
    except Exception:
        run.watch.broken.append(traceback.format_exc())
    items = "\n".join(f"  {item}" for item in schedule.items)
    return "\n".join(
        [
            f"seed {schedule.seed}:",
            items,
            *run.trace,
            *(f"VIOLATED {text}" for text in run.watch.broken),
        ]
    )


def reached(found: Iterable[Outcome]) -> frozenset[tuple[OrderState, OrderState]]:
    """All transitions that were made."""
    return frozenset[tuple[OrderState, OrderState]]().union(
        *(outcome.transitions for outcome in found)
    )
