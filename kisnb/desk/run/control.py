"""The client of the simulator's control URL, used by desk and session."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput, LinkLost


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
    """One keep-alive connection to the control URL.

    Every call raises LinkLost when the simulator is gone.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http: aiohttp.ClientSession | None = None

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
        if self._http is None:
            # It is made at the first call, because it needs a running loop. A step may play hours
            # of the market, so the time limit for a reply is long.
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        try:
            async with self._http.request(method, f"{self._url}/{verb}", json=body) as response:
                reply: dict[str, Any] = msgspec.json.decode(await response.read())
                return response.status, reply
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as e:
            raise LinkLost(
                "the simulator is gone", "begin a new day with %kis open sim --fresh"
            ) from e
