"""The limit book of one stock: orders match by price, then by time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import NamedTuple

from kisnb.terms import Side


class Match(NamedTuple):
    """Shares that a new order (taker) takes from a resting order (maker), at the maker's price."""

    maker_id: int
    taker_id: int
    price: int
    qty: int
    maker_leaves: int


class RestingOrder:
    """An order in the limit book. An order with 0 leaves has ended."""

    __slots__ = ("leaves", "order_id", "price", "side")

    def __init__(self, order_id: int, side: Side, price: int, leaves: int) -> None:
        self.order_id = order_id
        self.side = side
        self.price = price
        self.leaves = leaves


class Level:
    """The orders at one price, oldest first.

    A cancelled order stays in the queue with 0 leaves until it is the first one. To remove it from
    the middle would cost a search.
    """

    __slots__ = ("queue", "total")

    def __init__(self) -> None:
        self.queue: deque[RestingOrder] = deque()
        self.total = 0


class LimitBook:
    """Bids and asks by price and time. Prices in won, quantities in shares.

    The caller chooses the ids of orders. They must be unique.
    """

    def __init__(self) -> None:
        self._levels: dict[Side, dict[int, Level]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}
        self._orders: dict[int, RestingOrder] = {}

    def __len__(self) -> int:
        """Return the number of resting orders."""
        return len(self._orders)

    @property
    def best_bid(self) -> int | None:
        """The highest bid; None without bids."""
        prices = self._prices[Side.BUY]
        return prices[-1] if prices else None

    @property
    def best_ask(self) -> int | None:
        """The lowest ask; None without asks."""
        prices = self._prices[Side.SELL]
        return prices[0] if prices else None

    def add(self, order_id: int, side: Side, price: int | None, qty: int) -> list[Match]:
        """Match an order, let its leaves rest, and return the matches.

        An order without a price trades at any price, and its leaves are dropped.
        """
        matches = self.match(order_id, side, price, qty)
        for found in matches:
            qty -= found.qty
        if qty and price is not None:
            self.rest(order_id, side, price, qty)
        return matches

    def match(self, order_id: int, side: Side, worst: int | None, qty: int) -> list[Match]:
        """Match up to ``qty`` shares at prices no worse than ``worst``, and return the matches.

        ``worst`` None: any price. Shares that find no match are not added to the limit book.
        """
        matches: list[Match] = []
        buying = side is Side.BUY
        against = Side.SELL if buying else Side.BUY
        prices, levels = self._prices[against], self._levels[against]
        # Prices rise in both lists: the best ask is the first, the best bid the last.
        best = 0 if buying else -1
        while qty and prices:
            at = prices[best]
            if worst is not None and (at > worst if buying else at < worst):
                break
            level = levels[at]
            qty -= self._take(level, order_id, qty, matches)
            if not level.total:
                del levels[prices.pop(best)]
        return matches

    def available(self, side: Side, worst: int | None, enough: int) -> bool:
        """Return True when an order of ``side`` could match ``enough`` shares or more at once.

        ``worst`` is the worst price that the order may take; None: any price.
        """
        against = side.opposite
        levels = self._levels[against]
        prices = self._prices[against]
        for at in prices if side is Side.BUY else reversed(prices):
            if worst is not None and (at > worst if side is Side.BUY else at < worst):
                return False
            enough -= levels[at].total
            if enough <= 0:
                return True
        return False

    def rest(self, order_id: int, side: Side, price: int, qty: int) -> None:
        """Put an order at the end of its queue without matching it, as a call auction needs it."""
        levels = self._levels[side]
        level = levels.get(price)
        if level is None:
            level = levels[price] = Level()
            insort(self._prices[side], price)
        order = self._orders[order_id] = RestingOrder(order_id, side, price, qty)
        level.queue.append(order)
        level.total += qty

    def cancel(self, order_id: int, qty: int | None = None) -> int:
        """Cancel ``qty`` shares of an order, or all of it when ``qty`` is None.

        Return the number of cancelled shares; 0 for an order that is not in the book.

        The order keeps its place in the queue.
        """
        order = self._orders.get(order_id)
        if order is None:
            return 0
        taken = order.leaves if qty is None else min(qty, order.leaves)
        self.reduce(order, taken)
        return taken

    def reduce(self, order: RestingOrder, qty: int) -> None:
        """Take ``qty`` shares out of a resting order. They must not be more than its leaves."""
        order.leaves -= qty
        level = self._levels[order.side][order.price]
        level.total -= qty
        if not order.leaves:
            del self._orders[order.order_id]
            # Cancelled orders are removed at the front only. One behind a live order is removed
            # when it comes to the front.
            while level.queue and not level.queue[0].leaves:
                level.queue.popleft()
        if not level.total:
            del self._levels[order.side][order.price]
            prices = self._prices[order.side]
            del prices[bisect_left(prices, order.price)]

    def hand_over(self, order_id: int, new_id: int, qty: int) -> None:
        """Give ``qty`` shares of an order to a new id at the same place of the queue.

        They must not be more than the order's leaves.
        """
        order = self._orders[order_id]
        level = self._levels[order.side][order.price]
        # The total of the level stays the same: the shares only change their owner.
        heir = self._orders[new_id] = RestingOrder(new_id, order.side, order.price, qty)
        # A search is good enough: only a revise at the same price comes here.
        at = level.queue.index(order)
        order.leaves -= qty
        if order.leaves:
            level.queue.insert(at + 1, heir)
        else:
            level.queue[at] = heir
            del self._orders[order_id]

    def leaves_of(self, order_id: int) -> int:
        """Return the leaves of an order; 0 when the order has ended."""
        order = self._orders.get(order_id)
        return order.leaves if order else 0

    def total_at(self, side: Side, price: int) -> int:
        """Return the shares that rest at one price."""
        level = self._levels[side].get(price)
        return level.total if level else 0

    def levels(self, side: Side, n: int) -> tuple[tuple[int, int], ...]:
        """Return the best ``n`` levels as (price, shares), best first."""
        prices, levels = self._prices[side], self._levels[side]
        best = prices[: -n - 1 : -1] if side is Side.BUY else prices[:n]
        return tuple((price, levels[price].total) for price in best)

    def queue(self, side: Side) -> list[RestingOrder]:
        """Return all resting orders of a side by price, then time."""
        prices, levels = self._prices[side], self._levels[side]
        best_first = reversed(prices) if side is Side.BUY else prices
        # An order with 0 leaves may still be in the middle of a queue.
        return [order for price in best_first for order in levels[price].queue if order.leaves]

    def order_ids(self) -> list[int]:
        """Return the ids of all resting orders, oldest first."""
        return list(self._orders)

    def _take(self, level: Level, taker_id: int, qty: int, matches: list[Match]) -> int:
        taken = 0
        while taken < qty and level.total:
            maker = level.queue[0]
            n = min(qty - taken, maker.leaves)
            if n:
                maker.leaves -= n
                level.total -= n
                taken += n
                matches.append(Match(maker.order_id, taker_id, maker.price, n, maker.leaves))
            if not maker.leaves:
                level.queue.popleft()
                self._orders.pop(maker.order_id, None)
        return taken
