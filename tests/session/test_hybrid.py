"""K13: paper with live quotes: prices from the desk that owns the live appkey, orders and account
from paper."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import kisnb
from kisnb.desk.address import find_desk
from kisnb.errors import BadInput, ConfigError
from kisnb.terms import Mode
from tests.session.opening import whole_lines
from tests.session.own_host import OwnHost
from tests.waiting import until

SPEED = "60"
CODE = "005930"


class Host(OwnHost):
    """A host and what it recorded."""

    def __init__(self, folder: Path, mode: Mode) -> None:
        self.recording = folder / "recording.jsonl"
        record = ("--record", str(self.recording))
        super().__init__(folder, "--host", mode, "--start", "09:30:00", "--speed", SPEED, *record)

    def requests(self) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in whole_lines(self.recording))
        return [line for line in lines if line["kind"] == "request"]


@pytest.fixture
def hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trading_hours: None
) -> Iterator[tuple[Host, Host]]:
    """Live and paper, and a configuration that names both."""
    live, paper = Host(tmp_path / "live", Mode.LIVE), Host(tmp_path / "paper", Mode.PAPER)
    both = {
        **live.entries,
        "paper_app": paper.entries["my_app"],
        "paper_sec": paper.entries["my_sec"],
        "my_paper_stock": paper.entries["my_acct_stock"],
        "vps": paper.said["rest"],
        "vops": paper.said["ws"],
    }
    file = tmp_path / "kis_devlp.yaml"
    file.write_text(yaml.safe_dump(both), "utf-8")
    monkeypatch.setenv("KISNB_CREDENTIALS", str(file))
    yield live, paper
    live.stop()
    paper.stop()


def test_k13_quotes_depth_and_ticks_come_from_live_and_the_account_from_paper(
    hosts: tuple[Host, Host],
) -> None:
    live, paper = hosts

    async def work() -> None:
        async with await kisnb.connect("paper", quotes="live") as session:
            assert session.mode is Mode.PAPER
            assert session.label == "paper with quotes of live"
            assert (await session.quote(CODE)).price > 0
            assert (await session.depth(CODE)).bids
            assert (await session.balance()).cash > 0
            assert not (await session.ranking()).is_empty()
            # Calls and channels by name go the same ways; paper itself has no such channel.
            index = await session.api.inquire_index_price(
                fid_cond_mrkt_div_code="U", fid_input_iscd="0001"
            )
            assert isinstance(index, pl.DataFrame)
            assert index["bstp_nmix_prpr"][0] > 0
            with pytest.warns(RuntimeWarning, match="has brought no record"):
                await session.api.h0nxcnt0(tr_key=CODE)
            await session.watch(CODE)
            await until(lambda: len(session.ticks(CODE)) > 0)
            await until(lambda: "H0STASP0" in live.recording.read_text("utf-8"))
            await until(lambda: "H0NXCNT0" in live.recording.read_text("utf-8"))
            assert not [text for text in session.troubles if "refused" in text]
            table = {what: (host, offered) for what, host, offered in session.capabilities().rows()}
            assert table["inquire_price"] == table["volume_rank"] == ("live", True)
            assert table["order_cash_buy"] == table["notices"] == ("paper", True)
            assert table["ticks NXT"] == ("live", True)

    asyncio.run(work())
    asked = {
        host: [(line["path"].rpartition("/")[2], line["tr_id"]) for line in host.requests()]
        for host in hosts
    }
    assert {"inquire-price", "inquire-asking-price-exp-ccn", "volume-rank"} <= {
        path for path, _ in asked[live]
    }
    assert {"H0STCNT0", "H0STASP0", "H0NXCNT0"} <= {tr_id for _, tr_id in asked[live]}
    assert "inquire-balance" in {path for path, _ in asked[paper]}
    assert {path for path, _ in asked[paper]} <= {"tokenP", "Approval", "", "inquire-balance",
        "inquire-psbl-order",
                                                  "inquire-daily-ccld"}  # fmt: skip
    assert {tr_id for path, tr_id in asked[paper] if not path} == {"", "H0STCNI9"} - {""}


def test_n11_k13_both_desks_record_what_they_say_and_hear_and_no_secret_of_either(
    hosts: tuple[Host, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "day.jsonl"
    monkeypatch.setenv("KISNB_RECORD", str(file))

    async def work() -> None:
        async with await kisnb.connect("paper", quotes="live") as session:
            await session.balance()
            await session.watch(CODE)
            await until(lambda: len(session.ticks(CODE)) > 0)

    asyncio.run(work())
    lines = [json.loads(line) for line in whole_lines(file)]
    text = file.read_text("utf-8")
    assert {"H0STCNT0", "H0STCNI0", "H0STCNI9", "VTTC8434R"} <= {
        line.get("tr_id") for line in lines
    }
    entries = yaml.safe_load((tmp_path / "kis_devlp.yaml").read_text("utf-8"))
    secrets = (
        "my_app",
        "my_sec",
        "paper_app",
        "paper_sec",
        "my_acct_stock",
        "my_paper_stock",
        "my_htsid",
    )
    assert [name for name in secrets if str(entries[name]) in text] == []
    assert file.stat().st_mode & 0o777 == 0o600


def test_k13_the_live_desk_that_runs_is_used_and_outlives_the_paper_desk(
    hosts: tuple[Host, Host],
) -> None:
    async def work() -> None:
        async with await kisnb.connect("live") as session:
            before = find_desk(Mode.LIVE)
            async with await kisnb.connect("paper", quotes="live") as paper:
                assert (await paper.quote(CODE)).price > 0
            assert find_desk(Mode.LIVE) == before
            assert (await session.quote(CODE)).price > 0

    asyncio.run(work())


def test_k13_a_killed_live_desk_is_told_and_started_again_and_its_prices_go_on(
    hosts: tuple[Host, Host],
) -> None:
    async def work() -> None:
        async with await kisnb.connect("paper", quotes="live") as session:
            await session.watch(CODE)
            await until(lambda: len(session.ticks(CODE)) > 0)
            desk = find_desk(Mode.LIVE)
            assert desk is not None
            os.kill(desk.pid, signal.SIGKILL)
            await until(lambda: any("is back" in text for text in session.troubles))
            assert any("prices stand still" in text for text in session.troubles)
            seen = len(session.ticks(CODE))
            await until(lambda: len(session.ticks(CODE)) > seen)
            assert (await session.quote(CODE)).price > 0

    asyncio.run(work())


def test_k13_without_keys_for_live_it_is_refused_in_one_line(
    hosts: tuple[Host, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = yaml.safe_load((tmp_path / "kis_devlp.yaml").read_text("utf-8"))
    lacking = tmp_path / "lacking.yaml"
    lacking.write_text(yaml.safe_dump({**entries, "my_app": "", "my_sec": ""}), "utf-8")
    monkeypatch.setenv("KISNB_CREDENTIALS", str(lacking))
    with pytest.raises(ConfigError, match=r"lacks my_app, my_sec") as caught:
        asyncio.run(kisnb.connect("paper", quotes="live"))
    assert "\n" not in str(caught.value)
    assert find_desk(Mode.PAPER) is None


def test_k13_a_paper_desk_that_runs_with_its_own_quotes_is_not_changed_unasked(
    hosts: tuple[Host, Host],
) -> None:
    async def work() -> None:
        async with await kisnb.connect("paper"):
            with pytest.raises(
                ConfigError, match=r"runs already, and not with quotes of live.*kisnb desk stop"
            ):
                await kisnb.connect("paper", quotes="live")

    asyncio.run(work())


@pytest.mark.parametrize(("mode", "quotes"), [("sim", "live"), ("live", "paper"), ("paper", "sim")])
def test_k13_other_mixtures_are_refused(mode: str, quotes: str) -> None:
    with pytest.raises(ConfigError, match="Paper alone takes those of live"):
        asyncio.run(kisnb.connect(mode, quotes=quotes))
    with pytest.raises(BadInput, match="not a valid mode"):
        asyncio.run(kisnb.connect(mode, quotes="real"))
