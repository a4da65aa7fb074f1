"""Reservations of orders that have not ended: cash for buys, shares for sells.

An order in state NEW reserves nothing yet.
"""

from __future__ import annotations

from collections.abc import Iterator

from kisnb.orders import Intent, Order, OrderState
from kisnb.terms import BUY, SELL, Side
from kisnb.trading.order_books.order_book import NOBODY, OrderBooks


def buys(books: OrderBooks, intent: Intent) -> Iterator[tuple[Order, int]]:
    """Yield each open buy, and the shares that it may still buy once ``intent`` is sent.

    If ``intent`` is a revise, the shares that move no longer count for the revised order.
    """
    return _open(books, intent, BUY)


def sellable(books: OrderBooks, intent: Intent) -> int:
    """Return the number of shares of the stock that are held and not reserved by an open sell.

    The order ``intent`` itself does not count as an open sell. For an agent only its own shares
    count.
    """
    # Both limits apply: an agent may not sell shares of others, and all together may not sell more
    # than the account has.
    by_all, by_agent = _selling(books, intent)
    free = books.account.position(intent.code).qty - by_all
    if intent.agent in NOBODY:
        return free
    return min(free, _held(books, intent) - by_agent)


def own(books: OrderBooks, intent: Intent) -> int | None:
    """Return the number of shares that the agent holds and that no open sell of its own reserves.

    The order ``intent`` itself does not count as an open sell. None for an order that belongs to no
    agent.
    """
    if intent.agent in NOBODY:
        return None
    return _held(books, intent) - _selling(books, intent)[1]


def may_own(books: OrderBooks, intent: Intent) -> int:
    """Return the most shares that the agent may own, with fills that were not reported yet.

    Only an order in flight can have such fills. The desk compares KIS's holdings after it has
    booked KIS's list of orders. By then it knows the fills of each order that has a number. For an
    order that belongs to no agent the limit is not known. Then the result is the order's quantity.
    """
    mine = own(books, intent)
    if mine is None:
        return intent.qty
    buys = (o for o, _ in _open(books, intent, BUY) if o.intent.agent == intent.agent)
    return mine + sum(o.leaves for o in buys if o.code == intent.code and o.ref is None)


def reduces(books: OrderBooks, intent: Intent) -> bool:
    """Return whether the order is a sell of no more shares than can be sold."""
    return intent.side is SELL and intent.qty <= sellable(books, intent)


def _held(books: OrderBooks, intent: Intent) -> int:
    """Return the shares of the stock that the order's agent holds."""
    book = books.agents.get(intent.agent)
    return 0 if book is None else book.position(intent.code).qty


def _selling(books: OrderBooks, intent: Intent) -> tuple[int, int]:
    """Return the shares of the stock that open sells reserve: those of all, and of the agent."""
    by_all = by_agent = 0
    for order, qty in _open(books, intent, SELL):
        if order.code == intent.code:
            by_all += qty
            by_agent += qty if order.intent.agent == intent.agent else 0
    return by_all, by_agent


def _open(books: OrderBooks, intent: Intent, side: Side) -> Iterator[tuple[Order, int]]:
    for order in books.live.values():
        # NEW orders are checked one by one when their turn comes. If they reserved at once, two of
        # them could deny each other.
        if order.side is side and order.state is not OrderState.NEW and order.key != intent.key:
            # A revise moves shares that are reserved already. So of the old order only the shares
            # that stay with it count.
            moves = intent.qty if order.key == intent.supersedes else 0
            yield order, max(order.leaves - moves, 0)
