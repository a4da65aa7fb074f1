"""A01, invariant 10: on a recorded tape in lockstep the back-test equals the simulator's record.

The agent buys and sells at both venues: market orders that take several levels, limit orders that
wait, are partly filled, revised and cancelled. Time, code, side, quantity, venue and fills of each
order are compared.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

import kisnb
from kisnb.config import load_config
from kisnb.events import Tick
from kisnb.orders import Order, Want
from kisnb.session.session import Session
from kisnb.simulator.host.account.account import STARTING_CASH
from kisnb.terms import Side, Venue
from kisnb.trading.ports.limits import limits_of
from tests.session.opening import recording_path, traded

CODE = "005935"
"""Its levels hold some hundred shares, so that an order is larger than one of them."""


class Busy(kisnb.Agent):
    """Orders by a count of its ticks alone, so that each of its turns is another case.

    It orders once at a moment: what two calls at the same moment find depends on the machine.
    """

    code: str = CODE
    seed: int = 0

    def on_start(self) -> None:
        self.ticks = self.acted = 0
        self.waits: list[Order] = []

    def on_tick(self, tick: Tick) -> None:
        if self.now == self.acted:
            return
        self.ticks, self.acted = self.ticks + 1, self.now
        turn = (self.ticks * 5 + self.seed) % 12
        venue = Venue.NXT if (self.ticks // 12 + self.seed) % 2 else Venue.KRX
        mine = [o for o in self.waits if o.is_open and o.ref is not None and not o.cancel_asked]
        if turn == 0:
            # It may be more than the best level has: then a part of it waits in the market.
            self.waits.append(self.buy(260 + 10 * self.seed, tick.ask, venue=venue))
        elif turn == 2:
            self.waits.append(self.buy(30, tick.bid, venue=venue))
        elif turn == 4 and self.held() > 200:
            self.sell(150 + self.seed, venue=Venue.KRX)
        elif turn == 5 and mine:
            step = 100 if mine[-1].side is Side.BUY else -100
            self.waits.append(self.revise(mine[-1], (mine[-1].intent.price or 0) + step))
        elif turn == 7 and mine:
            self.cancel(mine[0], max(mine[0].leaves // 2, 1))
        elif turn == 9 and len(mine) > 2:
            self.cancel(mine[0])
        elif turn == 10 and self.held() > 100:
            self.waits.append(self.sell(self.held() // 3, tick.ask, venue=venue))
        elif turn == 11 and self.held() > 100:
            self.waits.append(self.sell(self.held() // 4, tick.bid, venue=venue))


def told(book: kisnb.OrderBook) -> list[tuple[Any, ...]]:
    """Each order with its fills by moment, venue and price."""
    rows = []
    for order in book.orders.values():
        fills: dict[tuple[int, str, int], int] = defaultdict(int)
        for fill in order.fills:
            fills[fill.t, str(fill.venue), fill.price] += fill.qty
        # A denied order was routed, or not: it reached no venue either way.
        venue = None if order.ref is None else str(order.ref.venue)
        side = "buy" if order.side is Side.BUY else "sell"
        rows.append((order.t, order.code, side, order.quantity, venue, sorted(fills.items())))
    return rows


@pytest.mark.parametrize("seed", range(1, 11))
def test_a01_h06_the_back_test_equals_the_simulators_record_order_by_order(seed: int) -> None:
    async def work(session: Session) -> list[tuple[Any, ...]]:
        session._parts.watched.want([Want("depth", CODE, v) for v in (Venue.KRX, Venue.NXT)])
        runner = await session.agents.start(Busy(seed=seed))
        await session.until("10:12")
        return told(session._parts.state.books.of(runner.id))

    record = traded(work, seed=seed)
    # The limits of the desk, and the cash of the simulator's account.
    limits = limits_of(load_config(), speed=0, needs_arming=False)
    result = kisnb.backtest(Busy(seed=seed), recording_path(), limits=limits, cash=STARTING_CASH)
    again = told(result.book)
    assert len(record) > 30
    assert {row[4] for row in record} >= {"KRX", "NXT"}
    # Some orders were filled in parts, some were revised, and some were cancelled before a fill.
    assert sum(len(fills) > 1 for *_, fills in record) > 3
    assert any(o.intent.supersedes for o in result.book.orders.values())
    assert any(o.cancelled and not o.filled for o in result.book.orders.values())
    assert again[: len(record)] == record
