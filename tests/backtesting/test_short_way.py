"""The short way of orders over bars gives the rows of the whole core. (H06)

Left out are the rows that only the whole way writes: Accepted and RouteDecided.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import kisnb
from kisnb.backtesting.bar_backtest import prepared
from kisnb.backtesting.bar_feed import read_feed
from kisnb.backtesting.bar_rules import universe_of
from kisnb.events import Accepted, AccountOpened, Bar, Denied, Expired
from kisnb.guards import Guards
from kisnb.market.costs import BANKIS
from kisnb.market.universe import Universe
from kisnb.orders import Order
from kisnb.trading.ports.journal_rows import RouteDecided
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.backtesting.bars import minutes
from tests.backtesting.core_orders import core_run

CASH = 20_000_000
LIMITS = Limits(max_order_value=9_000_000, max_stock_value=15_000_000)


class Restless(kisnb.Agent):
    """Draws what it does at each bar; both runs draw the same."""

    every = "1m"
    code: str = ""
    seed: int = 0

    def on_start(self) -> None:
        self.draw = random.Random(self.seed)
        self.mine: list[Order] = []
        self.heard: list[str] = []

    def on_order(self, order: Order, fact: Any) -> None:
        if not isinstance(fact, Accepted):
            self.heard.append(f"{order.key} {type(fact).__name__}")

    def on_bar(self, bar: Bar) -> None:
        near = bar.close + 100 * self.draw.randint(-6, 6)
        qty = self.draw.randint(1, 60)
        open_ = [o for o in self.mine if o.is_open and o.ref is not None]
        match self.draw.randint(0, 11):
            case 0:
                self.mine.append(self.buy(qty))
            case 1 | 2:
                self.mine.append(self.buy(qty, near))
            case 3:
                self.mine.append(self.sell(min(qty, self.held() or 1)))
            case 4 | 5:
                self.mine.append(self.sell(min(qty, self.held() or 1), near))
            case 6 if open_:
                self.cancel(open_[0], self.draw.choice([None, 1, 5]))
            case 7 if open_ and open_[-1].intent.price:
                self.mine.append(self.revise(open_[-1], near, min(qty, open_[-1].leaves)))
            case 8:
                self.target(self.draw.choice([0, 0.1, 0.3]))
            case 9:
                self.buy_value(self.draw.randint(50_000, 4_000_000))
            case 10 if self.held():
                self.mine.append(self.sell(self.held(), near, stop=bar.close - 300))
            case 11:
                self.buy(1, near + 7)  # off the tick grid


def rows_of(rows: list[Any]) -> list[str]:
    """The rows without those of the whole way alone, and without the moment of an expiry."""
    kept = [r for r in rows if not isinstance(r, Accepted | RouteDecided)]
    return [repr(msgspec.structs.replace(r, t=0) if isinstance(r, Expired) else r) for r in kept]


def both(
    data: pl.DataFrame, codes: list[str], seed: int, percent: int, kind: type[Restless] = Restless
) -> tuple[Any, ...]:
    feed = read_feed(data)
    issues, _ = universe_of(feed.codes, Universe.packaged())

    def agents() -> dict[str, kisnb.Agent]:
        return {f"Restless-{c}": kind(code=c, seed=seed + i) for i, c in enumerate(codes)}

    short_agents, whole_agents = agents(), agents()
    for name, agent in short_agents.items():
        agent.id = name
    short = prepared(
        list(short_agents.values()), feed, issues, BANKIS, cash=CASH, fills=percent, limits=LIMITS
    )
    short.orders.rows = []
    short.run()
    whole, orders = core_run(whole_agents, feed, short.rules, LIMITS, CASH, percent)
    short.rules.bar_days.bases.clear()
    whole.run()
    return (
        (short.orders.rows, short.equity(), [a.heard for a in short_agents.values()]),
        (orders.rows, whole.equity(), [a.heard for a in whole_agents.values()]),
    )


# A failing run is short enough to be read, and shrinking one takes minutes.
@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 10**6), st.sampled_from([5, 40, 100]))
def test_h06_the_short_way_writes_the_rows_of_the_whole_core(seed: int, percent: int) -> None:
    data = minutes(2, seed, per_day=60)
    short, whole = both(data, ["005930"], seed, percent)
    assert rows_of(short[0]) == rows_of(whole[0])
    assert short[1].equals(whole[1])
    assert short[2] == whole[2]


@pytest.mark.parametrize("seed", range(6))
def test_h06_h13_the_short_way_agrees_for_several_stocks_with_one_cash(seed: int) -> None:
    frames = [minutes(2, seed + n, per_day=50, code=c) for n, c in enumerate(["005930", "005380"])]
    # The second stock misses some minutes, as a quiet stock does.
    frames[1] = frames[1].filter(pl.int_range(pl.len()) % 3 != seed % 3)
    short, whole = both(pl.concat(frames), ["005380", "005930"], seed, 50)
    assert len(short[0]) > 100
    assert {type(r).__name__ for r in short[0]} >= {
        "IntentTaken", "Denied", "SendStarted", "Sent", "Filled", "Expired", "Cancelled", "Revised",
    }  # fmt: skip
    assert rows_of(short[0]) == rows_of(whole[0])
    assert short[1].equals(whole[1])


class Guarded(Restless):
    """The same with guards that deny often."""

    guards = Guards(recent_sell=600, chase_change=50, chase_near=30, cash_retry=120)


@pytest.mark.parametrize("seed", range(4))
def test_h06_a11_guards_deny_the_same_buys_in_both_ways(seed: int) -> None:
    short, whole = both(minutes(2, seed, per_day=80), ["005930"], seed, 100, Guarded)
    said = {r.reason.partition(":")[0] for r in short[0] if isinstance(r, Denied)}
    assert said & {"recent-sell guard", "chase guard", "cash guard"}
    assert rows_of(short[0]) == rows_of(whole[0])
    assert short[2] == whole[2]


@pytest.mark.parametrize("percent", [None, 20])
@pytest.mark.parametrize("seed", range(4))
def test_h06_orders_that_are_sized_at_their_fill_leave_the_state_of_their_rows(
    seed: int, percent: int | None
) -> None:
    """One that fills whole is folded in one step. Its rows, folded one by one, say the same."""

    class Swings(kisnb.Agent):
        every = "1m"
        code: str = ""

        def on_start(self) -> None:
            self.draw = random.Random(seed)

        def on_bar(self, bar: Bar) -> None:
            if self.draw.random() < 0.3:
                self.target(self.draw.choice([0, 0, 0.5, 1.0]))
            elif self.draw.random() < 0.1:
                self.buy_value(700_000)

    feed = read_feed(minutes(3, seed, per_day=60))
    issues, _ = universe_of(feed.codes, Universe.packaged())
    run = prepared(
        [Swings(code="005930")], feed, issues, BANKIS, cash=CASH, fills=percent, sizing="fill"
    )
    assert_folded(run, feed)


@pytest.mark.parametrize("seed", range(4))
def test_h06_orders_that_are_sent_at_once_leave_the_state_of_their_rows(seed: int) -> None:
    """Nobody hears of their facts, so three rows are folded in one step, and so is a whole fill."""

    class Quiet(Restless):
        on_order = kisnb.Agent.on_order

    feed = read_feed(minutes(3, seed, per_day=60))
    issues, _ = universe_of(feed.codes, Universe.packaged())
    run = prepared(
        [Quiet(code="005930", seed=seed)], feed, issues, BANKIS, cash=CASH, fills=30, limits=LIMITS
    )
    assert run.orders.notify is None
    assert_folded(run, feed)


def assert_folded(run: Any, feed: Any) -> None:
    """The state of a run is that of its rows, folded one by one."""
    run.orders.rows = []
    run.run()
    opened = AccountOpened(feed.hours[0][1], CASH, ())
    folded, state = State.fold([opened, *run.orders.rows]), run.state
    assert len(run.orders.rows) > 60
    assert (folded.cash, folded.fills, folded.highest) == (state.cash, state.fills, state.highest)
    assert (folded.day.flows, folded.day.bought) == (state.day.flows, state.day.bought)
    assert folded.day.opening == state.day.opening
    assert list(folded.books.live) == [k for k, o in state.books.live.items() if o.facts]
    for name, book in (("account", state.books.account), *state.books.agents.items()):
        other = folded.books.account if name == "account" else folded.books.of(name)
        # What was decided on the last bar has no row yet.
        decided = {key: o for key, o in book.orders.items() if o.facts}
        assert list(other.orders) == list(decided)
        for key, order in decided.items():
            again = other.orders[key]
            fields = [f for f in type(order).__slots__ if f not in ("since", "t")]
            assert [getattr(again, f) for f in fields] == [getattr(order, f) for f in fields]
            assert (again.since, again.t) == (order.since, order.t)
        position, twin = book.position("005930"), other.position("005930")
        assert (position.qty, position.cost, position.realised_net) == (
            twin.qty, twin.cost, twin.realised_net,
        )  # fmt: skip
