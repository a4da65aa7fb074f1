"""The single-price auction: one price at which the most shares change hands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kisnb.exchange.limit_book import LimitBook
from kisnb.terms import Side

MARKET_BUY = 1 << 60
MARKET_SELL = 0
"""Prices under which market orders queue in an auction: ahead of every limit."""


class Fill(NamedTuple):
    """Shares of one order in an auction."""

    order_id: int
    qty: int


class Uncrossed(NamedTuple):
    """The outcome; fills stand in the order of price, then time, buyers first."""

    price: int
    volume: int
    fills: tuple[Fill, ...]


def single_price(
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
    reference: int,
) -> tuple[int, int]:
    """Price and volume of an auction of (price, shares) levels, best first; (``reference``, 0) when nothing crosses.

    Among prices of equal volume the nearest to ``reference`` (the previous price) wins, ``reference`` itself when it
    is one of them; of two equally near the higher. Source: KRX business rules, single-price trading.
    """
    candidates = {price for price, _ in (*bids, *asks) if price not in (MARKET_BUY, MARKET_SELL)} | {reference}
    best, volume = reference, 0
    for price in sorted(candidates, key=lambda p: (abs(p - reference), -p)):
        demand = sum(qty for at, qty in bids if at >= price)
        supply = sum(qty for at, qty in asks if at <= price)
        if min(demand, supply) > volume:
            best, volume = price, min(demand, supply)
    return best, volume


def uncross(book: LimitBook, reference: int) -> Uncrossed:
    """Match the orders that an auction has collected in ``book`` and take the filled shares out of it."""
    deepest = 1 << 30
    price, volume = single_price(book.levels(Side.BUY, deepest), book.levels(Side.SELL, deepest), reference)
    fills: list[Fill] = []
    for side in (Side.BUY, Side.SELL):
        wanted = volume
        for order in book.queue(side):
            if not wanted:
                break
            qty = min(wanted, order.left)
            fills.append(Fill(order.order_id, qty))
            book.reduce(order, qty)
            wanted -= qty
    return Uncrossed(price, volume, tuple(fills))
