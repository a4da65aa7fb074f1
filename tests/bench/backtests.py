"""The back-test engine beside its peers: works S1, S3 and S4, in whole won.

S1: one stock, minute bars, SMA(10) over SMA(30), all-in at the next open, 0.015 % a side and 0.20 %
tax. S3: the same over many stocks with daily bars, each with its own cash. Rates are bars a second
of CPU time; ``x`` is the time of a bar divided by that of one numba pass. The peers are the
dependency group ``engines``. One that is not installed is named and skipped. S4: trades of one
stock, a callback each, an order per 1,000. Its ``x`` is the time of a trade divided by that of a
Python loop with an empty callback.
"""

from __future__ import annotations

import resource
import time
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import polars as pl

import kisnb
from kisnb.backtesting.bar_backtest import prepared
from kisnb.backtesting.bar_feed import BarFeed, read_feed
from kisnb.backtesting.bar_rules import universe_of
from kisnb.backtesting.bar_run import BarRun
from kisnb.backtesting.ticks.tick_backtest import prepared as prepared_ticks
from kisnb.backtesting.ticks.tick_feed import read_tick_feed
from kisnb.events import Bar, Tick
from kisnb.market.costs import CostModel
from kisnb.market.universe import Universe
from tests.backtesting.bars import trading_days
from tests.bench.engine_peers import (
    FAST,
    SLOW,
    backtesting_py,
    backtrader_bars,
    is_here,
    nautilus_trades,
)

CASH = 100_000_000
PPB = 1_000_000_000
FEE, TAX = 150_000, 2_000_000
COSTS = CostModel(FEE, FEE, FEE, TAX)
MINUTES = 381


class Cross(kisnb.Agent):
    """SMA(10) over SMA(30) by rolling sums, in and out with all the cash."""

    every: ClassVar[str] = "1m"
    code: str = ""

    def on_start(self) -> None:
        self.fast: deque[int] = deque()
        self.slow: deque[int] = deque()
        self.fast_sum = self.slow_sum = 0
        self.is_long = False

    def on_bar(self, bar: Bar) -> None:
        close, fast, slow = bar.close, self.fast, self.slow
        fast.append(close)
        slow.append(close)
        self.fast_sum += close
        self.slow_sum += close
        if len(fast) > FAST:
            self.fast_sum -= fast.popleft()
        if len(slow) > SLOW:
            self.slow_sum -= slow.popleft()
        elif len(slow) < SLOW:
            return
        is_up = self.fast_sum * SLOW > self.slow_sum * FAST
        if is_up is not self.is_long:
            self.is_long = is_up
            self.target(1.0 if is_up else 0)


class AwaitedCross(Cross):
    """The same in a coroutine."""

    async def on_bar(self, bar: Bar) -> None:  # type: ignore[override]
        super().on_bar(bar)


class MuteCross(Cross):
    """The same without its orders: what it costs to follow the means."""

    def target(self, weight: float, *, code: str = "") -> None:  # type: ignore[override]
        """Order nothing."""


class DailyCross(Cross):
    """The same on daily bars."""

    every: ClassVar[str] = "1d"


class EmptyBar(kisnb.Agent):
    """Does nothing: what is left is the engine."""

    every: ClassVar[str] = "1m"
    code: str = ""

    def on_bar(self, bar: Bar) -> None: ...


class Thousandth(kisnb.Agent):
    """Counts trades, and buys or sells a share at each thousandth."""

    code: str = "005930"

    def on_start(self) -> None:
        self.ticks = 0

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1
        if self.ticks % 1_000 == 0:
            if self.held():
                self.sell(1)
            else:
                self.buy(1)


class Awaited(Thousandth):
    """The same in a coroutine."""

    async def on_tick(self, tick: Tick) -> None:  # type: ignore[override]
        super().on_tick(tick)


class Counts:
    """The agent's own part of a trade, without its orders."""

    def __init__(self) -> None:
        self.ticks = 0

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1
        if self.ticks % 1_000 == 0:
            pass


class EmptyTick(kisnb.Agent):
    """Does nothing with a trade: what is left is the engine."""

    code: str = "005930"

    def on_tick(self, tick: Tick) -> None: ...


def walk(n: int, seed: int) -> tuple[Any, ...]:
    """Open, high, low, close and volume of a random walk on the grid of 100 won."""
    g = np.random.default_rng(seed)
    close = np.maximum(70_000 + np.cumsum(g.integers(-2, 3, n)) * 100, 10_000)
    open_ = np.roll(close, 1)
    open_[0] = 70_000
    high = np.maximum(open_, close) + 100 * g.integers(0, 2, n)
    low = np.minimum(open_, close) - 100 * g.integers(0, 2, n)
    return open_, high, low, close, g.integers(1, 10_000, n)


def minute_bars(days: int) -> pl.DataFrame:
    """The minutes from 09:00 to 15:19 and 15:30 of so many trading days from 2017 on."""
    begins = [datetime(d.year, d.month, d.day, 9) for d in trading_days(days, date(2017, 1, 2))]  # noqa: DTZ001 - Korean wall time
    offsets = [*range(MINUTES - 1), 390]
    times = [begin + timedelta(minutes=m) for begin in begins for m in offsets]
    columns = walk(len(times), 1)
    names = ("open", "high", "low", "close", "volume")
    return pl.DataFrame(
        {"code": ["005930"] * len(times), "time": times, **dict(zip(names, columns, strict=True))}
    )


def daily_bars(stocks: int, days: int) -> pl.DataFrame:
    """Daily bars of many stocks, each with a walk of its own."""
    dates = trading_days(days, date(2017, 1, 2))
    frames = []
    for n in range(stocks):
        names = ("open", "high", "low", "close", "volume")
        columns = dict(zip(names, walk(days, n), strict=True))
        frames.append(pl.DataFrame({"code": [f"{n * 10:06d}"] * days, "date": dates, **columns}))
    return pl.concat(frames)


def trades(n: int, per_day: int = 100_000) -> pl.DataFrame:
    """Trades of one stock from 09:00 to 15:18, on the grid and within the limits of each day."""
    g = np.random.default_rng(3)
    days = trading_days(-(-n // per_day), date(2022, 1, 3))
    begins = np.array([np.datetime64(datetime(d.year, d.month, d.day, 9), "ns") for d in days])  # noqa: DTZ001 - Korean wall time
    seconds = np.sort(g.integers(0, 22_680 * PPB, (len(days), per_day)), axis=1).reshape(-1)[:n]
    swing = np.abs(np.cumsum(g.integers(-1, 2, n)) % 80 - 40) - 20
    return pl.DataFrame(
        {
            "code": ["005930"] * n,
            "time": np.repeat(begins, per_day)[:n] + seconds.astype("timedelta64[ns]"),
            "price": 70_000 + 100 * swing,
            "qty": g.integers(1, 100, n),
        }
    )


def show_ticks(n: int) -> None:
    """Print work S4, and where its time goes."""
    frame = trades(n)
    feed = read_tick_feed(frame)
    issues, _ = universe_of(feed.codes, Universe.packaged())
    some = feed.ticks(feed.rows.head(200_000))

    def spent(agent: type[kisnb.Agent]) -> float:
        run = prepared_ticks([agent()], feed, issues, COSTS, cash=CASH, fills=None)
        return cpu(run.run, 1) / n

    def called(handler: Callable[[Tick], object]) -> float:
        def loop() -> None:
            for tick in some:
                handler(tick)

        return cpu(loop, 1) / len(some)

    def made() -> None:
        deque(feed.parts(), maxlen=0)

    works: dict[str, Callable[[], float]] = {
        "ours": lambda: spent(Thousandth),
        "awaited": lambda: spent(Awaited),
        "engine": lambda: spent(EmptyTick),
        "making": lambda: cpu(made, 1) / n,
        "callback": lambda: called(lambda tick: None),
        "handler": lambda: called(Counts().on_tick),
    }
    best = in_turns(works)
    callback = best["callback"]
    print(f"S4, {n:,} trades                {1 / best['ours']:12,.0f} trades/s   "
          f"x {best['ours'] / callback:.1f} an empty callback of {callback * 1e9:.0f} ns, "
          "target ≤ 5.5")  # fmt: skip
    print(f"S4, async on_tick                  {1 / best['awaited']:12,.0f} trades/s   "
          f"x {best['awaited'] / callback:.1f}")  # fmt: skip
    parts = {
        "to make the trades": best["making"],
        "the loop": best["engine"] - best["making"] - callback,
        "the agent's own handler": best["handler"],
        "its orders": best["ours"] - best["engine"] - best["handler"] + callback,
    }
    print("S4, ns of a trade: " + ", ".join(f"{v * 1e9:.0f} {k}" for k, v in parts.items()))
    if is_here("nautilus_trader"):
        peer = nautilus_trades(frame.head(20_000))
        print(f"S4, nautilus_trader                {1 / peer:12,.0f} trades/s   "
              f"ours {peer / best['ours']:.1f} times as fast, target ≥ 10")  # fmt: skip


def in_turns(works: dict[str, Callable[[], float]], turns: int = 3) -> dict[str, float]:
    """The smallest figure of each work. They take turns, so a busy machine slows all alike."""
    found = [{name: work() for name, work in works.items()} for _ in range(turns)]
    return {name: min(turn[name] for turn in found) for name in works}


def run_of(feed: BarFeed, agents: list[kisnb.Agent], *, separate: bool = False) -> BarRun:
    issues, _ = universe_of(feed.codes, Universe.packaged())
    return prepared(
        agents, feed, issues, COSTS, cash=CASH, fills=None, sizing="fill", separate=separate
    )


def cpu(work: Callable[[], object], runs: int = 3) -> float:
    """The smallest CPU time of some runs, in seconds."""
    spent = []
    for _ in range(runs):
        began = time.thread_time()
        work()
        spent.append(time.thread_time() - began)
    return min(spent)


def numba_pass() -> Callable[[Any, Any], tuple[int, int]]:
    """Return the reference as one compiled pass over whole won: final cash and fills."""
    import numba

    @numba.njit
    def fee_of(value: int) -> int:
        a, b = value // 1_000_000_000, value % 1_000_000_000
        return a * 150_000 + b * 150_000 // 1_000_000_000

    @numba.njit
    def one(open_: Any, close: Any) -> tuple[int, int]:
        cash, held, fills, fast, slow, wish, long = 100_000_000, 0, 0, 0, 0, 0, False
        for i in range(len(close)):
            if wish == 1:
                q = cash // open_[i]
                while q > 0 and q * open_[i] + fee_of(q * open_[i]) > cash:
                    q -= 1
                if q > 0:
                    cash -= q * open_[i] + fee_of(q * open_[i])
                    held += q
                    fills += 1
            elif wish == 2 and held:
                value = held * open_[i]
                a, b = value // 1_000_000_000, value % 1_000_000_000
                tax = a * 2_000_000 + b * 2_000_000 // 1_000_000_000
                cash += value - fee_of(value) - tax
                held = 0
                fills += 1
            wish = 0
            fast += close[i]
            slow += close[i]
            if i >= 10:
                fast -= close[i - 10]
            if i >= 30:
                slow -= close[i - 30]
            if i >= 29:
                up = fast * 3 > slow
                if up != long:
                    long = up
                    wish = 1 if up else 2
        return cash, fills

    return one


def show(days: int = 246, stocks: int = 250, ticks: int = 500_000) -> None:
    """Print the figures beside their targets.

    The whole works are ``show(2460, 2500, 5_000_000)``.
    """
    print("\nthe back-test engine, whole won, CPU time")
    frame = minute_bars(days)
    feed = read_feed(frame)
    bars = len(feed)
    run = run_of(feed, [Cross(code="005930")])
    run.run()
    orders = len(run.state.books.orders)

    def spent(kind: type[kisnb.Agent], of: BarFeed = feed) -> float:
        return cpu(lambda: run_of(of, [kind(code="005930")]).run(), 1) / len(of)

    works: dict[str, Callable[[], float]] = {
        "ours": lambda: spent(Cross), "awaited": lambda: spent(AwaitedCross),
        "empty": lambda: spent(EmptyBar), "mute": lambda: spent(MuteCross),
    }  # fmt: skip
    has_numba, has_peer = is_here("numba"), is_here("backtesting")
    if has_numba:
        one, o, c = numba_pass(), frame["open"].to_numpy(), frame["close"].to_numpy()
        is_equal = one(o, c) == (run.state.cash, run.state.fills)
        works["numba"] = lambda: cpu(lambda: one(o, c), 7) / bars
    if has_peer:
        some = frame.head(40_000)
        works["backtesting.py"] = lambda: backtesting_py(some)
    best = in_turns(works)
    ours = best["ours"]
    print(f"S1, {bars:,} bars, {orders:,} orders    {1 / ours:12,.0f} bars/s")
    print(f"S1, async on_bar                   {1 / best['awaited']:12,.0f} bars/s")
    an_order = (ours - best["mute"]) * bars / orders
    print(f"S1, ns of a bar: {best['empty'] * 1e9:.0f} the engine with an empty agent, "
          f"{(best['mute'] - best['empty']) * 1e9:.0f} the agent's means, "
          f"{(ours - best['mute']) * 1e9:.0f} its orders ({an_order * 1e6:.0f} µs an order, "
          f"one in {bars / orders:.0f} bars)")  # fmt: skip
    if has_numba:
        print(f"S1, numba limit                    {1 / best['numba']:12,.0f} bars/s   "
              f"ours x {ours / best['numba']:.0f}, target ≤ 350; "
              f"equal to the won: {is_equal}")  # fmt: skip
    if has_peer:
        peer = best["backtesting.py"]
        print(f"S1, backtesting.py                 {1 / peer:12,.0f} bars/s   "
              f"ours {peer / ours:.2f} times as fast, target ≥ 3")  # fmt: skip
    if is_here("backtrader"):
        peer = backtrader_bars(frame.head(5_000))
        print(f"S1, backtrader                     {1 / peer:12,.0f} bars/s   "
              f"ours {peer / ours:.0f} times as fast")  # fmt: skip
    for part in (100, 10):
        few = read_feed(frame.head(max(days // part, 1) * MINUTES))
        print(f"S1, 1/{part:<3}                          {1 / spent(Cross, few):12,.0f} bars/s")
    many = read_feed(daily_bars(stocks, 2_500 if stocks >= 2_500 else 1_000))
    agents: list[kisnb.Agent] = [DailyCross(code=code) for code in many.codes]
    took = cpu(lambda: run_of(many, agents, separate=True).run(), 2)
    print(f"S3, {stocks:,} stocks, {len(many):,} bars by day {len(many) / took:12,.0f} bars/s   "
          "target ≥ 1,000,000")  # fmt: skip
    show_ticks(ticks)
    is_here("vectorbt")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process        {peak:12,.0f} MB")


if __name__ == "__main__":
    import sys

    show(*map(int, sys.argv[1:]))
