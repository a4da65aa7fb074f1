"""The conductor of lockstep: what it hands on and when, whatever comes in at that moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from kisnb.clock import SECOND, Ns, SimulatedClock
from kisnb.desk.run.conductor import Conductor
from kisnb.desk.run.control import SimState, Stepped
from tests.trading.desk import NOON
from tests.waiting import until


def test_a_desk_that_closes_while_a_frame_comes_in_stops_its_conductor():
    async def begin() -> bool:
        asked = asyncio.Event()

        async def state(_port: int | None) -> SimState:
            asked.set()
            return SimState(NOON, 1, 0.0)

        broker = SimpleNamespace(settled=True, frames=0, local_port=1)
        host = SimpleNamespace(quiet=True, broker=broker)
        control = SimpleNamespace(state=state)
        conductor = Conductor(host, SimulatedClock(NOON), control, list, lambda: 0, print)  # type: ignore[arg-type]
        conductor.lockstep = True
        task = asyncio.create_task(conductor.run())
        conductor.wake()
        await asked.wait()
        await asyncio.sleep(0)
        conductor.wake()
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=1)
        if not ended:
            broker.frames = 1
            task.cancel()
        return bool(ended)

    assert asyncio.run(begin())


def test_h05_frames_of_a_call_under_way_wait_for_its_end_and_come_together():
    """An order is sent while the simulator is asked for its state: of its two frames one is here,
    and no reply."""
    taken: list[str] = []
    counted = 1

    async def begin() -> None:
        asked = asyncio.Event()

        async def state(_port: int | None) -> SimState:
            nonlocal counted
            asked.set()
            if counted == 1:
                host.quiet = False
                answer = SimState(NOON, counted, 0.0)
                broker.frames = counted = 2
                conductor.receive(["fill"])  # type: ignore[list-item]
                counted = 3
                return answer
            return SimState(NOON, counted, 0.0)

        broker = SimpleNamespace(settled=True, frames=1, local_port=1)
        host = SimpleNamespace(
            quiet=True, broker=broker, receive=taken.extend, activity=SimpleNamespace(at_rest=0)
        )
        control = SimpleNamespace(state=state)
        conductor = Conductor(host, SimulatedClock(NOON), control, list, lambda: 0, print)  # type: ignore[arg-type]
        conductor.lockstep = True
        task = asyncio.create_task(conductor.run())
        conductor.wake(calls=True)
        await asked.wait()
        await asyncio.sleep(0.05)
        assert taken == []
        broker.frames = 3
        conductor.receive(["trade"])  # type: ignore[list-item]
        taken.append("reply")
        host.quiet = True
        conductor.wake(calls=True)
        await until(lambda: len(taken) == 3)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(begin())
    assert taken == ["reply", "fill", "trade"]


def test_h05_the_clock_stands_still_while_a_cell_that_was_woken_blocks_its_loop():
    """Its session has not reported since, so the desk still has the report of the wait before."""
    steps: list[Ns] = []

    async def begin() -> None:
        clock = SimulatedClock(NOON)

        async def state(_port: int | None) -> SimState:
            return SimState(NOON, 0, 0.0)

        async def step(target: Ns, _port: int | None, _frames: int) -> Stepped:
            steps.append(target)
            rider.waiting = False
            host.activity.at_rest = 0
            return Stepped(moved=True, now=target, frames=0)

        broker = SimpleNamespace(settled=True, frames=0, local_port=1)
        host = SimpleNamespace(quiet=True, broker=broker, activity=SimpleNamespace(at_rest=0))
        rider = SimpleNamespace(name="cell", handled=5, wake=NOON, waiting=True, blocked=True)
        control = SimpleNamespace(state=state, step=step)
        conductor = Conductor(
            host, clock, control, lambda: [rider], lambda: 5, lambda _event: None  # type: ignore[arg-type]
        )  # fmt: skip
        conductor.lockstep = True
        task = asyncio.create_task(conductor.run())
        conductor.wake()
        await asyncio.sleep(0.05)
        assert steps == []
        # A call of the desk's own that waits for the rate limit does move the clock: to its moment.
        limit = asyncio.create_task(clock.sleep_until(NOON + SECOND))
        await asyncio.sleep(0)
        host.activity.at_rest = 1
        conductor.wake()
        await until(lambda: bool(steps))
        assert steps == [NOON + SECOND]
        limit.cancel()
        task.cancel()
        await asyncio.wait([task, limit])

    asyncio.run(begin())
