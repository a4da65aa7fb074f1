"""Reserved orders (예약주문): placed, listed, cancelled, adopted on their day.

Rows K13, O02, O11.
"""

from __future__ import annotations

import pytest

from kisnb.errors import BadInput, OrderDenied, OrderUnknown
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Side, Venue
from tests.session.opening import control, hide_orders, ledger, on_simulated_day, posts

CODE = "058470"
"""Nextrade does not list it, so nothing trades before the opening auction."""


def sent() -> list[dict[str, object]]:
    """The orders that KIS was asked to reserve."""
    return [line for line in posts("order-resv") if line["path"].endswith("/order-resv")]


@on_simulated_day(start="07:29")
async def test_o11_a_reserved_order_is_ours_in_the_morning_and_not_doubled(s: Session):
    lower = s.universe.get(CODE).base * 8 // 10 // 100 * 100
    order = await s.reserve("buy", CODE, 3, lower)
    assert (order.state, order.reserved_as, order.number) == (OrderState.RESERVED, 1, None)
    assert "for 2026-11-20" in repr(order)
    # A market order fills in the opening auction.
    sold = await s.reserve(Side.BUY, CODE, 2)
    gone = await s.reserve("buy", CODE, 1, lower)
    await s.cancel("R3")
    assert gone.state is OrderState.CANCELLED
    frame = await s.reserved()
    assert frame["number"].to_list() == [3, 2, 1]
    assert frame["result"].to_list() == ["취소", "미처리", "미처리"]
    assert len(sent()) == 3
    with pytest.raises(OrderDenied, match="tick grid"):
        await s.reserve("buy", CODE, 1, lower + 1)
    await s.until("08:31")
    assert (order.state, order.number) == (OrderState.ACCEPTED, 1)
    await s.until("09:01")
    assert (sold.state, sold.filled) == (OrderState.FILLED, 2)
    assert [f.venue for f in sold.fills] == [Venue.KRX]
    assert len(s.book.orders) == 4, "the denied one is the fourth: nobody else's order is there"
    await s.cancel(order)
    assert order.state is OrderState.CANCELLED
    (held,) = ledger()["holdings"]
    assert s.book.position(CODE).qty == held["qty"] == 2
    with pytest.raises(BadInput, match="reserves no orders at 09:01"):
        await s.reserve("buy", CODE, 1, lower)


@on_simulated_day(start="16:00")
async def test_o11_an_order_for_the_next_trading_day_has_the_key_of_that_day(s: Session):
    price = s.universe.get(CODE).base
    order = await s.reserve("buy", CODE, 1, price, key="monday")
    assert order.intent.day == 20261123
    assert order.key == "monday@20261123"
    assert "2026-11-23" in order.intent.text
    assert (await s.reserve("buy", CODE, 1, price, key="monday")) is order
    assert (await s.reserved())["day"].to_list() == [20261123]
    await s.cancel("all")
    assert order.state is OrderState.CANCELLED


@on_simulated_day(start="16:00")
async def test_o02_a_reserved_order_whose_reply_is_lost_is_found_again_and_not_sent_again(
    s: Session,
):
    control("fault", on="order", what="cut", done=True, tr_id="CTSC0008U")
    hide_orders("order_resv_ccnl")
    price = s.universe.get(CODE).base
    with pytest.raises(OrderUnknown, match="for 2026-11-23 lives is not known"):
        await s.reserve("buy", CODE, 1, price)
    control("calm")
    await s.until("16:01")
    (order,) = s.book.orders.values()
    assert (order.state, order.reserved_as) == (OrderState.RESERVED, 1)
    assert len(sent()) == 1
    # The kill switch takes back what KIS keeps, too.
    await s.halt("test")
    assert order.state is OrderState.CANCELLED
    assert (await s.reserved())["result"].to_list() == ["취소"]
