"""The conductor of lockstep ends when it is told to, whatever comes in at that moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from kisnb.clock import SimulatedClock
from kisnb.desk.conductor import Conductor
from kisnb.desk.control import SimState
from tests.trading.desk import NOON


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
        conductor.look()
        await asked.wait()
        await asyncio.sleep(0)
        conductor.look()
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=1)
        if not ended:
            broker.frames = 1
            task.cancel()
        return bool(ended)

    assert asyncio.run(begin())
