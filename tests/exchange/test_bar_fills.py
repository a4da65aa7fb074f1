"""H06, H07: what an order trades in a bar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.errors import BadInput
from kisnb.events import Bar
from kisnb.exchange.bar_fills import BarFill, bar_fill
from kisnb.terms import Side

BUY, SELL = Side.BUY, Side.SELL
BAR = Bar(0, "005930", 60, 100, 110, 90, 105, 1_000, 40)


@pytest.mark.parametrize(
    ("side", "price", "fill"),
    [
        (BUY, None, 100),  # at the market: the open
        (SELL, None, 100),
        (BUY, 101, 100),  # the open is better than the limit
        (SELL, 99, 100),
        (BUY, 95, 95),  # traded through: at the limit, not at the low
        (SELL, 108, 108),
        (BUY, 90, None),  # only touched: who stood before is not known
        (SELL, 110, None),
        (BUY, 89, None),
        (SELL, 111, None),
    ],
)
def test_h06_the_price_of_a_fill(side: Side, price: int | None, fill: int | None) -> None:
    assert bar_fill(side, 10, price, BAR) == (None if fill is None else BarFill(10, fill))


def test_h06_no_more_than_a_part_of_the_volume() -> None:
    assert bar_fill(BUY, 500, None, BAR, percent=10) == BarFill(100, 100)
    assert bar_fill(BUY, 5, None, BAR, percent=10) == BarFill(5, 100)
    assert (
        bar_fill(BUY, 5, None, Bar(0, "005930", 60, 100, 100, 100, 100, 9, 1), percent=10) is None
    )


def test_h06_a_silent_bar_trades_nothing() -> None:
    assert bar_fill(BUY, 10, None, Bar(0, "005930", 60, 100, 100, 100, 100, 0, 0)) is None


@pytest.mark.parametrize(("qty", "percent"), [(0, 100), (10, 0), (10, 101)])
def test_h06_no_shares_and_impossible_percents_are_refused(qty: int, percent: int) -> None:
    with pytest.raises(BadInput):
        bar_fill(BUY, qty, None, BAR, percent=percent)


@given(
    st.sampled_from(Side),
    st.lists(st.integers(80, 120), min_size=4, max_size=4),
    st.integers(70, 130),
    st.integers(1, 9),
)
def test_h06_a_fill_is_never_better_than_the_bar_nor_worse_than_the_limit(
    side: Side, prices: list[int], limit: int, qty: int
) -> None:
    bar = Bar(0, "005930", 60, prices[0], max(prices), min(prices), prices[3], 1_000, 4)
    fill = bar_fill(side, qty, limit, bar)
    through = bar.low < limit if side is BUY else bar.high > limit
    at_open = bar.open <= limit if side is BUY else bar.open >= limit
    assert (fill is not None) == (through or at_open)
    if fill:
        assert bar.low <= fill.price <= bar.high
        assert fill.price <= limit if side is BUY else fill.price >= limit
