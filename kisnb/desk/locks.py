"""Locks of a desk. A lock ends with its process, even if the process is killed.

A lock is an ``flock``. So neither an old lock file nor a new process with an old id looks like a
running desk. The lock file contains the id of the process.

There are two kinds. The locks of a *state folder* say whether a desk of this folder runs. The locks
of a *customer* (account and appkey) are in a folder of the user that ``KISNB_STATE`` does not move,
because KIS allows one WebSocket session per appkey, whatever state folder a desk has.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shlex
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kisnb.errors import ConfigError, DeskBusy
from kisnb.paths import private_dir, refusal_of, runtime_dir, state_dir, user_folder
from kisnb.terms import Mode

if TYPE_CHECKING:
    from kisnb.kis.credentials import Credentials

LOOKING_SECONDS = 1.0
"""A process that only checks a lock holds it for less than this time. A desk holds it longer."""
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE}
"""Errors that may end by themselves. Then the lock is not taken in another folder.

Other desks would not see it there.
"""


class Lock:
    """An exclusive lock on a file. It is held until ``close``."""

    def __init__(self, path: Path, what: str, note: str = "") -> None:
        """Take the lock. ``note`` is written to the file after the id of this process.

        Raises DeskBusy when another process holds it, and OSError.
        """
        self.path = path
        self._note = note
        file = _try_lock(path)
        if file is None:
            raise DeskBusy(
                f"another desk{_process_text(holder(path))} holds {what}",
                "attach to it, or stop it with: kisnb desk stop",
            )
        self._file = file
        self._sign()

    def keep(self) -> bool:
        """Take the lock again if its file was removed. Return False if another process has it now.

        Raises OSError and ConfigError.
        """
        if _is_at(self._file, self.path):
            return True
        fresh = _try_lock(private_dir(self.path.parent) / self.path.name)
        if fresh is None:
            return False
        # The new lock is taken before the old one is released, so that no other desk can take it in
        # between.
        self._file.close()
        self._file = fresh
        self._sign()
        return True

    def close(self, *, remove: bool = False) -> None:
        """Release the lock. With ``remove``, also delete its file."""
        if remove and _is_at(self._file, self.path):
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _sign(self) -> None:
        # These writes need no guard, because only the holder of the lock writes to its file.
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}{self._note}".encode())
        self._file.flush()


class CustomerLocks:
    """The locks of an account and of its appkey for this user.

    On a simulated day only the appkey is locked, because each simulator has an account of its own.
    """

    def __init__(self, mode: Mode, credentials: Credentials) -> None:
        """Take the locks. Raises DeskBusy, ConfigError and OSError."""
        self.locks: list[Lock] = []
        wanted = [("appkey", "this appkey", credentials.appkey.reveal())]
        # At a real host the account is locked as well: two appkeys of one person may trade the same
        # account, and each desk would take the orders of the other for external ones.
        if mode is not Mode.SIM:
            wanted.append(("account", f"this {mode} account", credentials.full_account))
        try:
            for kind, what, secret in wanted:
                digest = hashlib.sha256(f"{kind}:{secret}".encode()).hexdigest()[:16]
                self.locks.append(_lock_for_user(f"{kind}-{digest}", what, mode))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the locks."""
        for lock in self.locks:
            # Every simulator has its own appkey, so the files would become many.
            with suppress(OSError):
                lock.close(remove=True)


def _lock_for_user(name: str, what: str, mode: Mode) -> Lock:
    try:
        return _lock_of_customer(private_dir(user_folder() / "locks") / name, what, mode)
    except OSError as e:
        if e.errno in _PASSING:
            raise
    except ConfigError:
        pass
    # A user without a home folder, one that cannot be written, or one on a disk without locks.
    return _lock_of_customer(private_dir(runtime_dir() / "locks") / name, what, mode)


def _lock_of_customer(path: Path, what: str, mode: Mode) -> Lock:
    state = state_dir()
    try:
        return Lock(path, what, f"\n{state}\n{mode}")
    except DeskBusy:
        # The file names the holder's state folder, because without it ``kisnb desk stop`` does not
        # find a desk of another folder.
        pid, other, its_mode = (*_lines(path), "", "", "")[:3]
        if not other or other == str(state):
            raise
    at = f"KISNB_STATE={shlex.quote(other)}"
    raise DeskBusy(
        f"another desk{_process_text(pid)} with the state folder {other} holds {what}",
        f"attach to it with {at}, or stop it with: {at} kisnb desk stop --mode {its_mode}",
    )


def is_held(path: Path) -> bool:
    """Return whether a process holds this lock.

    Raises ConfigError when that cannot be found out.
    """
    try:
        with path.open("r+b") as lock:
            # The lock is shared, so that two processes that check it do not take each other for a
            # desk.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as e:
        raise refusal_of(e, path) from None
    return False


def holder(path: Path) -> int | None:
    """Return the id of the process that holds this lock.

    None when no process holds it, or when the process has not written its id yet.
    """
    if not is_held(path):
        return None
    first = (*_lines(path), "")[0]
    return int(first) if first.isdigit() else None


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines()


def _process_text(pid: object) -> str:
    return f" (process {pid})" if pid else ""


def _try_lock(path: Path) -> IO[bytes] | None:
    """Open and lock the file. Return it, None when another process keeps the lock for a second.

    Raises OSError, with the path.
    """
    # A notebook that checks the lock has it for an instant. A desk keeps it.
    deadline = time.monotonic() + LOOKING_SECONDS
    while True:
        # The file is opened to append, because opening it to write would empty it, and it contains
        # the id of the process that has the lock.
        file = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A holder that ended may have removed the file between the two calls above.
            if _is_at(file, path):
                return file
        except BlockingIOError:
            pass
        except OSError as e:
            file.close()
            raise OSError(e.errno, e.strerror, str(path)) from None
        file.close()
        if time.monotonic() > deadline:
            return None
        time.sleep(0.001)


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Return whether the path still names this open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
