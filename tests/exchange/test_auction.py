"""H03: the single-price auction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.exchange.auction import MARKET_BUY, MARKET_SELL, AuctionFill, single_price, uncross
from kisnb.exchange.limit_book import LimitBook
from kisnb.terms import Side

Levels = tuple[tuple[int, int], ...]


@pytest.mark.parametrize(
    ("bids", "asks", "reference", "price", "volume"),
    [
        (((102, 10), (101, 20)), ((99, 5), (101, 30)), 100, 101, 30),  # the most shares
        (((105, 10),), ((100, 10),), 102, 102, 10),  # a tie: the reference itself
        (((105, 10),), ((100, 10),), 98, 100, 10),  # a tie: the nearest to the reference
        (((105, 10),), ((100, 10),), 120, 105, 10),
        (((99, 10),), ((100, 10),), 99, 99, 0),  # nothing crosses
        ((), (), 100, 100, 0),
        (((MARKET_BUY, 7),), ((MARKET_SELL, 9),), 100, 100, 7),  # market orders alone
        (((MARKET_BUY, 7),), ((103, 9),), 100, 103, 7),
    ],
)
def test_h03_a_call_auction_matches_at_the_price_of_most_shares(
    bids: Levels, asks: Levels, reference: int, price: int, volume: int
) -> None:
    assert single_price(bids, asks, reference) == (price, volume)


def test_h03_fills_go_by_price_then_time_and_market_orders_first() -> None:
    book = LimitBook()
    for order_id, price, qty in ((1, 101, 10), (2, 102, 10), (3, 101, 10), (4, MARKET_BUY, 5)):
        book.rest(order_id, Side.BUY, price, qty)
    book.rest(5, Side.SELL, 101, 28)
    outcome = uncross(book, 100)
    assert (outcome.price, outcome.volume) == (101, 28)
    assert outcome.fills == (
        AuctionFill(4, 5),
        AuctionFill(2, 10),
        AuctionFill(1, 10),
        AuctionFill(3, 3),
        AuctionFill(5, 28),
    )
    assert book.leaves_of(3) == 7


@pytest.mark.parametrize(
    ("wants", "volume", "filled"),
    [
        (
            (50, 1_000, 300),
            500,
            {2: 350, 3: 100, 1: 50},
        ),  # a hundred each, then the largest order goes on
        ((300, 300), 150, {1: 100, 2: 50}),  # of equals the earlier
        (
            (10_000, 9_000),
            13_000,
            {1: 6_800, 2: 6_200},
        ),  # 3 600 each, then half of what the larger still wants
        ((5, 7), 12, {2: 7, 1: 5}),
    ],
)
@pytest.mark.parametrize("side", Side)
def test_h03_at_the_days_limit_shares_go_round_by_size(
    side: Side, wants: tuple[int, ...], volume: int, filled: dict[int, int]
) -> None:
    book, (lower, upper) = LimitBook(), (70, 130)
    limit, market = (upper, MARKET_BUY) if side is Side.BUY else (lower, MARKET_SELL)
    for i, qty in enumerate(wants, start=1):
        book.rest(i, side, market if i == 3 else limit, qty)
    book.rest(9, side.opposite, limit, volume)
    outcome = uncross(book, 100, (lower, upper))
    assert (outcome.price, outcome.volume) == (limit, volume)
    assert {f.order_id: f.qty for f in outcome.fills if f.order_id != 9} == filled


orders = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(90, 110) | st.just(None), st.integers(1, 50)),
    max_size=30,
)


@given(orders, st.integers(90, 110))
def test_h03_an_auction_trades_the_most_and_leaves_nothing_crossed(
    given_orders: list[tuple[Side, int | None, int]], reference: int
) -> None:
    book = LimitBook()
    for i, (side, price, qty) in enumerate(given_orders):
        market = MARKET_BUY if side is Side.BUY else MARKET_SELL
        book.rest(i, side, market if price is None else price, qty)
    bids, asks = book.levels(Side.BUY, 99), book.levels(Side.SELL, 99)
    outcome = uncross(book, reference)

    def tradable(at: int) -> int:
        return min(sum(q for p, q in bids if p >= at), sum(q for p, q in asks if p <= at))

    best = max(tradable(p) for p in range(89, 112))
    assert outcome.volume == best
    if best:
        assert tradable(outcome.price) == best
        assert all(
            tradable(p) < best
            for p in range(89, 112)
            if abs(p - reference) < abs(outcome.price - reference)
        )
    bought, sold = (
        sum(f.qty for f in outcome.fills if given_orders[f.order_id][0] is side) for side in Side
    )
    assert bought == sold == outcome.volume
    left_bids = [p for p, _ in book.levels(Side.BUY, 99)]
    left_asks = [p for p, _ in book.levels(Side.SELL, 99)]
    assert not left_bids or not left_asks or left_bids[0] < left_asks[0]
