"""The client of the simulator's control URL, used by desk and session.

In lockstep each event of the market is one call. So the calls go over one WebSocket: a request of
its own for each of them took a quarter of the desk's time and a third of the simulator's.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar, TypeAlias

import aiohttp
import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput, LinkLost

_Reply: TypeAlias = tuple[int, dict[str, Any]]


class SimState(msgspec.Struct, frozen=True):
    """The simulator's clock, and the number of frames that it has sent on our socket."""

    now: Ns
    frames: int
    speed: float
    """Speed of the clock. 0: lockstep."""


class Stepped(msgspec.Struct, frozen=True):
    """The result of a step: whether the clock moved, its time, and the number of frames sent."""

    moved: bool
    now: Ns
    frames: int


class ControlClient:
    """One WebSocket to the control URL.

    Every call raises LinkLost when the simulator is gone.
    """

    # A step may play hours of the market, so the time limit for a reply is long.
    TIMEOUT: ClassVar[float] = 60.0
    """Seconds after which a call without a reply has failed."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http: aiohttp.ClientSession | None = None
        self._line: aiohttp.ClientWebSocketResponse | None = None
        self._turn = asyncio.Lock()
        """Held during a call: the replies come in the order of the calls."""

    async def state(self, port: int | None) -> SimState:
        """Ask for the simulator's state.

        ``port`` is the TCP port of our end of its WebSocket. None: we have no connection.
        """
        reply = await self._call("GET", "state")
        sockets = {s["port"]: s["frames"] for s in reply["sockets"]}
        speed = 0.0 if reply["speed"] == "step" else float(reply["speed"])
        return SimState(reply["now"], sockets.get(port, 0), speed)

    async def step(self, until: Ns, port: int | None, frames: int) -> Stepped:
        """Move the clock to ``until``, or to the next event that is sent if that is earlier.

        ``frames`` is the number of frames that we have received. The clock does not move when the
        simulator has sent more frames than that.
        """
        reply = await self._call("POST", "step", {"until": until, "port": port, "frames": frames})
        return Stepped(reply["moved"], reply["now"], reply["frames"])

    async def set_speed(self, speed: float) -> None:
        """Set the simulator's speed; 0 is lockstep."""
        await self._call("POST", "speed", {"speed": speed or "step"})

    async def stop(self) -> None:
        """Stop the simulator."""
        await self._call("POST", "stop", {})

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()
        if self._http is not None:
            await self._http.close()

    async def ask(self, verb: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """POST ``body``, or GET without a body. Return the reply.

        Raises BadInput with the simulator's message when the simulator refuses.
        """
        status, reply = await self._request("GET" if body is None else "POST", verb, body)
        if status != HTTPStatus.OK:
            raise BadInput(str(reply.get("error", f"the simulator refused {verb!r}")))
        return reply

    async def _call(
        self, method: str, verb: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        status, reply = await self._request(method, verb, body)
        if status != HTTPStatus.OK:
            raise LinkLost(f"the simulator refused {verb!r}: {reply}", "try %kis open sim --fresh")
        return reply

    async def _request(
        self, method: str, verb: str, body: dict[str, Any] | None
    ) -> tuple[int, dict[str, Any]]:
        async with self._turn:
            is_whole = False
            try:
                async with asyncio.timeout(self.TIMEOUT):
                    line = await self._open_line()
                    await line.send_bytes(msgspec.json.encode((method, verb, body)))
                    reply: _Reply = msgspec.json.decode(await line.receive_bytes(), type=_Reply)
                is_whole = True
            except (aiohttp.ClientError, TimeoutError, TypeError, msgspec.DecodeError) as e:
                raise LinkLost(
                    "the simulator is gone", "begin a new day with %kis open sim --fresh"
                ) from e
            finally:
                # After a call that was cancelled, the next reply would be the one to that call.
                if not is_whole:
                    await self._drop()
        return reply

    async def _open_line(self) -> aiohttp.ClientWebSocketResponse:
        if self._http is None:
            # It is made at the first call, because it needs a running loop.
            self._http = aiohttp.ClientSession()
        if self._line is None or self._line.closed:
            self._line = await self._http.ws_connect(f"{self._url}/line", max_msg_size=0)
        return self._line

    async def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()
