"""The shell over real sockets: token → approval → subscribe → ticks; order → reply → notices.

Rows H03, H05.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

import kisnb.simulator.serve.server
from kisnb.desk.run.control import ControlClient, Stepped
from kisnb.errors import BadInput, ConfigError, LinkLost
from kisnb.kis.catalogue import APIS
from kisnb.kis.feed import control_frames
from kisnb.simulator.serve.control import Day
from kisnb.simulator.serve.server import Addresses, Server

from .customer import ACCOUNT, KEYS, SAMSUNG, at, host

DAY = Day("run", 1, "2026-11-20", "09:00:30")


class Client:
    """A KIS client on real sockets."""

    def __init__(self, http: aiohttp.ClientSession, addresses: Addresses) -> None:
        self.http = http
        self.addresses = addresses
        self.headers: dict[str, str] = {}
        self.approval = ""
        self.ws: aiohttp.ClientWebSocketResponse

    async def log_in(self) -> None:
        keys = {"appkey": KEYS.appkey.reveal(), "grant_type": "client_credentials"}
        secret = KEYS.appsecret.reveal()
        token = await self.post(APIS["token"].path, "", keys | {"appsecret": secret})
        self.approval = (await self.post(APIS["approval"].path, "", keys | {"secretkey": secret}))[
            "approval_key"
        ]
        self.headers = {
            "authorization": f"Bearer {token['access_token']}",
            "appkey": keys["appkey"],
            "appsecret": secret,
            "custtype": "P",
        }

    async def post(self, path: str, tr_id: str, body: dict[str, str]) -> dict[str, Any]:
        url = self.addresses.rest + path
        async with self.http.post(url, json=body, headers=self.headers | {"tr_id": tr_id}) as reply:
            said: dict[str, Any] = await reply.json()
            return said

    async def connect(self, path: str = "/tryitout") -> None:
        self.ws = await self.http.ws_connect(self.addresses.ws + path)

    async def subscribe(self, tr_id: str, tr_key: str) -> dict[str, Any]:
        request = control_frames.SubscriptionRequest(self.approval, "1", tr_id, tr_key)
        await self.ws.send_str(control_frames.encode_request(request))
        said: dict[str, Any] = json.loads(await self.receive())
        return said["body"]

    async def receive(self) -> str:
        message = await self.ws.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        text: str = message.data
        return text

    @property
    def port(self) -> int:
        return int(self.ws.get_extra_info("sockname")[1])

    async def control(
        self, method: str, verb: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        async with self.http.request(
            method, f"{self.addresses.control}/{verb}", json=body
        ) as reply:
            said: dict[str, Any] = await reply.json()
            return said


@asynccontextmanager
async def served(
    start: str = "09:00:30", speed: float = 0.0
) -> AsyncIterator[tuple[Client, Server]]:
    server = Server(host(start), DAY, speed)
    addresses = await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            client = Client(http, addresses)
            await client.log_in()
            yield client, server
    finally:
        await server.close()


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 30))  # type: ignore[arg-type]


def test_a_client_subscribes_and_steps_through_the_day() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            await client.connect()
            assert (await client.subscribe("H0STCNT0", SAMSUNG))["msg_cd"] == "OPSP0000"
            step = {"until": at("10:00"), "port": client.port, "frames": 0}
            assert await client.control("POST", "step", step) == {
                "moved": False,
                "now": at("09:00:30"),
                "frames": 1,
            }
            said = await client.control("POST", "step", step | {"frames": 1})
            assert said == {"moved": True, "now": at("09:01"), "frames": 2}
            assert (await client.receive()).startswith(f"0|H0STCNT0|001|{SAMSUNG}^090100^71100^")

    play(scene)


def test_a_lost_reply_is_a_lost_connection_and_a_slow_one_comes_behind_its_notices() -> None:
    """H04."""

    async def scene() -> None:
        async with served() as (client, server):
            await client.connect()
            await client.subscribe("H0STCNI0", KEYS.hts_id.reveal())
            body = ACCOUNT | {"PDNO": SAMSUNG, "ORD_DVSN": "01", "ORD_QTY": "10", "ORD_UNPR": "0"}
            api = APIS["order_cash_buy"]
            await client.control("POST", "fault", {"on": "order", "what": "cut", "done": True})
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.post(api.path, api.tr_live, body)
            assert [(await client.receive())[:10] for _ in range(2)] == ["1|H0STCNI0"] * 2
            await client.control("POST", "fault", {"on": "order", "what": "slow", "seconds": 0.3})
            posting = asyncio.create_task(client.post(api.path, api.tr_live, body))
            assert [(await client.receive())[:10] for _ in range(2)] == ["1|H0STCNI0"] * 2
            assert not posting.done()
            assert (await posting)["output"]["ODNO"] == "0000000002"
            assert server.core.account.positions[SAMSUNG].qty == 20

    play(scene)


@pytest.mark.parametrize("path", ["", "/", "/tryitout", "/tryitout/H0STCNT0"])
def test_any_websocket_path_is_taken(path: str) -> None:
    async def scene() -> None:
        async with served() as (client, _):
            await client.connect(path)
            assert (await client.subscribe("H0STCNT0", SAMSUNG))["rt_cd"] == "0"

    play(scene)


def test_an_order_is_answered_and_its_notices_follow() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            await client.connect()
            await client.subscribe("H0STCNI0", KEYS.hts_id.reveal())
            body = ACCOUNT | {
                "PDNO": SAMSUNG,
                "ORD_DVSN": "01",
                "ORD_QTY": "10",
                "ORD_UNPR": "0",
                "EXCG_ID_DVSN_CD": "KRX",
            }
            reply = await client.post(APIS["order_cash_buy"].path, "TTTC0012U", body)
            assert reply["output"]["ODNO"] == "0000000001"
            assert [(await client.receive())[:15] for _ in range(2)] == ["1|H0STCNI0|001|"] * 2
            ledger = await client.control("GET", "ledger")
            assert ledger["holdings"][0]["qty"] == 10

    play(scene)


def test_a_wrong_hts_id_ends_the_connection_without_a_handshake() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            await client.connect()
            request = control_frames.SubscriptionRequest(
                client.approval, "1", "H0STCNI0", "somebody"
            )
            await client.ws.send_str(control_frames.encode_request(request))
            message = await client.ws.receive(timeout=10)
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert client.ws.close_code == 1006

    play(scene)


def test_a_client_that_does_not_read_is_cut_off_and_the_market_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kisnb.simulator.serve.server, "MOST_WAITING", 2)

    async def scene() -> None:
        async with served() as (client, server):
            await client.connect()
            for tr_id in ("H0STCNT0", "H0STASP0"):
                await client.subscribe(tr_id, SAMSUNG)
            await client.control("POST", "speed", {"speed": 100_000})
            while (await client.control("GET", "state"))["sockets"] or not server.core.closed:
                pass

    play(scene)


def test_a_free_running_clock_sends_ticks_and_pings_by_itself_and_stops_on_demand() -> None:
    async def scene() -> None:
        async with served(speed=60.0) as (client, server):
            await client.connect()
            await client.subscribe("H0STCNT0", SAMSUNG)
            texts = [await client.receive() for _ in range(6)]
            assert any("PINGPONG" in text for text in texts)
            assert any(text.startswith("0|H0STCNT0|") for text in texts)
            stopped = (await client.control("POST", "speed", {"speed": "step"}))["now"]
            assert stopped > at("09:00:30")
            assert server.core.now == server.clock.now() == stopped

    play(scene)


def test_the_control_address_holds_a_token_that_nobody_can_guess() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            base, _, token = client.addresses.control.rpartition("/")
            assert len(token) >= 32
            async with client.http.get(f"{base}/guessed/state") as reply:
                assert reply.status == 404
            async with client.http.get(f"{client.addresses.control}/nothing") as reply:
                assert (reply.status, list(await reply.json())) == (404, ["error"])

    play(scene)


@asynccontextmanager
async def controlling() -> AsyncIterator[tuple[ControlClient, Client, Server]]:
    async with served() as (client, server):
        control = ControlClient(client.addresses.control)
        try:
            yield control, client, server
        finally:
            await control.close()


def test_h05_many_calls_on_one_line_are_answered_as_requests_are() -> None:
    async def scene() -> None:
        async with controlling() as (control, client, _):
            assert (await control.state(None)).now == at("09:00:30")
            assert (await control.step(at("09:05"), None, 0)) == Stepped(
                moved=True, now=at("09:05"), frames=0
            )
            assert await client.control("GET", "ledger") == await control.ask("ledger", None)
            with pytest.raises(BadInput, match="is unknown; there are GET state"):
                await control.ask("nothing", None)
            with pytest.raises(LinkLost, match="refused 'speed'"):
                await control.set_speed(-1)
            assert (await control.state(None)).now == at("09:05")

    play(scene)


def test_h05_a_call_that_was_cancelled_leaves_no_reply_for_the_next_one() -> None:
    async def scene() -> None:
        async with controlling() as (control, _, _server):
            await control.state(None)
            for _ in range(20):
                call = asyncio.create_task(control.ask("ledger", None))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                assert (await control.state(None)).now == at("09:00:30")
            both = await asyncio.gather(control.ask("ledger", None), control.ask("state", None))
            assert ["cash" in both[0], both[1]["speed"]] == [True, "step"]

    play(scene)


def test_h05_a_line_survives_a_wrong_message_and_ends_with_the_simulator() -> None:
    async def scene() -> None:
        async with served() as (client, server):
            url = client.addresses.control
            async with client.http.get(f"{url}/line") as reply:
                assert reply.status == 426
            async with client.http.ws_connect(f"{url}/line") as line:
                for wrong in (b"no json", b"[1]", b'["POST", "step", {"until": "later"}]'):
                    await line.send_bytes(wrong)
                    status, said = json.loads(await line.receive_bytes())
                    assert (status, list(said)) == (400, ["error"])
                await line.send_bytes(b'["GET", "state", null]')
                assert json.loads(await line.receive_bytes())[0] == 200
                await asyncio.wait_for(server.close(), 0.9)
                assert (await line.receive()).type in {WSMsgType.CLOSED, WSMsgType.CLOSE}
            control = ControlClient(url)
            with pytest.raises(LinkLost, match="The simulator is gone"):
                await control.state(None)
            await control.close()

    play(scene)


def test_a_taken_port_is_named() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            taken = int(client.addresses.rest.rpartition(":")[2])
            other = Server(host(), DAY, 0.0)
            with pytest.raises(ConfigError, match=f"Port {taken} is taken"):
                await other.start(port=taken)
            await other.close()

    play(scene)


def test_left_alone_it_stops_by_itself_but_not_while_somebody_is_connected() -> None:
    async def scene() -> None:
        server = Server(host(), DAY, 0.0, alone_seconds=0.05)
        addresses = await server.start()
        async with aiohttp.ClientSession() as http, http.ws_connect(addresses.ws):
            running = asyncio.create_task(server.run())
            await asyncio.sleep(0.3)
            assert not running.done()
        await running
        await server.close()

    play(scene)
