"""R01–R10 from a session to the wire: what the simulator's record shows, and what it does not."""

from __future__ import annotations

import asyncio

import pytest

import kisnb
from kisnb.config import Config
from kisnb.desk.life.launch import start_desk
from kisnb.desk.life.simulator_process import SimulatedDay, StartingSimulator
from kisnb.errors import BadInput, ConfigError, OrderDenied
from kisnb.market.universe import Universe
from kisnb.orders import OrderState
from kisnb.paths import state_dir
from kisnb.session.session import Session
from kisnb.terms import Kind, Mode, SessionId, Side, Venue
from tests.session.opening import desk_log, posts, traded

DUAL = "005930"
KRX_ONLY = next(
    i.code for i in Universe.packaged() if i.kind is Kind.STOCK and not i.nxt and not i.halted
)


def sent(path: str = "order-cash") -> list[tuple[str, str]]:
    """Venue and ORD_DVSN of each order request on the wire."""
    return [(p["params"]["EXCG_ID_DVSN_CD"], p["params"]["ORD_DVSN"]) for p in posts(path)]


@pytest.mark.parametrize(
    ("start", "code", "options", "said"),
    [
        ("08:10", KRX_ONLY, {}, "NXT does not list"),
        ("08:10", DUAL, {"kind": "market"}, "takes no market orders"),
        ("10:00", DUAL, {"kind": "market", "venue": "NXT"}, "takes no market orders"),
        ("16:30", KRX_ONLY, {"kind": "market"}, "takes no market orders"),
    ],
)
def test_r06_r09_refused_here_with_the_cure_and_zero_posts(
    start: str, code: str, options: dict[str, str], said: str
):
    async def work(session: Session) -> None:
        price = None if "kind" in options else session.universe.get(code).base
        with pytest.raises(OrderDenied, match=said) as caught:
            await session.buy(code, 1, price, **options)
        assert caught.value.text
        (evidence,) = await session.routes(code)
        assert (evidence.venue, bool(evidence.cure)) == (None, True)

    traded(work, start=start)
    assert posts() == []


def test_r06_nxt_pre_orders_go_to_nextrade_and_are_cancelled_there():
    async def work(session: Session) -> None:
        quote = await session.quote(DUAL)
        order = await session.buy(DUAL, 3, quote.lower)
        assert order.route is not None
        assert order.route.venue is Venue.NXT
        await session.cancel(order)
        assert order.state is OrderState.CANCELLED

    traded(work, start="08:10")
    assert sent() == [("NXT", "00")]
    assert [venue for venue, _ in sent("order-rvsecncl")] == ["NXT"]


def test_r09_a_market_order_in_the_regular_session_is_01_on_krx():
    async def work(session: Session) -> None:
        await session.buy(DUAL, 1)
        await session.settle()
        assert session.book.position(DUAL).qty == 1

    traded(work)
    assert sent() == [("KRX", "01")]


def test_r06_the_after_market_takes_a_krx_only_stock_as_a_kind_of_its_own():
    async def work(session: Session) -> None:
        order = await session.buy(KRX_ONLY, 1, session.universe.get(KRX_ONLY).base)
        assert order.state in (OrderState.ACCEPTED, OrderState.FILLED)

    traded(work, start="16:30")
    assert sent() == [("KRX", "41")]


def test_r03_r04_r07_the_choice_follows_the_books_that_were_seen_and_can_be_looked_up():
    async def work(session: Session) -> None:
        item = session.universe.get(DUAL)
        for minute in range(5, 35, 5):
            await session.until(f"10:{minute:02}")
            price = session.data.prices.get(DUAL) or (await session.quote(DUAL)).price
            order = await session.buy(DUAL, 1, min(price + 500, item.base * 12 // 10 // 500 * 500))
            evidence = await session.route(order)
            assert order.route is not None
            assert (evidence.venue, evidence.reason) == (order.route.venue, order.route.reason)
            assert evidence.session_id is SessionId.KRX_REG
            seen = {
                s.venue: s.asks[0][0] - s.bids[0][0] for s in evidence.seen if s.asks and s.bids
            }
            assert set(seen) == {Venue.KRX, Venue.NXT}
            tighter = Venue.NXT if seen[Venue.NXT] < seen[Venue.KRX] else Venue.KRX
            assert (evidence.venue, evidence.reason) == (tighter, "dual_listing_spread")
            assert {row.venue for row in evidence.alternatives} == set(Venue)
            await session.settle()
            if order.fills:
                score = evidence.score(order.fills)
                assert score is not None
                assert score.filled == sum(f.qty for f in order.fills)
        decisions = await session.routes(DUAL)
        assert len(decisions) == 6
        with pytest.raises(BadInput, match="no order"):
            await session.route("nothing")

    traded(work)
    log = desk_log()
    assert log.count("KR routing resolved session_id=KRX_REG exchange=") == 6
    assert "reason=dual_listing_spread" in log
    assert {venue for venue, _ in sent()} <= {"KRX", "NXT"}


def test_r10_what_if_sends_nothing_and_shows_all_three_ways():
    async def work(session: Session) -> None:
        evidence = await session.route_of("buy", DUAL, 100)
        costs = {row.venue: row.cost for row in evidence.alternatives if not row.why_not}
        assert Venue.KRX in costs
        assert all(cost is not None and cost > 0 for cost in costs.values())
        assert await session.routes() == []
        sell = session.blocking.route_of(
            Side.SELL, DUAL, 5, session.universe.get(DUAL).base, venue="NXT"
        )
        assert sell.intent.side is Side.SELL

    traded(work)
    assert posts() == []


FUND = "069500"


@pytest.mark.parametrize("assume", ["", "krx_after_takes_funds"])
def test_r06_what_is_assumed_holds_for_kernel_desk_and_simulator(
    assume: str, monkeypatch: pytest.MonkeyPatch
):
    """An ETF in KRX's after-market: both variants are refused or taken by router and exchange
    alike."""
    monkeypatch.setenv("KISNB_ASSUME", assume)

    async def work(session: Session) -> None:
        price = session.universe.get(FUND).base
        if not assume:
            with pytest.raises(OrderDenied, match="takes no ETF"):
                await session.buy(FUND, 1, price)
            return
        order = await session.buy(FUND, 1, price)
        assert order.state in (OrderState.ACCEPTED, OrderState.FILLED)

    traded(work, start="16:30")
    assert sent() == ([("KRX", "41")] if assume else [])


def test_an_assumption_that_is_none_stops_kernel_desk_and_simulator(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("KISNB_ASSUME", "nxt_after_cal")
    with pytest.raises(ConfigError, match="Did you mean nxt_after_call"):
        asyncio.run(kisnb.connect("sim"))
    with pytest.raises(ConfigError, match="Did you mean nxt_after_call"):
        start_desk(Mode.SIM, SimulatedDay())
    with pytest.raises(ConfigError, match="Did you mean nxt_after_call"):
        StartingSimulator(
            state_dir(), SimulatedDay(), Config(sim_speed="step", assume="nxt_after_cal")
        ).ready()
