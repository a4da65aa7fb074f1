"""Finds the order of each row in KIS's list of a day.

A row is an order of ours when day, branch and number are equal, and when these columns fit:

| column of the row      | must fit                                                              |
|------------------------|-----------------------------------------------------------------------|
| code and side          | always                                                                |
| quantity, filled       | not above our quantity; not compared for external orders              |
| venue and kind         | as the resolver compares them; not compared for external orders       |
| branch                 | the same, or one of the two is blank                                  |

KIS's documents name the branch of a reply and the branch of a row in two fields, and do not say
that they are always equal. So a row of another branch is still our order under two conditions: it
has our whole order, price and quantity included, and no row of our branch is listed.

A row with our number that does not fit is another order. Nothing of it is booked in ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kisnb.orders import Order, OrderRow
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks
from kisnb.trading.orders.likeness import kind_of, price_of, venue_of


class ListedOrders(NamedTuple):
    """The rows of KIS's list of a day, assigned to the orders of our order books."""

    rows: dict[str, OrderRow]
    """The row of each order that is known and listed, by the order's key."""
    unmatched: tuple[OrderRow, ...]
    """Rows that belong to no known order, newest first."""
    contradictions: tuple[tuple[Order, OrderRow], ...]
    """Rows with the branch and number of an order of ours, whose other columns do not fit it."""
    grown: tuple[OrderRow, ...]
    """Rows of external orders with more shares than the row by which the order was found.

    The first row was incomplete. So the order may be one of ours whose reply is missing.
    """


def compare(books: OrderBooks, rows: Iterable[OrderRow]) -> ListedOrders:
    """Assign each row of KIS's list to an order of ours, and return the result."""
    found: dict[str, OrderRow] = {}
    others: list[OrderRow] = []
    contradictions: list[tuple[Order, OrderRow]] = []
    grown: list[OrderRow] = []
    for row in rows:
        order = books.by_number(row.ref.day, row.ref.number, row.ref.branch)
        if order is None:
            others.append(row)
        elif _fits(order, row, books):
            found[order.key] = row
            if row.qty > order.quantity:
                grown.append(row)
        else:
            contradictions.append((order, row))
    unmatched = []
    # This comes after all rows of the right branch: only an order without such a row may be a row
    # of another branch.
    for row in others:
        twin = _same_but_branch(books, row)
        if twin is not None and twin.key not in found:
            found[twin.key] = row
        else:
            unmatched.append(row)
    return ListedOrders(found, tuple(unmatched), tuple(contradictions), tuple(grown))


def _fits(order: Order, row: OrderRow, books: OrderBooks) -> bool:
    if (row.code, row.side) != (order.code, order.side):
        return False
    # All that we know about an external order came from such a row.
    if order.intent.agent == EXTERNAL:
        return True
    if max(row.qty, row.filled) > order.quantity:
        return False
    parent = books.orders.get(order.intent.supersedes or "")
    return "other" not in (venue_of(order, row, parent), kind_of(order, row, parent))


def _same_but_branch(books: OrderBooks, row: OrderRow) -> Order | None:
    for order in books.numbered(row.ref.day, row.ref.number):
        parent = books.orders.get(order.intent.supersedes or "")
        if (
            order.intent.agent != EXTERNAL
            and _fits(order, row, books)
            and row.qty == order.quantity
            and price_of(order, row) == "like"
            and venue_of(order, row, parent) == "like"
        ):
            return order
    return None
