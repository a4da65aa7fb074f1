"""A state folder that cannot serve is refused in one line with the cure that helps (rows
K12, N11)."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kisnb.cli import main
from kisnb.desk.address import find_desk
from kisnb.errors import ConfigError
from kisnb.paths import cure_of, state_dir
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import desk_log, on_simulated_day


def status(capsys: pytest.CaptureFixture[str]) -> str:
    """What ``kisnb desk status`` says."""
    capsys.readouterr()
    assert main(["desk", "status"]) == 1
    said = capsys.readouterr()
    return said.out + said.err


def test_k12_a_relative_state_folder_is_refused_with_the_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KISNB_STATE", "kisnb-state")
    assert status(capsys) == (
        "KISNB_STATE=kisnb-state is not a full path: it would be another desk in each working "
        "folder. "
        f"Write it in full, for example KISNB_STATE={tmp_path}/kisnb-state.\n"
    )
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KISNB_STATE", "~/kisnb-state")
    assert state_dir() == tmp_path / "kisnb-state"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_n11_a_state_folder_in_which_others_may_write_is_refused(
    state: Path, capsys: pytest.CaptureFixture[str], mode: int
):
    state.mkdir()
    state.chmod(mode)
    assert (
        status(capsys)
        == f"Others may write in the state folder {state}. Close it with: chmod 700 {state}.\n"
    )
    state.chmod(0o700)
    assert status(capsys) == "no sim desk runs\n"


def test_n11_a_state_folder_that_others_may_read_is_tightened(state: Path):
    state.mkdir()
    state.chmod(0o755)
    assert state_dir() == state
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_n11_the_mode_of_a_home_folder_is_left_alone(state: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(state))
    state.mkdir()
    state.chmod(0o755)
    assert state_dir() == state
    assert stat.S_IMODE(state.stat().st_mode) == 0o755


def test_n11_a_state_folder_of_another_user_is_refused(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    state.mkdir(mode=0o700)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    said = (
        f"The state folder {state} belongs to another user. Set KISNB_STATE to a folder of your "
        f"own.\n"
    )
    assert status(capsys) == said


NOBODY = """
import os, sys, platformdirs, kisnb.paths
from kisnb.errors import ConfigError
os.environ.pop("HOME", None)
os.environ.pop("KISNB_STATE", None)
os.environ.pop("XDG_STATE_HOME", None)
import pwd
def unknown(_):
    raise KeyError("no such user")
pwd.getpwuid = unknown
try:
    kisnb.paths.state_dir()
except ConfigError as e:
    print(e)
"""


def test_a_user_without_a_home_folder_is_told_to_name_one(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", NOBODY], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == "This user has no home folder. Set KISNB_STATE to a folder of yours.\n"
    assert list(tmp_path.iterdir()) == []


NO_LOCKS = """
import errno, fcntl
def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""
OPEN = "import asyncio, kisnb; asyncio.run(kisnb.connect('sim'))"


@pytest.mark.parametrize(
    "command", [["-m", "kisnb", "desk", "status"], ["-m", "kisnb", "halt", "x"], ["-c", OPEN]]
)
def test_a_disk_without_locks_is_told_with_the_cure(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_LOCKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    (state / "desk-sim").mkdir(parents=True, mode=0o700)
    state.chmod(0o700)
    for name in ("lock", "supervisor.lock"):
        (state / "desk-sim" / name).touch()
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=120
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "lock cannot be locked: No locks available." in last
    assert last.endswith(
        "Set KISNB_STATE to a folder on a disk of this machine: that one keeps no locks."
    )


READ_ONLY = """
import errno, pathlib
opened = pathlib.Path.open
def refused(path, mode="r", *rest, **options):
    if mode.startswith("r"):
        return opened(path, mode, *rest, **options)
    raise OSError(errno.EROFS, "Read-only file system", str(path))
pathlib.Path.open = refused
"""


def test_a_read_only_disk_is_told_with_the_cure(state: Path):
    state.mkdir(mode=0o700)
    (state / "desk-sim").mkdir(mode=0o700)
    done = subprocess.run(
        [sys.executable, "-c", f"{READ_ONLY}\n{OPEN}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert (
        "cannot be written: Read-only file system. Set KISNB_STATE to a folder on a disk that "
        "can be written."
    ) in last


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "make room on the disk"),
        (errno.EDQUOT, "make room on the disk"),
        (errno.EROFS, "set KISNB_STATE to a folder on a disk that can be written"),
        (errno.EACCES, "see that the folder is yours, or set KISNB_STATE to a folder of yours"),
        (errno.ENAMETOOLONG, "set KISNB_STATE to a folder with a shorter path"),
    ],
)
def test_only_a_full_disk_is_told_to_make_room(number: int, cure: str):
    assert cure_of(OSError(number, os.strerror(number))) == cure


def test_a_state_folder_with_too_long_a_name_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / ("d" * 300)))
    with pytest.raises(
        ConfigError, match=r"File name too long\. Set KISNB_STATE to a folder with a shorter path"
    ):
        state_dir()


def opened_to(state: Path, mode: int) -> None:
    state.chmod(mode)


@on_simulated_day()
async def test_o14_a_desk_whose_state_folder_does_not_serve_is_back_when_it_is_mended(
    session: Session, state: Path
) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    opened_to(state, 0o777)
    os.kill(desk.pid, signal.SIGKILL)
    await seen(
        lambda: "could not be started again: Others may write in the state folder" in desk_log()
    )
    opened_to(state, 0o700)
    await session.until("10:01")
    assert (await session.buy("005930", 1)).filled == 1
