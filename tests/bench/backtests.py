"""The back-test engine beside its peers: works S1, S3 and S4, in whole won.

S1: one stock, minute bars, SMA(10) over SMA(30), all-in at the next open, 0.015 % a side and 0.20 %
tax. S3: the same over many stocks with daily bars, each with its own cash. Rates are bars a second
of CPU time; ``x`` is the time of a bar divided by that of one numba pass. The peers are the
dependency group ``engines``. One that is not installed is named and skipped. S4: trades of one
stock, a callback each, an order per 1,000. Its ``x`` is the time of a trade divided by that of a
Python loop with an empty callback.
"""

from __future__ import annotations

import importlib.util
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
from kisnb.backtesting.ticks.tick_feed import TickFeed, read_tick_feed
from kisnb.events import Bar, Tick
from kisnb.market.costs import CostModel
from kisnb.market.universe import Universe
from tests.backtesting.bars import trading_days

FAST, SLOW = 10, 30
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
    """Print work S4."""
    feed = read_tick_feed(trades(n))
    issues, _ = universe_of(feed.codes, Universe.packaged())
    some = feed.ticks(feed.rows.head(200_000))

    def spent(agent: type[kisnb.Agent]) -> float:
        run = prepared_ticks([agent()], feed, issues, COSTS, cash=CASH, fills=None)
        return cpu(run.run, 1) / n

    def empty(tick: Tick) -> None: ...

    def loop() -> None:
        for tick in some:
            empty(tick)

    def made() -> None:
        parts = TickFeed(feed.rows.head(len(some))).parts()
        deque(parts, maxlen=0)

    # Each figure is the smallest of three that take turns.
    turns = [
        (spent(Thousandth), spent(EmptyTick), cpu(loop, 1) / len(some), cpu(made, 1) / len(some))
        for _ in range(3)
    ]
    ours, engine, callback, making = (min(figures) for figures in zip(*turns, strict=True))
    print(f"S4, {n:,} trades                {1 / ours:12,.0f} trades/s   "
          f"x {ours / callback:.1f} an empty callback of {callback * 1e9:.0f} ns, "
          "target ≤ 5.5")  # fmt: skip
    print(f"S4, empty agent                    {1 / engine:12,.0f} trades/s   "
          f"of it {making / engine:.0%} to make the trades")  # fmt: skip


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


def backtesting_py(frame: pl.DataFrame) -> float:
    """Seconds of backtesting.py over the bars. It charges the tax on both sides in half."""
    import warnings

    import pandas as pd
    from backtesting import Backtest, Strategy

    class Peer(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            close = pd.Series(self.data.Close)
            self.fast = self.I(lambda: close.rolling(FAST).mean())
            self.slow = self.I(lambda: close.rolling(SLOW).mean())

        def next(self) -> None:
            up = self.fast[-1] > self.slow[-1]
            if up and not self.position:
                self.buy()
            elif not up and self.position:
                self.position.close()

    names = ("open", "high", "low", "close", "volume")
    data = pd.DataFrame(
        {name.title(): frame[name].to_numpy() for name in names},
        index=pd.DatetimeIndex(frame["time"].to_list()),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test = Backtest(data, Peer, cash=CASH, commission=0.00115)
        began = time.thread_time()
        test.run()
        return time.thread_time() - began


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
    ours = cpu(lambda: run_of(feed, [Cross(code="005930")]).run())
    empty = cpu(lambda: run_of(feed, [EmptyBar(code="005930")]).run())
    orders = len(run.state.books.orders)
    print(f"S1, {bars:,} bars, {orders:,} orders    {bars / ours:12,.0f} bars/s")
    print(f"S1, empty agent                    {bars / empty:12,.0f} bars/s")
    if importlib.util.find_spec("numba"):
        one, o, c = numba_pass(), frame["open"].to_numpy(), frame["close"].to_numpy()
        cash, fills = one(o, c)
        limit = cpu(lambda: one(o, c), 7)
        same = (cash, fills) == (run.state.cash, run.state.fills)
        print(f"S1, numba limit                    {bars / limit:12,.0f} bars/s   "
              f"ours x {ours / limit:.0f}, target ≤ 350; equal to the won: {same}")  # fmt: skip
    else:
        print("numba is not installed")
    if importlib.util.find_spec("backtesting"):
        peer = backtesting_py(frame)
        print(f"S1, backtesting.py                 {bars / peer:12,.0f} bars/s   "
              f"ours {peer / ours:.2f} times as fast, target ≥ 3")  # fmt: skip
    else:
        print("backtesting is not installed")
    for part in (100, 10):
        few = read_feed(frame.head(max(days // part, 1) * MINUTES))
        spent = cpu(lambda few=few: run_of(few, [Cross(code="005930")]).run())  # type: ignore[misc]
        print(f"S1, 1/{part:<3}                          {len(few) / spent:12,.0f} bars/s")
    many = read_feed(daily_bars(stocks, 2_500 if stocks >= 2_500 else 1_000))
    agents: list[kisnb.Agent] = [DailyCross(code=code) for code in many.codes]
    spent = cpu(lambda: run_of(many, agents, separate=True).run(), 1)
    print(f"S3, {stocks:,} stocks, {len(many):,} bars by day {len(many) / spent:12,.0f} bars/s   "
          "target ≥ 1,000,000")  # fmt: skip
    show_ticks(ticks)
    for peer in ("vectorbt", "backtrader", "nautilus_trader"):
        if importlib.util.find_spec(peer) is None:
            print(f"{peer} is not installed, and was left out")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process        {peak:12,.0f} MB")


if __name__ == "__main__":
    import sys

    show(*map(int, sys.argv[1:]))
