"""Exits and guards over bars: the desk's own rules on the prices of a bar. (H06, A09, A11)"""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kisnb
from kisnb.events import Bar
from kisnb.exchange.bar_fills import exit_price
from kisnb.exits import Staged
from kisnb.guards import Guards
from kisnb.orders import Order, OrderState
from tests.backtesting.bars import CODE, FREE, daily, minutes

ENTRY = (10_000, 10_000, 10_000, 10_000, 1_000_000)
"""A day at one price: nothing of it reaches an exit."""


class Holder(kisnb.Agent):
    """Buys ten shares on the first bar, and protects them at once."""

    every = "1d"
    code: str = CODE
    exits: dict[str, Any] = {}  # noqa: RUF012 - set for each run
    wish: Any = None

    def on_start(self) -> None:
        self.bars_seen = 0

    def on_bar(self, bar: Bar) -> None:
        self.bars_seen += 1
        if self.bars_seen == 1:
            self.buy(10)
            self.protect(**self.exits)
        elif self.wish is not None:
            self.wish(self, bar)


def held(rows: list[tuple[int, ...]], wish: Any = None, fills: Any = None, **exits: Any) -> Any:
    """The result of a run in which ten shares are bought at 10,000 on the second day."""
    agent = Holder()
    agent.exits, agent.wish = exits, wish
    return kisnb.backtest(agent, daily([ENTRY, ENTRY, *rows]), fills=fills, **FREE)


def sales(result: Any) -> list[tuple[int, int]]:
    """Shares and price of each sale."""
    sold = result.fills.filter(pl.col("side") == "sell")
    return list(sold.select("quantity", "price").iter_rows())


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ((10_000, 10_600, 9_600, 10_000), 9_700),
        ((10_000, 10_600, 9_800, 10_000), 10_500),
        ((10_000, 10_500, 9_800, 10_000), None),
        ((10_000, 10_100, 9_700, 10_000), 9_700),
        ((9_500, 10_600, 9_400, 10_000), 9_500),
        ((10_700, 10_800, 9_600, 10_000), 10_700),
    ],
)
def test_h06_a09_a_bar_that_reaches_the_stop_and_the_target_counts_as_the_stop(
    bar: tuple[int, int, int, int], price: int | None
) -> None:
    result = held([(*bar, 1_000_000)], stop="3%", take="5%")
    assert sales(result) == ([] if price is None else [(10, price)])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-30, 30), min_size=4, max_size=4), st.integers(1, 12), st.integers(1, 12)
)
def test_h06_a09_an_exit_over_bars_sells_at_the_price_of_the_page(
    steps: list[int], stop: int, take: int
) -> None:
    """The page BAR_FILLS.md, rule 6, in its pure form decides each bar."""
    open_, high, low, close = (10_000 + 50 * step for step in steps)
    high, low = max(open_, high, low, close), min(open_, high, low, close)
    below, above = 10_000 - 100 * stop, 10_000 + 100 * take
    result = held([(open_, high, low, close, 1_000_000)], stop=below, take=above)
    price = exit_price(below, above, open_, high, low)
    assert sales(result) == ([(10, price)] if price else [])


def test_h06_a09_a_trail_follows_the_highest_price_of_the_bars_before() -> None:
    rows = [(10_000, 10_800, 10_000, 10_700, 10**6), (10_700, 10_900, 10_400, 10_400, 10**6)]
    # 3 % below 10,800. The high of the second bar comes after its low.
    assert sales(held(rows, trail="3%")) == [(10, 10_476)]


def test_h06_a09_the_staged_exit_locks_the_break_even_price_after_a_rise() -> None:
    rows = [(10_000, 10_130, 9_990, 10_100, 10**6), (10_100, 10_110, 9_900, 9_950, 10**6)]
    (sale,) = sales(held(rows, staged=Staged()))
    # Without commission a sale has to earn the tax of 0.18 %: 10,020 is the next price on the grid.
    assert sale == (10, 10_020)
    assert sales(held(rows[1:], staged=Staged())) == []


def test_h06_a09_an_exit_sells_in_the_bar_that_brought_the_shares() -> None:
    def again(agent: Holder, bar: Bar) -> None:
        if agent.bars_seen == 3 and not agent.held():
            agent.buy(5, 9_900)
            agent.protect(stop="2%")

    rows = [
        (10_000, 10_600, 9_950, 10_000, 10**6),
        (10_000, 10_400, 9_600, 10_000, 10**6),
    ]
    result = held(rows, again, take="5%")
    # Bought at the limit on the way down, and stopped further down: the high comes after it.
    assert sales(result) == [(10, 10_500), (5, 9_702)]


def test_h06_a09_a_resting_sell_does_not_trade_before_the_stop_of_the_same_bar() -> None:
    mine: list[Order] = []

    def rest(agent: Holder, bar: Bar) -> None:
        if agent.bars_seen == 2:
            mine.append(agent.sell(10, 10_300))

    result = held([(10_000, 10_600, 9_600, 10_000, 10**6)], rest, stop="3%")
    assert sales(result) == [(10, 9_700)]
    assert mine[0].state is OrderState.CANCELLED
    quiet = held([(10_000, 10_600, 9_800, 10_000, 10**6)], rest, stop="3%")
    assert sales(quiet) == [(10, 10_300)]


def test_h06_a09_what_a_bar_does_not_take_is_sold_at_the_next_opens() -> None:
    rows = [
        (10_000, 10_000, 9_600, 9_700, 40),
        (9_600, 9_650, 9_500, 9_500, 30),
        (9_400, 9_500, 9_300, 9_300, 400),
    ]
    assert sales(held(rows, fills=10, stop="3%")) == [(4, 9_700), (3, 9_600), (3, 9_400)]


def test_h06_a09_a_halt_and_a_locked_day_sell_nothing() -> None:
    rows = [
        (7_000, 7_000, 7_000, 7_000, 10**6),  # the lower limit price of the day
        (7_000, 7_000, 7_000, 7_000, 0),
        (6_000, 6_100, 5_900, 6_000, 10**6),
    ]
    assert sales(held(rows, stop="3%")) == [(10, 6_000)]


def test_h06_a09_an_exit_that_the_desk_would_refuse_is_told() -> None:
    class Early(Holder):
        def on_bar(self, bar: Bar) -> None:
            self.protect(stop="3%")

    result = kisnb.backtest(Early(), daily([ENTRY] * 3), **FREE)
    (said,) = [text for text in result.record.assumptions if "not set" in text]
    # What is wanted on the last bar is not carried out any more.
    assert "2 exits were not set: Early holds no 005930" in said


def test_h06_a11_a_stop_keeps_the_agent_from_buying_again_for_half_an_hour() -> None:
    class Eager(kisnb.Agent):
        every = "1m"
        code: str = CODE
        guards = Guards(recent_sell=0, chase_change=0, cash_retry=0)

        def on_start(self) -> None:
            self.stopped = 0

        def on_fill(self, order: Order, fill: Any) -> None:
            if order.side.value == "sell":
                self.stopped = fill.t

        def on_bar(self, bar: Bar) -> None:
            if not self.held() and not self.working():
                self.buy(1)
                self.protect(stop=bar.close - 400)

    data = minutes(1, 5, per_day=200)
    result = kisnb.backtest(Eager(), data, costs="bankis", fills=None)
    orders = list(result.book.orders.values())
    denied = [o for o in orders if o.state is OrderState.DENIED]
    stops = [o for o in orders if o.key.startswith("exit:")]
    assert stops
    assert denied
    for order in denied:
        assert order.text.startswith("re-entry guard: a stop sold 005930")
    for stop in stops:
        later = [o for o in orders if stop.t < o.t < stop.t + 30 * 60 * 10**9]
        assert all(o.state is OrderState.DENIED for o in later)
    # Without the guard it buys at the next bar.
    Eager.guards = None  # type: ignore[assignment]
    free = kisnb.backtest(Eager(), data, costs="bankis", fills=None)
    assert not any(o.state is OrderState.DENIED for o in free.book.orders.values())
