"""K11: a gap is marked, and its minutes are fetched from KIS afterwards; nothing is made up."""

from __future__ import annotations

import polars as pl

import kisnb
from kisnb.clock import MINUTE
from kisnb.kis.calls.chart_messages import minute_params, minute_rows
from kisnb.session.session import Session
from kisnb.trading.ports.queries import CallApi
from kisnb.trading.ports.replies import RowsReply
from tests.session.opening import control, on_simulated_day, recording

CODE = "005930"


async def cuts(session: Session) -> None:
    """A minute and more is heard; then the socket is cut again and again while somebody trades."""
    await session.watch(CODE)
    await session.sleep(70)
    for _ in range(6):
        control("cut")
        control("trade", code=CODE, side="buy", qty=10)
        await session.sleep(10)
    await session.sleep(120)


async def told(session: Session) -> dict[int, tuple[int, ...]]:
    """The minutes as KIS tells them."""
    api, params = minute_params(CODE, session.now)
    reply = await session._parts.link.ask(CallApi(api.name, params))
    assert isinstance(reply, RowsReply)
    return {t: bar for t, bar in minute_rows(reply.blocks["output2"]).items() if bar[-1]}


def by_start(frame: pl.DataFrame) -> dict[int, tuple[int, ...]]:
    """Bars by start in nanoseconds: open, high, low, close, volume."""
    return {row[0]: row[1:] for row in frame.with_columns(pl.col("t").dt.epoch("ns")).iter_rows()}


@on_simulated_day()
async def test_k11_what_traded_while_the_socket_was_cut_is_marked_and_in_the_bars_as_kis_told_it(
    session: Session,
) -> None:
    await cuts(session)
    gaps = session.gaps(CODE)
    assert gaps["filled"].all()
    assert gaps.filter(pl.col("venue") == "KRX")["missing"].sum() > 0
    truth, ours = await told(session), by_start(session.heard_bars(CODE, venue="KRX"))
    first = min(ours) + MINUTE  # the first one was watched from its middle on
    assert {t: bar for t, bar in ours.items() if t >= first} == {
        t: bar for t, bar in truth.items() if first <= t <= max(ours)
    }
    closed = pl.col("t").dt.epoch("ns") < max(ours) + MINUTE
    heard = session.ticks(CODE).filter(closed)["qty"].sum()
    assert sum(bar[4] for bar in ours.values()) > heard
    # What a person asks for has the first minute too, and all before it.
    whole = by_start(await session.bars(CODE, venue="KRX"))
    assert {t: bar for t, bar in whole.items() if t >= first} == {
        t: bar for t, bar in ours.items() if t >= first
    }
    assert whole[first - MINUTE][4] >= ours[first - MINUTE][4]
    assert len(whole) > len(ours) + 30


@on_simulated_day()
async def test_k11_what_kis_does_not_give_stays_missing_and_is_told(session: Session) -> None:
    await session.watch(CODE)
    for tr_id in ("FHKST03010200", "FHKST03010230"):
        control("fault", on="read", what="error", tr_id=tr_id, times=100)
    await cuts(session)
    gaps = session.gaps(CODE)
    assert len(gaps)
    assert not gaps["filled"].any()
    assert any("cannot be had" in text for text in session.troubles)
    bars = await session.bars(CODE, venue="KRX")
    assert bars.equals(session.heard_bars(CODE, venue="KRX"))
    assert "KIS gave no minutes of 08:30:00 to 10:0" in kisnb.why_missing(bars)


@on_simulated_day()
async def test_k11_without_an_outage_there_is_no_gap_and_no_question(session: Session) -> None:
    await session.watch(CODE)
    await session.sleep(130)
    assert session.gaps().is_empty()
    assert not [line for line in recording() if "itemchartprice" in str(line)]
