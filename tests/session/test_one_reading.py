"""KIS's list and account are wrong for a while, on a simulated day. Rows O15 and O08."""

from __future__ import annotations

import pytest

from kisnb.errors import BadInput
from kisnb.orders import OrderState
from kisnb.session.session import Session
from tests.session.opening import control, on_simulated_day

CODE = "005930"
BALANCE, ORDERS = "TTTC8434R", "TTTC0081R"


@on_simulated_day()
async def test_o15_empty_statements_take_no_shares_away_and_block_no_exit(session: Session):
    order = await session.buy(CODE, 10)
    assert order.filled == 10
    control("fault", on="read", what="empty", tr_id=BALANCE, times=50)
    await session.sleep(200)
    assert session.book.position(CODE).qty == 10
    assert session.status.halt_steps == []
    (trouble,) = [text for text in session.troubles if "accept it with" in text]
    assert f"%kis accept {CODE}" in trouble
    sold = await session.sell(CODE, 4)
    assert sold.filled == 4
    control("calm")
    await session.sleep(130)
    assert session.book.position(CODE).qty == 6
    with pytest.raises(BadInput, match="does not differ"):
        await session.accept(CODE)


@on_simulated_day()
async def test_o15_a_person_accepts_what_kis_states(session: Session):
    await session.buy(CODE, 10)
    control("fault", on="read", what="empty", tr_id=BALANCE, times=50)
    await session.sleep(70)
    assert "accepted: 0 shares" in await session.accept(CODE)
    assert session.book.position(CODE).qty == 0


@on_simulated_day()
async def test_o15_a_row_of_another_branch_with_our_number_is_another_order(session: Session):
    quote = await session.quote(CODE)
    order = await session.buy(CODE, 4, quote.price - 20 * quote.tick, venue="KRX")
    control("fault", on="read", what="branch", tr_id=ORDERS, times=2)
    await session.sleep(130)
    assert (order.state, order.filled, order.leaves) == (OrderState.ACCEPTED, 0, 4)
    await session.cancel(order)
    assert (order.cancelled, order.filled) == (4, 0)


@on_simulated_day()
async def test_o15_a_row_that_is_listed_twice_is_one_order_and_one_holding(session: Session):
    order = await session.buy(CODE, 10)
    control("fault", on="read", what="repeat", times=20)
    await session.sleep(130)
    balance = await session.balance()
    assert [(h.code, h.qty) for h in balance.holdings] == [(CODE, 10)]
    assert (session.book.position(CODE).qty, order.filled) == (10, 10)
    assert session.troubles == []


@on_simulated_day()
async def test_o15_a_list_that_shows_a_part_ends_an_order_only_until_it_shows_the_whole(
    session: Session,
):
    quote = await session.quote(CODE)
    order = await session.buy(CODE, 40, quote.price - 20 * quote.tick, venue="KRX")
    control("fault", on="read", what="part", tr_id=ORDERS, times=2)
    await session.sleep(100)
    assert (order.state, order.leaves) == (OrderState.CANCELLED, 0)
    await session.sleep(70)
    assert (order.state, order.leaves) == (OrderState.ACCEPTED, 40)
    assert "open again" in order.story
    await session.cancel(order)
    assert order.cancelled == 40
