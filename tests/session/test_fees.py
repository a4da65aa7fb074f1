"""The commission plan reaches desk and simulator, and a wrong plan is shown. Rows M04, O08."""

from __future__ import annotations

import pytest

from kisnb.market.costs import BRANCH
from kisnb.session.session import Session
from kisnb.terms import Kind, Venue
from tests.session.opening import ledger, stop_sim_desk, traded

CODE = "005930"


def test_o08_a_host_that_charges_another_plan_is_noticed_and_named(
    monkeypatch: pytest.MonkeyPatch,
):
    async def opened(session: Session) -> None:
        assert session.troubles == []

    async def bought(session: Session) -> None:
        order = await session.buy(CODE, 10)
        await session.until("10:04")
        (fill,) = order.fills
        own = BRANCH.fee(fill.qty * fill.price, Venue.KRX, Kind.STOCK)
        (text,) = [text for text in session.troubles if "KIS's cash" in text]
        assert f"KIS's cash is {own - fill.fee:,} won lower than the fills explain" in text
        assert f"KIS booked {own:,} won of fees and taxes today, the desk {fill.fee:,} won" in text
        assert session.status.cash_gap.startswith(f"KIS's cash is {own - fill.fee:,} won lower")
        assert session._parts.state.desk.cash == ledger()["settled_d2"]

    monkeypatch.setenv("KISNB_FEES", "branch")
    traded(opened)
    stop_sim_desk()
    monkeypatch.delenv("KISNB_FEES")
    traded(bought)


def test_m04_r10_fees_and_routing_reach_the_desk_its_sessions_and_its_simulator(
    monkeypatch: pytest.MonkeyPatch,
):
    async def bought(session: Session) -> None:
        order = await session.buy(CODE, 10)
        await session.until("10:04")
        (fill,) = order.fills
        assert fill.fee == BRANCH.fee(fill.qty * fill.price, Venue.KRX, Kind.STOCK)
        assert session._parts.rules.costs == BRANCH
        evidence = await session.route_of("buy", CODE, 10)
        krx = next(row for row in evidence.alternatives if row.venue is Venue.KRX)
        assert krx.fee > BRANCH.krx * 10 * 60_000 // 10**9
        assert (session.troubles, session.status.cash_gap) == ([], "")
        limit = await session.route_of("buy", CODE, 10, fill.price - fill.price % 5_000)
        assert limit.reason == "dual_listing_cost"

    monkeypatch.setenv("KISNB_FEES", "branch")
    monkeypatch.setenv("KISNB_ROUTING", "cost")
    traded(bought)
