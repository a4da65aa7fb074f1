"""Records of runs, made of facts as a desk applies them, with the costs of real rates."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from kisnb.backtesting.run_record import RunRecord
from kisnb.clock import SECOND, kst
from kisnb.events import Filled, IntentTaken, SendStarted, Sent
from kisnb.history.download import trading_days
from kisnb.market.costs import BANKIS
from kisnb.orders import Intent, OrderRef, Route
from kisnb.terms import Board, Kind, OrderKind, Side, Venue
from kisnb.trading.order_books.order_book import OrderBooks

OPEN, CLOSE = 9 * 3600, 15 * 3600 + 1800
DAYS = trading_days(date(2019, 6, 3), date(2023, 12, 28))
KST_NS = pl.Datetime("ns", "Asia/Seoul")
CASH = 10_000_000


class Trading:
    """Order books that are filled one fill after another, and the cash that goes with them."""

    def __init__(self, cash: int = CASH) -> None:
        self.books = OrderBooks()
        self.cash = cash
        self.held: dict[str, int] = {}
        self._orders = 0

    def trade(
        self, day: date, side: Side, code: str, price: int, *parts: int, agent: str = "Walker"
    ) -> None:
        """An order at a day's open that fills in parts, each with fee and tax."""
        self._orders += 1
        key, t = f"agent:{agent}:1:{self._orders}", kst(day, OPEN)
        intent = Intent(key, agent, code, side, sum(parts), OrderKind.MARKET)
        self.books.apply(IntentTaken(t, intent))
        self.books.apply(SendStarted(t, key, Route(Venue.KRX, OrderKind.MARKET, "test"), 0))
        self.books.apply(Sent(t, key, OrderRef(day.year * 10_000, "", self._orders)))
        for second, qty in enumerate(parts):
            value = qty * price
            fee = BANKIS.fee(value, Venue.KRX, Kind.STOCK)
            tax = BANKIS.tax(value, day, Kind.STOCK, Board.KOSPI) if side is Side.SELL else 0
            self.books.apply(Filled(t + second * SECOND, key, qty, price, fee, tax, Venue.KRX))
            self.cash -= (value if side is Side.BUY else -value) + fee + tax
            self.held[code] = self.held.get(code, 0) + (qty if side is Side.BUY else -qty)


def walk(days: Sequence[date], seed: int, price: int = 50_000) -> Iterator[tuple[int, ...]]:
    """Open, high, low, close and volume of each day, on whole hundreds of won."""
    chance = random.Random(seed)
    for _ in days:
        opened = max(round(price * (1 + chance.gauss(0, 0.006)) / 100), 50) * 100
        price = max(round(opened * (1 + chance.gauss(0.0003, 0.015)) / 100), 50) * 100
        high = max(opened, price) + 100 * chance.randrange(8)
        low = min(opened, price) - 100 * chance.randrange(8)
        yield opened, high, low, price, chance.randrange(10_000, 2_000_000)


def walked(
    days: Sequence[date] = DAYS,
    codes: Sequence[str] = ("005930",),
    seed: int = 7,
    hold: int = 15,
    cash: int = CASH,
) -> RunRecord:
    """A run that buys and sells each stock in turn every ``hold`` days, in two parts each."""
    trading, bars, rows = Trading(cash), [], []
    prices = {code: list(walk(days, seed + i)) for i, code in enumerate(codes)}
    for n, day in enumerate(days):
        for i, code in enumerate(codes):
            opened = prices[code][n][0]
            bars.append((code, kst(day, OPEN), *prices[code][n]))
            if (n + 3 * i) % hold:
                continue
            held = trading.held.get(code, 0)
            if held:
                trading.trade(day, Side.SELL, code, opened, held // 3 + 1, held - held // 3 - 1)
            elif (qty := trading.cash // len(codes) // opened - 3) > 1:
                trading.trade(day, Side.BUY, code, opened, qty // 2, qty - qty // 2)
        holdings = sum(qty * prices[code][n][3] for code, qty in trading.held.items())
        rows.append((kst(day, CLOSE), trading.cash, holdings, trading.cash + holdings))
    return record_of(trading, rows, bars, days, cash)


def record_of(
    trading: Trading,
    rows: Sequence[tuple[int, int, int, int]],
    bars: Sequence[tuple[object, ...]],
    days: Sequence[date],
    cash: int = CASH,
    agents: tuple[str, ...] = ("Walker",),
) -> RunRecord:
    """A record of these order books, with equity by (time, cash, holdings, equity)."""
    whole = pl.Int64()
    equity = pl.DataFrame(
        rows,
        schema={"time": whole, "cash": whole, "holdings": whole, "equity": whole},
        orient="row",
    )
    prices = dict.fromkeys(("time", "open", "high", "low", "close", "volume"), whole)
    fed = pl.DataFrame(bars, schema={"code": pl.String(), **prices}, orient="row")
    local = pl.col("time").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Seoul")
    return RunRecord(
        agents=agents,
        books=trading.books,
        equity=equity.with_columns(local),
        bars=fed.with_columns(local),
        first=days[0],
        last=days[-1],
        cash=cash,
        costs="Commission of a BanKIS account, and the tax of each day.",
        assumptions=(
            "A market order fills at the next day's open.",
            "No order moves the price.",
        ),
        parameters=tuple("code='005930', hold=15" for _ in agents),
    )
