"""The aiohttp part of the simulated host: REST, WebSocket, control, and the speed of its clock.

It listens only on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import msgspec
from aiohttp import WSMsgType, web

from kisnb.clock import MINUTE, SECOND, Ns, SimulatedClock
from kisnb.errors import ConfigError
from kisnb.simulator.host.core import Core, ServedReply
from kisnb.simulator.host.streams.sockets import Outgoing
from kisnb.simulator.replies.master_archives import PATH
from kisnb.simulator.serve.control import ControlRefused, Day, SimulatorControl

HOST = "127.0.0.1"
ALONE_SECONDS = 600.0
"""Wall time without a client after which the simulator stops."""
MOST_WAITING = 100_000
"""Frames that may wait for a slow client before its connection is cut."""
READ_SECONDS = 30.0
"""Wall time in which a whole request must arrive."""
SLICE: Ns = MINUTE
"""A free-running clock that is late catches up by this simulated time at once.

Clients are served in between.
"""

MOST_BYTES = 1 << 20
"""Longest message of a control line, as of a request."""
_Call: TypeAlias = tuple[str, str, msgspec.Raw]
"""Method, verb and body of a control call."""

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Addresses(NamedTuple):
    """The addresses of a simulator. The control address has a token, because it can trade."""

    rest: str
    ws: str
    control: str


class Server:
    """Serves one core. ``speed`` is in simulated seconds per second, 0 for lockstep."""

    def __init__(
        self, core: Core, day: Day, speed: float, *, alone_seconds: float = ALONE_SECONDS
    ) -> None:
        self.core = core
        self.clock = SimulatedClock(core.now, speed)
        self.core.free_running = bool(speed)
        self.control = SimulatorControl(core, self.clock, day, self._send, self._stop_soon)
        self._alone_seconds = alone_seconds
        self._token = secrets.token_urlsafe(24)
        self._sids = count(1)
        self._lines: dict[int, _Line] = {}
        self._controls: set[asyncio.Transport] = set()
        """The open control lines."""
        self._runners: list[web.ServerRunner] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due: Ns | None = None
        """The event for which the timer waits."""
        self._stopping = asyncio.Event()
        self._last_used = 0.0

    async def start(self, port: int = 0, ws_port: int = 0) -> Addresses:
        """Listen, and return the addresses.

        Port 0 chooses a free one. Raises ConfigError for a port in use.
        """
        loop = asyncio.get_running_loop()
        self._last_used = loop.time()
        rest = await self._listen(self._rest, port)
        ws = await self._listen(self._socket, ws_port)
        control = await self._listen(self._control, 0)
        self.clock.set(self.core.now)
        self._send([])
        return Addresses(
            f"http://{HOST}:{rest}", f"ws://{HOST}:{ws}", f"http://{HOST}:{control}/{self._token}"
        )

    def stop(self) -> None:
        """Let ``run`` return."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until ``stop`` is called, or until no client has come for ``alone_seconds``."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            left = self._last_used + self._alone_seconds - loop.time()
            # An open socket is a client, even when it sends nothing for hours.
            if self._lines:
                self._last_used, left = loop.time(), self._alone_seconds
            if left <= 0:
                break
            try:
                await asyncio.wait_for(self._stopping.wait(), left)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """End all connections and close the ports."""
        if self._timer is not None:
            self._timer.cancel()
        for line in list(self._lines.values()):
            line.cut()
        for transport in list(self._controls):
            transport.close()
        for runner in self._runners:
            await runner.cleanup()

    # pace

    def _now(self) -> Ns:
        """Return the moment of a request. It is never before the core's moment.

        The rounding of a timer can put the core ahead of the clock.
        """
        return max(self.clock.now(), self.core.now)

    def _send(self, frames: Sequence[Outgoing]) -> None:
        """Give frames to their sockets, in order, and wait for the next event."""
        for sid, text in frames:
            # A frame for a socket that has just closed is lost, as on a real network.
            if sid in self._lines:
                self._lines[sid].put(text)
        self._wait_for_next()

    def _wait_for_next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # The earliest event sets the timer. A request may bring a new one, so it is set again after
        # each.
        due = self._due = self.core.next_event()
        if self.clock.speed and due is not None:
            delay = max(0, due - self.clock.now()) / self.clock.speed / SECOND
            self._timer = asyncio.get_running_loop().call_later(delay, self._pass)

    def _pass(self) -> None:
        # A slow machine catches up in slices, so that clients are served in between.
        self._send(self.core.advance(min(self._now(), self.core.now + SLICE)))

    # listening

    async def _listen(self, handler: Handler, port: int) -> int:
        server = web.Server(handler, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        # Loopback only: the control API moves money, and the REST side has made-up keys.
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as e:
            reason = (
                "is taken" if e.errno == errno.EADDRINUSE else f"cannot be opened: {e.strerror}"
            )
            raise ConfigError(
                f"port {port} {reason}", "choose another port, or 0 for a free one"
            ) from e
        except OverflowError as e:
            raise ConfigError(
                f"{port} is not a valid port", "choose one from 1 to 65535, or 0 for a free one"
            ) from e
        return int(runner.addresses[0][1])

    async def _rest(self, request: web.BaseRequest) -> web.Response:
        self._last_used = asyncio.get_running_loop().time()
        if request.path.startswith(PATH):
            archive = self.core.master_archive(request.path)
            return web.Response(status=404) if archive is None else web.Response(body=archive)
        reply = await self._reply_to(request)
        # Sockets write in the next round of the loop, the reply in this one. So a reply comes
        # before its notices.
        if reply.frames or self.core.next_event() != self._due:
            self._send(reply.frames)
        if reply.delay:
            await asyncio.sleep(reply.delay / SECOND)
        # For the client the connection ends, as after a network failure.
        if reply.lost and request.transport is not None:
            request.transport.abort()
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _reply_to(self, request: web.BaseRequest) -> ServedReply:
        """Return the core's reply.

        Whatever a client sends, it gets a reply as from KIS, and the day goes on.
        """
        body = await _body(request)
        if body is None:
            return self.core.unreadable(self._now())
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            return self.core.request(
                self._now(), request.method, request.path, headers, dict(request.query), body
            )
        except Exception:
            logging.getLogger(__name__).exception(
                "%s %s failed; this is a defect", request.method, request.path
            )
            return self.core.failed()

    async def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        self._last_used = asyncio.get_running_loop().time()
        body = await _body(request)
        token, _, verb = request.path.lstrip("/").partition("/")
        # Without the token other programs on this machine cannot move the clock and the money.
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return web.Response(status=404)
        if body is None:
            return web.json_response({"error": "the body cannot be read."}, status=400)
        if verb == "line":
            return await self._control_line(request)
        status, reply = self._answer(request.method, verb, body)
        return web.Response(
            status=status, body=msgspec.json.encode(reply), content_type="application/json"
        )

    async def _control_line(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the calls that come on one WebSocket, one after the other."""
        ws = web.WebSocketResponse(compress=False, max_msg_size=MOST_BYTES)
        if not ws.can_prepare(request) or request.transport is None:
            return web.Response(status=426, text="The control line is a WebSocket.")
        await ws.prepare(request)
        self._controls.add(request.transport)
        try:
            async for message in ws:
                self._last_used = asyncio.get_running_loop().time()
                try:
                    method, verb, body = msgspec.json.decode(message.data, type=_Call)
                except (msgspec.MsgspecError, UnicodeError, RecursionError) as e:
                    reply = 400, {"error": f"the message is wrong: {e}."}
                else:
                    reply = self._answer(method, verb, bytes(body))
                await ws.send_bytes(msgspec.json.encode(reply))
        finally:
            self._controls.discard(request.transport)
        return ws

    def _answer(self, method: str, verb: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return the HTTP status and the reply to a control call."""
        try:
            return 200, self.control.answer(method, verb, body)
        except ControlRefused as e:
            return e.status, {"error": e.text}

    def _stop_soon(self) -> None:
        """Stop after the reply to the request that asked for it."""
        asyncio.get_running_loop().call_later(0.05, self.stop)

    async def _socket(self, request: web.BaseRequest) -> web.StreamResponse:
        # PINGPONG may come back as a protocol pong, which aiohttp would otherwise not pass on.
        ws = web.WebSocketResponse(compress=False, max_msg_size=1 << 16, autoping=False)
        if not ws.can_prepare(request):
            return web.Response(status=426, text="This is the WebSocket port.")
        await ws.prepare(request)
        peer = request.transport.get_extra_info("peername") if request.transport else None
        sid = next(self._sids)
        line = self._lines[sid] = _Line(ws, request)
        self._send(self.core.socket_opened(self._now(), sid, peer[1] if peer else None))
        sender = asyncio.create_task(line.write(), name=f"socket {sid}")
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    self._send(self.core.socket_text(self._now(), sid, message.data))
                # KIS's new samples answer PINGPONG with a pong frame that carries it.
                elif message.type is WSMsgType.PONG and message.data[:1] == b"{":
                    self._send(
                        self.core.socket_text(
                            self._now(), sid, message.data.decode("utf-8", "replace")
                        )
                    )
                elif message.type is WSMsgType.PING:
                    await ws.pong(message.data)
        finally:
            sender.cancel()
            # This comes before the core is told, because frames that the close causes must not go
            # to this socket.
            del self._lines[sid]
            self._last_used = asyncio.get_running_loop().time()
            self._send(self.core.socket_closed(self._now(), sid))
        return ws


async def _body(request: web.BaseRequest) -> bytes | None:
    """Return the body. None when it is too large, incomplete, or cannot be decompressed."""
    if not request.body_exists:
        return b""
    try:
        # A client that never ends its body must not block the server.
        async with asyncio.timeout(READ_SECONDS):
            return await request.read()
    except (web.HTTPException, web.RequestPayloadError, TimeoutError):
        return None


class _Line:
    """The frames that wait to be sent on one socket.

    The market does not wait for a client that does not read: its connection is cut.
    """

    def __init__(self, ws: web.WebSocketResponse, request: web.BaseRequest) -> None:
        self._ws = ws
        self._transport = request.transport
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()

    def put(self, text: str | None) -> None:
        """Append a frame. None cuts the connection after the frames that wait."""
        # The market goes on without a client that does not read.
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put_nowait(text)
        else:
            self.cut()

    def cut(self) -> None:
        """End the connection at once, without a handshake, as KIS does."""
        if self._transport is not None:
            self._transport.abort()

    async def write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await self._waiting.get()) is not None:
                await self._ws.send_str(text)
            self.cut()
