"""Keeps the desk's socket, address file and locks, and restores them when they were removed.

A program that cleans up temporary files may remove the socket. The system removes the runtime
folder when the user's last login session ends. Without this watch the desk would go on, but neither
a kernel nor ``kisnb halt`` could reach it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from kisnb.desk.address import DeskAddress, address_file, supervisor_lock
from kisnb.desk.locks import Lock
from kisnb.desk.serve.server import DeskServer
from kisnb.errors import ConfigError
from kisnb.paths import socket_path, write_private
from kisnb.terms import Mode

CHECK_SECONDS = 2.0
TOUCH_SECONDS = 3600.0
"""Seconds between two touches of the files. Cleaning programs remove files that look old."""
TAKEN = (
    "another desk took the place of this one, which stopped",
    "open the desk again with %kis open; what was journaled is safe",
)

log = logging.getLogger(__name__)


class Door:
    """The socket and the address file by which sessions find a desk.

    Call ``open``, let ``watch`` run beside the desk, and call ``close`` at the end.
    """

    def __init__(
        self,
        server: DeskServer,
        mode: Mode,
        locks: Sequence[Lock],
        address: Callable[[str], DeskAddress],
    ) -> None:
        """Prepare the door. ``address`` makes the desk's address from the path of its socket."""
        self._server = server
        self._mode = mode
        self._locks = locks
        self._address = address
        self._file = address_file(mode)
        self._socket = Path()
        self._mark: tuple[int, ...] = ()
        self._touched = time.monotonic()
        self._failed: dict[str, str] = {}

    async def open(self) -> DeskAddress:
        """Listen, write the address to its file, and return it. Raises ConfigError and OSError."""
        self._socket = socket_path(f"desk-{self._mode}")
        # The socket listens before its address is written, because a session that reads the address
        # connects at once.
        await self._server.listen(self._socket)
        self._mark = _mark(self._socket)
        address = self._address(str(self._socket))
        write_private(self._file, msgspec.json.encode(address).decode())
        return address

    async def watch(self) -> None:
        """Check socket, address and locks every two seconds, and restore them, until cancelled.

        A failure is logged once and tried again.
        """
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            # If the whole state folder was removed, the desk ends, because its journal is gone.
            if not self._file.parent.is_dir():
                continue
            # A lock that cannot be read must not stop the restoring of the socket.
            await self._tried("locks", self._keep_locks)
            # A desk that closes removes its own socket.
            if not self._server.closing.is_set():
                await self._tried("socket", self._keep_open)

    async def _tried(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (OSError, ConfigError) as e:
            if str(e) != self._failed.get(what):
                log.warning("the desk's %s cannot be restored: %s", what, e)
            self._failed[what] = str(e)
        else:
            self._failed.pop(what, None)

    async def _keep_locks(self) -> None:
        # In a thread: the home folder may be on a network disk that does not answer.
        if not await asyncio.to_thread(self._are_kept):
            self._server.farewell = TAKEN
            self._server.closing.set()

    def _are_kept(self) -> bool:
        if time.monotonic() - self._touched > TOUCH_SECONDS:
            self._touched = time.monotonic()
            # An error here does no harm: the file only looks a little older, and the next round
            # tries again.
            for path in (
                self._file,
                supervisor_lock(self._mode),
                *(lock.path for lock in self._locks),
            ):
                with suppress(OSError):
                    os.utime(path)
        return all(lock.keep() for lock in self._locks)

    async def _keep_open(self) -> None:
        if _mark(self._socket) != self._mark or not self._file.exists():
            log.warning("the desk's socket or its address was removed; the desk listens again")
            # The path is looked up again: when the runtime folder is gone, the socket is in another
            # place, and the new address says where.
            await self.open()

    def close(self) -> None:
        """Remove the socket."""
        with suppress(OSError):
            self._socket.unlink(missing_ok=True)


def _mark(path: Path) -> tuple[int, ...]:
    """Return values that change when another file replaces the one at a path. Empty without a file.

    The inode number alone is not enough: a new file may get the number of the removed file.
    """
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns
