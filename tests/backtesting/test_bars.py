"""A back-test over bars: what an agent gets, when its orders trade, and what is left. (H06)"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

import kisnb
from kisnb.backtesting.results.result import BacktestResult
from kisnb.backtesting.run_record import BAR_COLUMNS, EQUITY_COLUMNS, RunRecord
from kisnb.clock import kst, kst_datetime
from kisnb.errors import BadInput
from kisnb.events import Bar, Expired, Filled, OrderFact
from kisnb.market.costs import BANKIS, CostModel
from kisnb.orders import Order, OrderState
from kisnb.terms import Board, Kind, Venue
from tests.backtesting.bars import CODE, FREE, daily, flat, minutes, trading_days


def ran(agent: Any, data: Any, **options: Any) -> RunRecord:
    result = kisnb.backtest(agent, data, **{**FREE, **options})
    assert isinstance(result, BacktestResult)
    return result.record


class Buyer(kisnb.Agent):
    """Buys once, on its first bar."""

    every = "1d"
    qty: int = 10
    price: int = 0

    def on_bar(self, bar: Bar) -> None:
        if not self.book.orders:
            self.order = self.buy(self.qty, self.price or None)


def test_h06_an_order_trades_at_the_next_bars_open_in_whole_won_with_dated_tax() -> None:
    class RoundTrip(Buyer):
        def on_bar(self, bar: Bar) -> None:
            super().on_bar(bar)
            if self.held():
                self.sell(self.held())

    data = flat([70_000, 71_000, 72_000, 73_000])
    record = ran(RoundTrip, data, costs="bankis", cash=1_000_000)
    buy, sell = record.book.orders.values()
    days = trading_days(4)
    assert (buy.average, sell.average) == (71_000, 72_000)
    assert [o.fills[0].t for o in (buy, sell)] == [kst(days[1], 9 * 3600), kst(days[2], 9 * 3600)]
    fee = BANKIS.fee(710_000, Venue.KRX, Kind.STOCK) + BANKIS.fee(720_000, Venue.KRX, Kind.STOCK)
    tax = BANKIS.tax(720_000, days[2], Kind.STOCK, Board.KOSPI)
    assert tax == 1_296
    assert record.equity["cash"].to_list()[-1] == 1_000_000 + 10_000 - fee - tax


def test_h06_a_record_holds_equity_and_bars_in_the_columns_that_it_names() -> None:
    record = ran(Buyer, flat([70_000, 71_000, 72_000]), cash=1_000_000)
    assert record.equity.columns == list(EQUITY_COLUMNS)
    assert record.bars.columns == list(BAR_COLUMNS)
    assert record.equity.schema["time"] == pl.Datetime("ns", "Asia/Seoul")
    assert record.equity["equity"].to_list() == [1_000_000, 1_000_000, 1_010_000]
    assert (record.first, record.last) == (date(2024, 3, 4), date(2024, 3, 6))
    assert record.agents == ("Buyer",)
    assert any("latency 0" in text for text in record.assumptions)


@pytest.mark.parametrize("costs", [None, 3])
def test_h06_bars_are_refused_without_a_cost_model(costs: Any) -> None:
    with pytest.raises(BadInput, match=r"(without costs|no cost model).*"):
        kisnb.backtest(Buyer, flat([70_000]), costs=costs)


def test_h06_a_limit_order_lives_for_its_day_and_expires_before_the_agent_decides_again() -> None:
    seen: list[tuple[OrderState, int]] = []

    class Patient(Buyer):
        def on_bar(self, bar: Bar) -> None:
            if self.book.orders:
                seen.append((self.order.state, self.order.leaves))
            super().on_bar(bar)

    bars = [(70_000, 70_000, 70_000, 70_000, 500), (70_000, 70_500, 69_900, 70_000, 500)]
    record = ran(Patient(price=69_900), daily(bars))
    assert seen == [(OrderState.EXPIRED, 0)]
    (order,) = record.book.orders.values()
    assert isinstance(order.facts[-1], Expired)


def test_h06_orders_of_a_stock_share_the_volume_of_a_bar_and_wait_for_the_rest() -> None:
    class Two(kisnb.Agent):
        every = "1m"

        def on_bar(self, bar: Bar) -> None:
            if not self.book.orders:
                self.buy(30)
                self.buy(30)

    day = minutes(1, 1, per_day=6).with_columns(volume=pl.lit(400))
    record = ran(Two, day, fills=10)
    first, second = record.book.orders.values()
    assert [f.qty for f in first.fills] == [30]
    assert [f.qty for f in second.fills] == [10, 20]
    assert second.fills[1].t > second.fills[0].t


def test_h06_two_equal_fills_of_an_order_are_two_fills() -> None:
    class Large(Buyer):
        every = "1m"

    day = minutes(1, 1, per_day=6).with_columns(
        pl.lit(70_000).alias(name) for name in ("open", "high", "low", "close")
    )
    record = ran(Large(qty=50), day.with_columns(volume=pl.lit(250)), fills=10)
    (order,) = record.book.orders.values()
    assert [(f.qty, f.price) for f in order.fills] == [(25, 70_000), (25, 70_000)]
    assert order.state is OrderState.FILLED


def test_h06_an_order_of_a_days_last_bar_trades_at_the_next_sessions_open() -> None:
    class Late(kisnb.Agent):
        every = "1m"

        def on_bar(self, bar: Bar) -> None:
            if kst_datetime(bar.t).minute == 9 and not self.book.orders:
                self.buy(1)

    data = minutes(2, 3, per_day=10).with_columns(volume=pl.lit(100))
    record = ran(Late, data)
    (order,) = record.book.orders.values()
    tomorrow = trading_days(2)[1]
    assert order.fills[0].t == kst(tomorrow, 9 * 3600)
    assert order.fills[0].price == data["open"][10]


def test_h06_the_past_of_a_run_does_not_depend_on_the_future_of_its_data() -> None:
    class Mean(kisnb.Agent):
        every = "1m"

        def on_bar(self, bar: Bar) -> None:
            window = self.bars("1m", 5).close  # type: ignore[attr-defined]
            mean = sum(window) / len(window)
            if bar.close > mean and not self.held():
                self.target(0.5)
            elif bar.close < mean and self.held():
                self.target(0)

    data = minutes(4, 7)
    cut = data["time"][100]
    later = pl.col("time") >= cut
    changed = data.with_columns(
        pl.when(later).then(pl.col(name) + 4_000).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    )
    for sizing in ("decision", "fill"):
        runs = [ran(Mean, d, sizing=sizing) for d in (data, changed)]
        # A decision of the last bar before the cut is filled after it, by prices that differ.
        until = kst(trading_days(3)[2], 9 * 3600) + 20 * 60 * 10**9
        past = [
            [(o.t, o.side, f.qty, f.price) for o, f in run.book.fills if f.t < until]
            for run in runs
        ]
        assert past[0] == past[1]
        assert len(past[0]) > 20


def test_h06_target_and_buy_value_are_sized_at_the_decision_or_at_the_fill() -> None:
    class All(kisnb.Agent):
        every = "1d"

        def on_bar(self, bar: Bar) -> None:
            if not self.book.orders:
                self.target(1.0)

    data = flat([70_000, 75_000, 75_000])
    model = CostModel(krx=150_000)
    decided = ran(All, data, costs=model, cash=10_000_000)
    (order,) = decided.book.orders.values()
    # A market buy reserves its cash at the upper limit price: 91,000 won of a base of 70,000.
    assert order.quantity == model.most_shares(10_000_000, 91_000, Venue.KRX, Kind.STOCK)
    filled = ran(All, data, costs=model, cash=10_000_000, sizing="fill")
    (order,) = filled.book.orders.values()
    assert order.quantity == model.most_shares(10_000_000, 75_000, Venue.KRX, Kind.STOCK)
    assert any("price of the fill" in text for text in filled.assumptions)


def test_h06_an_agent_hears_of_its_fills_and_may_wait_for_them() -> None:
    heard: list[str] = []

    class Waits(kisnb.Agent):
        every = "1m"

        async def on_bar(self, bar: Bar) -> None:
            if not self.book.orders:
                order = self.buy(5)
                await self.done(order)
                heard.append(f"done at {order.average:.0f}")
                await self.sleep(120)
                heard.append(str(kst_datetime(self.now).time()))

        def on_fill(self, order: Order, fill: Filled) -> None:
            heard.append(f"filled {fill.qty}")

        def on_order(self, order: Order, fact: OrderFact) -> None:
            heard.append(type(fact).__name__)

    data = minutes(1, 5).with_columns(volume=pl.lit(100))
    ran(Waits, data)
    opened = data["open"][1]
    assert sorted(heard[:5]) == sorted(
        ["SendStarted", "Sent", "filled 5", "Filled", f"done at {opened}"]
    )
    assert heard[-1] == "09:03:00"


def test_h13_each_stock_gets_an_agent_of_a_class_and_all_share_the_cash() -> None:
    data = {"005930": flat([70_000, 70_000, 70_000]), "000660": flat([100_000, 110_000, 120_000])}
    record = ran(Buyer, {code: frame.drop("code") for code, frame in data.items()}, cash=10_000_000)
    assert record.agents == ("Buyer-000660", "Buyer-005930")
    assert record.book.position("000660").qty == record.book.position("005930").qty == 10
    assert record.equity["equity"].to_list() == [10_000_000, 10_000_000, 10_100_000]


def test_h06_longer_bars_are_joined_from_shorter_ones_and_known_when_they_are_over() -> None:
    got: list[tuple[int, int, int]] = []

    class Five(kisnb.Agent):
        every = "5m"

        def on_bar(self, bar: Bar) -> None:
            got.append((bar.t, bar.close, self.now))

    data = minutes(1, 9, per_day=12)
    ran(Five(code=CODE), data)
    opens = kst(trading_days(1)[0], 9 * 3600)
    minute = 60 * 10**9
    assert [(t - opens) // minute for t, _, _ in got] == [0, 5]
    assert [close for _, close, _ in got] == [data["close"][4], data["close"][9]]
    assert all(now >= t + 5 * minute for t, _, now in got)


def test_h06_h13_an_agent_with_cash_of_its_own_is_not_bound_by_the_orders_of_others() -> None:
    class Rests(kisnb.Agent):
        every = "1d"
        code: str = CODE

        def on_bar(self, bar: Bar) -> None:
            self.buy(90, bar.close * 3 // 4 // 100 * 100)

    class AllIn(kisnb.Agent):
        every = "1d"
        code: str = "000660"

        def on_bar(self, bar: Bar) -> None:
            self.target(1.0)

    data = {CODE: flat([10_000] * 4), "000660": flat([10_000] * 4, "000660")}
    agents = [Rests(), AllIn()]
    result = kisnb.backtest(
        agents, data, cash=1_000_000, separate=True, sizing="fill", fills=None, **FREE
    )
    assert result.fills.select("agent", "quantity", "price").rows() == [
        ("AllIn-000660", 100, 10_000)
    ]
