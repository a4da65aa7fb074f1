"""Finds the orders that a person names, and checks whether one of them can be revised."""

from __future__ import annotations

from kisnb import values
from kisnb.errors import BadInput
from kisnb.orders import Order, Orders
from kisnb.session.feed.state import SessionState
from kisnb.terms import OrderKind
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.order_books.order_words import named_order
from kisnb.trading.typed_orders.order_names import has_name


def names_all(what: object) -> bool:
    """Return whether ``what`` is the word for all open orders."""
    return isinstance(what, str) and values.narrow(what).strip().lower() == "all"


def orders_named(books: OrderBooks, what: Order | int | str) -> Orders:
    """Return the orders that ``what`` names: by number, key or name, or ``"all"`` open orders.

    A name that was given with ``key=`` means its newest order. Raises BadInput when there is no
    such order.
    """
    if isinstance(what, Order):
        return Orders([what])
    if names_all(what):
        return Orders(books.live.values())
    if (reserved := _reserved_number(what)) is not None:
        of_number = [o for o in books.orders.values() if o.reserved_as == reserved]
        # KIS may use a number of a reserved order again. The newest order is meant.
        found = Orders(of_number[-1:])
    else:
        found = _by_number_or_key(books, what)
    # A name may be used again on another day. The newest order is meant.
    if not found and isinstance(what, str):
        found = Orders([o for o in books.orders.values() if has_name(o.key, what)][-1:])
    if not found:
        raise BadInput(
            f"there is no order {what}",
            "give KIS's number of the order, or the name that you gave it (key=): %kis orders",
        )
    return found


def orders_to_cancel(state: SessionState, what: Order | int | str) -> Orders:
    """Return the orders that ``what`` names, as ``orders_named``.

    Print a line for each of them that has ended already.
    """
    orders = orders_named(state.books, what)
    for order in orders:
        if order.is_ended:
            text = f"{named_order(order)} was {order.state} before; no cancel is sent"
            print(f"{state.mode.badge}{text}")
    return orders


def _reserved_number(what: int | str) -> int | None:
    """Return the number of a reserved order, which a person writes as ``R3``.

    None for another text.
    """
    text = values.narrow(what).strip() if isinstance(what, str) else ""
    return int(text[1:]) if text[:1] in ("R", "r") and text[1:].isdecimal() else None


def _by_number_or_key(books: OrderBooks, what: int | str) -> Orders:
    """Return the orders with this number or key."""
    number = values.order_number(what)
    return Orders(
        o
        for o in books.orders.values()
        # KIS pads the number of one order differently in its replies (KIS's workbook), so numbers
        # are compared as integers.
        if o.key == what or (number is not None and o.number == number)
    )


def check_leaves(order: Order) -> None:
    """Raise BadInput when an order has no leaves, so that a revise has nothing to move."""
    if not order.leaves:
        raise BadInput(
            f"{named_order(order)} is {order.state}: nothing of it is left to revise",
            "see %kis orders",
        )


def check_movable(order: Order) -> None:
    """Raise BadInput when an order's kind has no price that a revise could change."""
    kind = order.intent.kind
    if kind.priced and kind is not OrderKind.STOP_LIMIT:
        return
    # Only an open order can be cancelled, so the cure says so only then.
    cure = (
        f"cancel it with %kis cancel {order.number}, and place a new order"
        if order.is_open
        else "see %kis orders"
    )
    raise BadInput(
        f"{named_order(order)} is {order.state}, and a {kind} order cannot be revised", cure
    )
