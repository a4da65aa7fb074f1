"""H03: what each kind of order does on arrival, and what becomes of the part that finds nobody."""

import pytest

from kisnb.exchange.order_styles import STYLES
from kisnb.market.uncertain import Uncertain
from kisnb.terms import OrderKind as K

from .days import BUY, KRX, NXT, SELL, Play, ended, fills, refused, trades


def opened() -> Play:
    """Bids 70,900 × 10 and 70,800 × 10 (orders 1, 2), asks 71,100 × 10 and 71,200 × 10 (3, 4)."""
    play = Play("10:00")
    for side, price in ((BUY, 70_900), (BUY, 70_800), (SELL, 71_100), (SELL, 71_200)):
        play.order(side, 10, price)
    return play


def test_every_kind_has_a_style() -> None:
    assert set(STYLES) == set(K)


@pytest.mark.parametrize(
    ("kind", "price", "traded", "end"),
    [
        (K.LIMIT, 71_100, [(KRX, 10, 71_100)], []),
        (K.LIMIT_IOC, 71_100, [(KRX, 10, 71_100)], [("cancelled", 5, 5)]),
        (K.LIMIT_FOK, 71_100, [], [("cancelled", 5, 15)]),
        (K.LIMIT_FOK, 71_200, [(KRX, 10, 71_100), (KRX, 5, 71_200)], []),
        (K.MARKET_IOC, None, [(KRX, 10, 71_100), (KRX, 5, 71_200)], []),
        (K.MARKET_FOK, None, [(KRX, 10, 71_100), (KRX, 5, 71_200)], []),
        (K.BEST_OPPOSITE, None, [(KRX, 10, 71_100)], []),
        (K.BEST_OPPOSITE_IOC, None, [(KRX, 10, 71_100)], [("cancelled", 5, 5)]),
        (K.BEST_OPPOSITE_FOK, None, [], [("cancelled", 5, 15)]),
        (K.BEST_OWN, None, [], []),
    ],
)
def test_h03_a_buy_of_fifteen(
    kind: K,
    price: int | None,
    traded: list[tuple[object, int, int]],
    end: list[tuple[str, int, int]],
) -> None:
    said = opened().order(BUY, 15, price, kind)
    assert (trades(said), ended(said)) == (traded, end)


def test_h03_best_opposite_rests_at_that_price_and_best_own_joins_its_own_side() -> None:
    play = opened()
    play.order(BUY, 15, kind=K.BEST_OPPOSITE)
    assert play.book()[1][0] == (71_100, 5)
    play = opened()
    play.order(BUY, 15, kind=K.BEST_OWN)
    assert play.book()[1][0] == (70_900, 25)


def test_h03_the_rest_of_a_market_order_is_cancelled_at_once() -> None:
    said = opened().order(BUY, 25)
    assert (sum(qty for _, qty, _ in trades(said)), ended(said)) == (20, [("cancelled", 5, 5)])
    said = opened().order(BUY, 25, kind=K.MARKET_FOK)
    assert (trades(said), ended(said)) == ([], [("cancelled", 5, 25)])


@pytest.mark.parametrize("kind", [K.BEST_OPPOSITE, K.BEST_OWN, K.BEST_OPPOSITE_IOC])
def test_h03_nothing_to_take_a_price_from(kind: K) -> None:
    assert refused(Play("10:00").order(BUY, 1, kind=kind)) == "no price"


# conditional orders


def test_h03_a_conditional_order_is_a_limit_order_until_1520_and_a_market_order_then() -> None:
    play = Play("15:00")
    play.order(SELL, 10, 71_500, K.CONDITIONAL)
    play.order(BUY, 10, 70_900)
    assert play.book() == (((71_500, 10),), ((70_900, 10),))
    play.until("15:20")
    assert play.book() == ((), ((70_900, 10),))
    assert fills(play.until("15:30")) == [(2, 10, 70_900), (1, 10, 70_900)]


def test_h03_a_conditional_order_of_the_closing_auction_is_a_market_order_if_assumed() -> None:
    assert refused(Play("15:25").order(SELL, 1, 71_500, K.CONDITIONAL)) == "kind"
    play = Play("15:25", assumed=Uncertain(krx_conditional_at_close=True))
    play.order(SELL, 10, 71_500, K.CONDITIONAL)
    play.order(BUY, 10, 70_900)
    assert trades(play.until("15:30")) == [(KRX, 10, 70_900)]


# stop orders


def test_h03_a_stop_order_waits_unseen_for_a_trade_at_its_stop_price() -> None:
    play = opened()
    play.order(BUY, 5, 71_300, K.STOP_LIMIT, stop=71_200)
    assert play.book()[1][0] == (70_900, 10)
    assert fills(play.order(BUY, 10, 71_100)) == [(3, 10, 71_100), (6, 10, 71_100)]
    said = play.order(BUY, 1, 71_200)
    assert fills(said) == [(4, 1, 71_200), (7, 1, 71_200), (4, 5, 71_200), (5, 5, 71_200)]


def test_h03_a_stop_order_whose_price_is_reached_already_is_a_limit_order() -> None:
    play = opened()
    play.order(SELL, 1, 70_900)
    assert fills(play.order(SELL, 5, 70_900, K.STOP_LIMIT, stop=71_000)) == [
        (1, 5, 70_900),
        (6, 5, 70_900),
    ]


def test_h03_a_waiting_stop_order_can_be_cancelled_in_part_and_expires() -> None:
    play = opened()
    play.order(SELL, 5, 70_000, K.STOP_LIMIT, stop=70_500)
    assert ended(play.cancel(5, 2)) == [("cancelled", 5, 2)]
    assert play.exchange.leaves_of(5) == 3
    assert ("expired", 5, 3) in ended(play.until("15:30"))
    assert refused(opened().order(SELL, 5, 70_000, K.STOP_LIMIT, stop=70_550)) == "tick"


# mid-price orders


def test_h03_mid_price_orders_meet_midway_unseen() -> None:
    play = opened()
    play.order(BUY, 8, kind=K.MID_PRICE)
    assert play.book()[1][0] == (70_900, 10)
    assert fills(play.order(SELL, 5, kind=K.MID_PRICE)) == [(5, 5, 71_000), (6, 5, 71_000)]


def test_h03_who_would_take_the_best_price_gets_the_middle_first() -> None:
    play = opened()
    play.order(BUY, 8, kind=K.MID_PRICE)
    said = play.order(SELL, 12, 70_900)
    assert fills(said) == [(5, 8, 71_000), (6, 8, 71_000), (1, 4, 70_900), (6, 4, 70_900)]


def test_h03_the_middle_moves_with_the_book() -> None:
    play = opened()
    play.order(SELL, 5, kind=K.MID_PRICE)
    play.order(SELL, 1, 71_000)
    assert trades(play.order(BUY, 5, kind=K.MID_PRICE)) == [(KRX, 5, 70_950)]


@pytest.mark.parametrize(
    ("kind", "filled", "end"), [(K.MID_PRICE_IOC, 4, 2), (K.MID_PRICE_FOK, 0, 6)]
)
def test_h03_mid_price_at_once_or_not(kind: K, filled: int, end: int) -> None:
    play = opened()
    play.order(SELL, 4, kind=K.MID_PRICE)
    said = play.order(BUY, 6, kind=kind)
    assert sum(qty for number, qty, _ in fills(said) if number == 6) == filled
    assert ended(said) == [("cancelled", 6, end)]


def test_h03_a_mid_price_order_sits_out_the_closing_auction() -> None:
    play = Play("15:00")
    play.order(BUY, 5, kind=K.MID_PRICE)
    play.until("15:25")
    play.order(SELL, 5, 71_000)
    assert fills(play.until("15:30")) == []


# revising


def test_o06_a_new_price_loses_the_place_in_the_queue_and_may_trade_at_once() -> None:
    play = opened()
    play.order(BUY, 5, 70_900)
    play.revise(1, None, 70_800)
    assert fills(play.order(SELL, 25, 70_800, K.LIMIT_IOC)) == [
        (5, 5, 70_900),
        (7, 5, 70_900),
        (2, 10, 70_800),
        (7, 10, 70_800),
        (6, 10, 70_800),
        (7, 10, 70_800),
    ]
    play = opened()
    assert fills(play.revise(1, None, 71_100)) == [(3, 10, 71_100), (5, 10, 71_100)]


def test_o06_at_an_unchanged_price_a_part_keeps_its_place_under_the_new_number() -> None:
    play = opened()
    play.order(BUY, 5, 70_900)
    play.revise(1, 4, 70_900)
    assert (play.exchange.leaves_of(1), play.exchange.leaves_of(6)) == (6, 4)
    assert [number for number, _, _ in fills(play.order(SELL, 12, 70_900)) if number != 7] == [
        1,
        6,
        5,
    ]


def test_o06_what_is_not_moved_stays_and_a_cancelled_part_keeps_its_place() -> None:
    play = opened()
    play.order(BUY, 5, 70_900)
    play.cancel(1, 3)
    play.revise(1, 3, 70_700)
    assert fills(play.order(SELL, 6, 70_900)) == [
        (1, 4, 70_900),
        (7, 4, 70_900),
        (5, 2, 70_900),
        (7, 2, 70_900),
    ]
    assert play.exchange.leaves_of(6) == 3


@pytest.mark.parametrize(
    ("number", "qty", "price", "why"),
    [(1, 11, 70_700, "quantity"), (1, 0, 70_700, "quantity"), (1, 5, 70_750, "tick"),
     (9, 5, 70_700, "unknown"),
     (1, 5, 99_900, "limit")],
)  # fmt: skip
def test_o06_what_cannot_be_revised(number: int, qty: int, price: int, why: str) -> None:
    play = opened()
    assert refused(play.revise(number, qty, price)) == why
    assert play.exchange.leaves_of(1) == 10


def test_o06_a_revised_order_stays_on_its_venue_and_ends_with_it() -> None:
    play = Play("14:00")
    play.order(BUY, 5, 70_000, venue=NXT)
    play.revise(1, None, 70_100)
    assert play.book(NXT)[1] == ((70_100, 5),)
    assert ended(play.until("20:00")) == [("expired", 2, 5)]
