"""Bars of past days in a session: from the store, and from KIS for what it lacks. Row H01."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

import kisnb
from kisnb.clock import DAY as WHOLE_DAY
from kisnb.clock import KST, kst
from kisnb.errors import BadInput, KisError, NotOffered
from kisnb.history.download import PART, Download
from kisnb.history.store import Store
from kisnb.kis.broker import KisBroker
from kisnb.session.history.kis_source import KisSource
from kisnb.session.session import Session
from kisnb.terms import Mode, Venue
from kisnb.trading.ports.queries import CallApi
from kisnb.trading.ports.replies import RowsReply
from tests.history.bars import DAYS, MINUTES
from tests.kis.test_modes import at
from tests.session.opening import on_simulated_day, recording

DAILY, PAST, TODAY = (
    "inquire-daily-itemchartprice",
    "inquire-time-dailychartprice",
    "inquire-time-itemchartprice",
)
DAY = date(2026, 11, 20)


def calls(path: str) -> int:
    """The calls of this path that reached the simulator."""
    return sum(line["kind"] == "request" and path in line["path"] for line in recording())


@on_simulated_day()
async def test_h01_minutes_of_past_days_and_of_today_make_one_frame(
    session: Session, tmp_path: Path
) -> None:
    minutes = await session.history("005930", "1m", start="2026-11-18")
    days = minutes.group_by(pl.col("t").dt.date(), maintain_order=True).agg(pl.len())
    assert days["t"].to_list() == [date(2026, 11, day) for day in (18, 19, 20)]
    # Today's minutes end with the last one that is over.
    assert minutes["t"][-1] == datetime(2026, 11, 20, 9, 59, tzinfo=KST)
    assert minutes["t"].is_sorted()
    asked = calls(PAST)
    fives = await session.history("005930", "5m", start="2026-11-18")
    # One call for this day alone: a page of 120 minutes reaches its beginning.
    assert calls(PAST) == asked + 1
    assert calls(TODAY) == 0
    assert fives["volume"].sum() == minutes["volume"].sum()
    assert fives["value"].sum() == minutes["value"].sum()
    # Paper and live keep today's minutes too, because paper gives no minutes of past days.
    with closing(Store(tmp_path)) as store:
        real = Download(
            store, KisSource(session._parts.link), lambda: session.now, keeps_today=True
        )
        today = await real.minutes_of_today("005930", Venue.KRX)
        assert store.read(MINUTES, DAY, DAY).equals(today)
        # The day is not over: it is there in part.
        later = Download(
            store, KisSource(session._parts.link), lambda: session.now + WHOLE_DAY, keeps_today=True
        )
        assert later.missing(MINUTES, "005930", DAY, DAY) == [(DAY, PART)]
        assert len(today) == days["len"][-1]
    # The won of the minutes add up to shares at prices between the lowest and the highest.
    assert minutes.filter(
        (pl.col("value") < pl.col("low") * pl.col("volume"))
        | (pl.col("value") > pl.col("high") * pl.col("volume"))
    ).is_empty()


@on_simulated_day()
async def test_h01_a_download_that_broke_off_goes_on_and_then_the_store_is_read(
    session: Session,
) -> None:
    await session.simulator.fault("read", "error", tr_id="FHKST03010100", nth=3, times=1_000)
    with pytest.raises(KisError):
        await session.history("005930", start="2025-03-03")
    await session.simulator.calm()
    before = calls(DAILY)
    bars = await session.history("005930", start="2025-03-03")
    # Of five windows of at most 140 calendar days two were stored.
    # The fourth call is for the part of today that is over.
    assert calls(DAILY) - before == 4
    assert (bars["date"][0], bars["date"][-1]) == (date(2025, 3, 4), DAY)
    assert bars.schema == {
        "date": pl.Date,
        "code": pl.String,
        "venue": pl.String,
        **dict.fromkeys(("open", "high", "low", "close", "volume", "value"), pl.Int64),
        "whole": pl.Boolean,
    }
    # This day has a bar of its first hour, which is asked for each time.
    assert bars["whole"].to_list() == [True] * (len(bars) - 1) + [False]
    assert (await session.history("005930", start="2025-03-03")).equals(bars)
    assert calls(DAILY) - before == 5


@on_simulated_day()
async def test_h01_adjusted_prices_of_before_a_split_are_replaced(session: Session) -> None:
    bars = await session.history("005930", start="2026-10-01", end="2026-11-17")
    store, series = Store(session.history.folder), DAYS
    stored = store.read(series, date(2026, 10, 1), date(2026, 11, 17))
    prices = pl.col("open", "high", "low", "close")
    store.upsert(series, stored.with_columns(prices * 50))
    store.close()
    longer = await session.history("005930", start="2026-10-01", end="2026-11-19")
    assert longer[: len(bars)].equals(bars)
    assert longer.height == bars.height + 2


@on_simulated_day()
async def test_h01_a_line_says_which_days_have_no_bar_and_why(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await session.simulator.fault("read", "rewrite", field="stck_hgpr", value="1", row=1)
    bars = await session.history("005930", start="2026-11-16", end="2026-11-18")
    why = "Bars are missing of 2026-11-18. KIS's row contradicts itself and was left out."
    assert capsys.readouterr().out == f"[SIM] 005930: {why}\n"
    assert kisnb.why_missing(bars) == why
    today = await session.history("005930", start="2026-11-20")
    assert today["whole"].to_list() == [False]
    assert capsys.readouterr().out == ""
    for start, end, why in (
        ("2026-11-14", "2026-11-15", "There is no trading day from 2026-11-14 to 2026-11-15."),
        ("2026-11-23", "2026-11-24", "No day from 2026-11-23 to 2026-11-24 has come yet."),
    ):
        for every in ("1d", "1m"):
            none = await session.history("005930", every, start=start, end=end)
            assert none.is_empty()
            assert kisnb.why_missing(none) == why
            assert capsys.readouterr().out == f"[SIM] 005930: {why}\n"
    with pytest.raises(BadInput, match="2026-11-18 comes after 2026-11-16"):
        await session.history("005930", start="2026-11-18", end="2026-11-16")
    with pytest.raises(BadInput, match="start='yesterday' is not a date"):
        await session.history("005930", start="yesterday")
    with pytest.raises(BadInput, match="no past bars of '20s'"):
        await session.history("005930", "20s")


@on_simulated_day()
async def test_h01_several_stocks_are_downloaded_at_once(session: Session) -> None:
    await session.simulator.fault("read", "error", tr_id="FHKST03010100", code="000660", times=99)
    done = await session.history.download("005930, 000660 035420", start="2026-11-02")
    assert done.select("code", "bars", "missing").rows() == [
        ("005930", 14, 0),
        ("000660", 0, 14),
        ("035420", 14, 0),
    ]
    assert "Ask again" in done["reason"][1]
    assert session.history.missing("000660", start="2026-11-02")["day"][0] == date(2026, 11, 2)
    await session.simulator.calm()
    before = calls(DAILY)
    again = await session.history.download(["005930", "000660", "035420"], start="2026-11-02")
    assert again["bars"].to_list() == [14, 14, 14]
    assert calls(DAILY) == before + 1
    minutes = await session.history.download("005930", "1m", start="2026-11-18", end="2026-11-19")
    assert minutes["missing"].to_list() == [0]
    with pytest.raises(BadInput, match="No stock is named"):
        await session.history.download("")


class Asking:
    """Asks a broker what a session asks its desk."""

    def __init__(self, broker: KisBroker) -> None:
        self._broker = broker

    async def ask(self, query: CallApi) -> RowsReply:
        return RowsReply(*await self._broker.call(query.name, query.params))


def test_h01_paper_refuses_minutes_of_past_days_before_anything_is_sent(tmp_path: Path) -> None:
    async def body(broker: KisBroker) -> None:
        with pytest.raises(NotOffered, match=r"Paper has no minute bars of past days\. Use live"):
            await KisSource(Asking(broker)).minutes("005930", Venue.KRX, kst(date(2026, 11, 19), 0))

    assert at(Mode.PAPER, tmp_path, body).asked == []
