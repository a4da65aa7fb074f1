"""A KIS on loopback that does what a test tells it, also what no simulator plays: to cut a
connection in mid-call."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from kisnb.clock import Ns, kst_datetime
from kisnb.kis.calls.messages import encode_error, encode_reply
from kisnb.kis.catalogue import APIS, find
from kisnb.kis.credentials import Credentials, Secret
from kisnb.kis.endpoint import Endpoint

KEYS = Credentials(
    Secret("THE-APPKEY"), Secret("THE-APPSECRET"), Secret("12345678"), "01", Secret("THE-HTS-ID")
)
SECRETS = (
    "THE-APPKEY",
    "THE-APPSECRET",
    "12345678",
    "THE-HTS-ID",
    "token-1",
    "token-2",
    "approval-1",
)


class Asked(NamedTuple):
    """One request, as it came in."""

    name: str
    headers: dict[str, str]
    params: dict[str, str]
    t: Ns
    port: int


class Scripted(NamedTuple):
    """One answer: a status with a body, ``drop`` the connection, or say nothing (``hang``)."""

    body: dict[str, Any]
    status: int = 200
    drop: bool = False
    hang: bool = False
    tr_cont: str = ""


DROP = Scripted({}, drop=True)
HANG = Scripted({}, hang=True)
NOT_JSON = Scripted({}, 502)


def refusal(msg_cd: str, status: int = 500, rt_cd: str = "1") -> Scripted:
    return Scripted(encode_error(msg_cd, "refused", rt_cd), status)


class ScriptedKis:
    """Answers from ``script`` (API name → answers, first come first), and well when nothing is
    scripted."""

    def __init__(self, now: Callable[[], Ns]) -> None:
        self._now = now
        self.asked: list[Asked] = []
        self.script: dict[str, deque[Scripted]] = defaultdict(deque)
        self.good_tokens: set[str] = set()
        self.tokens = 0
        self.approvals = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.heard: list[str] = []
        """Texts that came in on any socket."""
        self.on_text: Callable[[web.WebSocketResponse, str], Any] | None = None

    def calls(self, name: str) -> list[Asked]:
        return [a for a in self.asked if a.name == name]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._socket(request)
        params = (
            json.loads(await request.text() or "{}")
            if request.method == "POST"
            else dict(request.query)
        )
        api = find(request.method, request.path, request.headers.get("tr_id", ""))
        assert api is not None, request.path
        port = request.transport.get_extra_info("peername")[1]  # type: ignore[union-attr]
        self.asked.append(Asked(api.name, dict(request.headers), params, self._now(), port))
        scripted = (
            self.script[api.name].popleft()
            if self.script[api.name]
            else self._well(api.name, request)
        )
        if scripted.hang:
            await asyncio.sleep(3600)
        if scripted.drop:
            request.transport.abort()  # type: ignore[union-attr]
            return web.Response()
        if scripted is NOT_JSON:
            return web.Response(text="<html>bad gateway</html>", status=502)
        return web.json_response(
            scripted.body, status=scripted.status, headers={"tr_cont": scripted.tr_cont}
        )

    def _well(self, name: str, request: web.Request) -> Scripted:
        if name == "token":
            self.tokens += 1
            token = f"token-{self.tokens}"
            self.good_tokens = {token}
            end = f"{kst_datetime(self._now() + 86_400 * 10**9):%Y-%m-%d %H:%M:%S}"
            issued = {"access_token": token, "token_type": "Bearer", "expires_in": 86400}
            return Scripted(issued | {"access_token_token_expired": end})
        if name == "approval":
            self.approvals += 1
            return Scripted({"approval_key": f"approval-{self.approvals}"})
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.good_tokens:
            return refusal("EGW00123")
        return Scripted(
            encode_reply(APIS[name], {"output": {"ODNO": "0000000007"}} if "order" in name else {})
        )

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.heard.append(message.data)
                if self.on_text is not None:
                    await self.on_text(socket, message.data)
        return socket


@asynccontextmanager
async def serving(now: Callable[[], Ns]) -> AsyncIterator[tuple[ScriptedKis, Endpoint]]:
    """A scripted KIS on a free port of loopback."""
    kis = ScriptedKis(now)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", kis.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield kis, Endpoint(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
    finally:
        await runner.cleanup()
