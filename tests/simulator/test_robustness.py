"""Bad input of every kind gets an answer of KIS's or ends its own connection, and the day goes on.

Rows H03, H04.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import kisnb.simulator.serve.server
from kisnb.kis.catalogue import APIS
from kisnb.kis.error_codes import CODES
from kisnb.simulator.host.core import ServedReply
from kisnb.simulator.serve.control import ControlRefused
from tests.waiting import until

from .customer import SAMSUNG, Customer, trader
from .test_control import Controlled
from .test_server import Client, play, served

CALLS = sorted(
    {(api.method, api.path, tr) for api in APIS.values() for tr in (api.tr_live, api.tr_paper)}
)
PARAMS = sorted({name for api in APIS.values() for name in api.params})
TEXT = st.text(max_size=40)
VALUES = st.one_of(
    TEXT,
    st.sampled_from(
        ["", "0", "-1", "9" * 30, "005930", "KRX", "00", "01", "1.5", "٣", "Y", "20261120", "²"]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_kis(one: Customer, reply: ServedReply) -> bool:
    """The body is one that KIS's clients can read, with a code that is in the tables."""
    said = json.loads(reply.body)
    if "error_code" in said:
        return said["error_code"] in CODES and reply.status >= 400
    return "rt_cd" not in said or (said["rt_cd"] == "0") or said["msg_cd"] in CODES


def still_works(one: Customer) -> bool:
    one.core.advance(one.core.now + 1_000_000_000)
    reply = one.ask("inquire_price", {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG})
    return bool(one.said(reply)["rt_cd"] == "0")


ONE = trader()


@QUICK
@given(
    st.sampled_from(CALLS), st.dictionaries(st.sampled_from(PARAMS), VALUES, max_size=len(PARAMS))
)
def test_calls_with_wrong_missing_and_foreign_parameters(
    call: tuple[str, str, str], params: dict[str, str]
) -> None:
    method, path, tr_id = call
    ONE.core.advance(ONE.core.now + 100_000_000)
    assert is_kis(ONE, ONE.call(method, path, ONE.headers(tr_id), params))
    assert still_works(ONE)


@QUICK
@given(
    st.sampled_from(["GET", "POST", "PUT", "BREW"]),
    st.sampled_from([path for _, path, _ in CALLS] + ["/", "", "/oauth2/", "/uapi/hashkey"]) | TEXT,
    st.dictionaries(
        st.sampled_from(["authorization", "appkey", "appsecret", "tr_id", "custtype", "tr_cont"]),
        TEXT,
    ),
    st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
)
@example("POST", "/oauth2/tokenP", {}, b'{"appkey": "\\ud800"}')
@example("POST", APIS["order_cash_buy"].path, {"authorization": "Bearer \udcff"}, b"[" * 100_000)
@example("GET", "/", {"tr_id": "\udcff"}, b"")
def test_requests_that_are_no_calls(
    method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    reply = ONE.core.request(ONE.core.now, method, path, headers, {}, body)
    assert is_kis(ONE, reply)
    assert all(value.isascii() for value in reply.headers.values())
    assert still_works(ONE)


@QUICK
@given(st.dictionaries(st.sampled_from([p for p in PARAMS if p.isupper()]), JSON, max_size=12))
def test_orders_with_values_of_wrong_types(body: dict[str, Any]) -> None:
    ONE.core.advance(ONE.core.now + 1_000_000_000)
    before = len(ONE.core.account.orders)
    api = APIS["order_cash_buy"]
    reply = ONE.core.request(
        ONE.core.now, "POST", api.path, ONE.headers(api.tr_live), {}, json.dumps(body).encode()
    )
    assert is_kis(ONE, reply)
    assert len(ONE.core.account.orders) == before


REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "header": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "approval_key": JSON | st.just(ONE.approval),
                "tr_type": JSON | st.sampled_from(["1", "2", "3"]),
                "tr_id": JSON | st.just("PINGPONG"),
                "custtype": JSON,
            },
        ),
        "body": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "input": JSON
                | st.fixed_dictionaries(
                    {},
                    optional={
                        "tr_id": JSON | st.sampled_from(["H0STCNT0", "H0NXCNT0"]),
                        "tr_key": JSON | st.just(SAMSUNG),
                    },
                )
            },
        ),
    },
)


@QUICK
@given(TEXT | REQUEST.map(json.dumps) | JSON.map(json.dumps))
def test_whatever_a_socket_says_is_answered_and_it_lives_on(text: str) -> None:
    one = ONE
    one.taken()
    out = one.core.socket_text(one.core.now, 1, text)
    answers = [json.loads(said) for _, said in out if said is not None and said[0] == "{"]
    assert all(answer["body"]["msg_cd"] in CODES for answer in answers)
    assert [socket.sid for socket in one.core.sockets] == [1]


GET_VERBS = ("state", "ledger", "sessions", "faults")
CLOCK_VERBS = ("step", "speed", "trade", "cancel", "halt", "resume", "break")
FAULT_VERBS = ("fault", "calm", "cut", "expire", "revoke", "x")
VERBS = GET_VERBS + CLOCK_VERBS + FAULT_VERBS


@QUICK
@given(st.sampled_from(["GET", "POST"]), st.sampled_from(VERBS), JSON.map(json.dumps) | TEXT)
def test_the_control_url_refuses_in_one_sentence(method: str, verb: str, body: str) -> None:
    try:
        CONTROLLED.control.answer(method, verb, body.encode("utf-8", "replace"))
    except ControlRefused as refused:
        text, status = refused.text, refused.status
    else:
        return
    assert "\n" not in text
    assert status in (400, 404, 409)


CONTROLLED = Controlled()

# real sockets


async def works(client: Client) -> bool:
    headers = client.headers | {"tr_id": "FHKST01010100"}
    params = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
    url = client.addresses.rest + APIS["inquire_price"].path
    async with client.http.get(url, params=params, headers=headers) as reply:
        said: dict[str, Any] = await reply.json()
    return bool(said["rt_cd"] == "0")


async def raw(address: str, data: bytes, *, read: bool = True) -> bytes:
    """Send bytes to a port and read what comes until it closes or falls silent."""
    name, _, port = address.rpartition("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    try:
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(65_536), 5) if read else b""
    finally:
        writer.transport.abort()


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"NONSENSE\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    (
        b"POST /oauth2/tokenP HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: 4\r\n\r\nabcd"
    ),
    b"POST /oauth2/tokenP HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("port", ["rest", "ws", "control"])
def test_bytes_that_are_no_http_end_their_own_connection_only(data: bytes, port: str) -> None:
    async def scene() -> None:
        async with served() as (client, _):
            address = getattr(client.addresses, port).split("//")[1].partition("/")[0]
            assert (await raw(address, data)).split(b" ")[:2][-1] in (b"400", b"404", b"426", b"")
            assert await works(client)

    play(scene)


def test_a_body_that_is_too_large_is_refused_as_kis_refuses() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            async with client.http.post(
                client.addresses.rest + "/oauth2/tokenP", data=b"x" * (2 << 20)
            ) as reply:
                assert reply.status == 400
                assert (await reply.json())["msg_cd"] == "EGW00101"
            assert await works(client)

    play(scene)


def test_a_request_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kisnb.simulator.serve.server, "READ_SECONDS", 0.05)

    async def scene() -> None:
        async with served() as (client, _):
            half = b"POST /oauth2/tokenP HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
            assert b"EGW00101" in await raw(client.addresses.rest, half)
            assert await works(client)

    play(scene)


def test_half_open_sockets_and_a_flood_of_them_leave_the_day_going() -> None:
    async def scene() -> None:
        async with served() as (client, server):
            for _ in range(50):
                await raw(client.addresses.rest, b"GET /uapi", read=False)
            sockets = [await client.http.ws_connect(client.addresses.ws) for _ in range(60)]
            for ws in sockets[1:]:
                assert ws._response.connection is not None
                ws._response.connection.transport.abort()
            await client.connect()
            assert (await client.subscribe("H0STCNT0", SAMSUNG))["msg_cd"] == "OPSP0000"
            assert await works(client)
            await until(lambda: len(server.core.sockets) == 2)

    play(scene)


def test_binary_and_oversized_messages_on_a_socket() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            await client.connect()
            await client.ws.send_bytes(b"\x00\xff")
            await client.ws.ping(b"hello")
            assert (await client.subscribe("H0STCNT0", SAMSUNG))["msg_cd"] == "OPSP0000"
            await client.ws.send_str("x" * (1 << 20))
            assert (await client.ws.receive(timeout=10)).type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            )
            await client.connect()
            assert await works(client)

    play(scene)


def test_a_flood_of_calls_is_limited_and_answered_one_by_one() -> None:
    async def scene() -> None:
        async with served() as (client, _):
            url = client.addresses.rest + APIS["inquire_price"].path
            headers = client.headers | {"tr_id": "FHKST01010100"}
            params = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}

            async def one() -> str:
                async with client.http.get(url, params=params, headers=headers) as reply:
                    return str((await reply.json())["msg_cd"])

            said = await asyncio.gather(*(one() for _ in range(300)))
            assert (said.count("MCA00000"), said.count("EGW00201")) == (18, 282)

    play(scene)


def test_a_pong_with_the_text_of_a_ping_is_its_answer() -> None:
    """K08: KIS's newer samples answer PINGPONG so."""

    async def scene() -> None:
        async with served(speed=60.0) as (client, server):
            await client.connect()
            text = await client.receive()
            assert "PINGPONG" in text
            await client.ws.pong(text.encode())
            await until(lambda: server.core.sockets[0].echoed is not None)

    play(scene)


def test_a_defect_of_the_host_is_answered_and_told_and_the_day_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with served() as (client, server):
            request: Callable[..., ServedReply] = server.core.request
            monkeypatch.setattr(server.core, "request", lambda *_: 1 / 0)
            async with client.http.get(client.addresses.rest + "/x") as reply:
                assert (reply.status, (await reply.json())["msg_cd"]) == (500, "IGW00009")
            monkeypatch.setattr(server.core, "request", request)
            assert await works(client)

    play(scene)
    assert "this is a defect" in caplog.text
