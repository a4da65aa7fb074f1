"""The call auction (단일가매매): all orders match at the one price at which most shares trade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kisnb.exchange.limit_book import LimitBook, RestingOrder
from kisnb.terms import Side

MARKET_BUY = 1 << 60
MARKET_SELL = 0
"""A market order queues in an auction ahead of every limit order, under one of these two prices."""
ROUNDS = (100, 500, 1_000, 2_000)
"""Shares that each order gets in the first rounds of an allotment.

In the next round it gets half of its leaves, then all of them.
Source: KRX business rules, 동시호가.
"""


class AuctionFill(NamedTuple):
    """The shares that one order buys or sells in an auction."""

    order_id: int
    qty: int


class Uncrossed(NamedTuple):
    """The outcome of an auction."""

    price: int
    """Won."""
    volume: int
    """Shares; 0 when nothing crossed."""
    fills: tuple[AuctionFill, ...]
    """Buyers first, each side by price, then time."""


def single_price(
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
    reference: int,
) -> tuple[int, int]:
    """Return the price and the volume of an auction; (``reference``, 0) when nothing crosses.

    ``bids`` and ``asks`` are (price, shares) levels, best first. The price with the largest volume
    wins. Of several such prices, the nearest to ``reference`` (the previous price) wins. Of two
    that are equally near, the higher one wins. Source: KRX business rules, 단일가매매.
    """
    # Only a price at which somebody orders can have the largest volume, or the previous price.
    candidates = {
        price for price, _ in (*bids, *asks) if price not in (MARKET_BUY, MARKET_SELL)
    } | {reference}
    best, volume = reference, 0
    # The nearest price comes first, so of equal volumes the first one found stays.
    for price in sorted(candidates, key=lambda p: (abs(p - reference), -p)):
        demand = sum(qty for at, qty in bids if at >= price)
        supply = sum(qty for at, qty in asks if at <= price)
        if min(demand, supply) > volume:
            best, volume = price, min(demand, supply)
    return best, volume


def uncross(book: LimitBook, reference: int, limits: tuple[int, int] | None = None) -> Uncrossed:
    """Match the orders in ``book``, remove the filled shares from it, and return the outcome.

    ``limits`` are the day's lower and upper limit price, for an auction that allots shares. At the
    upper limit all buyers are equal, at the lower limit all sellers: time does not count, and
    shares are allotted by the size of the order. None: time always counts. Source: KRX business
    rules, simultaneous orders (동시호가) at the opening.
    """
    deepest = 1 << 30
    price, volume = single_price(
        book.levels(Side.BUY, deepest), book.levels(Side.SELL, deepest), reference
    )
    lower, upper = limits or (None, None)
    fills: list[AuctionFill] = []
    for side in (Side.BUY, Side.SELL):
        # At the upper limit buyers cannot outbid one another, so time would decide alone.
        allots = price == (upper if side is Side.BUY else lower)
        filled = (_allotted if allots else _in_turn)(book.queue(side), volume)
        for order, qty in filled:
            fills.append(AuctionFill(order.order_id, qty))
            book.reduce(order, qty)
    return Uncrossed(price, volume, tuple(fills))


def _in_turn(queue: list[RestingOrder], volume: int) -> list[tuple[RestingOrder, int]]:
    filled: list[tuple[RestingOrder, int]] = []
    for order in queue:
        if not volume:
            break
        qty = min(volume, order.leaves)
        filled.append((order, qty))
        volume -= qty
    return filled


def _allotted(queue: list[RestingOrder], volume: int) -> list[tuple[RestingOrder, int]]:
    """Return the orders that get shares, and how many: in rounds, the largest order first.

    Of two orders of one size, the earlier one comes first.
    """
    # The sort is stable, so of orders of one size the earlier one keeps its place.
    by_size = sorted(queue, key=lambda order: -order.leaves)
    given = [0] * len(by_size)
    for most in (*ROUNDS, "half", "rest"):
        for i, order in enumerate(by_size):
            wants = order.leaves - given[i]
            qty = min(
                volume,
                wants,
                most if isinstance(most, int) else wants if most == "rest" else -(-wants // 2),
            )
            given[i] += qty
            volume -= qty
    return [(order, qty) for order, qty in zip(by_size, given, strict=True) if qty]
