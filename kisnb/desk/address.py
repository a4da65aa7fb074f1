"""Where a desk is: its folder, its locks, its address on file.

A lock is an ``flock``: it ends with its process, however that ends, so neither a file that was left behind nor a
process number that was given out again is taken for a desk.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from kisnb.errors import DeskBusy
from kisnb.paths import private_dir, state_dir
from kisnb.terms import Mode

STARTING_SECONDS = 20.0
"""How long a desk that somebody else has just started may take to tell its address."""
LOOKING_SECONDS = 1.0
"""A lock that is held for so long is held by a desk, and not by somebody who looks whether it is."""


class DeskAddress(msgspec.Struct, frozen=True):
    """Where a desk listens; the file that holds it is readable by its owner alone."""

    socket: str
    secret: str
    pid: int
    mode: Mode
    label: str
    quotes: Mode | None = None
    """The mode whose desk gives the prices; None for its own."""

    def __repr__(self) -> str:
        return f"<DeskAddress {self.label}: process {self.pid}>"


def desk_folder(mode: Mode) -> Path:
    """Lock, address and log of the desk of a mode."""
    return private_dir(state_dir() / f"desk-{mode}")


def desk_lock(mode: Mode) -> Path:
    return desk_folder(mode) / "lock"


def supervisor_lock(mode: Mode) -> Path:
    return desk_folder(mode) / "supervisor.lock"


def find_desk(mode: Mode) -> DeskAddress | None:
    """The desk on file, when its lock is held; None when no desk runs, or one that has not told its address yet.

    Raises DeskBusy when a desk runs and its address cannot be read.
    """
    if not is_held(desk_lock(mode)):
        return None
    path = desk_folder(mode) / "address.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=DeskAddress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        raise DeskBusy(f"a {mode} desk runs, but {path} cannot be read", by_hand(mode)) from None


def is_held(path: Path) -> bool:
    """Whether a process holds this lock."""
    try:
        with path.open("r+b") as lock:
            # Shared, so that two who look do not take each other for a desk.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def holder(path: Path) -> int | None:
    """The process that holds this lock; None when nobody does, or when it has not written its number yet."""
    if not is_held(path):
        return None
    said = path.read_text("utf-8", "replace").strip()
    return int(said) if said.isdigit() else None


def is_up(mode: Mode) -> bool:
    """Whether a desk of this mode runs, or is about to: its supervisor will start it."""
    return is_held(desk_lock(mode)) or is_held(supervisor_lock(mode))


def by_hand(mode: Mode) -> str:
    """The cure for a desk that does not answer."""
    # The supervisor first, or it would start the next desk.
    pids = [pid for path in (supervisor_lock(mode), desk_lock(mode)) if (pid := holder(path)) is not None]
    return f"end it by hand: kill -9 {' '.join(map(str, pids)) or 'PID'}"


def find_or_wait(mode: Mode) -> DeskAddress | None:
    """As ``find_desk``, but a desk that is just starting is waited for. Raises DeskBusy."""
    deadline = time.monotonic() + STARTING_SECONDS
    while (running := find_desk(mode)) is None and is_up(mode):
        if time.monotonic() > deadline:
            raise DeskBusy(f"a {mode} desk runs, but does not tell its address", by_hand(mode))
        time.sleep(0.05)
    return running


def lock_or_fail(path: Path, what: str) -> IO[bytes]:
    """An exclusive lock that lasts as long as the file stays open; raises DeskBusy when somebody holds it."""
    file = path.open("ab")
    if not _locked(file):
        file.close()
        pid = holder(path)
        raise DeskBusy(
            f"another desk{f' (process {pid})' if pid else ''} holds {what}",
            "attach to it, or stop it with: kisnb desk stop",
        )
    file.truncate(0)
    file.write(f"{os.getpid()}".encode())
    file.flush()
    return file


def _locked(file: IO[bytes]) -> bool:
    # A notebook that looks whether the lock is held has it for an instant; a desk keeps it.
    deadline = time.monotonic() + LOOKING_SECONDS
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
