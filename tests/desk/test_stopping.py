"""Starting and stopping from the command line: what is said is so (row K12, bad input)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import kisnb
from kisnb.cli import main
from kisnb.desk.address import desk_folder, desk_lock, find_desk, is_up, supervisor_lock
from kisnb.desk.life.launch import stop_desk
from kisnb.desk.life.simulator_process import SimAddress, find_simulator, sim_folder
from kisnb.desk.locks import holder
from kisnb.errors import ConfigError
from kisnb.paths import write_private
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import DAY, on_simulated_day, traded


def test_stop_returns_when_desk_supervisor_and_simulator_are_gone_and_then_says_nothing_runs(
    state: Path, capsys: pytest.CaptureFixture[str]
):
    gone: list[int] = []

    async def work(session: Session) -> None:
        desk, simulator, supervisor = (
            find_desk(Mode.SIM),
            find_simulator(state),
            holder(supervisor_lock(Mode.SIM)),
        )
        assert desk is not None
        assert simulator is not None
        assert supervisor is not None
        await asyncio.to_thread(main, ["desk", "stop"])
        gone.extend([desk.pid, simulator.pid])
        assert not is_up(Mode.SIM)
        await seen(lambda: session.status.link == "desk lost")
        with pytest.raises(kisnb.errors.DeskLost, match="The desk was stopped"):
            await session.sleep(1)

    traded(work)
    assert capsys.readouterr().out == "the sim desk and its simulator are stopped\n"
    for pid in gone:
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert main(["desk", "stop"]) == 0
    assert capsys.readouterr().out == "nothing to stop: no sim desk runs\n"
    assert main(["desk", "status"]) == 1


@on_simulated_day()
async def test_a_desk_whose_supervisor_was_killed_goes_on_and_can_be_stopped(
    session: Session,
) -> None:
    supervisor = holder(supervisor_lock(Mode.SIM))
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    await seen(lambda: holder(supervisor_lock(Mode.SIM)) is None)
    await session.buy("005930", 1)
    assert await asyncio.to_thread(stop_desk, Mode.SIM)
    assert not is_up(Mode.SIM)


def test_files_of_the_dead_with_a_number_that_lives_stop_nobody(state: Path):
    """Lock and addresses were left behind; their process numbers belong to somebody else now."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent:
        for path in (desk_lock(Mode.SIM), supervisor_lock(Mode.SIM)):
            path.write_text(str(innocent.pid))
        write_private(
            desk_folder(Mode.SIM) / "address.json",
            f'{{"socket":"/nowhere","secret":"x","pid":{innocent.pid},"mode":"sim","label":"sim"}}',
        )
        address = SimAddress(
            "http://127.0.0.1:1", "ws://127.0.0.1:1", "x", innocent.pid, "run", 1, DAY, "09:00:00"
        )
        import msgspec

        write_private(sim_folder(state) / "address.json", msgspec.json.encode(address).decode())
        assert find_desk(Mode.SIM) is None
        assert find_simulator(state) is None
        assert main(["desk", "stop"]) == 0
        assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize("bad", [{"date": "2026-11-21"}, {"date": "1999-01-04"}])
@on_simulated_day()
async def test_a_fresh_day_that_cannot_begin_leaves_the_running_one_alone(
    session: Session, bad: dict[str, str]
) -> None:
    await session.buy("005930", 1)
    desk = find_desk(Mode.SIM)
    with pytest.raises(ConfigError, match=r"trading day|not known"):
        await kisnb.connect("sim", fresh=True, **bad)  # type: ignore[arg-type]
    assert find_desk(Mode.SIM) == desk
    assert (await session.quote("005930")).price
    assert session.status.link == "up"


def test_a_fresh_day_ends_the_sessions_of_the_old_one_and_its_journal_is_put_away(state: Path):
    async def work(session: Session) -> None:
        await session.buy("005930", 1)
        assert "IntentTaken" in (await session.journal())["fact"]
        fresh = await kisnb.connect("sim", fresh=True, date=DAY)
        assert fresh.status.run != session.status.run
        assert len(fresh.book.orders) == 0
        await seen(lambda: session.status.link == "desk lost")
        await fresh.close()

    traded(work)
    assert len(list((state / "sim" / "archive").iterdir())) == 1


def test_two_that_start_a_desk_at_once_share_it_and_one_supervisor_stays():
    code = (
        "import asyncio, kisnb\nasync def f():\n"
        "  async with await kisnb.connect('sim') as s: print(s.status.run)\n"
    )
    command = [sys.executable, "-c", f"{code}asyncio.run(f())"]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    runs = {child.communicate(timeout=90)[0].strip() for child in racing}
    assert len(runs) == 1
    assert runs != {""}
    supervisor = holder(supervisor_lock(Mode.SIM))
    assert supervisor is not None
    assert len(psutil.Process(supervisor).children()) == 1
