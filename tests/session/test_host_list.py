"""Prices, limits and the list of stocks come from the host at live: rows M06, N06."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

import kisnb
from kisnb.cli import main
from kisnb.clock import KST
from kisnb.errors import OrderDenied
from kisnb.kis import master_download
from kisnb.market.calendar import next_trading_day
from kisnb.market.universe import Universe
from kisnb.paths import state_dir
from kisnb.session.feed.stock_list import list_trouble
from kisnb.session.session import Session
from kisnb.terms import Board, Kind
from tests.session.own_host import OwnHost
from tests.waiting import until

PRICE = "FHKST01010100"
"""TR id of inquire-price."""
STOCKS = """code,name,board,kind,shares,base,volume,nxt
005930,삼성전자,KOSPI,stock,5900000000,272000,12000000,1
000660,SK하이닉스,KOSPI,stock,700000000,400000,900000,1
042700,한미반도체,KOSPI,stock,97000000,101000,900000,1
247540,에코프로비엠,KOSDAQ,stock,97000000,140000,900000,1
999999,없는종목,KOSDAQ,etf,1000000,10000,900000,0
"""
"""The host's stocks: one at another price than in the packaged list, others that it lacks."""


class Host(OwnHost):
    """A simulator of a host whose stocks are not the packaged ones."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "u.csv").write_text(STOCKS, "utf-8")
        super().__init__(folder, "--universe", str(folder / "u.csv"), "--start", "10:00:00")
        self.tail = self.entries["my_acct_stock"][4:8]

    def control(self, verb: str, **said: object) -> None:
        body = json.dumps(said).encode()
        urllib.request.urlopen(f"{self.said['control']}/{verb}", data=body, timeout=10).close()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trading_hours: None) -> Iterator[Host]:
    one = Host(tmp_path / "host")
    monkeypatch.setenv("KISNB_CREDENTIALS", str(one.file))
    monkeypatch.setenv("KISNB_MASTER_URL", f"{one.said['rest']}/common/master")
    yield one
    main(["desk", "stop", "--mode", "live"])
    one.stop()


def test_m06_n06_a_live_desk_takes_prices_limits_and_stocks_from_its_host(host: Host) -> None:
    async def work(session: Session) -> None:
        (trouble,) = session.troubles
        assert "the list that comes with kisnb, 26 stocks" in trouble
        assert "kisnb master download" in trouble
        assert session.stock_day("000660") is None, "and a made-up price is not shown"
        await session.arm(host.tail, 30, 1_000_000)
        price = (await session.quote("005930")).price
        await session.buy("005930", 1, price)
        today = session.stock_day("005930")
        assert today is not None
        assert (today.base, today.limits) == (272_000, (190_500, 353_500))
        with pytest.raises(OrderDenied, match="left of the armed budget"):
            await session.buy("005930", 3, key="market at the upper limit")
        await session.buy("042700", 1, (await session.quote("042700")).price)
        new = session.universe.get("042700")
        assert (new.name, new.board, new.nxt) == ("한미반도체", Board.KOSPI, True)
        await session.route_of("buy", "999999", 1, 10_000)
        assert session.universe.get("999999").kind is Kind.ETF
        with pytest.raises(OrderDenied, match="종목코드 오류입니다"):
            await session.buy("0000X0", 1, 10_000)
        host.control("fault", on="call", what="refuse", msg_cd="IGW00009", tr_id=PRICE,
                     code="000660", times=9)  # fmt: skip
        with pytest.raises(OrderDenied, match=r"not stated the limit prices of SK하이닉스.*price"):
            await session.buy("000660", 1)
        await session.buy("000660", 1, 280_500)
        host.control("trade", code="247540", side="buy", qty=10)
        await until(lambda: session.book.position("247540").qty == 10)
        await until(lambda: session.stock_day("247540") is not None)
        assert session.halt_state == "active", "the circuit breaker does not take it for a loss"

    asyncio.run(opened(work))


async def opened(work: Any) -> None:
    async with await kisnb.connect("live") as session:
        await work(session)


def test_m06_n06_the_list_of_the_host_is_downloaded_and_its_absence_ends(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["master", "download"]) == 0
    said = capsys.readouterr().out
    assert "kospi_code.mst.zip: 3 rows" in said
    assert "nxt_kosdaq_code.mst.zip: 1 rows" in said
    day = next_trading_day(datetime.now(KST).date())
    listed = Universe.load(None, day)
    assert (len(listed), listed.day) == (5, day)
    item = listed.get("042700")
    assert (item.name, item.base, item.nxt) == ("한미반도체", 101_000, True)
    assert main(["master", "download"]) == 0, "a second download of a day replaces the first"
    folder = state_dir() / "master"
    assert [path.name for path in folder.iterdir()] == [str(day)]

    async def work(session: Session) -> None:
        assert session.troubles == []
        assert session.universe.name("042700") == "한미반도체"
        assert session.stock_day("042700") is None

    asyncio.run(opened(work))


def test_n06_an_old_list_is_said_with_its_day_and_the_cure_and_a_fresh_one_is_not() -> None:
    today, items = date(2026, 11, 23), list(Universe.packaged())
    for day, is_old in ((None, True), (date(2026, 11, 20), True), (today, False)):
        universe = Universe(items, source="files", day=day, is_complete=False)
        trouble = list_trouble(universe, today)
        assert ("Get KIS's list with: kisnb master download" in trouble) is is_old
    assert list_trouble(Universe.packaged(), today) == "", "at sim the list is the host's own"
    sunday = Universe(items, source="files", day=date(2026, 11, 20), is_complete=False)
    assert list_trouble(sunday, date(2026, 11, 22)) == "", "it is of the newest trading day"


def test_m06_a_download_that_fails_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KISNB_MASTER_URL", "http://127.0.0.1:1/common/master")
    assert main(["master", "download"]) == 1
    assert "could not be downloaded" in capsys.readouterr().err
    assert list((state_dir() / "master").iterdir()) == []
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("kospi_code.mst", b"")
    monkeypatch.setenv("KISNB_MASTER_URL", "https://example.org/common/master")
    monkeypatch.setattr(master_download, "_fetched", lambda _url: empty.getvalue())
    assert main(["master", "download"]) == 1
    assert "lists no issues" in capsys.readouterr().err
    assert list((state_dir() / "master").iterdir()) == []
    monkeypatch.setenv("KISNB_MASTER_URL", "http://example.org/common/master")
    assert main(["master", "download"]) == 1
    assert "is not an https address" in capsys.readouterr().err
