"""Handlers that are coroutines, over bars and trades, have a short way, too. (H06)

The run awaits them itself. An agent with ``on_phase`` goes through its runner, as in a session.
Both ways give the same rows, and so does the whole core.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import kisnb
from kisnb.backtesting import bar_backtest
from kisnb.backtesting.bar_feed import read_feed
from kisnb.backtesting.bar_rules import universe_of
from kisnb.backtesting.ticks import tick_backtest
from kisnb.backtesting.ticks.tick_feed import read_tick_feed
from kisnb.events import Bar, Tick
from kisnb.market.costs import BANKIS
from kisnb.market.universe import Universe
from tests.backtesting import core_orders, test_ticks
from tests.backtesting.bars import CODE, daily, flat, minutes
from tests.backtesting.test_short_way import CASH, LIMITS, Restless, rows_of
from tests.backtesting.test_ticks import Nervous, trades

few = settings(
    max_examples=10,
    deadline=None,
    # A failing run is short enough to be read, and shrinking one takes minutes.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


class WaitsOnBarsOfTrades(Nervous):
    """The same on each bar that a trade closes, and now and then on a trade."""

    every = "1m"
    sleeps: bool = True

    def on_start(self) -> None:
        super().on_start()
        self.bars("2m", 1)
        self.bars("5m", 1)

    async def on_bar(self, bar: Bar) -> None:  # type: ignore[override]
        Restless.on_bar(self, bar)
        for every in ("1m", "2m", "5m"):
            bars = self.bars(every, 3)
            self.heard.append(f"{every} {[(b.t, b.volume) for b in bars]} {bar.t} {self.now}")
        self.heard.append(str(self.host.price(self.code)))  # type: ignore[attr-defined]
        await draws_and_waits(self, bar.close)

    async def on_tick(self, tick: Tick) -> None:  # type: ignore[override]
        if self.draw.random() < 0.05:
            self.heard.append(f"{self.bars('2m', 1)} {self.bars('1m', 1)}")
            await draws_and_waits(self, tick.price)


async def draws_and_waits(agent: Any, price: int) -> None:
    """Wait for a moment or an order now and then, and order or look at the bars afterwards."""
    match agent.draw.randint(0, 24):
        case 0:
            seconds = agent.draw.choice([0, 0.5, 30, 61, 400])
            await agent.sleep(seconds if agent.sleeps else 0)
            agent.mine.append(agent.buy(agent.draw.randint(1, 5)))
        case 1:
            order = agent.buy(2, price - 100 * agent.draw.randint(-1, 3))
            agent.mine.append(order)
            await agent.done(order)
            agent.heard.append(f"{order.key} ended as {order.state}")
            await agent.sleep(20 if agent.sleeps else 0)
            agent.mine.append(agent.sell(min(2, agent.held() or 1)))
        case 2:
            bars = agent.bars("1m", 3)
            agent.heard.append(f"{[bar.close for bar in bars]} {agent.host.price(agent.code)}")
        case 3:
            agent.target(agent.draw.choice([0, 0.2]))


class WaitsOnBars(Restless):
    """Decides as the restless one does, and awaits between its decisions."""

    sleeps: bool = True

    async def on_bar(self, bar: Bar) -> None:  # type: ignore[override]
        Restless.on_bar(self, bar)
        await draws_and_waits(self, bar.close)


class WaitsOnTrades(Nervous):
    """The same on each trade."""

    sleeps: bool = True

    def on_start(self) -> None:
        super().on_start()
        # In both ways the bars begin with the first trade.
        self.bars("1m", 1)

    async def on_tick(self, tick: Tick) -> None:  # type: ignore[override]
        Nervous.on_tick(self, tick)
        await draws_and_waits(self, tick.price)


def outcome(run: Any, agent: Any) -> tuple[Any, ...]:
    run.orders.rows = []
    run.run()
    # The runner notes when a price was seen. Over bars and trades nobody asks for it.
    rows = [re.sub(r"seen=\d+", "", row) for row in rows_of(run.orders.rows)]
    return rows, run.equity().rows(), agent.heard


def through_its_runner(run: Any) -> Any:
    """The same run, whose agents get all events through their runners."""
    agents = run._agents
    agents.is_direct = agents.is_plain = False
    agents.may_wait, run.orders.notify = True, agents.notify
    return run


def bar_runs(seed: int, percent: int, *, sleeps: bool) -> list[tuple[Any, ...]]:
    """The outcome of the short way, and of the one that it is compared with.

    The core books an expiry at the official close, where the bars of this test have long ended. So
    only handlers that do not sleep are the same there.
    """
    feed = read_feed(minutes(2, seed, per_day=80))
    issues, _ = universe_of(feed.codes, Universe.packaged())
    short, other = (WaitsOnBars(code=CODE, seed=seed, sleeps=sleeps) for _ in range(2))
    prepared = bar_backtest.prepared
    run = prepared([short], feed, issues, BANKIS, cash=CASH, fills=percent, limits=LIMITS)
    found = [outcome(run, short)]
    if sleeps:
        again = prepared([other], feed, issues, BANKIS, cash=CASH, fills=percent, limits=LIMITS)
        return [*found, outcome(through_its_runner(again), other)]
    agents: dict[str, kisnb.Agent] = {"WaitsOnBars": other}
    whole, _ = core_orders.core_run(agents, feed, run.rules, LIMITS, CASH, percent)
    run.rules.bar_days.bases.clear()
    return [*found, outcome(whole, other)]


@few
@given(st.integers(0, 10**6), st.sampled_from([5, 40, 100]), st.booleans())
def test_h06_awaited_handlers_over_bars_give_the_rows_of_their_runner_and_of_the_core(
    seed: int, percent: int, sleeps: bool
) -> None:
    short, other = bar_runs(seed, percent, sleeps=sleeps)
    assert len(short[0]) > 60
    assert any("ended as" in text for text in short[2])
    assert short == other


@few
@given(
    st.integers(0, 10**6),
    st.sampled_from([30, 100]),
    st.sampled_from([WaitsOnTrades, WaitsOnBarsOfTrades]),
)
def test_h06_awaited_handlers_over_trades_give_the_rows_of_their_runner_and_of_the_core(
    seed: int, percent: int, kind: type[Any]
) -> None:
    feed = read_tick_feed(trades(2, seed, 300 if kind.every else 150))
    issues, _ = universe_of(feed.codes, Universe.packaged())
    short, other, last = (kind(code=CODE, seed=seed) for _ in range(3))
    for agent in (short, other, last):
        agent.id = "Waits"
    prepared = tick_backtest.prepared
    runs = [
        prepared([agent], feed, issues, BANKIS, cash=CASH, fills=percent, limits=LIMITS)
        for agent in (short, other)
    ]
    found = outcome(runs[0], short)
    assert len(found[0]) > 60
    assert found == outcome(through_its_runner(runs[1]), other)
    whole, _ = test_ticks.core_run(last, feed, runs[1].rules, percent)
    runs[1].rules.bar_days.bases.clear()
    assert found == outcome(whole, last)


@pytest.mark.parametrize("seed", range(4))
def test_h06_h13_awaited_handlers_of_several_stocks_agree_with_their_runners(seed: int) -> None:
    codes = [CODE, "005380"]
    bars = read_feed(pl.concat([minutes(2, seed + n, code=c) for n, c in enumerate(codes)]))
    ticks = read_tick_feed(pl.concat([trades(1, seed + n, 300, c) for n, c in enumerate(codes)]))
    issues, _ = universe_of(codes, Universe.packaged())
    for feed, kind, prepared in (
        (bars, WaitsOnBars, bar_backtest.prepared),
        (ticks, WaitsOnTrades, tick_backtest.prepared),
        (ticks, WaitsOnBarsOfTrades, tick_backtest.prepared),
    ):
        found = []
        for way in (lambda run: run, through_its_runner):
            agents: list[Any] = [kind(code=c, seed=seed + n) for n, c in enumerate(codes)]
            run = prepared(agents, feed, issues, BANKIS, cash=CASH, limits=LIMITS)  # type: ignore[operator]
            found.append((outcome(way(run), agents[0]), agents[1].heard))
        assert len(found[0][0][0]) > 60
        assert found[0] == found[1]


def test_h06_bars_over_the_trades_of_several_stocks_hold_what_has_happened() -> None:
    class Looks(kisnb.Agent):
        code: str = ""

        def on_start(self) -> None:
            self.seen: list[Tick] = []
            self.looks = 0

        def on_tick(self, tick: Tick) -> None:
            self.seen.append(tick)
            assert self.host.price(self.code) == tick.price  # type: ignore[attr-defined]
            if tick.qty % 5 == 0:
                closed = {t.t // 60_000_000_000 for t in self.seen} - {tick.t // 60_000_000_000}
                bars = self.bars("1m", 10**6)
                assert [bar.volume for bar in bars if bar.volume] == [
                    sum(t.qty for t in self.seen if t.t // 60_000_000_000 == minute)
                    for minute in sorted(closed)
                ]
                self.looks += len(bars)

    data = pl.concat([trades(1, 8), trades(1, 9, code="000660")])
    agents = [Looks(code=CODE), Looks(code="000660")]
    kisnb.backtest(agents, data, costs="bankis")
    assert min(agent.looks for agent in agents) > 20


@pytest.mark.parametrize("data", [minutes(1, 3), flat([70_000, 71_000, 72_000])])
def test_h06_a_coroutine_that_a_plain_handler_returns_is_awaited(data: pl.DataFrame) -> None:
    class Wraps(kisnb.Agent):
        every = "1m" if "time" in data.columns else "1d"
        code: str = CODE

        def on_start(self) -> None:
            self.done_at = 0

        def on_bar(self, bar: Bar) -> Coroutine[Any, Any, None]:
            return self.work(bar)

        async def work(self, bar: Bar) -> None:
            if not self.book.orders:
                order = self.buy(1)
                await self.done(order)
                self.done_at = self.now

    agent = Wraps()
    result = kisnb.backtest(agent, data, costs="bankis")
    (fill,) = result.fills.rows(named=True)
    assert agent.done_at == int(fill["time"].timestamp() * 10**9)


@pytest.mark.parametrize("data", [minutes(1, 3), trades(1, 3)])
def test_h06_a_coroutine_that_begins_to_wait_in_a_plain_on_fill_goes_on(data: pl.DataFrame) -> None:
    class Wraps(kisnb.Agent):
        every = "1m" if "close" in data.columns else ""
        code: str = CODE

        def on_start(self) -> None:
            self.filled, self.woken = 0, 0

        def once(self) -> None:
            if not self.book.orders:
                self.buy(1)

        def on_bar(self, bar: Bar) -> None:
            self.once()

        def on_tick(self, tick: Tick) -> None:
            self.once()

        def on_fill(self, order: Any, fill: Any) -> Coroutine[Any, Any, None]:
            return self.after(fill)

        async def after(self, fill: Any) -> None:
            self.filled = fill.t
            await self.sleep(300)
            self.woken = self.now

    agent = Wraps()
    kisnb.backtest(agent, data, costs="bankis")
    assert agent.filled
    assert 0 <= agent.woken - agent.filled - 300 * 10**9 <= 60 * 10**9


@pytest.mark.parametrize("waits", [False, True])
def test_h06_a_failure_of_an_awaited_handler_names_its_line(waits: bool) -> None:
    class Breaks(kisnb.Agent):
        every = "1m"
        code: str = CODE

        async def on_bar(self, bar: Bar) -> None:
            if waits:
                await self.sleep(120)
            raise ValueError("no such price")

    with pytest.raises(RuntimeError, match=r"Breaks\.on_bar, line \d+: raise ValueError"):
        kisnb.backtest(Breaks(), minutes(1, 3), costs="bankis")


@pytest.mark.parametrize("data", [minutes(1, 3), trades(1, 3)])
def test_h06_a_handler_that_awaits_the_loop_is_refused_with_its_line(data: pl.DataFrame) -> None:
    class Foreign(kisnb.Agent):
        code: str = CODE
        every = "1m" if "close" in data.columns else ""

        async def on_bar(self, bar: Bar) -> None:
            await asyncio.sleep(1)

        async def on_tick(self, tick: Tick) -> None:
            await asyncio.sleep(1)

    async def in_a_notebook() -> None:
        kisnb.backtest(Foreign(), data, costs="bankis")

    words = r"Foreign\.on_\w+, line \d+: await asyncio\.sleep\(1\); TypeError: .*only runs live"
    with pytest.raises(RuntimeError, match=words):
        asyncio.run(in_a_notebook())


@pytest.mark.parametrize("data", [minutes(1, 3), trades(1, 3), daily([(9,) * 4 + (9,)] * 3)])
@pytest.mark.parametrize("first", ["sleep", "order", "nothing"])
def test_h06_an_awaited_handler_that_does_not_return_ends_the_run_with_its_line(
    data: pl.DataFrame, first: str
) -> None:
    class Endless(kisnb.Agent):
        code: str = CODE
        every = {"time": "1m", "date": "1d"}[data.columns[1]] if "close" in data.columns else ""

        async def work(self) -> None:
            if first == "sleep":
                await self.sleep(120)
            elif first == "order":
                await self.done(self.buy(1))
            while True:
                pass

        async def on_bar(self, bar: Bar) -> None:
            await self.work()

        async def on_tick(self, tick: Tick) -> None:
            await self.work()

    with pytest.raises(RuntimeError, match=r"has not returned for 0.2 s: Endless\.work, line"):
        kisnb.backtest(Endless(), data, costs="bankis", patience=0.2)


def test_h06_a_handler_that_waits_at_the_end_of_the_data_is_closed() -> None:
    class Patient(kisnb.Agent):
        every = "1m"
        code: str = CODE

        def on_start(self) -> None:
            self.closed = 0

        async def on_bar(self, bar: Bar) -> None:
            try:
                await self.sleep(10**7)
            finally:
                self.closed += 1

    agent, data = Patient(), minutes(1, 3)
    kisnb.backtest(agent, data, costs="bankis")
    assert agent.closed == data.height
