"""``session.history``: flows, index, trades, depths, files, by a session. Rows H01 and H02."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import closing, nullcontext
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from kisnb.clock import KST
from kisnb.errors import BadInput, KisError
from kisnb.history.download import Download
from kisnb.history.files.export import write_file
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.history.store import Store
from kisnb.session.session import Session
from kisnb.terms import Venue
from tests.history.bars import DAYS, after_a_power_cut, day_bars
from tests.session.opening import on_simulated_day, recording
from tests.session.test_history import DAILY, calls

NUMBERS = ("open", "high", "low", "close", "volume", "value")


@on_simulated_day()
async def test_h01_flows_and_an_index_are_kept_by_day_and_asked_for_once(session: Session) -> None:
    flows = await session.history.flows("005930", "2026-09-01")
    assert flows["date"][0] == date(2026, 9, 1)
    assert flows["date"][-1] == date(2026, 11, 19)
    assert (flows["individual"] + flows["foreign"] + flows["institution"] == 0).all()
    assert set(flows.schema.dtypes()[3:]) == {pl.Int64}
    bars = await session.history("005930", start="2026-09-01", end="2026-11-19")
    assert flows.select("date", "volume").equals(bars.select("date", "volume"))
    index = await session.history.index("kospi", "2026-06-01")
    assert index["code"].unique().to_list() == ["KOSPI"]
    assert {index.schema[name] for name in NUMBERS[:4]} == {pl.Float64}
    assert (index["low"] <= index["close"]).all()
    assert (await session.history.index("0001", "2026-06-01")).equals(index)
    asked = len(recording())
    assert (await session.history.flows("005930", "2026-09-01")).equals(flows)
    assert (await session.history.index("KOSPI", "2026-06-01")).equals(index)
    assert len(recording()) == asked
    done = await session.history.download("KOSPI KOSDAQ", "index", "2026-11-02")
    assert done.select("code", "bars", "missing").rows() == [("KOSPI", 14, 0), ("KOSDAQ", 14, 0)]
    with pytest.raises(BadInput, match=r"There is no index 'DOW'\. Write KOSPI, KOSDAQ, KOSPI200"):
        await session.history.index("DOW")
    with pytest.raises(BadInput, match="'tick' is not a valid kind of past days"):
        await session.history.download("005930", "tick")


@on_simulated_day()
async def test_h02_trades_add_up_to_the_minutes_that_kis_gives(session: Session) -> None:
    trades = await session.history("005930", "tick", "09:40", "09:49:59")
    minutes = await session.history("005930", "1m")
    made = trades.group_by(pl.col("t").dt.truncate("1m"), maintain_order=True).agg(
        open=pl.col("price").first(), high=pl.col("price").max(), low=pl.col("price").min(),
        close=pl.col("price").last(), volume=pl.col("qty").sum(),
        value=(pl.col("price") * pl.col("qty")).sum(),
    )  # fmt: skip
    t = pl.col("t").cast(made.schema["t"])
    expected = minutes.with_columns(t).join(made, on="t", how="semi")
    assert expected.height == made.height > 5
    assert made.equals(expected.select(made.columns))
    assert trades.columns == ["t", "code", "venue", "price", "qty", "side", "volume"]


@on_simulated_day()
async def test_h01_trades_that_the_session_received_have_their_side_and_are_not_asked_for(
    session: Session,
) -> None:
    await session.watch("005930")
    await session.until("10:04")
    received = session.ticks("005930")
    asked = calls("inquire-time-itemconclusion")
    trades = await session.history.ticks("005930", "10:00", "10:04")
    seen = trades.filter(pl.col("side").is_not_null())
    assert seen["volume"].to_list() == received["volume"].to_list()
    assert len(received) > 20
    # One page shows that nothing newer is missing, and one what was before the first one.
    assert calls("inquire-time-itemconclusion") - asked <= 3
    # A simulated day may be played again, so its trades are not kept.
    store = Store(session.history.folder)
    kept = store.read(Series(SeriesKind.TICK, Venue.KRX, Basis.RAW), date.min, date.max)
    store.close()
    assert kept.is_empty()


@on_simulated_day()
async def test_h01_the_tape_of_the_desk_gives_trades_and_depths_to_another_session(
    session: Session,
) -> None:
    await session.watch("005930")
    await session.until("10:03")
    mine = await session.history.ticks("005930", "10:00", "10:03")
    session._parts.past.records.clear()
    asked = calls("inquire-time-itemconclusion")
    taped = await session.history.ticks("005930", "10:00", "10:03")
    assert taped.equals(mine)
    assert taped["side"].null_count() < len(taped) / 2
    assert calls("inquire-time-itemconclusion") - asked <= 3
    depths = await session.history.depths("005930", "10:00", "10:03")
    assert len(depths) > 10
    assert (depths["ask1"] > depths["bid1"]).all()
    last, newest = depths.row(-1, named=True), session.data.depths["005930"]
    assert (last["ask1"], last["ask_qty1"]) == newest.asks[0]
    assert (last["bid10"], last["bid_qty10"]) == newest.bids[9]


@on_simulated_day()
async def test_h01_a_line_says_why_there_is_no_trade_and_no_depth(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await session.history.ticks("005930", "2026-11-18", "2026-11-18")).is_empty()
    assert "KIS gives those of today only" in capsys.readouterr().out
    depths = await session.history.depths("005930", "09:00")
    assert depths.columns[:5] == ["t", "code", "venue", "ask1", "ask_qty1"]
    assert "KIS gives none of the past" in capsys.readouterr().out
    with pytest.raises(BadInput, match=r"start='soon' is not a time\. Write"):
        await session.history.ticks("005930", "soon")
    with pytest.raises(BadInput, match="comes after 2026-11-20 09:00:00"):
        await session.history.ticks("005930", "09:30", "09:00")


@on_simulated_day()
async def test_h01_a_split_is_noticed_where_no_page_touches_the_stored_days(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages of a year ago and of this month have no day in common."""
    before = await session.history("005930", start="2025-09-01", end="2025-09-30")
    store = Store(session.history.folder)
    stored = store.read(DAYS, date(2025, 9, 1), date(2025, 9, 30))
    store.upsert(DAYS, stored.with_columns(pl.col(*NUMBERS[:4]) * 50))
    store.close()
    asked = calls(DAILY)
    await session.history("005930", start="2026-11-02", end="2026-11-19")
    assert "KIS has changed the adjusted prices" in capsys.readouterr().out
    # The new page, the stored day that is compared, and then the new and the old days again.
    assert calls(DAILY) - asked == 4
    again = await session.history("005930", start="2025-09-01", end="2025-09-30")
    assert again.equals(before)
    await session.history("005930", start="2026-11-02", end="2026-11-19")
    assert calls(DAILY) - asked == 4


@on_simulated_day()
async def test_h01_prices_of_two_adjustments_are_never_exported_together(
    session: Session, tmp_path: Path
) -> None:
    """A download that dies after a split leaves old prices, which nobody may take for new ones."""
    await session.history("005930", start="2025-09-01", end="2025-09-30")
    store = Store(session.history.folder)
    stored = store.read(DAYS, date(2025, 9, 1), date(2025, 9, 30))
    store.upsert(DAYS, stored.with_columns(pl.col(*NUMBERS[:4]) * 50))
    store.close()
    # The third call is the first one after the split was found. Those after it fail.
    await session.simulator.fault("read", "error", tr_id="FHKST03010100", nth=4, times=1_000)
    with pytest.raises(KisError):
        await session.history("005930", start="2026-11-02", end="2026-11-19")
    path = await session.history.export(tmp_path / "all.csv", start="2025-09-01")
    # The page that came reaches back to July.
    assert str(pl.read_csv(path)["date"].min()) > "2026-06"
    await session.simulator.calm()
    await session.history("005930", start="2025-09-01", end="2025-09-30")
    path = await session.history.export(tmp_path / "all.csv", start="2025-09-01")
    bars = pl.read_csv(path)
    assert bars["date"].min() == "2025-09-01"
    assert bars["close"].max() < 10 * bars["close"].min()


@on_simulated_day()
async def test_h01_prices_as_traded_that_a_split_parts_are_named(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    days = [date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)]
    bars = pl.concat([day_bars("005930", days[:2], 400_000), day_bars("005930", days[2:], 53_000)])
    write_file(bars, tmp_path / "traded.csv")
    await session.history.import_file(tmp_path / "traded.csv", adjusted=False)
    capsys.readouterr()
    traded = await session.history("005930", start="2026-11-16", end="2026-11-19", adjusted=False)
    assert traded["close"].to_list() == [400_000, 400_000, 53_000, 53_000]
    said = capsys.readouterr().out
    assert "moved further than the daily limit allows on 2026-11-18: a split" in said
    await session.history("005930", start="2026-11-18", end="2026-11-19", adjusted=False)
    assert capsys.readouterr().out == ""
    # A day on which the stock was halted is said too, where it lies in the span.
    halted = "code,date,open,high,low,close,volume\n005930,2026-11-18,0,0,0,53000,0\n"
    (tmp_path / "halted.csv").write_text(halted)
    await session.history.import_file(tmp_path / "halted.csv", adjusted=False, replace=True)
    capsys.readouterr()
    await session.history("005930", start="2026-11-18", end="2026-11-19", adjusted=False)
    assert "Nobody traded on 2026-11-18 (volume 0): the stock was halted" in capsys.readouterr().out


@on_simulated_day()
async def test_h01_a_file_goes_in_and_out_and_the_store_is_not_asked_to_guess(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    days = [date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 5)]
    write_file(day_bars("005930", days), tmp_path / "mine.csv")
    found = await session.history.import_file(tmp_path / "mine.csv")
    assert found.rows() == [("005930", 3, days[0], days[-1], 0, 1)]
    assert "mine.csv: 3 rows were read, and 3 are new." in capsys.readouterr().out
    with closing(after_a_power_cut(session.history.folder)) as after:
        assert after.read(DAYS, days[0], days[-1])["date"].to_list() == days
    asked = calls(DAILY)
    bars = await session.history("005930", start="2026-11-02", end="2026-11-05")
    assert bars["date"].to_list() == days
    assert "missing of 2026-11-04. The imported file mine.csv has none." in capsys.readouterr().out
    # What was imported is not asked for.
    assert calls(DAILY) == asked
    write_file(day_bars("005930", days, 80_000), tmp_path / "other.parquet")
    with pytest.raises(BadInput, match=r"other\.parquet and the store differ in 3 rows, the first"):
        await session.history.import_file(tmp_path / "other.parquet")
    await session.history.import_file(tmp_path / "other.parquet", replace=True)
    minutes = tmp_path / "minutes.csv"
    for close, refusal in (
        (70_000, nullcontext()),
        (70_100, pytest.raises(BadInput, match="005930 at 2026-11-18 09:00:00 KST")),
    ):
        row = f"2026-11-18 09:00:00,70000,70100,70000,{close},10\n"
        minutes.write_text(f"time,open,high,low,close,volume\n{row}", "utf-8")
        with refusal:
            await session.history.import_file(minutes, "1m", code="005930")
    path = await session.history.export(tmp_path / "out.csv", "1d", "005930", "2026-11-01")
    assert pl.read_csv(path)["close"].to_list() == [80_000] * 3
    with pytest.raises(BadInput, match=r"has no 1d/KRX/adjusted from 2025-01-02 to 2025-01-03"):
        await session.history.export(tmp_path / "x.csv", start="2025-01-02", end="2025-01-03")
    # A record of the stream comes as a file, too.
    t = datetime(2026, 11, 18, 9, 0, 1, tzinfo=KST)
    depth = {"t": [t], "code": ["005930"], "ask1": [70_100], "ask_qty1": [5], "bid1": [70_000]}
    pl.DataFrame(depth | {"bid_qty1": [7]}).write_parquet(tmp_path / "depth.parquet")
    await session.history.import_file(tmp_path / "depth.parquet", "depth")
    depths = await session.history.depths("005930", "2026-11-18", "2026-11-18")
    assert depths.select("t", "ask1", "bid_qty1", "ask2").rows() == [(t, 70_100, 7, None)]


@on_simulated_day()
async def test_h01_a_write_of_whole_years_does_not_hold_up_the_loop(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop turns while the store writes."""
    writes = 0
    upsert, turns = Store.upsert, 0

    def slow(self: Store, *args: object) -> int:
        nonlocal writes
        writes += 1
        seen = turns
        while turns < seen + 3:
            time.sleep(0.01)
        return upsert(self, *args)  # type: ignore[arg-type]

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    monkeypatch.setattr(Store, "upsert", slow)
    turning = asyncio.create_task(turn())
    await session.history("005930", start="2026-11-02")
    turning.cancel()
    assert writes == 1


DOWNLOADER = """
import asyncio
import kisnb

async def main():
    async with await kisnb.connect("sim") as session:
        done = await session.history.download("005930 000660 035420 005380", start="2025-06-02")
        await session.history.download("005930 000660", "1m", "2026-11-16", "2026-11-19")
        print(done["missing"].to_list())

asyncio.run(main())
"""


@on_simulated_day()
async def test_h01_two_notebooks_download_the_same_stocks_at_once(
    session: Session, tmp_path: Path
) -> None:
    """Two processes, one desk, one simulator, one store."""
    codes = ["005930", "000660", "035420", "005380"]
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DOWNLOADER, stdout=asyncio.subprocess.PIPE
    )
    mine = await session.history.download(codes, start="2025-06-02")
    await session.history.download("005930 000660", "1m", "2026-11-16", "2026-11-19")
    out, _ = await other.communicate()
    assert (other.returncode, out) == (0, b"[0, 0, 0, 0]\n")
    assert mine["missing"].to_list() == [0] * 4
    store = Store(session.history.folder)
    for series in (DAYS, Series(SeriesKind.MINUTE, Venue.KRX, Basis.RAW)):
        assert store.damaged_files(series) == []
    stored = store.read(DAYS, date(2025, 6, 2), date(2026, 11, 19))
    store.close()
    assert dict(stored.group_by("code").len().rows()) == dict.fromkeys(codes, mine["bars"][0])
    # A store that one process fills alone has the same bars.
    with closing(Store(tmp_path / "alone")) as alone:
        source = session._parts.past.source
        download = Download(alone, source, lambda: session.now, keeps_today=False)
        for code in codes:
            await download.days(DAYS, code, date(2025, 6, 2), date(2026, 11, 19))
        assert alone.read(DAYS, date(2025, 6, 2), date(2026, 11, 19)).equals(stored)
