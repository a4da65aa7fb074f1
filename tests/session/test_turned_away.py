"""Orders, revises and cancels that KIS turns away for their speed or their token. Row K17."""

from __future__ import annotations

import asyncio

import pytest

from kisnb.desk.life.status import status
from kisnb.errors import OrderDenied
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.session.opening import ledger, on_simulated_day, posts


@on_simulated_day()
async def test_k17_what_kis_turns_away_is_sent_again_once_it_takes_calls(session: Session) -> None:
    simulator = session.simulator
    lower = (await session.quote("005930")).lower
    await simulator.fault("order", "refuse", msg_cd="EGW00201", times=3)
    order = await session.buy("005930", 10, lower)
    assert order.state is OrderState.ACCEPTED
    assert len([words for _, words in order.log if words.startswith("sending")]) == 4
    assert len(posts()) == 4
    await simulator.fault("order", "expire")
    moved = await session.revise(order, lower + 100)
    assert moved.state is OrderState.ACCEPTED
    await simulator.fault("order", "refuse", msg_cd="EGW00215", times=2)
    await session.cancel(moved)
    await session.settle()
    assert moved.state is OrderState.CANCELLED
    assert len(posts("order-rvsecncl")) == 2 + 3
    # The order, its revise and its cancel: each once.
    assert len(ledger()["orders"]) == 3
    lines, _ = await asyncio.to_thread(status, Mode.SIM)
    (pace,) = [line for line in lines if "Calls a second" in line]
    assert pace.startswith("KIS refused 5 calls for speed")
    assert any("KIS takes fewer calls than it should" in text for text in session.troubles)


@on_simulated_day()
async def test_k17_an_order_that_kis_turns_away_for_too_long_is_denied_with_the_reason(
    session: Session,
) -> None:
    await session.simulator.fault("order", "refuse", msg_cd="EGW00201", times=1_000)
    with pytest.raises(OrderDenied, match=r"EGW00201.*order again when KIS takes calls again"):
        await session.buy("005930", 10, (await session.quote("005930")).lower)
    assert ledger()["orders"] == []
