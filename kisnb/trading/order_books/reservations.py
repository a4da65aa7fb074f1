"""Reservations of orders that have not ended: cash for buys, shares for sells.

An order in state NEW reserves nothing yet.
"""

from __future__ import annotations

from collections.abc import Iterator

from kisnb.orders import Intent, Order, OrderState
from kisnb.terms import Side
from kisnb.trading.order_books.order_book import NOBODY, OrderBooks


def buys(books: OrderBooks, intent: Intent) -> Iterator[tuple[Order, int]]:
    """Yield the open buys and the shares that each may still buy once ``intent`` is sent.

    A revise takes over its part.
    """
    return _open(books, intent, Side.BUY)


def sellable(books: OrderBooks, intent: Intent) -> int:
    """Return the held shares of the stock that no other open sell has reserved.

    An agent sells only its own.
    """
    selling = sum(
        qty for order, qty in _open(books, intent, Side.SELL) if order.code == intent.code
    )
    # Both limits hold: an agent may not sell what others hold, and all together may not sell more
    # than the account has.
    free = books.account.position(intent.code).qty - selling
    mine = own(books, intent)
    return free if mine is None else min(free, mine)


def own(books: OrderBooks, intent: Intent) -> int | None:
    """Return the shares of the agent's own order book that it does not sell already.

    None for an order of no agent's.
    """
    if intent.agent in NOBODY:
        return None
    orders = [
        (o, qty) for o, qty in _open(books, intent, Side.SELL) if o.intent.agent == intent.agent
    ]
    held = (
        books.agents[intent.agent].position(intent.code).qty if intent.agent in books.agents else 0
    )
    return held - sum(qty for order, qty in orders if order.code == intent.code)


def may_own(books: OrderBooks, intent: Intent) -> int:
    """Return the most shares that the agent can have to sell, with fills that are not reported yet.

    Only an order in flight can have such fills. A difference to KIS's holdings is found after
    KIS's list of orders has been booked, so what an order with a number has traded is known by
    then. For an order of no agent's it is the order's own quantity, because nobody knows that
    limit.
    """
    mine = own(books, intent)
    if mine is None:
        return intent.qty
    buys = (o for o, _ in _open(books, intent, Side.BUY) if o.intent.agent == intent.agent)
    return mine + sum(o.leaves for o in buys if o.code == intent.code and o.ref is None)


def reduces(books: OrderBooks, intent: Intent) -> bool:
    """Return whether the order can only make a position smaller."""
    return intent.side is Side.SELL and intent.qty <= sellable(books, intent)


def _open(books: OrderBooks, intent: Intent, side: Side) -> Iterator[tuple[Order, int]]:
    for order in books.live.values():
        # NEW orders are weighed one by one when their turn comes. If they reserved at once, two of
        # them could deny each other.
        if order.side is side and order.state is not OrderState.NEW and order.key != intent.key:
            # A revise moves shares that are reserved already. Only what stays behind with the old
            # order counts beside it.
            moves = intent.qty if order.key == intent.supersedes else 0
            yield order, max(order.leaves - moves, 0)
