"""Row H03: other people's clients run against ``kisnb sim`` with nothing changed but the addresses.

Both libraries were made for the columns and TR ids of before September 2026, so the host plays these.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

CODE = "005930"
DAY = date(2026, 11, 20)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A free-running host, and what its ready line says."""
    arguments = ["--date", "2026-11-20", "--start", "09:05:00", "--speed", "5", "--quirks", "old-columns"]
    process = subprocess.Popen([sys.executable, "-m", "kisnb", "sim", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)


def test_python_kis_trades_and_listens(host: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pykis = pytest.importorskip("pykis", reason="python-kis is not installed (pip install 'kisnb[bench]')")
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
    tickets = [
        stock.on("price", lambda _, e: heard.put(("price", e.response))),
        stock.on("orderbook", lambda _, e: heard.put(("depth", e.response))),
        account.on("execution", lambda _, e: heard.put(("notice", e.response))),
    ]
    kis.websocket.ensure_connected(timeout=10)
    time.sleep(0.5)
    quote = stock.quote()
    assert quote.price > 0
    assert quote.high_limit > quote.price > quote.low_limit
    order = account.buy(market="KRX", symbol=CODE, qty=3)
    resting = account.buy(market="KRX", symbol=CODE, qty=2, price=quote.low_limit)
    seen = _until(heard, {"price", "depth", "notice"})
    assert [n.executed_quantity for n in seen["notice"] if n.order_number == order][-1:] in ([3], [Decimal(3)])
    cancelled = resting.cancel()
    assert cancelled.number != resting.number
    listed = {int(o.number): o for o in account.daily_orders(start=DAY).orders}
    assert (listed[1].executed_qty, listed[2].executed_qty) == (3, 0)
    assert {s.symbol: s.qty for s in account.balance().stocks} == {CODE: 3}
    for ticket in tickets:
        ticket.unsubscribe()
    kis.websocket.disconnect()


def _until(heard: queue.Queue[Any], wanted: set[str]) -> dict[str, list[Any]]:
    seen: dict[str, list[Any]] = {name: [] for name in wanted}
    deadline = time.monotonic() + 20
    while not all(seen.values()) and time.monotonic() < deadline:
        kind, response = heard.get(timeout=20)
        seen[kind].append(response)
    return seen
