"""Row H03: other people's clients run against ``kisnb sim`` with nothing changed but the addresses.

Both libraries are of before September 2026 and count columns, so the host plays those of then.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_until

# What the libraries leave to the garbage collector complains there.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Event ticket:UserWarning"),
]
CODE = "005930"
DAY = date(2026, 11, 20)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A free-running host, and what its ready line says."""
    arguments = [
        "--date",
        "2026-11-20",
        "--start",
        "09:05:00",
        "--speed",
        "5",
        "--quirks",
        "old-columns,notice23",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "kisnb", "sim", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    gc.collect()
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)


def test_python_kis_trades_and_listens(
    host: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pykis: Any = import_module("pykis")
    monkeypatch.setattr("pykis.kis.REAL_DOMAIN", host["rest"])
    monkeypatch.setattr("pykis.client.websocket.WEBSOCKET_REAL_DOMAIN", host["ws"])
    monkeypatch.setenv("HOME", str(tmp_path))
    kis = pykis.PyKis(
        id=host["hts_id"],
        account=host["account"],
        appkey=host["appkey"],
        secretkey=host["appsecret"],
        keep_token=False,
    )
    heard: queue.Queue[Any] = queue.Queue()
    stock, account = kis.stock(CODE), kis.account()
    # While it connects, the library may never send a subscription that is made meanwhile.
    kis.websocket.ensure_connected(timeout=10)
    tickets = [
        stock.on("price", lambda _, e: heard.put(("price", e.response))),
        stock.on("orderbook", lambda _, e: heard.put(("depth", e.response))),
        account.on("execution", lambda _, e: heard.put(("notice", e.response))),
    ]
    # An order that is sent before the host has confirmed the notices fills unheard.
    confirmed = kis.websocket._registered_subscriptions
    wait_until(lambda: len(confirmed) == len(tickets))
    quote = stock.quote()
    assert quote.price > 0
    assert quote.high_limit > quote.price > quote.low_limit
    order = account.buy(market="KRX", symbol=CODE, qty=3)
    resting = account.buy(market="KRX", symbol=CODE, qty=2, price=quote.low_limit)
    seen = _until(
        heard, lambda seen: {"price", "depth"} <= seen.keys() and _executed(seen, order) == 3
    )
    assert {notice.symbol for notice in seen["notice"]} == {CODE}
    cancelled = resting.cancel()
    assert cancelled.number != resting.number
    listed = {int(o.number): o for o in account.daily_orders(start=DAY, country="KR").orders}
    assert (listed[1].executed_qty, listed[2].executed_qty) == (3, 0)
    assert {s.symbol: s.qty for s in account.balance(country="KR").stocks} == {CODE: 3}
    for ticket in tickets:
        ticket.unsubscribe()
    kis.websocket.disconnect()


def _executed(seen: dict[str, list[Any]], order: Any) -> int:
    """Shares that the notices of an order have told as filled."""
    return sum(
        int(notice.executed_quantity)
        for notice in seen.get("notice", ())
        if notice.order_number == order
    )


def _until(
    heard: queue.Queue[tuple[str, Any]], enough: Callable[[dict[str, list[Any]]], bool]
) -> dict[str, list[Any]]:
    """What was heard until it is enough.

    Raises queue.Empty when nothing more comes. Prices never stop, so the wait has an end.
    """
    seen: dict[str, list[Any]] = {}
    end = time.monotonic() + 60
    while not enough(seen):
        assert time.monotonic() < end, {kind: len(heard) for kind, heard in seen.items()}
        kind, response = heard.get(timeout=20)
        seen.setdefault(kind, []).append(response)
    return seen


def test_mojito2_trades_and_listens(
    host: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mojito: Any = import_module("mojito")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        mojito.KoreaInvestment,
        "set_base_url",
        lambda self, mock: setattr(self, "base_url", host["rest"]),
    )
    broker = mojito.KoreaInvestment(host["appkey"], host["appsecret"], host["account"])
    quote = broker.fetch_price(CODE)["output"]
    assert int(quote["stck_mxpr"]) > int(quote["stck_prpr"]) > int(quote["stck_llam"])
    heard: Any = queue.Queue()
    listener = mojito.KoreaInvestmentWS(
        host["appkey"], host["appsecret"], ["H0STCNT0", "H0STASP0"], [CODE], user_id=host["hts_id"]
    )
    listener.base_url, listener.queue = host["rest"], heard
    monkeypatch.setattr(
        "mojito.koreainvestment.websockets.connect", partial(_connect_elsewhere, host["ws"])
    )
    threading.Thread(target=_run, args=(listener,), daemon=True).start()
    _until(heard, lambda seen: {"체결", "호가"} <= seen.keys())
    bought = broker.create_market_buy_order(CODE, 3)
    assert (bought["rt_cd"], bought["msg_cd"]) == ("0", "APBK0013")
    resting = broker.create_limit_buy_order(CODE, int(quote["stck_llam"]), 2)["output"]
    cancelled = broker.cancel_order(resting["KRX_FWDG_ORD_ORGNO"], resting["ODNO"], 2, True)
    assert cancelled["rt_cd"] == "0"
    (holding,) = [row for row in broker.fetch_balance()["output1"] if row["hldg_qty"] != "0"]
    assert (holding["pdno"], holding["hldg_qty"]) == (CODE, "3")
    days = broker.fetch_ohlcv(CODE, "D", "20261101", "20261120")["output2"]
    assert days[0]["stck_bsop_date"] == "20261120"
    assert _until(heard, lambda seen: len(seen.get("체잔", ())) == 4)


def _run(listener: Any) -> None:
    with contextlib.suppress(Exception):  # the host ends with the test
        listener.run()


def _connect_elsewhere(address: str, _: str, **more: Any) -> Any:
    import websockets

    return websockets.asyncio.client.connect(address, **more)
