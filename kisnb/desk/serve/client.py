"""The kernel's end of the desk's socket: a thread reads, and wakes the notebook's loop.

The socket is not on the notebook's loop, so a cell that blocks the loop delays no byte.
``ask_blocking`` does not need that loop either.

An interrupt can raise KeyboardInterrupt between any two steps of a cell, also in this module. So
cells and threads share only objects that are written in C: a Lock and SimpleQueues. With these no
interrupt leaves a lock behind. A Condition, an Event or a Future of ``concurrent.futures`` is
written in Python. An interrupt could leave it locked, and then the threads would wait for ever.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TypeAlias, cast

import msgspec

from kisnb import errors
from kisnb.clock import Ns
from kisnb.desk.address import DeskAddress
from kisnb.desk.serve.protocol import (
    MAX_FROM_DESK,
    PREFIX,
    VERSION,
    Commands,
    Dismissed,
    Events,
    FromSession,
    Hello,
    Ping,
    Pong,
    QueryAsked,
    QueryReplied,
    decode_from_desk,
    length_of,
    pack,
)
from kisnb.desk.serve.pulse import Pulse
from kisnb.errors import DeskError, DeskLost
from kisnb.trading.ports.commands import Command
from kisnb.trading.ports.desk_port import Back, Snapshot
from kisnb.trading.ports.queries import AnyQuery, Query, R
from kisnb.trading.ports.replies import Failed, Reply

ATTACH_SECONDS = 10.0
"""A desk that accepted the connection and sends nothing for this wall time counts as hung."""
CLOSE_SECONDS = 0.5
"""The longest wall time for which ``close`` waits until the last messages are sent."""
NEW = Back()
_Receiver: TypeAlias = Callable[[Reply | DeskLost], object]
"""Called with the reply to a query, or when the desk is lost. The reading thread calls it.

It must not raise.
"""
CURE = "open the desk again with %kis open; what was journaled is safe"
NO_SOCKET = "try again in a few seconds: a running desk makes a new one"


class DeskClient:
    """The session's end of the link to a desk.

    ``send`` and ``ask_blocking`` may be called from any thread. ``drain`` may be called only in the
    home thread, which runs the notebook's loop.
    """

    def __init__(self, address: DeskAddress, back: Back = NEW) -> None:
        self.address = address
        self.session = back.session or f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.dismissed = False
        self._back = back
        self.seq = 0
        """Number of the newest event that ``drain`` has returned."""
        self.now: Ns = 0
        """The desk's clock when the newest drained batch was sent."""
        self.last_received: Ns = 0
        """The desk's clock at the newest message."""
        self._inbox: deque[Events] = deque()
        self._ready: Callable[[], object] = lambda: None
        self._silence_changed: Callable[[], object] = lambda: None
        self._pulse = Pulse(self._ping, lambda: self._silence_changed())
        self._receivers: dict[int, _Receiver] = {}
        """Callbacks for the replies that have not come yet, by the number of the query."""
        self._snapshot: concurrent.futures.Future[Snapshot] = concurrent.futures.Future()
        self._number = 0
        self._lock = threading.Lock()
        self._lost: DeskLost | None = None
        self._closed = False
        self._socket: socket.socket | None = None
        self._writer: threading.Thread | None = None
        self._reader: threading.Thread | None = None
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        """Bytes to write. None marks the end."""

    @property
    def lost(self) -> bool:
        """True when the link to the desk is gone."""
        return self._lost is not None

    @property
    def process(self) -> int:
        """The process id of the desk."""
        return self.address.pid

    @property
    def silence(self) -> float | None:
        """Seconds of wall time for which the desk has not replied. None while it replies."""
        return None if self.lost or self._closed else self._pulse.silence

    async def attach(self) -> Snapshot:
        """Connect, and return the desk's state. Raises DeskLost or DeskError."""
        self._connect()
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                # If the wait is cancelled, the future must not be, because the reading thread still
                # sets it.
                snapshot = await asyncio.shield(asyncio.wrap_future(self._snapshot))
        except TimeoutError:
            raise self._hung() from None
        self._pulse.start()
        return snapshot

    def attach_blocking(self, timeout: float = ATTACH_SECONDS) -> Snapshot:
        """Connect, and return the desk's state, without a loop. Raises DeskLost or DeskError."""
        self._connect()
        try:
            # The caller waits in its own thread, because it has no loop, or must not need its loop.
            snapshot = self._snapshot.result(timeout)
        except concurrent.futures.TimeoutError:
            raise self._hung() from None
        self._pulse.start()
        return snapshot

    def _hung(self) -> DeskLost:
        pid = self.address.pid
        return DeskLost(f"the desk (process {pid}) does not answer", f"end it with: kill -9 {pid}")

    def on_ready(self, wake: Callable[[], object]) -> None:
        """Register ``wake``: the I/O thread calls it when there is a batch to drain.

        It also calls it when the desk is lost.
        """
        self._ready = wake

    def on_silence(self, changed: Callable[[], object]) -> None:
        """Register ``changed``: a thread calls it when the desk falls silent or replies again."""
        self._silence_changed = changed

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands, in order, from any thread, without waiting. Raises DeskLost."""
        if commands:
            self._post(Commands(tuple(commands)))

    def drain(self) -> Events | None:
        """Remove and return the oldest batch that was not handled yet; None when there is none."""
        if not self._inbox:
            return None
        batch = self._inbox.popleft()
        self.now = batch.now
        self.seq = batch.first + len(batch.events) - 1
        return batch

    async def ask(self, query: Query[R]) -> R:
        """Send a query and return the desk's reply. Raises the error that the reply names."""
        loop = asyncio.get_running_loop()
        received: asyncio.Future[Reply | DeskLost] = loop.create_future()

        def receive(reply: Reply | DeskLost) -> None:
            """Pass the reply from the thread that reads to the loop that waits for it."""
            # In a closed loop nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_set_reply, received, reply)

        # The receiver is stored before the query is sent, because the reply may be read before this
        # thread goes on.
        self._ask(query, receive, blocking=False)
        return _checked(query, await received)

    def ask_blocking(self, query: Query[R], timeout: float) -> R:
        """Send a query, and wait up to ``timeout`` seconds for the reply. Works in any thread.

        Raises TimeoutError, and the error that the reply names.
        """
        received: queue.SimpleQueue[Reply | DeskLost] = queue.SimpleQueue()
        self._ask(query, received.put, blocking=True)
        try:
            reply = received.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(
                f"the desk did not answer {type(query).__name__} within {timeout:g} s"
            ) from None
        return _checked(query, reply)

    def close(self) -> None:
        """Send what is still waiting, for up to CLOSE_SECONDS, then end the link.

        The desk goes on.
        """
        self._pulse.stop()
        with self._lock:
            self._closed = True
            self._out.put(None)
            writer = self._writer
        # Messages that were sent just before must still go out, for example a cancel in the last
        # line of a notebook. A thread cannot wait for its own end.
        deadline = time.monotonic() + CLOSE_SECONDS
        if writer is not None and writer is not threading.current_thread():
            writer.join(CLOSE_SECONDS)
        self._await_end(deadline)
        self._hang_up()

    def _await_end(self, deadline: float) -> None:
        """Say that no more messages come, and wait until the desk has read all and closed its end.

        If the session closed its own end first, a desk that is writing to it would lose the
        messages that it has not read yet.
        """
        reader = self._reader
        if self._socket is None or reader is None or reader is threading.current_thread():
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            reader.join(max(0.0, deadline - time.monotonic()))

    def _hang_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def check(self) -> None:
        """Raise DeskLost when the link is gone."""
        if self._lost is not None:
            raise self._lost

    # threads

    def _connect(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.connect(self.address.socket)
        except FileNotFoundError as e:
            self._hang_up()
            raise DeskLost(f"the desk's socket {self.address.socket} is gone", NO_SOCKET) from e
        except OSError as e:
            self._hang_up()
            raise DeskLost(f"the desk does not answer ({e.strerror})", CURE) from e
        back = self._back
        hello = Hello(
            VERSION,
            self.address.secret,
            self.session,
            os.getpid(),
            notebook_name(),
            back.run,
            back.published,
            back.agents,
        )
        with self._lock:
            if self._closed:
                self._hang_up()
                raise DeskLost("this session is closed", CURE)
            # The lock prevents a ``close`` in another thread between the check and the start of a
            # thread that would then run for ever.
            self._out.put(pack(hello))
            self._writer = threading.Thread(
                target=self._write_loop, name="kisnb-write", daemon=True
            )
            self._writer.start()
        # Both threads are daemons, so that a kernel can end while the desk is silent.
        self._reader = threading.Thread(target=self._read_loop, name="kisnb-read", daemon=True)
        self._reader.start()

    def _ask(self, query: Query[R], receive: _Receiver, *, blocking: bool) -> None:
        with self._lock:
            self._number += 1
            number = self._number
            self._receivers[number] = receive
        self._post(QueryAsked(number, cast("AnyQuery", query), blocking))

    def _ping(self) -> None:
        with contextlib.suppress(DeskLost):
            self._post(Ping())

    def _post(self, message: FromSession) -> None:
        data = pack(message)
        # Under the lock the order of the calls is the order in the queue. A lost link accepts no
        # more messages.
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if self._closed:
                raise DeskLost("this session is closed", CURE)
            self._out.put(data)

    def _write_loop(self) -> None:
        assert self._socket is not None
        ended = False
        while not ended:
            data, ended = self._next_to_write()
            if self._lost is not None:
                return
            try:
                self._socket.sendall(data)
            except OSError:
                # The messages that the desk sent before it closed its end must still be read. The
                # reader reads them to the end.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                return

    def _next_to_write(self) -> tuple[bytes, bool]:
        """Wait for messages. Return their bytes joined, and True if no message follows them."""
        parts: list[bytes] = []
        while (part := self._out.get()) is not None:
            # All waiting messages are written in one system call.
            parts.append(part)
            if self._out.empty():
                return b"".join(parts), False
        return b"".join(parts), True

    def _read_loop(self) -> None:
        assert self._socket is not None
        stream = self._socket.makefile("rb", buffering=1 << 18)
        try:
            while True:
                body = _exactly(stream.read(PREFIX), PREFIX)
                length = length_of(body, MAX_FROM_DESK)
                self._receive(_exactly(stream.read(length), length))
        except (OSError, EOFError, ValueError) as e:
            self._lose(f"the desk is gone ({e})" if str(e) else "the desk is gone")
        except (msgspec.MsgspecError, DeskError) as e:
            self._lose(f"the desk sent what this session cannot read ({e})")

    def _receive(self, body: bytes) -> None:
        message = decode_from_desk(body)
        if isinstance(message, Events | Pong | Snapshot):
            self.last_received = message.now
        self._pulse.on_received()
        match message:
            case Events():
                self._inbox.append(message)
                self._wake()
            case QueryReplied(number=number, reply=reply):
                with self._lock:
                    receive = self._receivers.pop(number, None)
                if receive is not None:
                    receive(reply)
            case Snapshot():
                self.seq, self.now = message.seq, message.now
                self._snapshot.set_result(message)
            case Dismissed(text=text, cure=cure):
                self.dismissed = True
                self._lose(text, cure)

    def _lose(self, text: str, cure: str = CURE) -> None:
        self._pulse.stop()
        with self._lock:
            if self._lost is not None or self._closed:
                text = "this session is closed"
            self._lost = self._lost or DeskLost(text, cure)
            self._out.put(None)
            # The receivers are taken out under the lock and called outside it. A receiver may ask
            # again, and would wait for the lock that we hold.
            waiting, self._receivers = list(self._receivers.values()), {}
        if not self._snapshot.done():
            self._snapshot.set_exception(self._lost)
        for receive in waiting:
            receive(self._lost)
        self._wake()

    def _wake(self) -> None:
        try:
            self._ready()
        except RuntimeError:
            # The notebook's loop is closed, because the kernel is ending.
            return


def notebook_name() -> str:
    """Return this process's name for people: the name of its notebook, and its process id."""
    path = os.environ.get("JPY_SESSION_NAME")
    return f"{PurePath(path).name if path else 'a session'} (process {os.getpid()})"


def _exactly(data: bytes | None, length: int) -> bytes:
    if data is None or len(data) < length:
        raise EOFError
    return data


def _set_reply(received: asyncio.Future[Reply | DeskLost], reply: Reply | DeskLost) -> None:
    """Set the reply, unless the cell that asked was interrupted."""
    if not received.done():
        received.set_result(reply)


def _checked(query: Query[R], reply: Reply | DeskLost) -> R:
    """Return the reply, checked against the type that the query declares.

    Raises the error that came instead of a reply.
    """
    if isinstance(reply, DeskLost):
        raise reply
    if isinstance(reply, Failed):
        kind = getattr(errors, reply.error, errors.KisError)
        raise kind(reply.text, reply.cure)
    if not isinstance(reply, query.reply_type()):
        raise DeskError(
            f"the desk answered {type(query).__name__} with {type(reply).__name__}",
            "restart the kernel and the desk, so that both are of one version",
        )
    return cast("R", reply)
