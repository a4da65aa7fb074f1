"""One attached session, as the desk sees it."""

from __future__ import annotations

import asyncio

from kisnb.clock import Ns
from kisnb.desk.processes import lives, process_of
from kisnb.desk.serve.protocol import Dismissed, Hello, QueryReplied, pack
from kisnb.orders import Want
from kisnb.trading.ports.replies import Reply

MOST_UNREAD = 64 * 1024 * 1024
"""Bytes that a session may leave unread; then it is cut off, and comes back for what it missed when it wakes."""


class Connection:
    """Its socket, what it wants, and how far it has followed."""

    def __init__(self, hello: Hello, writer: asyncio.StreamWriter) -> None:
        self.name = hello.session
        self.where = hello.where or f"process {hello.pid}"
        self.handled = -1
        self.wake: Ns | None = None
        self.waiting = False
        self.wants: tuple[Want, ...] = ()
        self.hurry = False
        self.outcomes: dict[int, str] = {}
        """Questions about orders that are not decided yet: number → key."""
        self.blocking: set[int] = set()
        """Questions that the session's own loop stands for; it counts as idle meanwhile."""
        self.received_at = asyncio.get_running_loop().time()
        """When it said something last, on the loop's clock."""
        self.ended = asyncio.Event()
        """Nothing is heard of it any more."""
        self._writer = writer
        self._process = process_of(hello.pid)

    @property
    def blocked(self) -> bool:
        return bool(self.blocking)

    @property
    def alive(self) -> bool:
        """Its process is there: the same one, for numbers are given out again. Silence says nothing."""
        return self._process is not None and not self._writer.is_closing() and lives(self._process)

    def send(self, message: bytes) -> None:
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self.cut()
            return
        self._writer.write(message)

    def reply(self, number: int, reply: Reply) -> None:
        self.blocking.discard(number)
        self.send(pack(QueryReplied(number, reply)))

    def dismiss(self, text: str, cure: str) -> None:
        """Say why, and hang up."""
        self.send(pack(Dismissed(text, cure)))
        self.close()

    def cut(self) -> None:
        """Hang up without sending what is still to be sent."""
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()
