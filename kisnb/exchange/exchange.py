"""KRX's regular session of one day, for all stocks: call auctions at both ends, continuous trading between.

Pure: the time is passed in and must not go back. Own orders have positive ids, background orders negative ones; the
background is silent: its orders are not checked, and of what they do only trades and own fills are told.

What is left of a market order is cancelled: at once in continuous trading, after the opening auction when it was
collected there. In a closing auction it expires with everything else.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date

from kisnb.clock import Ns
from kisnb.exchange import auction
from kisnb.exchange.auction import MARKET_BUY, MARKET_SELL
from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    Refusal,
    Traded,
)
from kisnb.exchange.limit_book import LimitBook, Match
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument, Universe
from kisnb.terms import OrderKind, Phase, Side


class Tally:
    """What a stock has traded on this day, in won and shares; prices are 0 before the first trade."""

    __slots__ = ("high", "last", "low", "open", "value", "volume")

    def __init__(self) -> None:
        self.last = self.open = self.high = self.low = self.volume = self.value = 0

    def add(self, price: int, qty: int) -> None:
        if not self.volume:
            self.open = self.high = self.low = price
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.last = price
        self.volume += qty
        self.value += price * qty


class _Stock:
    __slots__ = ("book", "item", "lower", "market_orders", "tally", "upper")

    def __init__(self, item: Instrument, day: date) -> None:
        self.item = item
        self.book = LimitBook()
        self.tally = Tally()
        self.lower, self.upper = ticks.limits(item.base, item.kind, day, item.board)
        self.market_orders: list[int] = []


class Exchange:
    """One day of KRX's regular session, from ``now`` on."""

    def __init__(self, universe: Universe, day: date, now: Ns) -> None:
        self._universe = universe
        self._day = day
        self._stocks: dict[str, _Stock] = {}
        self._home: dict[int, _Stock] = {}
        self._boundaries = sessions.regular_boundaries(day)
        self._passed = bisect_right(self._boundaries, now)
        self.phase = sessions.regular_phase(now)

    @property
    def next_boundary(self) -> Ns | None:
        """The next phase change; None after the close."""
        return self._boundaries[self._passed] if self._passed < len(self._boundaries) else None

    def advance(self, now: Ns) -> list[Happening]:
        """Pass the phase changes up to ``now``: auctions uncross, the close expires what is left."""
        said: list[Happening] = []
        while (t := self.next_boundary) is not None and t <= now:
            self._passed += 1
            collected = self.phase is Phase.AUCTION
            self.phase = sessions.regular_phase(t)
            for stock in self._stocks.values():
                if collected:
                    said += self._uncross(t, stock)
                if self.phase is Phase.CLOSED:
                    said += self._expire(t, stock)
        return said

    def enter(
        self,
        now: Ns,
        code: str,
        order_id: int,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int | None = None,
    ) -> list[Happening]:
        """A new order; a limit order has a price in won, a market order none. Ids are never used twice."""
        said = self.advance(now)
        if order_id in self._home:
            raise ValueError(f"order {order_id} stands in the book already")
        why = self._refusal(code, kind, qty, price) if order_id > 0 else None
        if why is not None:
            said.append(OrderRefused(now, order_id, why))
            return said
        stock = self._stock(code)
        if order_id > 0:
            said.append(OrderAccepted(now, order_id))
        at = None if kind is OrderKind.MARKET else price
        if self.phase is Phase.AUCTION:
            self._collect(stock, order_id, side, at, qty)
        elif self.phase is Phase.CONTINUOUS:
            self._match(now, stock, order_id, side, at, qty, said)
        if order_id > 0:
            said.append(DepthChanged(now, code))
        return said

    def cancel(self, now: Ns, order_id: int, qty: int | None = None) -> list[Happening]:
        """Take ``qty`` shares (None: all) out of an order; more than is left takes what is left."""
        said = self.advance(now)
        own = order_id > 0
        stock = self._home.get(order_id)
        if stock is None or self.phase is Phase.CLOSED or (qty is not None and qty < 1):
            why: Refusal = "closed" if self.phase is Phase.CLOSED else "unknown" if stock is None else "quantity"
            return [*said, OrderRefused(now, order_id, why)] if own else said
        taken = stock.book.cancel(order_id, qty)
        if not stock.book.left(order_id):
            del self._home[order_id]
        if own:
            said += (OrderCancelled(now, order_id, taken), DepthChanged(now, stock.item.code))
        return said

    def left(self, order_id: int) -> int:
        """Shares of an order that still stand in the book."""
        stock = self._home.get(order_id)
        return stock.book.left(order_id) if stock else 0

    def depth(self, code: str, n: int = 10) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """Asks and bids as (price, shares), best first."""
        book = self._stock(code).book
        asks = tuple(x for x in book.levels(Side.SELL, n + 1) if x[0] != MARKET_SELL)[:n]
        return asks, tuple(x for x in book.levels(Side.BUY, n + 1) if x[0] != MARKET_BUY)[:n]

    def book(self, code: str) -> LimitBook:
        """The stock's limit book, to look at."""
        return self._stock(code).book

    def tally(self, code: str) -> Tally:
        """What the stock has traded so far."""
        return self._stock(code).tally

    def resume(self, code: str, tally: Tally) -> None:
        """Begin a stock in the middle of its day."""
        self._stock(code).tally = tally

    def _stock(self, code: str) -> _Stock:
        stock = self._stocks.get(code)
        if stock is None:
            stock = self._stocks[code] = _Stock(self._universe.get(code), self._day)
        return stock

    def _refusal(self, code: str, kind: OrderKind, qty: int, price: int | None) -> Refusal | None:
        if code not in self._universe:
            return "unknown"
        if qty < 1:
            return "quantity"
        if self.phase is Phase.CLOSED:
            return "closed"
        stock = self._stock(code)
        if stock.item.halted:
            return "halted"
        if kind is OrderKind.MARKET:
            return None
        if price is None or not ticks.on_grid(price, stock.item.kind, self._day, stock.item.board):
            return "tick"
        return None if stock.lower <= price <= stock.upper else "limit"

    def _collect(self, stock: _Stock, order_id: int, side: Side, price: int | None, qty: int) -> None:
        if price is None:
            price = MARKET_BUY if side is Side.BUY else MARKET_SELL
            stock.market_orders.append(order_id)
        stock.book.rest(order_id, side, price, qty)
        self._home[order_id] = stock

    def _match(
        self,
        now: Ns,
        stock: _Stock,
        order_id: int,
        side: Side,
        price: int | None,
        qty: int,
        said: list[Happening],
    ) -> None:
        matches = stock.book.add(order_id, side, price, qty)
        if stock.book.left(order_id):
            self._home[order_id] = stock
        for match in matches:
            qty -= match.qty
            self._print(now, stock, side, match, said)
        if price is None and qty and order_id > 0:
            said.append(OrderCancelled(now, order_id, qty))

    def _print(self, now: Ns, stock: _Stock, side: Side, match: Match, said: list[Happening]) -> None:
        maker, taker, price, qty, maker_left = match
        if not maker_left:
            del self._home[maker]
        buy, sell = (taker, maker) if side is Side.BUY else (maker, taker)
        said.append(self._traded(now, stock, price, qty, side, buy, sell))
        said.extend(OrderFilled(now, own, qty, price) for own in (maker, taker) if own > 0)

    def _traded(
        self,
        now: Ns,
        stock: _Stock,
        price: int,
        qty: int,
        taker: Side | None,
        buy: int,
        sell: int,
    ) -> Traded:
        tally, book = stock.tally, stock.book
        tally.add(price, qty)
        return Traded(
            now,
            stock.item.code,
            price,
            qty,
            taker,
            buy,
            sell,
            tally.volume,
            tally.value,
            tally.open,
            tally.high,
            tally.low,
            book.best_ask or 0,
            book.best_bid or 0,
        )

    def _uncross(self, now: Ns, stock: _Stock) -> list[Happening]:
        outcome = auction.uncross(stock.book, stock.tally.last or stock.item.base)
        own = [OrderFilled(now, f.order_id, f.qty, outcome.price) for f in outcome.fills if f.order_id > 0]
        for fill in outcome.fills:
            if not stock.book.left(fill.order_id):
                del self._home[fill.order_id]
        dropped = self._drop_market_orders(now, stock)
        said: list[Happening] = []
        if outcome.volume:
            said.append(self._traded(now, stock, outcome.price, outcome.volume, None, 0, 0))
        said += (*own, *dropped)
        if said:
            said.append(DepthChanged(now, stock.item.code))
        return said

    def _drop_market_orders(self, now: Ns, stock: _Stock) -> list[Happening]:
        ended = OrderExpired if self.phase is Phase.CLOSED else OrderCancelled
        waiting = [i for i in stock.market_orders if i in self._home]
        stock.market_orders.clear()
        return [ended(now, i, qty) for i, qty in self._take_out(stock, waiting) if i > 0]

    def _expire(self, now: Ns, stock: _Stock) -> list[Happening]:
        ended = self._take_out(stock, stock.book.order_ids())
        said: list[Happening] = [OrderExpired(now, i, qty) for i, qty in ended if i > 0]
        return [*said, DepthChanged(now, stock.item.code)] if ended else said

    def _take_out(self, stock: _Stock, order_ids: list[int]) -> list[tuple[int, int]]:
        for order_id in order_ids:
            del self._home[order_id]
        return [(order_id, stock.book.cancel(order_id)) for order_id in order_ids]
