"""The socket between a notebook and its desk: bytes take their time, keep their order, and may be
cut off.

At its ends stand the product's DeskClient, without its threads, and the product's DeskServer.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from kisnb.clock import SECOND, Ns
from kisnb.desk.address import DeskAddress
from kisnb.desk.serve.client import CURE, DeskClient
from kisnb.desk.serve.protocol import PREFIX, VERSION, Hello, pack
from kisnb.desk.serve.pulse import Pulse
from kisnb.errors import DeskLost
from kisnb.terms import Mode
from kisnb.trading.ports.desk_port import Back

if TYPE_CHECKING:
    from .kernel import Kernel

SLOW = 0.2
"""How often a message is on its way for a while."""
SECRET = "secret"
ADDRESS = DeskAddress("", SECRET, os.getpid(), Mode.LIVE, "campaign")


class NoPulse(Pulse):
    """The campaign has no thread that asks whether the desk is there."""

    def start(self) -> None: ...


class Client(DeskClient):
    """One attached session. What it sends leaves after the notebook's turn."""

    def __init__(self, kernel: Kernel, back: Back) -> None:
        super().__init__(ADDRESS, back)
        self.session = back.session or kernel.next_name()
        self._pulse = NoPulse(self._ping, lambda: None)
        self.kernel = kernel
        self.socket: Socket | None = None

    def _connect(self) -> None:
        self.socket = self.kernel.notebooks.connect(self)
        if self.socket is None:
            raise DeskLost("the desk does not answer", CURE)
        back = self._back
        self._out.put(
            pack(
                Hello(
                    VERSION,
                    SECRET,
                    self.session,
                    os.getpid(),
                    self.kernel.name,
                    back.run,
                    back.published,
                    back.agents,
                )
            )
        )

    def flush(self) -> None:
        """Hand over what was sent in the turn that has ended."""
        while self.socket is not None and not self._out.empty():
            self.socket.to_desk(self._out.get())

    def arrive(self, body: bytes | None) -> None:
        """A message of the desk, or None when there will be none any more."""
        if not self.kernel.dead and not self._closed:
            if body is None:
                self._lose("the desk is gone")
            else:
                self._receive(body)
            self.kernel.turn()


class Socket:
    """One connection. It is the desk's StreamWriter too, and that one's transport."""

    def __init__(self, kernel: Kernel, client: Client) -> None:
        self._notebooks = kernel.notebooks
        self._client = client
        self._closed = False
        self._cut = False
        self._there: Ns = 0
        self._back: Ns = 0
        self.transport = self
        self.reader = asyncio.StreamReader(loop=self._notebooks.loop)

    def to_desk(self, part: bytes | None) -> None:
        """None says that nothing comes after it."""
        self._there = self._due(self._there)
        self._notebooks.at(self._there, lambda: self._at_desk(part))

    def _at_desk(self, part: bytes | None) -> None:
        if self._closed:
            return
        if part is None:
            self.reader.feed_eof()
        else:
            self.reader.feed_data(part)
        self._notebooks.turn_desk()

    def _due(self, last: Ns) -> Ns:
        rng, now = self._notebooks.rng, self._notebooks.run.host.core.now
        return max(last + 1, now + (rng.randrange(SECOND // 10) if rng.random() < SLOW else 0))

    # the desk's end

    def write(self, message: bytes) -> None:
        self._back = self._due(self._back)
        self._notebooks.at(self._back, lambda: self._at_client(message[PREFIX:]))

    def _at_client(self, body: bytes | None) -> None:
        if not self._cut:
            self._client.arrive(body)

    def is_closing(self) -> bool:
        return self._closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        """The desk hangs up, or is dead; what it wrote before arrives."""
        if not self._closed:
            self._closed = True
            self.reader.feed_eof()
            self._back = self._due(self._back)
            self._notebooks.at(self._back, lambda: self._at_client(None))

    def abort(self) -> None:
        """What is on its way arrives nowhere; both ends see that it is over."""
        if not self._cut:
            self._cut = self._closed = True
            self.reader.feed_eof()
            self._notebooks.at(self._due(0), self._notebooks.turn_desk)
            self._notebooks.at(self._due(0), lambda: self._client.arrive(None))
