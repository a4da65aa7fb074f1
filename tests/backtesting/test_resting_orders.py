"""Orders that wait in a tape keep their place as they do at the exchange. (H06)"""

from __future__ import annotations

from kisnb.backtesting.tape.tape_market import TapeMarket
from kisnb.clock import kst
from kisnb.events import Depth, Tick
from kisnb.terms import Side, Venue
from tests.trading.desk import CODE, DAY, intent

T = kst(DAY, 36_000)
PRICE = intent("a").price or 0


def depth(bids: int) -> Depth:
    return Depth(T, CODE, Venue.KRX, ((PRICE + 100, 50),), ((PRICE, bids),))


def sold(qty: int) -> Tick:
    return Tick(T, CODE, Venue.KRX, PRICE, qty, Side.SELL, 0, 0, PRICE + 100, PRICE, 0, 50, 9)


def test_h06_a_partly_cancelled_order_keeps_its_place() -> None:
    market = TapeMarket(own_in_tape=False)
    market.play([], [depth(0)])
    first, second = (market.enter(n, intent(str(n), qty=10), Venue.KRX) for n in (1, 2))
    assert first == second == []
    assert market.cancel(1, 4) == 4
    assert market.play([sold(8)], []) == [(1, 6, PRICE), (2, 2, PRICE)]


def test_h06_the_shares_that_stood_before_an_order_trade_before_it() -> None:
    market = TapeMarket(own_in_tape=False)
    market.play([], [depth(30)])
    market.enter(1, intent("a", qty=10), Venue.KRX)
    assert market.play([sold(25)], []) == []
    # Fifteen of the thirty were cancelled: the depth shows that only five are left ahead.
    assert market.play([sold(8)], []) == [(1, 3, PRICE)]


def test_h06_a_smaller_depth_takes_out_shares_that_stood_ahead() -> None:
    market = TapeMarket(own_in_tape=False)
    market.play([], [depth(30)])
    market.enter(1, intent("a", qty=10), Venue.KRX)
    assert market.play([], [depth(4)]) == []
    assert market.play([sold(9)], []) == [(1, 5, PRICE)]


def test_h06_an_order_takes_the_levels_of_the_depth_and_never_better_ones() -> None:
    market = TapeMarket(own_in_tape=False)
    levels = ((PRICE - 200, 4), (PRICE - 100, 3), (PRICE, 2), (PRICE + 100, 99))
    market.play([], [Depth(T, CODE, Venue.KRX, levels, ((PRICE - 300, 7),))])
    assert market.enter(1, intent("a", qty=12), Venue.KRX) == [
        (1, 4, PRICE - 200), (1, 3, PRICE - 100), (1, 2, PRICE),
    ]  # fmt: skip
    assert market.standing[1].leaves == 3
    assert market.standing[1].ahead == 0
