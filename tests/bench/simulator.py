"""The simulated host over loopback: REST calls and frames a second, and how long an answer takes.

The host runs in a process of its own with its real server; the clients are raw sockets, so that the
figures are the host's. Its rate limit is lifted, everything else is as it is: ``python -m
tests.bench.simulator``.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from datetime import time as clock_time
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import msgspec

from kisnb.clock import kst
from kisnb.kis.catalogue import APIS
from kisnb.kis.credentials import Credentials
from kisnb.kis.feed import control_frames
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.account.account import SimulatedAccount
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.keys import made_up
from kisnb.simulator.host.personas import LIVE
from kisnb.simulator.serve.control import Day
from kisnb.simulator.serve.server import Addresses, Server

DAY = date(2026, 11, 20)
CODE = "005930"
CONNECTIONS = 8
CALLS = 6_000
FRAME_SECONDS = 5.0
PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": CODE}


def measure() -> dict[str, tuple[float, str]]:
    """Name → figure and unit."""
    with served() as said:
        return asyncio.run(_measured(said))


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """A simulated host in a process of its own, without a rate limit.

    What it said when it was ready.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.simulator", "serve"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)


async def _measured(said: dict[str, str]) -> dict[str, tuple[float, str]]:
    keys = {"appkey": said["appkey"], "appsecret": said["appsecret"]}
    async with aiohttp.ClientSession() as http:
        body = keys | {"grant_type": "client_credentials"}
        async with http.post(said["rest"] + APIS["token"].path, json=body) as reply:
            token = (await reply.json())["access_token"]
        async with http.post(
            said["rest"] + APIS["approval"].path, json=body | {"secretkey": said["appsecret"]}
        ) as reply:
            approval = (await reply.json())["approval_key"]
        headers = keys | {"authorization": f"Bearer {token}", "custtype": "P"}
        figures: dict[str, tuple[float, str]] = {}
        for name, request in _requests(said, headers).items():
            before = _cpu_seconds(said["pid"])
            rate, p50, p99 = await _calls(said["rest"], request)
            figures[f"REST {name}"] = rate, "calls/s"
            figures[f"REST {name}, of the host's own time"] = (
                CALLS / (_cpu_seconds(said["pid"]) - before),
                "calls/s",
            )
            figures[f"REST {name}, p50"] = p50 * 1000, "ms"
            figures[f"REST {name}, p99"] = p99 * 1000, "ms"
        figures["frames of 20 stocks, market included"] = (
            await _frames(http, said, approval),
            "frames/s",
        )
        return figures


def _cpu_seconds(pid: str) -> float:
    """What the host has computed so far; it does not count what other programs took from it."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _requests(said: dict[str, str], headers: Mapping[str, str]) -> dict[str, bytes]:
    account, product = said["account"].split("-")
    order = {
        "CANO": account,
        "ACNT_PRDT_CD": product,
        "PDNO": CODE,
        "ORD_DVSN": "01",
        "ORD_QTY": "1",
        "ORD_UNPR": "0",
        "EXCG_ID_DVSN_CD": "KRX",
    }
    return {
        "inquire-price": _request("inquire_price", headers, query=PRICE),
        "inquire-asking-price": _request("inquire_asking_price_exp_ccn", headers, query=PRICE),
        "order-cash": _request("order_cash_buy", headers, body=json.dumps(order).encode()),
    }


def _request(
    name: str,
    headers: Mapping[str, str],
    *,
    query: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    api = APIS[name]
    lines = [
        f"{api.method} {api.path}{'?' + urlencode(query) if query else ''} HTTP/1.1",
        "Host: 127.0.0.1",
        f"tr_id: {api.tr_live}",
        f"Content-Length: {len(body)}",
        *(f"{key}: {value}" for key, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _calls(rest: str, request: bytes) -> tuple[float, float, float]:
    """Calls a second over keep-alive connections, and the median and 99th percentile of an answer
    in seconds."""
    host, _, port = rest.removeprefix("http://").partition(":")
    took: list[float] = []

    async def one(count: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(count):
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            took.append(time.perf_counter() - began)
            assert b'"rt_cd":"0"' in answer, answer
        writer.close()

    await one(200)
    took.clear()
    began = time.perf_counter()
    await asyncio.gather(*(one(CALLS // CONNECTIONS) for _ in range(CONNECTIONS)))
    rate = len(took) / (time.perf_counter() - began)
    cuts = statistics.quantiles(took, n=100)
    return rate, cuts[49], cuts[98]


async def _frames(http: aiohttp.ClientSession, said: dict[str, str], approval: str) -> float:
    """Frames a second that reach a client while the market runs as fast as it can."""
    async with http.ws_connect(said["ws"], max_msg_size=0) as ws:
        for tr_id in ("H0STCNT0", "H0STASP0"):
            for item in list(Universe.packaged())[:20]:
                request = control_frames.SubscriptionRequest(approval, "1", tr_id, item.code)
                await ws.send_str(control_frames.encode_request(request))
                await ws.receive()
        async with http.post(said["control"] + "/speed", json={"speed": 100_000}):
            began, frames = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < FRAME_SECONDS:
            await ws.receive()
            frames += 1
        return frames / passed


async def _serve() -> None:
    keys = made_up()
    lifted = msgspec.structs.replace(LIVE, rates=((date.min, 1_000_000),))
    market = Market(Universe.packaged(), DAY, 1, kst(DAY, clock_time(9, 5)))
    core = Core(market, keys, persona=lifted, account=SimulatedAccount(DAY, cash=10**12))
    server = Server(core, Day("bench", 1, str(DAY), "09:05:00"), 1.0)
    print(json.dumps(_ready(await server.start(), keys)), flush=True)
    await server.run()


def _ready(addresses: Addresses, keys: Credentials) -> dict[str, str]:
    return {
        **addresses._asdict(),
        "appkey": keys.appkey.reveal(),
        "appsecret": keys.appsecret.reveal(),
        "pid": str(os.getpid()),
        "account": f"{keys.account.reveal()}-{keys.product}",
    }


def show() -> None:
    for name, (figure, unit) in measure().items():
        target = "   target ≥ 1,500" if name == "REST inquire-price" else ""
        print(f"  {name:50s} {figure:10,.2f} {unit}{target}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(_serve())
    else:
        show()
