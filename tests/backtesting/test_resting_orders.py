"""Orders that wait in the back-tester keep their place as they do at the exchange."""

from __future__ import annotations

from kisnb.backtesting.engine import RestingOrders
from kisnb.clock import kst
from kisnb.events import Tick
from kisnb.terms import Side, Venue
from tests.trading.desk import CODE, DAY, intent


def test_a_partly_cancelled_order_keeps_its_place() -> None:
    resting = RestingOrders()
    first, second = resting.enter(intent("a", qty=10)), resting.enter(intent("b", qty=10))
    assert resting.cancel(first, 4) == 4
    price = intent("a").price
    assert price is not None
    tick = Tick(kst(DAY, 36_000), CODE, Venue.KRX, price, 1, Side.SELL, 0, 0, price, price)
    assert [(number, qty) for number, _, qty in resting.filled_by(tick)] == [
        (first, 6),
        (second, 10),
    ]
