"""The single-price auction: one price at which the most shares change hands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kisnb.exchange.limit_book import LimitBook, RestingOrder
from kisnb.terms import Side

MARKET_BUY = 1 << 60
MARKET_SELL = 0
"""Prices under which market orders queue in an auction: ahead of every limit."""
ROUNDS = (100, 500, 1_000, 2_000)
"""Shares that each order gets in the first rounds of an allotment; then half of what it still wants, then the rest."""


class AuctionFill(NamedTuple):
    """Shares of one order in an auction."""

    order_id: int
    qty: int


class Uncrossed(NamedTuple):
    """The outcome; fills stand in the order of price, then time, buyers first."""

    price: int
    volume: int
    fills: tuple[AuctionFill, ...]


def single_price(
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
    reference: int,
) -> tuple[int, int]:
    """Price and volume of an auction of (price, shares) levels, best first; (``reference``, 0) when nothing crosses.

    Among prices of equal volume the nearest to ``reference`` (the previous price) wins, ``reference`` itself when it
    is one of them; of two equally near the higher. Source: KRX business rules, single-price trading.
    """
    candidates = {
        price for price, _ in (*bids, *asks) if price not in (MARKET_BUY, MARKET_SELL)
    } | {reference}
    best, volume = reference, 0
    for price in sorted(candidates, key=lambda p: (abs(p - reference), -p)):
        demand = sum(qty for at, qty in bids if at >= price)
        supply = sum(qty for at, qty in asks if at <= price)
        if min(demand, supply) > volume:
            best, volume = price, min(demand, supply)
    return best, volume


def uncross(book: LimitBook, reference: int, limits: tuple[int, int] | None = None) -> Uncrossed:
    """Match the orders that an auction has collected in ``book`` and take the filled shares out of it.

    ``limits`` are the day's lower and upper limit in an auction that allots: at the upper one all who would buy are
    equal, at the lower one all who would sell, and shares go round by size of order. Source: KRX business rules,
    simultaneous orders (동시호가) at the opening.
    """
    deepest = 1 << 30
    price, volume = single_price(
        book.levels(Side.BUY, deepest), book.levels(Side.SELL, deepest), reference
    )
    lower, upper = limits or (None, None)
    fills: list[AuctionFill] = []
    for side in (Side.BUY, Side.SELL):
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
    """In rounds, the largest order first, of equals the earlier."""
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
