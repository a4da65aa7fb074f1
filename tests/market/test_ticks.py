"""M03: tick grid and price limits."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.market import ticks
from kisnb.terms import Kind, Side

OLD, NEW = date(2023, 1, 24), date(2023, 1, 25)
prices = st.integers(1, 3_000_000)
kinds = st.sampled_from(Kind)
days = st.sampled_from([None, OLD, NEW, date(2023, 12, 8), date(2026, 11, 20)])


@pytest.mark.parametrize(
    ("price", "old", "new"),
    [
        (999, 1, 1),
        (1_000, 5, 1),
        (1_999, 5, 1),
        (2_000, 5, 5),
        (4_999, 5, 5),
        (5_000, 10, 10),
        (10_000, 50, 10),
        (19_990, 50, 10),
        (20_000, 50, 50),
        (49_950, 50, 50),
        (50_000, 100, 100),
        (100_000, 500, 100),
        (199_900, 500, 100),
        (200_000, 500, 500),
        (499_500, 500, 500),
        (500_000, 1_000, 1_000),
        (1_730_000, 1_000, 1_000),
    ],
)
def test_m03_stock_ticks_by_date(price: int, old: int, new: int) -> None:
    assert ticks.tick_size(price, Kind.STOCK, OLD) == old
    assert ticks.tick_size(price, Kind.STOCK, NEW) == new
    assert ticks.tick_size(price, Kind.STOCK) == new


@pytest.mark.parametrize("kind", [Kind.ETF, Kind.ETN])
def test_m03_fund_ticks_by_date(kind: Kind) -> None:
    assert [ticks.tick_size(p, kind, date(2023, 12, 8)) for p in (1_500, 2_000, 35_000)] == [
        5,
        5,
        5,
    ]
    assert [ticks.tick_size(p, kind, date(2023, 12, 11)) for p in (1_999, 2_000, 35_000)] == [
        1,
        5,
        5,
    ]


@pytest.mark.parametrize(
    ("price", "buy", "sell"),
    [(71_050, 71_000, 71_100), (71_000, 71_000, 71_000), (4_999, 4_995, 5_000)],
)
def test_m03_a_buy_rounds_down_and_a_sell_up(price: int, buy: int, sell: int) -> None:
    assert ticks.snap(price, Side.BUY, Kind.STOCK) == buy
    assert ticks.snap(price, Side.SELL, Kind.STOCK) == sell


def test_m03_steps_change_size_where_the_grid_does() -> None:
    assert ticks.step(1_999, 1, Kind.STOCK) == 2_000
    assert ticks.step(2_000, 1, Kind.STOCK) == 2_005
    assert ticks.step(2_000, -1, Kind.STOCK) == 1_999
    assert ticks.step(499_500, 2, Kind.STOCK) == 501_000
    assert ticks.step(1, -1, Kind.STOCK) == 0


@given(prices, kinds, days)
def test_m03_snapping_is_on_the_grid_and_never_worse(
    price: int, kind: Kind, day: date | None
) -> None:
    down, up = (ticks.snap(price, side, kind, day) for side in (Side.BUY, Side.SELL))
    assert ticks.on_grid(down, kind, day)
    assert ticks.on_grid(up, kind, day)
    assert up >= price
    assert down <= price or price < ticks.tick_size(price, kind, day)
    assert ticks.nearest(price, kind, day) in (down, up)


@given(prices, st.integers(1, 30), kinds, days)
def test_m03_steps_go_back_the_way_they_came(
    price: int, n: int, kind: Kind, day: date | None
) -> None:
    start = ticks.snap(price, Side.SELL, kind, day)
    up = ticks.step(start, n, kind, day)
    assert ticks.on_grid(up, kind, day)
    assert ticks.step(up, -n, kind, day) == start
