"""What a session shows of figures that KIS does not state. Row K16."""

from __future__ import annotations

import asyncio

import pytest

from kisnb.desk.life.status import status
from kisnb.errors import FieldError, OrderUnknown
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.session.opening import hide_orders, on_simulated_day

ALWAYS = 1_000
LIST = "TTTC0081R"


@on_simulated_day()
async def test_k16_one_unreadable_row_keeps_no_fill_from_the_order_book(session: Session) -> None:
    simulator = session.simulator
    await simulator.trade("buy", "000660", 1)
    await session.settle()
    await simulator.fault("notice", "drop", times=ALWAYS)
    # The newest order comes first, so the second row is the one from the phone.
    await simulator.fault(
        "read", "rewrite", field="sll_buy_dvsn_cd", value="", row=2, tr_id=LIST, times=ALWAYS
    )
    task = asyncio.ensure_future(session.buy("005930", 10))
    await session.sleep(300)
    order = await task
    assert (order.state, order.filled) == (OrderState.FILLED, 10)
    (trouble,) = [text for text in session.troubles if "not complete" in text]
    assert "row 2: the field sll_buy_dvsn_cd of inquire_daily_ccld is empty" in trouble
    # Five readings of it are five failed readings, until the list is whole again.
    assert "sll_buy_dvsn_cd" in session.status.readings
    assert session.status.readings in session.status.doubt
    lines, _ = await asyncio.to_thread(status, Mode.SIM)
    assert any(line == session.status.readings for line in lines)
    await simulator.calm()
    await session.sleep(60)
    assert session.status.readings == session.status.doubt == ""


@on_simulated_day()
async def test_k16_blank_rows_are_padding_and_a_missing_price_is_an_error(session: Session) -> None:
    await session.simulator.fault("read", "pad", tr_id=LIST, times=ALWAYS)
    await session.simulator.fault("notice", "drop", times=ALWAYS)
    task = asyncio.ensure_future(session.buy("005930", 10))
    await session.sleep(120)
    assert (await task).filled == 10
    assert session.troubles == []
    await session.simulator.fault("read", "rewrite", field="stck_prpr", tr_id="FHKST01010100")
    with pytest.raises(FieldError, match="stck_prpr of inquire_price is missing"):
        await session.quote("005930")
    assert (await session.quote("005930")).price


@on_simulated_day()
async def test_k16_an_order_reply_without_a_sign_of_success_is_unknown_until_the_list_says_more(
    session: Session,
) -> None:
    await session.simulator.fault("order", "rewrite", field="rt_cd", value="")
    hide_orders()
    with pytest.raises(OrderUnknown, match="does not say whether the call went well"):
        await session.buy("005930", 10)
    await session.simulator.calm()
    await session.sleep(30)
    order = session.book.last
    assert (order.state, order.filled) == (OrderState.FILLED, 10)
    assert any(words.startswith("unknown: ") for _, words in order.log)
    assert {h.code: h.qty for h in (await session.balance()).holdings} == {"005930": 10}


@on_simulated_day()
async def test_k16_a_call_does_not_wait_for_ever_for_an_order_that_kis_does_not_list(
    session: Session,
) -> None:
    await session.simulator.fault("notice", "drop", times=ALWAYS)
    await session.simulator.fault("read", "error", tr_id=LIST, times=ALWAYS)
    order = await session.buy("005930", 10)
    assert order.state is OrderState.SENT
    assert session.status.readings.startswith("5 readings of KIS's orders and account have failed")
