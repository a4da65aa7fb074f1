"""Finds a desk: its folder, its locks, and the file with its address."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from kisnb.desk.locks import holder, is_held
from kisnb.errors import DeskBusy
from kisnb.paths import private_dir, state_dir
from kisnb.terms import Mode

SOCKET_SECONDS = 6.0
"""Seconds in which a desk notices that its socket was removed, and makes a new one."""
STARTING_SECONDS = 20.0
"""Seconds in which a desk writes its address after its start."""


class DeskAddress(msgspec.Struct, frozen=True):
    """The address at which a desk listens. Only the desk's owner may read its file."""

    socket: str
    secret: str
    pid: int
    mode: Mode
    label: str
    quotes: Mode | None = None
    """The mode of the desk from which this desk gets its prices. None: its own prices."""

    def __repr__(self) -> str:
        return f"<DeskAddress {self.label}: process {self.pid}>"


def desk_folder(mode: Mode) -> Path:
    """Return the folder of a mode's desk: lock, address and log. Create it if it is missing."""
    return private_dir(state_dir() / f"desk-{mode}")


def desk_lock(mode: Mode) -> Path:
    """Return the path of the lock that a running desk holds."""
    return desk_folder(mode) / "lock"


def supervisor_lock(mode: Mode) -> Path:
    """Return the path of the lock that a running supervisor holds."""
    return desk_folder(mode) / "supervisor.lock"


def find_desk(mode: Mode) -> DeskAddress | None:
    """Return the address of the desk that holds its lock.

    None when no desk runs, or when it has not written its address yet. Raises DeskBusy when a desk
    runs and its address cannot be read.
    """
    # The lock decides, not the file, because the file of a killed desk names a process that is
    # gone.
    if not is_held(desk_lock(mode)):
        return None
    path = address_file(mode)
    try:
        return msgspec.json.decode(path.read_bytes(), type=DeskAddress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        raise DeskBusy(
            f"a {mode} desk runs, but {path} cannot be read", kill_command(mode)
        ) from None


def is_up(mode: Mode) -> bool:
    """Return whether a desk of this mode runs, or its supervisor is about to start it."""
    return is_held(desk_lock(mode)) or is_held(supervisor_lock(mode))


def kill_command(mode: Mode) -> str:
    """Return a cure for a desk that does not answer: ``kill -9`` and the ids of its processes."""
    # The supervisor is killed first. Otherwise it would start the next desk.
    pids = [
        pid
        for path in (supervisor_lock(mode), desk_lock(mode))
        if (pid := holder(path)) is not None
    ]
    return f"end it with: kill -9 {' '.join(map(str, pids)) or 'PID'}"


def address_file(mode: Mode) -> Path:
    """Return the path of the file that holds the address of the desk of a mode."""
    return desk_folder(mode) / "address.json"


def find_or_wait(mode: Mode) -> DeskAddress | None:
    """Return the address of the running desk; None when no desk runs.

    Wait up to 20 seconds for a desk that is just starting or has lost its socket. Raises DeskBusy.
    """
    deadline = time.monotonic() + STARTING_SECONDS
    # A desk takes its lock before it writes its address, and a supervisor takes its lock before it
    # starts a desk. In both cases an address will follow.
    while not _has_socket(running := find_desk(mode)) and is_up(mode):
        if time.monotonic() > deadline:
            lost = (
                f"its socket {running.socket} is gone" if running else "does not tell its address"
            )
            raise DeskBusy(f"a {mode} desk runs, but {lost}", kill_command(mode))
        time.sleep(0.05)
    return running


def wait_for_socket(running: DeskAddress) -> DeskAddress:
    """Wait until the socket of a running desk exists, and return the desk's address.

    A desk makes a new socket when it has lost its socket. Return ``running`` after 6 seconds.
    """
    deadline = time.monotonic() + SOCKET_SECONDS
    while not _has_socket(running) and time.monotonic() < deadline:
        time.sleep(0.05)
        running = find_desk(running.mode) or running
    return running


def _has_socket(running: DeskAddress | None) -> bool:
    return running is not None and Path(running.socket).exists()
