"""A desk can be reached again when its socket, its address or its locks were removed (rows A07,
K12)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import kisnb
from kisnb.cli import main
from kisnb.desk.address import address_file, desk_lock, find_desk
from kisnb.desk.locks import Lock, holder
from kisnb.paths import SOCKET_BYTES, socket_path
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import desk_log, on_simulated_day


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder of this test alone."""
    # The path of tmp_path is too long for a socket where tests run in deep folders.
    folder = Path(tempfile.mkdtemp(prefix="kisnb-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def socket_of_the_desk() -> Path:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    return Path(desk.socket)


@on_simulated_day()
async def test_k12_a_desk_whose_socket_was_removed_listens_again_and_its_sessions_go_on(
    session: Session, runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    assert Path(desk.socket).is_relative_to(runtime)
    shutil.rmtree(Path(desk.socket).parent)
    second = await kisnb.connect("sim")
    assert second.status.run == session.status.run
    await second.close()
    shutil.rmtree(Path(desk.socket).parent)
    assert await asyncio.to_thread(main, ["desk", "status"]) == 0
    shutil.rmtree(Path(desk.socket).parent)
    assert await asyncio.to_thread(main, ["halt", "a drill"]) == 0
    # The first session has heard all of it on the connection that it has had from the start.
    await seen(lambda: session.halt_state == "halted")
    assert session.status.link == "up"
    assert socket_of_the_desk() == Path(desk.socket)


@on_simulated_day()
async def test_k12_a_socket_that_was_replaced_is_made_anew(session: Session, runtime: Path) -> None:
    path = socket_of_the_desk()
    path.unlink()
    path.write_text("something else")
    await seen(path.is_socket)
    second = await kisnb.connect("sim")
    assert second.status.run == session.status.run
    await second.close()


@on_simulated_day()
async def test_k12_a_desk_whose_runtime_folder_ended_with_a_login_listens_elsewhere(
    session: Session, runtime: Path
) -> None:
    shutil.rmtree(runtime)
    await seen(lambda: not socket_of_the_desk().is_relative_to(runtime))
    second = await kisnb.connect("sim")
    assert second.status.run == session.status.run
    await second.close()


@on_simulated_day()
async def test_k12_an_address_and_a_lock_that_were_removed_are_there_again(
    session: Session, runtime: Path
) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    address_file(Mode.SIM).unlink()
    desk_lock(Mode.SIM).unlink()
    await seen(lambda: find_desk(Mode.SIM) == desk)
    assert holder(desk_lock(Mode.SIM)) == desk.pid


@on_simulated_day()
async def test_k12_a_desk_whose_place_another_one_has_taken_stops(
    session: Session, runtime: Path
) -> None:
    desk_lock(Mode.SIM).unlink()
    other = Lock(desk_lock(Mode.SIM), "the sim account")
    await seen(lambda: session.status.link == "desk lost")
    with pytest.raises(kisnb.errors.DeskLost, match="Another desk took the place of this one"):
        await session.sleep(1)
    other.close()


def folder_of_the_socket() -> Path:
    return socket_path("desk-sim").parent


def test_k12_no_socket_stands_in_a_folder_of_somebody_else_or_behind_a_link(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
):
    state = runtime / "state"
    monkeypatch.setenv("KISNB_STATE", str(state))
    monkeypatch.setattr("tempfile.tempdir", str(runtime))
    ours = folder_of_the_socket()
    assert ours.parent == runtime
    ours.chmod(0o777)
    assert folder_of_the_socket() == state / "socket"
    ours.rmdir()
    ours.symlink_to(state, target_is_directory=True)
    assert folder_of_the_socket() == state / "socket"
    ours.unlink()
    ours.mkdir(0o700)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    (runtime / "kisnb-54321").mkdir(0o700)
    with pytest.raises(kisnb.errors.ConfigError, match=r"kisnb-54321 is another user's, or a link"):
        folder_of_the_socket()


def test_k12_a_relative_runtime_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "run")
    assert folder_of_the_socket().is_absolute()
    assert list((tmp_path / "run").iterdir()) == []


def test_k12_paths_that_are_too_long_for_a_socket_are_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deep = tmp_path / ("d" * SOCKET_BYTES)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("KISNB_STATE", str(deep / "state"))
    with pytest.raises(kisnb.errors.ConfigError) as refused:
        folder_of_the_socket()
    assert "is too long for a Unix socket, which ends at 103 bytes. Set XDG_RUNTIME_DIR" in str(
        refused.value
    )


@on_simulated_day()
async def test_what_a_crashing_desk_prints_stands_in_its_log(session: Session) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGABRT)
    await session.until("10:01")
    assert "Fatal Python error: Aborted" in desk_log()
