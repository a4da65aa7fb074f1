"""R06, R08, M01, M02 simulated: queued orders that cross a boundary, odd days, and what a route
costs in calls."""

from __future__ import annotations

import pytest

from kisnb.errors import OrderDenied
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import SessionId, Venue
from tests.session.opening import posts, recording, traded

DUAL = "005930"
KRX_ONLY = "0004V0"
"""A stock with few trades: an hour of lockstep with it takes a second."""
BOOKS = "inquire-asking-price-exp-ccn"


def sent() -> list[tuple[str, str]]:
    """Venue and ORD_DVSN of each order request on the wire."""
    return [(p["params"]["EXCG_ID_DVSN_CD"], p["params"]["ORD_DVSN"]) for p in posts()]


async def price_of(session: Session, code: str) -> int:
    return (await session.quote(code)).lower


@pytest.mark.parametrize(
    ("start", "window", "venue", "label"),
    [
        ("08:49:30", "08:49-08:55", Venue.KRX, SessionId.KR_OFF),
        ("08:49:30", "08:49-09:05", Venue.KRX, SessionId.KRX_REG),
        ("08:59:30", "08:59-09:01", Venue.KRX, SessionId.KRX_REG),
        ("15:19:30", "15:19-15:31", Venue.NXT, SessionId.NXT_AFTER),
    ],
)
def test_r08_an_order_held_over_a_boundary_is_routed_by_the_session_in_which_it_is_sent(
    start: str, window: str, venue: Venue, label: SessionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KISNB_BLACKOUT", window)

    async def work(session: Session) -> None:
        order = await session.buy(DUAL, 1, await price_of(session, DUAL))
        assert session.status.clock_text() >= f"{window[6:]}:00"
        assert order.state is OrderState.ACCEPTED
        evidence = await session.route(order)
        assert (evidence.venue, evidence.session_id) == (venue, label)

    traded(work, start=start)
    assert sent() == [(str(venue), "00")]


def test_m01_the_exam_day_is_traded_an_hour_later_without_a_pre_market() -> None:
    async def work(session: Session) -> None:
        low, only = await price_of(session, DUAL), await price_of(session, KRX_ONLY)
        with pytest.raises(OrderDenied, match="KRX takes it from 09:30:00"):
            await session.buy(KRX_ONLY, 1, only)
        await session.until("09:40")
        auction = await session.buy(KRX_ONLY, 1, only)
        await session.until("10:05")
        market = await session.buy(KRX_ONLY, 1)
        await session.settle()
        assert market.state is OrderState.FILLED
        await session.until("16:35")
        assert auction.state is OrderState.EXPIRED
        entry = await session.buy(DUAL, 1, low)
        await session.until("17:30")
        after = await session.buy(KRX_ONLY, 1, only)
        labels = [(await session.route(o)).session_id for o in (auction, market, entry, after)]
        assert labels == ["KR_OFF", "KRX_REG", "NXT_AFTER", "NXT_AFTER"]

    traded(work, date="2026-11-19", start="09:10")
    assert sent() == [("KRX", "00"), ("KRX", "01"), ("NXT", "00"), ("KRX", "41")]


def test_m01_on_the_exam_day_nextrade_has_no_pre_market() -> None:
    async def work(session: Session) -> None:
        with pytest.raises(OrderDenied, match="KRX takes it from 09:30:00"):
            await session.buy(DUAL, 1, await price_of(session, DUAL))

    traded(work, date="2026-11-19", start="08:10")
    assert sent() == []


def test_m01_the_first_trading_day_opens_at_ten_and_closes_as_usual() -> None:
    async def work(session: Session) -> None:
        await session.watch(KRX_ONLY)
        only = await price_of(session, KRX_ONLY)
        with pytest.raises(OrderDenied, match="KRX takes it from 09:30:00"):
            await session.buy(KRX_ONLY, 1, only)
        await session.until("09:59")
        # Before the opening there are only trades at yesterday's close.
        early = session.ticks(KRX_ONLY)
        assert set(early["price"]) <= {(await session.quote(KRX_ONLY)).base}
        assert all(t.hour == 9 and 30 <= t.minute < 40 for t in early["t"])
        auction = await session.buy(KRX_ONLY, 1, only)
        await session.until("10:01")
        assert len(session.ticks(KRX_ONLY)) > len(early)
        market = await session.buy(KRX_ONLY, 1)
        await session.settle()
        assert market.state is OrderState.FILLED
        await session.until("15:31")
        assert auction.state is OrderState.EXPIRED
        await session.until("16:30")
        with pytest.raises(OrderDenied, match="KRX's single price takes no limit orders"):
            await session.buy(KRX_ONLY, 1, only)

    traded(work, date="2026-01-02", start="09:05")
    assert sent() == [("KRX", "00"), ("KRX", "01")]


def test_r07_books_come_from_the_trade_channels_and_are_asked_for_only_when_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two registrations a stock, one a venue.

    REST is asked once a venue, before anything was heard.
    """
    monkeypatch.setenv(
        "KISNB_MAX_QUOTE_AGE", "60"
    )  # a price of the last two seconds is another rule's matter
    asked: list[int] = []

    async def work(session: Session) -> None:
        first = await session.buy(DUAL, 1, await price_of(session, DUAL))
        asked.append(len(posts(BOOKS)))
        for minute in (1, 2, 3):
            await session.until(f"10:0{minute}")
            order = await session.buy(DUAL, 1, first.intent.price)
            evidence = await session.route(order)
            assert {seen.venue for seen in evidence.seen} == {Venue.KRX, Venue.NXT}
            assert all(len(seen.asks) >= 1 and seen.bids for seen in evidence.seen)
        asked.append(len(posts(BOOKS)))

    traded(work)
    assert asked == [2, 2]
    codes = {
        next(v for k, v in p["params"].items() if k.upper() == "FID_COND_MRKT_DIV_CODE")
        for p in posts(BOOKS)
    }
    assert codes == {"J", "NX"}
    subscribed = {
        line["text"].split('"')[5]
        for line in recording()
        if "SUBSCRIBE SUCCESS" in line.get("text", "")
    }
    assert {tr for tr in subscribed if tr.endswith("CNT0")} == {"H0STCNT0", "H0NXCNT0"}
