"""The desk's clock while the machine's clock jumps and the machine sleeps (row K12, bad input)."""

from __future__ import annotations

import asyncio
from datetime import date, time

from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import SECOND, kst
from kisnb.desk.run.steady_clock import SteadyClock

NOON = kst(date(2026, 11, 20), time(12))


class Machine:
    """A machine whose clock the test sets."""

    def __init__(self, wall: int = NOON) -> None:
        self.wall = wall
        self.ticking = 0
        self.clock = SteadyClock(lambda: self.wall, lambda: self.ticking)

    def run(self, seconds: float) -> None:
        self.wall += int(seconds * SECOND)
        self.ticking += int(seconds * SECOND)


def test_it_follows_the_machine():
    machine = Machine()
    machine.run(10)
    assert machine.clock.now() == NOON + 10 * SECOND
    assert machine.clock.take_jumps() == []


def test_a_clock_that_is_set_back_is_named_and_time_goes_on():
    machine = Machine()
    machine.run(10)
    machine.clock.now()
    machine.wall -= 3600 * SECOND
    assert machine.clock.take_jumps() == [
        "the machine's clock was set back by 3,600.0 s; the desk's goes on"
    ]
    assert machine.clock.now() == NOON + 10 * SECOND
    machine.run(5)
    assert machine.clock.now() == NOON + 15 * SECOND
    assert machine.clock.take_jumps() == []
    machine.wall += 3600 * SECOND
    assert "set forward, for 3,600.0 s" in machine.clock.take_jumps()[0]
    assert machine.clock.now() == NOON + 15 * SECOND


def test_a_sleep_of_the_machine_is_named_and_time_is_the_machines():
    machine = Machine()
    machine.wall += 7200 * SECOND
    assert "slept" in machine.clock.take_jumps()[0]
    assert machine.clock.now() == NOON + 7200 * SECOND


def test_the_next_day_takes_the_machines_time_again():
    machine = Machine()
    machine.wall -= 60 * SECOND
    assert machine.clock.now() == NOON
    machine.run(12 * 3600)
    assert machine.clock.now() == NOON + 12 * 3600 * SECOND
    machine.run(60)
    assert machine.clock.now() == machine.wall


def test_a_wait_ends_although_the_timer_stood_while_the_machine_slept():
    async def begin() -> None:
        machine = Machine()
        waiting = asyncio.create_task(machine.clock.sleep_until(NOON + SECOND // 10))
        await asyncio.sleep(0)
        machine.wall += 3600 * SECOND
        await asyncio.wait_for(waiting, 5)

    asyncio.run(begin())


@given(st.lists(st.tuples(st.floats(0, 20_000), st.integers(-10_000, 10_000)), max_size=30))
def test_within_a_run_time_never_goes_back(steps: list[tuple[float, int]]):
    machine = Machine()
    seen = [machine.clock.now()]
    for ran, jump in steps:
        machine.run(ran)
        machine.wall += jump * SECOND
        seen.append(machine.clock.now())
    assert seen == sorted(seen)
