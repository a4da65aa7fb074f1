"""A smaller schedule that still fails: what can be left out is left out, greedily, until nothing
more can."""

from __future__ import annotations

from collections.abc import Callable

from .schedule import Schedule


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """Raises ValueError for a schedule that does not fail."""
    if not fails(schedule):
        raise ValueError(f"the schedule of seed {schedule.seed} does not fail")
    smaller = True
    while smaller:
        smaller = False
        for index in reversed(range(len(schedule.items))):
            without = schedule.without(index)
            if fails(without):
                schedule, smaller = without, True
    return schedule
