"""The desk's end of the link to one attached session."""

from __future__ import annotations

import asyncio

from kisnb.clock import Ns
from kisnb.desk.processes import lives, process_of
from kisnb.desk.serve.protocol import Dismissed, Hello, QueryReplied, pack
from kisnb.orders import Want
from kisnb.trading.ports.replies import Reply

MOST_UNREAD = 64 * 1024 * 1024
"""The most bytes that a session may leave unread. Above it the session is cut off.

Later it can attach again and gets the messages that it missed.
"""


class Connection:
    """The socket of a session, its wants, and the number of the newest event it has handled."""

    def __init__(self, hello: Hello, writer: asyncio.StreamWriter) -> None:
        self.name = hello.session
        self.where = hello.where or f"process {hello.pid}"
        # No event has the number -1. A session that has reported nothing yet counts as busy, so
        # that the clock waits for its first report.
        self.handled = -1
        self.wake: Ns | None = None
        self.waiting = False
        self.wants: tuple[Want, ...] = ()
        self.hurry = False
        self.outcomes: dict[int, str] = {}
        """Open queries about the outcome of an order: by the query's number, the order's key."""
        self.blocking: set[int] = set()
        """Numbers of queries for which the session's own loop waits.

        Meanwhile the session counts as idle.
        """
        self.received_at = asyncio.get_running_loop().time()
        """When the newest message was received, seconds on the loop's clock."""
        self.ended = asyncio.Event()
        """Set when no message of the session will be carried out any more."""
        self._writer = writer
        self._process = process_of(hello.pid)

    @property
    def blocked(self) -> bool:
        """True while the session's own loop waits for a reply."""
        return bool(self.blocking)

    @property
    def alive(self) -> bool:
        """True while the link is open and the session's process runs, even if it is silent.

        A new process with the same id does not count.
        """
        return self._process is not None and not self._writer.is_closing() and lives(self._process)

    def send(self, message: bytes) -> None:
        """Send a packed message. Cut the session off when it leaves too much unread."""
        if self._writer.is_closing():
            return
        # A frozen kernel reads nothing, and must not fill the desk's memory.
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self.cut()
            return
        self._writer.write(message)

    def reply(self, number: int, reply: Reply) -> None:
        """Reply to the query with this number."""
        self.blocking.discard(number)
        self.send(pack(QueryReplied(number, reply)))

    def dismiss(self, text: str, cure: str) -> None:
        """Send the session the reason why it is dismissed, then end the link."""
        self.send(pack(Dismissed(text, cure)))
        self.close()

    def cut(self) -> None:
        """End the link at once, without sending the waiting messages."""
        self._writer.transport.abort()

    def close(self) -> None:
        """End the link after the waiting messages are sent."""
        self._writer.close()
