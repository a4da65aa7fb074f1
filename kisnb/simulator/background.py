"""The rest of the market in one stock: keeps ten levels a side around the fair price and trades the day's schedule.

Its orders stand in the same limit book as everybody's, so an own order waits behind those that came earlier and is
filled when the market trades at or through its price.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from kisnb.clock import Ns
from kisnb.exchange.exchange import Exchange
from kisnb.exchange.happenings import Happening
from kisnb.market import ticks
from kisnb.market.instruments import Instrument
from kisnb.simulator.market_day import Schedule, Trade
from kisnb.terms import OrderKind, Phase, Side

LEVELS = 10
AUCTION_LEAD: Ns = 1_000_000
"""How long before an auction's match its background orders come in."""


class Background:
    """Background liquidity of one stock, from the trade after ``now`` on."""

    def __init__(
        self,
        exchange: Exchange,
        item: Instrument,
        day: date,
        schedule: Schedule,
        ids: Iterator[int],
        now: Ns,
    ) -> None:
        self._exchange = exchange
        self._item = item
        self._day = day
        self._schedule = schedule
        self._ids = ids
        self._next = schedule.passed(now)
        self._standing: dict[Side, dict[int, list[int]]] = {Side.BUY: {}, Side.SELL: {}}
        self._ladders: dict[tuple[Side, int], tuple[int, ...]] = {}
        self._limits = ticks.limits(item.base, item.kind, day, item.board)
        exchange.resume(item.code, schedule.tally(self._next))

    @property
    def due(self) -> Ns | None:
        """When it acts next on its own; None when the day's schedule is done."""
        if self._next >= len(self._schedule.trades):
            return None
        trade = self._schedule.trades[self._next]
        return trade.t if trade.side else trade.t - AUCTION_LEAD

    def begin_phase(self, now: Ns) -> list[Happening]:
        """Stand around the last price, as the exchange's phase allows."""
        if self._exchange.phase is Phase.CLOSED:
            for standing in self._standing.values():
                standing.clear()
            return []
        last = self._exchange.tally(self._item.code).last or self._item.base
        return self._lay(now, self._step(last, -1), last)

    def act(self, now: Ns) -> list[Happening]:
        """Make the next trade of the schedule happen."""
        trade = self._schedule.trades[self._next]
        self._next += 1
        if trade.side is None:
            return self._prepare_auction(now, trade)
        if trade.side is Side.BUY:
            said = self._lay(now, self._step(trade.price, -trade.spread), trade.price)
        else:
            said = self._lay(now, trade.price, self._step(trade.price, trade.spread))
        said += self._provide(now, trade.side.opposite, trade.price, trade.qty)
        taker = next(self._ids)
        said += self._exchange.enter(now, self._item.code, taker, trade.side, OrderKind.LIMIT, trade.qty, trade.price)
        self._exchange.cancel(now, taker)
        return said

    def _provide(self, now: Ns, side: Side, price: int, qty: int) -> list[Happening]:
        """See to it that the background has ``qty`` shares at ``price``."""
        left = self._left(side, price)
        if left >= qty:
            return []
        if left == self._exchange.book(self._item.code).total_at(side, price):
            # nobody else queues here: one new order in place of the old ones makes the trade one print
            for order_id in self._standing[side].pop(price, ()):
                self._exchange.cancel(now, order_id)
            left = 0
        return self._place(now, side, price, qty - left + self._size(price))

    def _prepare_auction(self, now: Ns, trade: Trade) -> list[Happening]:
        said = self._lay(now, self._step(trade.price, -1), self._step(trade.price, 1))
        for side in Side:
            said += self._place(now, side, trade.price, trade.qty)
        return said

    def _lay(self, now: Ns, bid: int, ask: int) -> list[Happening]:
        wanted = {Side.BUY: self._ladder(Side.BUY, bid), Side.SELL: self._ladder(Side.SELL, ask)}
        for side, prices in wanted.items():
            standing = self._standing[side]
            for price in [p for p in standing if p not in prices]:
                for order_id in standing.pop(price):
                    self._exchange.cancel(now, order_id)
        said: list[Happening] = []
        for side, prices in wanted.items():
            for price in prices:
                if not self._left(side, price):
                    said += self._place(now, side, price, self._size(price))
        return said

    def _place(self, now: Ns, side: Side, price: int, qty: int) -> list[Happening]:
        order_id = next(self._ids)
        said = self._exchange.enter(now, self._item.code, order_id, side, OrderKind.LIMIT, qty, price)
        if self._exchange.left(order_id):
            self._standing[side].setdefault(price, []).append(order_id)
        return said

    def _left(self, side: Side, price: int) -> int:
        orders = self._standing[side].get(price)
        if not orders:
            return 0
        sizes = [self._exchange.left(order_id) for order_id in orders]
        if not sizes[0]:
            orders[:] = [order_id for order_id, size in zip(orders, sizes, strict=True) if size]
        return sum(sizes)

    def _ladder(self, side: Side, best: int) -> tuple[int, ...]:
        ladder = self._ladders.get((side, best))
        if ladder is None:
            lower, upper = self._limits
            direction = 1 if side is Side.SELL else -1
            prices = [best]
            while len(prices) < LEVELS:
                prices.append(self._step(prices[-1], direction))
            ladder = tuple(p for p in prices if lower <= p <= upper)
            self._ladders[side, best] = ladder
        return ladder

    def _size(self, price: int) -> int:
        sizes = self._schedule.level_sizes
        return sizes[(price + self._next) % len(sizes)]

    def _step(self, price: int, n: int) -> int:
        return (
            ticks.step(price, n * self._schedule.level_gap, self._item.kind, self._day, self._item.board)
            if price
            else 0
        )
