"""Desk, supervisor and simulator know nothing of the folder in which somebody works (rows O14,
K12)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

import kisnb
from kisnb.config import set_config
from kisnb.desk.address import find_desk, supervisor_lock
from kisnb.desk.life.child_process import environment
from kisnb.desk.life.simulator_process import find_simulator
from kisnb.desk.locks import holder
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.session.opening import traded

pytestmark = pytest.mark.usefixtures("started_processes")
MEANT = "raise ImportError('the file beside the notebook was imported')\n"


@pytest.fixture
def notebook_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file of the name of every module of the standard library."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in sys.stdlib_module_names:
        (folder / f"{name}.py").write_text(MEANT)
    monkeypatch.chdir(folder)
    return folder


def processes(state: Path) -> list[psutil.Process]:
    """Supervisor, desk and simulator of this test."""
    desk, simulator, supervisor = (
        find_desk(Mode.SIM),
        find_simulator(state),
        holder(supervisor_lock(Mode.SIM)),
    )
    assert desk is not None
    assert simulator is not None
    assert supervisor is not None
    return [psutil.Process(pid) for pid in (supervisor, desk.pid, simulator.pid)]


def test_o14_a_desk_opens_and_comes_back_beside_files_named_like_the_standard_library(
    state: Path, notebook_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    # Three ways to name the working folder, and two files that come with it.
    kept = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", f"../{notebook_folder.name}", kept]))

    async def work(session: Session) -> None:
        await session.buy("005930", 1)
        desk = find_desk(Mode.SIM)
        assert desk is not None
        assert not [p.cwd() for p in processes(state) if p.cwd().startswith(str(notebook_folder))]
        os.kill(desk.pid, signal.SIGKILL)
        await session.until("10:01")
        await session.buy("005930", 1)
        again = find_desk(Mode.SIM)
        assert again is not None
        assert again.pid != desk.pid
        assert session.book.position("005930").qty == 2

    traded(work)


def test_k12_sessions_attach_and_a_fresh_day_begins_beside_such_files(
    state: Path, notebook_folder: Path
):
    async def work(session: Session) -> None:
        other = await kisnb.connect("sim")
        assert other.status.run == session.status.run
        await other.close()

    traded(work)
    asyncio.run(fresh_day())


async def fresh_day() -> None:
    async with await kisnb.connect("sim", fresh=True, seed=8, date="2026-11-20") as session:
        assert (await session.quote("005930")).price


def test_relative_paths_of_settings_are_those_of_the_folder_that_starts_the_desk(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KISNB_RECORD", "mine.jsonl")
    monkeypatch.setenv("KISNB_DATA", "prices")
    monkeypatch.setenv("KISNB_CREDENTIALS", "~/keys.yaml")
    given = environment()
    assert given["KISNB_RECORD"] == str(tmp_path / "mine.jsonl")
    assert given["KISNB_DATA"] == str(tmp_path / "prices")
    assert given["KISNB_CREDENTIALS"] == "~/keys.yaml"
    monkeypatch.delenv("KISNB_DATA")

    async def work(session: Session) -> None:
        await session.quote("005930")

    traded(work)
    assert (tmp_path / "mine.jsonl").read_text().startswith('{"t":')


def test_a_relative_path_is_kept_in_full_by_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert set_config("record", "mine.jsonl").record == str(tmp_path / "mine.jsonl")
    assert set_config("record", "~/mine.jsonl").record == "~/mine.jsonl"
    assert set_config("record", None).record == ""
