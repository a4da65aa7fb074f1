"""The peers of the back-tester on the works S1 and S4: CPU seconds for a bar or a trade.

They are the dependency group ``engines``. One that is not installed is named and skipped. A slow
peer gets a part of the work: its time for one bar or trade does not depend on their number.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import Any

import polars as pl

FAST, SLOW = 10, 30


def is_here(name: str) -> bool:
    """Whether a peer is installed; if not, say so."""
    if importlib.util.find_spec(name) is None:
        print(f"{name} is not installed, and was left out")
        return False
    return True


def spent(work: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.thread_time()
        work()
        return time.thread_time() - began


def pandas_bars(frame: pl.DataFrame) -> Any:
    """The bars as pandas' table with the columns Open to Volume."""
    import pandas as pd

    return pd.DataFrame(
        {n.title(): frame[n].to_numpy() for n in ("open", "high", "low", "close", "volume")},
        index=pd.DatetimeIndex(frame["time"].to_list()),
    )


def backtesting_py(frame: pl.DataFrame) -> float:
    """S1 by backtesting.py. It charges the tax on both sides in half."""
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

    test = Backtest(pandas_bars(frame), Peer, cash=100_000_000, commission=0.00115)
    return spent(test.run) / len(frame)


def backtrader_bars(frame: pl.DataFrame) -> float:
    """S1 by backtrader, with a fixed number of shares: it sizes at the close before the open."""
    import backtrader as bt

    class Peer(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            fast, slow = (bt.indicators.SMA(self.data.close, period=n) for n in (FAST, SLOW))
            self.up = fast > slow

        def next(self) -> None:
            if self.up[0] and not self.position:
                self.buy(size=1_000)
            elif not self.up[0] and self.position:
                self.close()

    engine = bt.Cerebro()
    engine.addstrategy(Peer)
    engine.adddata(bt.feeds.PandasData(dataname=pandas_bars(frame)))
    engine.broker.setcash(100_000_000)
    engine.broker.setcommission(commission=0.00115)
    return spent(engine.run) / len(frame)


def nautilus_trades(frame: pl.DataFrame) -> float:
    """S4 by nautilus_trader: a callback for each trade, and an order for each thousandth."""
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import TradeTick
    from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType, OrderSide
    from nautilus_trader.model.identifiers import TradeId, Venue
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    stock = TestInstrumentProvider.equity("AAPL", "XNAS")

    class Peer(Strategy):  # type: ignore[misc]
        def on_start(self) -> None:
            self.count = 0
            self.subscribe_trade_ticks(stock.id)

        def on_trade_tick(self, tick: object) -> None:
            self.count += 1
            if self.count % 1_000 == 0:
                held = self.portfolio.net_position(stock.id) > 0
                side = OrderSide.SELL if held else OrderSide.BUY
                self.submit_order(self.order_factory.market(stock.id, side, Quantity.from_int(1)))

    rows = frame.select("price", "qty", pl.col("time").dt.epoch("ns")).iter_rows()
    trades = [
        TradeTick(
            stock.id, Price(price, 2), Quantity.from_int(qty), AggressorSide.BUYER,
            TradeId(str(n)), t, t,
        )
        for n, (price, qty, t) in enumerate(rows)
    ]  # fmt: skip
    quiet = LoggingConfig(log_level="ERROR", bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=quiet))
    engine.add_venue(Venue("XNAS"), OmsType.NETTING, AccountType.CASH, [Money(10**9, USD)])
    engine.add_instrument(stock)
    engine.add_data(trades)
    engine.add_strategy(Peer())
    return spent(engine.run) / len(trades)
