"""Carries requests and frames: over the network by default, or from a recording.

This module does not interpret requests. Errors never show an address, because it may contain the
account number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol, TypeAlias

import aiohttp
import msgspec

from kisnb.errors import LinkLost, Unreachable

CONNECT_SECONDS = 5.0
"""Wall seconds in which a connection must be made."""
CLOSE_SECONDS = 1.0
"""Wall seconds that a WebSocket waits for the other end's close."""
CONTENT_TYPE = "application/json; charset=utf-8"

_Ws: TypeAlias = aiohttp.ClientWebSocketResponse[Literal[False]]
"""A socket that returns texts as bytes, so that a text that is not UTF-8 does not end it."""


class HttpRequest(msgspec.Struct, frozen=True):
    """One HTTP request: ``params`` are the query of a GET and the JSON body of a POST."""

    name: str
    """The name of the call, for people."""
    method: Literal["GET", "POST"]
    url: str
    path: str
    """The path of ``url``, without the host."""
    headers: Mapping[str, str]
    params: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<Request {self.name}>"


class HttpResponse(msgspec.Struct, frozen=True):
    """An HTTP reply whose body has not been read yet."""

    status: int
    tr_cont: str
    """The header of that name: ``F`` or ``M`` when more pages follow."""
    body: bytes


class WebSocket(Protocol):
    """One WebSocket connection."""

    @property
    def local_port(self) -> int | None:
        """TCP port of our end; None when there is none."""
        ...

    async def send(self, text: str) -> None:
        """Send a text frame. Raises LinkLost."""
        ...

    def frames(self) -> AsyncIterator[bytes]:
        """Yield data frames, text or binary, until the connection ends.

        Raises LinkLost when it broke.
        """
        ...

    async def close(self) -> None:
        """Close the connection. Do nothing when it is closed already."""
        ...


class Transport(Protocol):
    """Carries the calls and the stream of one host."""

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Send a request once and return the reply.

        Raises Unreachable when nothing was sent, LinkLost when no reply came in time.
        """
        ...

    async def connect(self, url: str) -> WebSocket:
        """Open a WebSocket. Raises LinkLost."""
        ...

    async def close(self) -> None:
        """Close all that is open."""
        ...


class Network:
    """The network, by aiohttp. ``timeout`` is in seconds of wall time, for an exchange.

    The client is made on first use, so that it belongs to the running loop.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._client: aiohttp.ClientSession | None = None

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            # No cookies: each call carries its own keys.
            self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._client

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Send a request once, as ``Transport.exchange`` says.

        aiohttp itself repeats lost requests of idempotent methods only, so never a POST.
        """
        post = request.method == "POST"
        try:
            async with self._http.request(
                request.method,
                request.url,
                params=None if post else request.params,
                data=msgspec.json.encode(request.params) if post else None,
                headers={**request.headers, "content-type": CONTENT_TYPE},
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=CONNECT_SECONDS),
                # A redirect would carry the keys in the headers to another host.
                allow_redirects=False,
            ) as response:
                return HttpResponse(
                    response.status,
                    response.headers.get("tr_cont", "").strip(),
                    await response.read(),
                )
        # The originals show the request's address, and with it the account number.
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as e:
            raise Unreachable(
                f"KIS is not reachable ({type(e).__name__}), nothing was sent", "try later"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise LinkLost(
                f"no answer to {request.name} ({type(e).__name__})", "look at the orders of the day"
            ) from None

    async def connect(self, url: str) -> WebSocket:
        """Open a WebSocket, without the library's own keepalive. Raises LinkLost."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                ws = await self._http.ws_connect(
                    url,
                    # KIS drops connections that ping (clients' observation; its samples do not).
                    heartbeat=None,
                    decode_text=False,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise LinkLost(f"no stream to KIS ({type(e).__name__})", "try again later") from None
        return _NetworkSocket(ws)

    async def close(self) -> None:
        """Close the client, if there is one."""
        if self._client is not None:
            await self._client.close()


class _NetworkSocket:
    def __init__(self, ws: _Ws) -> None:
        self._ws = ws

    @property
    def local_port(self) -> int | None:
        name = self._ws.get_extra_info("sockname")
        return name[1] if name else None

    async def send(self, text: str) -> None:
        try:
            await self._ws.send_str(text)
        except (aiohttp.ClientError, OSError) as e:
            raise LinkLost(f"the connection broke ({type(e).__name__})") from None

    async def frames(self) -> AsyncIterator[bytes]:
        try:
            async for message in self._ws:
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    yield message.data
        except (aiohttp.ClientError, OSError) as e:
            raise LinkLost(f"the connection broke ({type(e).__name__})") from None

    async def close(self) -> None:
        if not self._ws.closed:
            await self._ws.close()
