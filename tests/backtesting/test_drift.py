"""H10: a traded day beside the back-test of that day, order by order, in won."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kisnb
from kisnb.backtesting.drift.order_pairs import Apart, Pair, apart, paired, value
from kisnb.clock import SECOND
from kisnb.errors import BadInput
from kisnb.events import Denied, Filled, IntentTaken, SendStarted, Sent, Tick
from kisnb.orders import Intent, Order, OrderRef, Route
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.limits import Limits
from tests.backtesting.test_tape_result import CASH, CODE, Turns, day

__all__ = ["day"]
PARTS = ["latency", "slippage", "missed", "rules", "decisions", "costs"]


def order(
    t: int, side: Side, qty: int, *fills: tuple[int, int], cost: int = 0, denied: str = ""
) -> Order:
    """An order with its fills, as the facts of a desk leave it; ``cost`` is each fill's fee."""
    books, key = OrderBooks(), f"{t}{side}"
    made = books.apply(IntentTaken(t, Intent(key, "A", CODE, side, qty, OrderKind.MARKET)))
    if denied:
        books.apply(Denied(t, key, denied, "order less"))
    if fills:
        books.apply(SendStarted(t, key, Route(Venue.KRX, OrderKind.MARKET, "test"), 0))
        books.apply(Sent(t, key, OrderRef(20_260_101, "", 1)))
    for shares, price in fills:
        books.apply(Filled(t, key, shares, price, cost, 0, Venue.KRX, t))
    return made


@pytest.mark.parametrize(
    ("live", "test", "expected"),
    [
        # Sixty shares ten won dearer, forty shares that rose by a hundred won and were missed.
        (
            order(1, Side.BUY, 100, (60, 10_010), cost=7),
            order(1, Side.BUY, 100, (100, 10_000), cost=9),
            Apart(slippage=-600, missed=-4_000, costs=2),
        ),
        # A sale at a better price.
        (order(1, Side.SELL, 10, (10, 10_050)), order(1, Side.SELL, 10, (10, 10_000)), Apart(500)),
        # The desk denied what the back-test bought.
        (
            order(1, Side.BUY, 10, denied="the limit"),
            order(1, Side.BUY, 10, (10, 10_000), cost=5),
            Apart(rules=-1_000, costs=5),
        ),
        # An order of the day alone: its shares lost a hundred won each.
        (order(1, Side.SELL, 10, (10, 10_000), cost=5), None, Apart(decisions=-1_000, costs=-5)),
    ],
)  # fmt: skip
def test_h10_hand_cases_of_an_order_in_won(
    live: Order, test: Order | None, expected: Apart
) -> None:
    assert apart(Pair(live, test), {CODE: 10_100}) == expected


FILLS = st.lists(st.tuples(st.integers(1, 50), st.integers(9_900, 10_100)), max_size=4)


@given(st.sampled_from(list(Side)), FILLS, FILLS, st.integers(9_000, 11_000), st.integers(0, 30))
def test_h10_the_parts_of_an_order_are_its_whole_difference(
    side: Side,
    ones: list[tuple[int, int]],
    others: list[tuple[int, int]],
    mark: int,
    cost: int,
) -> None:
    one, other = order(1, side, 500, *ones, cost=cost), order(1, side, 500, *others, cost=3)
    marks = {CODE: mark}
    for pair in (Pair(one, other), Pair(one, None), Pair(None, other)):
        worth = [0 if o is None else value(o, marks) for o in pair]
        assert apart(pair, marks).total == worth[0] - worth[1]


def test_h10_orders_that_are_decided_near_each_other_are_one_order() -> None:
    s = SECOND
    ones = [order(t * s, Side.BUY, 1) for t in (1, 20, 40)]
    others = [order(t * s, Side.BUY, 1) for t in (2, 30, 41)]
    found = [
        (p.one and p.one.t // s, p.other and p.other.t // s) for p in paired(ones, others, 3 * s)
    ]
    assert found == [(1, 2), (20, None), (None, 30), (40, 41)]


def test_h10_a_day_that_the_engine_traded_with_latency_drifts_by_its_latency_alone(
    day: Path,
) -> None:
    live = kisnb.backtest(Turns(), day, cash=CASH, costs="bankis", latency=0.7).record
    found = kisnb.drift(Turns(), day, live, cash=CASH, costs="bankis")
    assert found.latency == 7 * SECOND // 10
    frame = found.orders
    assert frame.height > 10
    assert set(frame["latency_ms"]) == {700.0}
    for name in PARTS[1:]:
        assert frame[name].to_list() == [0] * frame.height
    at_once = kisnb.backtest(Turns(), day, cash=CASH, costs="bankis")
    pnl = live.equity["equity"][-1] - at_once.equity["equity"][-1]
    assert found.total == frame["latency"].sum() == frame["total"].sum() == pnl
    assert pnl != 0
    assert dict(found.summary.select("part", "won").iter_rows())["latency"] == pnl
    assert "latency 700 ms" in repr(found)
    assert "latency" in found._repr_html_()


def test_h10_an_order_that_the_desk_denied_is_a_difference_of_rules(day: Path) -> None:
    tight = Limits(max_order_value=1_000_000)
    live = kisnb.backtest(Turns(), day, cash=CASH, costs="bankis", limits=tight).record
    found = kisnb.drift(Turns(), day, live, cash=CASH, costs="bankis")
    frame = found.orders
    denied = frame.filter(pl.col("note").str.starts_with("the day: denied"))
    assert denied.height > 5
    assert denied["filled"].sum() == 0
    assert "above the limit of 1,000,000 won" in denied["note"][0]
    profit = found.promised.value("profit")
    # Nothing was held on the day, so what the back-test earned is the drift.
    assert live.book.turnover == 0
    assert found.total == -profit
    assert frame.select(pl.sum_horizontal(PARTS)).to_series().to_list() == frame["total"].to_list()


def test_h10_a_day_without_the_agent_is_refused(day: Path) -> None:
    class Other(kisnb.Agent):
        code: str = CODE

        def on_tick(self, tick: Tick) -> None: ...

    live = kisnb.backtest(Turns(), day).record
    with pytest.raises(
        BadInput, match=r"(?i)no agent .Other. has orders.*set the agent's id to one"
    ):
        kisnb.drift(Other(), day, live)
    with pytest.raises(BadInput, match="is no tape and no recording"):
        kisnb.drift(Turns(), day.with_suffix(".csv"), live)
