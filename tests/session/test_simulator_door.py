"""The phone beside the desk, and what goes wrong, from a session of a simulated day (rows O01, O05,
O14)."""

from __future__ import annotations

import asyncio

import pytest

from kisnb.errors import BadInput, OrderRejected, OrderUnknown
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.session.simulator import Simulator
from kisnb.terms import Mode
from tests.session.opening import hide_orders, on_simulated_day

CODE = "005930"


@on_simulated_day()
async def test_the_phone_buys_and_cancels_and_the_desk_sees_both(session: Session) -> None:
    order = await session.buy(CODE, 1, (await session.quote(CODE)).lower)
    number = await session.simulator.trade("buy", CODE, 3)
    await session.simulator.cancel(order)
    await session.sleep(60)
    assert order.state is OrderState.CANCELLED
    assert session.book.last is not None
    assert (session.book.last.number, session.book.last.intent.agent) == (number, "external")
    truth = {h["code"]: h["qty"] for h in (await session.simulator.ledger())["holdings"]}
    assert truth == {CODE: session.book.position(CODE).qty} == {CODE: 3}
    with pytest.raises(BadInput, match="The order is refused"):
        await session.simulator.trade("buy", "999999", 1)


@on_simulated_day()
async def test_faults_strike_until_they_are_disarmed(session: Session) -> None:
    await session.simulator.fault("order", "reject")
    with pytest.raises(OrderRejected):
        await session.buy(CODE, 1)
    await session.simulator.fault("order", "cut", done=True)
    hide_orders()
    with pytest.raises(OrderUnknown):
        await session.buy(CODE, 1)
    await session.simulator.fault("order", "reject", times=9)
    await session.simulator.calm()
    await session.sleep(10)
    await session.buy(CODE, 1)
    with pytest.raises(BadInput, match="order cannot drop"):
        await session.simulator.fault("order", "drop")


def test_n06_paper_and_live_have_no_simulator():
    with pytest.raises(BadInput, match="Open sim"):
        asyncio.run(Simulator(Mode.LIVE).fault("order", "cut"))
