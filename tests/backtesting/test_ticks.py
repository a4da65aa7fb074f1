"""A back-test over trades: the short way, the whole core, and the result. (H06)"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import kisnb
from kisnb.backtesting.bar_agents import BarClock
from kisnb.backtesting.bar_rules import universe_of
from kisnb.backtesting.ticks.tick_agents import TickRunner
from kisnb.backtesting.ticks.tick_backtest import prepared
from kisnb.backtesting.ticks.tick_feed import read_tick_feed
from kisnb.backtesting.ticks.tick_prices import TickPrices
from kisnb.backtesting.ticks.tick_run import TickRun
from kisnb.clock import KST, day_number, kst_datetime
from kisnb.errors import BadInput
from kisnb.events import Bar, Denied, Filled, Tick
from kisnb.market.bars import BarSeries
from kisnb.market.costs import BANKIS
from kisnb.market.universe import Universe
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.limits import Limits
from tests.backtesting.bars import CODE, trading_days
from tests.backtesting.core_orders import CoreOrders
from tests.backtesting.test_short_way import Restless, rows_of

CASH = 20_000_000
LIMITS = Limits(max_order_value=9_000_000, max_stock_value=15_000_000)


def trades(days: int, seed: int, per_day: int = 150, code: str = CODE) -> pl.DataFrame:
    """Trades of a random walk on the grid of 100 won.

    No two have one time: the core takes two equal fills of one moment for one notice that came
    twice, and reads KIS's list.
    """
    rng, rows, price = random.Random(seed), [], 70_000
    for day in trading_days(days):
        t = datetime(day.year, day.month, day.day, 9)  # noqa: DTZ001 - Korean wall time
        for _ in range(per_day):
            t += timedelta(seconds=rng.choice([0.001, 0.1, 1, 5, 40]))
            price = min(max(price + 100 * rng.randint(-1, 1), 66_000), 74_000)
            rows.append((code, t, price, rng.randint(1, 80)))
    return pl.DataFrame(rows, schema=["code", "time", "price", "qty"], orient="row")


class Nervous(Restless):
    """Decides on each trade what the other one decides on each bar."""

    every = ""

    def on_bar(self, bar: Bar) -> None: ...

    def on_tick(self, tick: Tick) -> None:
        if self.draw.random() < 0.4:
            price = tick.price
            Restless.on_bar(self, Bar(tick.t, tick.code, 0, price, price, price, price, 1, 1))


def core_run(agent: kisnb.Agent, feed: Any, rules: Any, percent: int) -> tuple[TickRun, CoreOrders]:
    """The same run over the whole core."""
    books, out, clock, prices = OrderBooks(), [], BarClock(), TickPrices()
    orders = CoreOrders(rules, LIMITS, books, feed.hours[0][1], CASH, percent)
    runner = TickRunner(
        agent, agent.id, books, rules, feed.codes, out, clock, cash=lambda: orders.state.cash,
        prices=prices, before=feed.before,
    )  # fmt: skip
    orders.rows.clear()
    whole: Any = orders
    return TickRun(feed, [runner], whole, rules, orders.state, out, clock, prices), orders


# A failing run is short enough to be read, and shrinking one takes minutes.
@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 10**6), st.sampled_from([30, 100]))
def test_h06_the_short_way_over_trades_writes_the_rows_of_the_whole_core(
    seed: int, percent: int
) -> None:
    feed = read_tick_feed(trades(2, seed))
    issues, _ = universe_of(feed.codes, Universe.packaged())
    agents = [Nervous(code=CODE, seed=seed) for _ in range(2)]
    for agent in agents:
        agent.id = "Nervous"
    short = prepared(agents[:1], feed, issues, BANKIS, cash=CASH, fills=percent, limits=LIMITS)
    short.orders.rows = []
    short.run()
    whole, orders = core_run(agents[1], feed, short.rules, percent)
    short.rules.bar_days.bases.clear()
    whole.run()
    assert len(short.orders.rows) > 100
    assert rows_of(short.orders.rows) == rows_of(orders.rows)
    assert short.equity().equals(whole.equity())
    assert agents[0].heard == agents[1].heard
    assert {type(row) for row in short.orders.rows} >= {Denied, Filled}


def test_h06_trades_give_the_result_of_a_back_test(tmp_path: Path) -> None:
    data = trades(3, 5, 400)
    path = tmp_path / "trades.parquet"
    data.write_parquet(path)
    for given_data in (data, path, data.drop("code")):
        result = kisnb.backtest(Nervous(code=CODE, seed=2), given_data, costs="bankis", cash=CASH)
        assert result.daily.height == 3
        fills = result.fills
        assert fills.height > 20
        signed = pl.when(pl.col("side") == "buy").then(-pl.col("value")).otherwise("value")
        flow = fills.select((signed - pl.col("fee") - pl.col("tax")).sum()).item()
        held = result.book.position(CODE).qty
        assert result.value("final equity") == CASH + flow + held * data["price"][-1]
        assert result.bars["volume"].sum() == data["qty"].sum()
        assert set(result.figures()) == {"equity", "drawdown", "monthly", CODE}


def test_h06_bars_of_trades_hold_what_the_agent_has_seen_and_nothing_later() -> None:
    class Looks(kisnb.Agent):
        code: str = CODE

        def on_start(self) -> None:
            self.series, self.looks = BarSeries(CODE, 60 * 10**9), 0

        def on_tick(self, tick: Tick) -> None:
            self.series.add(tick)
            if tick.qty % 7 == 0:
                self.looks += 1
                assert list(self.bars("1m", 5)) == self.series.newest(5)
                assert self.host.price(CODE) == tick.price  # type: ignore[attr-defined]

    agent = Looks()
    kisnb.backtest(agent, trades(2, 8), costs="bankis")
    assert agent.looks > 20


@pytest.mark.parametrize("waits", [False, True])
def test_h06_the_past_of_a_run_over_trades_does_not_depend_on_the_future(waits: bool) -> None:
    class Mean(kisnb.Agent):
        code: str = CODE

        def decide_on(self, tick: Tick) -> None:
            closes = [bar.close for bar in self.bars("1m", 5)]
            mean = sum(closes) / len(closes) if closes else tick.price
            if tick.price > mean and not self.held() and not self.working():
                self.target(0.5)
            elif tick.price < mean and self.held() and not self.working():
                self.target(0)

        def on_tick(self, tick: Tick) -> Any:
            return self.later(tick) if waits else self.decide_on(tick)

        async def later(self, tick: Tick) -> None:
            await self.sleep(tick.qty % 3)
            self.decide_on(tick)

    data = trades(2, 6, 400)
    cut = data["time"][500]
    shifted = pl.when(pl.col("time") >= cut).then(pl.col("price") + 1_000).otherwise("price")
    runs = [
        kisnb.backtest(Mean(), d, costs="bankis", cash=CASH)
        for d in (data, data.with_columns(shifted.alias("price")))
    ]
    past = [
        run.fills.filter(pl.col("time").dt.replace_time_zone(None) < cut).drop("key").rows()
        for run in runs
    ]
    assert past[0] == past[1]
    assert len(past[0]) > 20


def test_h06_what_is_decided_after_the_close_is_at_the_exchange_at_the_next_open() -> None:
    class Late(kisnb.Agent):
        code: str = CODE

        async def on_tick(self, tick: Tick) -> None:
            if not self.book.orders and kst_datetime(self.now).hour >= 9:
                self.buy(1, tick.price * 8 // 10 // 100 * 100)
                await self.sleep(8 * 3600)
                self.after = self.buy(2)

    agent, data = Late(), trades(2, 4)
    result = kisnb.backtest(agent, data, costs="bankis")
    (first, late) = result.book.orders.values()
    assert (str(first.state), str(late.state)) == ("expired", "filled")
    second_day = data.filter(pl.col("time").dt.date() == data["time"].dt.date()[-1])
    opened = int(second_day["time"][0].replace(tzinfo=KST).timestamp() * 10**9)
    assert late.sent_at == opened == late.fills[0].t
    assert late.fills[0].price == second_day["price"][0]
    assert late.ref is not None
    assert late.ref.day == day_number(opened)


def test_h06_an_agent_over_trades_may_wait_and_may_have_bars() -> None:
    class Patient(kisnb.Agent):
        code: str = CODE
        every = "1m"

        def on_start(self) -> None:
            self.closed: list[Bar] = []
            self.waited = 0

        async def on_bar(self, bar: Bar) -> None:
            self.closed.append(bar)
            if len(self.closed) == 3:
                order = self.buy(3)
                await self.done(order)
                self.waited = order.filled

    agent, data = Patient(), trades(1, 4)
    result = kisnb.backtest(agent, data, costs="bankis")
    assert agent.waited == 3
    first = result.bars.row(0, named=True)
    assert (agent.closed[0].open, agent.closed[0].close) == (first["open"], first["close"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (trades(1, 1).with_columns(price=-1), "has no price above 0.*[Dd]rop it"),
        (trades(1, 1).with_columns(qty=0), "has no shares"),
        (trades(1, 1).drop("qty"), "no column qty.*name the columns"),
        (trades(1, 1).clear(), "no trades in the data"),
    ],
)
def test_h06_trades_that_cannot_be_are_refused(data: pl.DataFrame, words: str) -> None:
    with pytest.raises(BadInput, match=f"(?i){words}"):
        kisnb.backtest(Nervous(code=CODE), data, costs="bankis")
