"""Finding, starting and stopping the desk process: one per account, whatever was left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

import kisnb
from kisnb.desk.address import desk_folder, find_desk
from kisnb.desk.life.simulator_process import find_simulator
from kisnb.errors import DeskBusy, LinkLost
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.session.opening import DAY, on_simulated_day


def test_notebooks_that_open_at_once_share_one_desk():
    async def begin() -> set[str]:
        opened = await asyncio.gather(
            *(kisnb.connect("sim", seed=7, date=DAY, start="10:00") for _ in range(3))
        )
        for session in opened:
            await session.close()
        return {session.status.run for session in opened}

    assert len(asyncio.run(begin())) == 1


@on_simulated_day()
async def test_an_address_that_cannot_be_read_is_told_with_the_process_to_end(
    session: Session,
) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    address = desk_folder(Mode.SIM) / "address.json"
    good = address.read_bytes()
    address.write_text("{")
    try:
        with pytest.raises(DeskBusy, match=rf"cannot be read.*kill -9 \d+ {desk.pid}"):
            await kisnb.connect("sim")
    finally:
        address.write_bytes(good)
    await session.quote("005930")


@on_simulated_day()
async def test_what_a_killed_desk_left_behind_is_not_taken_for_a_desk(
    session: Session, state: Path
) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGKILL)
    again = await kisnb.connect("sim")
    fresh = find_desk(Mode.SIM)
    assert fresh is not None
    assert fresh.pid != desk.pid
    await again.close()


@on_simulated_day(start="10:00")
async def test_a_desk_ends_with_its_simulator_and_the_next_one_begins_a_day(
    session: Session, state: Path
) -> None:
    simulator = find_simulator(state)
    assert simulator is not None
    waiting = asyncio.create_task(session.until("10:30"))
    os.kill(simulator.pid, signal.SIGKILL)
    with pytest.raises((LinkLost, kisnb.errors.DeskLost)):
        await waiting
    again = await kisnb.connect("sim")
    await again.until("close")
    assert again.status.run != session.status.run
    await again.close()


@on_simulated_day(start="10:00")
async def test_a_desk_that_is_stopping_takes_no_session(session: Session, state: Path) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGTERM)
    again = await kisnb.connect("sim")
    await again.until("10:01")
    assert again.status.run == session.status.run
    other = find_desk(Mode.SIM)
    assert other is not None
    assert other.pid != desk.pid
    await again.close()
