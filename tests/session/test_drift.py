"""H10: the drift of a simulated day, over the real protocol. Its latency is that of KIS's limit."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import kisnb
from kisnb.events import Tick
from kisnb.session.session import Session
from kisnb.simulator.host.account.account import STARTING_CASH
from kisnb.terms import Side
from kisnb.trading.order_books.order_book import OrderBook
from tests.session.opening import traded
from tests.session.test_tape import tape_of

CODE = "005930"


class Burst(kisnb.Agent):
    """Orders more at once than KIS takes in a second, and sells all of it later."""

    code: str = CODE

    def on_start(self) -> None:
        self.ticks = 0

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1
        if self.ticks == 20:
            for _ in range(30):
                self.buy(3)
        if self.ticks == 200:
            self.sell(self.held())


def test_h10_a_simulated_day_drifts_by_the_latency_of_its_orders() -> None:
    async def work(session: Session) -> tuple[OrderBook, Path]:
        runner = await session.agents.start(Burst())
        await session.until("10:30")
        return session.books.of(runner.id), await tape_of(session)

    book, tape = traded(work)
    found = kisnb.drift(Burst(), tape, book, cash=STARTING_CASH)
    frame = found.orders
    buys = frame.filter(pl.col("side") == "buy")
    assert buys.height == 30
    # The first orders go out at once, the last ones wait for the next second of the limit.
    assert buys["latency_ms"].min() == 0
    assert buys["latency_ms"].max() >= 500
    last = found.promised.bars.filter(pl.col("code") == CODE)["close"][-1]
    worth = 0
    for orders, sign in ((book.orders, 1), (found.promised.book.orders, -1)):
        for order in orders.values():
            side = 1 if order.side is Side.BUY else -1
            for fill in order.fills:
                gain = side * fill.qty * (last - fill.price) - fill.fee - fill.tax
                worth += sign * gain
    assert found.total == worth == frame["total"].sum()
    assert found.summary["won"].to_list()[-1] == worth
