"""What people type, read or refused in one line with the cure; and what an order's end says to them."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from typing import TypeAlias, TypedDict, TypeVar

from kisnb import values
from kisnb.clock import parse_time, seconds_since_midnight
from kisnb.errors import BadInput, OrderDenied, OrderRejected, OrderUnknown
from kisnb.orders import Intent, Order, Orders, OrderState
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.order_books.order_words import named_order
from kisnb.trading.typed_orders.order_names import has_name
from kisnb.values import text as read_text
from kisnb.values import whole

_Call = TypeVar("_Call", bound=Callable[..., object])
MOST_AGAIN = 10_000
LONGEST_NAME = 80


def typed_intent(
    side: Side,
    code: str,
    qty: object,
    price: object = None,
    *,
    venue: object = None,
    kind: object = None,
    stop: object = None,
    key: str | None = None,
) -> Intent:
    """An Intent from what was typed; without a key it has one of its own. Raises BadInput."""
    shares = values.shares(qty)
    won = None if price is None else values.price(price)
    trigger = None if stop is None else values.price(stop, "the stop price")
    plain = (
        OrderKind.STOP_LIMIT
        if trigger is not None
        else OrderKind.MARKET
        if won is None
        else OrderKind.LIMIT
    )
    wanted = values.member(OrderKind, kind, "kind") if kind else plain
    where = values.member(Venue, venue, "venue") if venue else None
    name = values.text(key, "the key") if key else f"ticket:{uuid.uuid4()}"
    return Intent(name, "", code, side, shares, wanted, won, where, stop=trigger)


class OrderOptions(TypedDict, total=False):
    """What may be said of an order besides stock, quantity and price."""

    venue: Venue | str | None
    """KRX, NXT or SOR; left out, the router chooses."""
    kind: OrderKind | str | None
    stop: int | None
    """Stop price in won, of a stop-limit order."""
    key: str | None
    """Idempotency key of your own; left out, the cell's."""
    again: int | bool
    """``again=N``: the N-th order more of this wish, by a number that names it; True is 1."""


def spelt_out(call: _Call) -> _Call:
    """Let help and completion show the options of an order one by one, and not as ``**options``."""
    plain = [
        p
        for p in inspect.signature(call).parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    hints = {name: hint.__forward_arg__ for name, hint in OrderOptions.__annotations__.items()}
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "again" else None,
            annotation=h,
        )
        for name, h in hints.items()
    ]
    returned = inspect.signature(call).return_annotation
    call.__signature__ = inspect.Signature([*plain, *options], return_annotation=returned)  # type: ignore[attr-defined]
    return call


Line: TypeAlias = tuple[Side | str, str, int] | tuple[Side | str, str, int, int | None]
"""One order of a batch: side, code, shares, and a price in won; without one it is a market order."""


def line_of(line: Line) -> tuple[Side, str, int, int | None]:
    """A line of a batch in full. Raises BadInput."""
    if isinstance(line, str) or not 3 <= len(line) <= 4:
        raise BadInput(
            f"{line!r} is no order of a batch",
            "write (side, code, quantity) or (side, code, quantity, price)",
        )
    side = values.member(Side, line[0], "side")
    return side, line[1], line[2], line[3] if len(line) > 3 else None


def names_all(what: object) -> bool:
    """Whether ``what`` is the word that means all open orders."""
    return isinstance(what, str) and values.narrow(what).strip().lower() == "all"


def orders_named(books: OrderBooks, what: Order | int | str) -> Orders:
    """The orders that a number, a key or ``"all"`` (the open ones) names. Raises BadInput when there is none.

    A name that was given with ``key=`` stands for its newest order.
    """
    if isinstance(what, Order):
        return Orders([what])
    if names_all(what):
        return Orders(books.live.values())
    text = values.narrow(str(what)).strip().removeprefix("#")
    number = int(text) if text.isdecimal() else None
    found = Orders(
        o
        for o in books.orders.values()
        if o.key == what or (number is not None and o.number == number)
    )
    if not found and isinstance(what, str):
        found = Orders([o for o in books.orders.values() if has_name(o.key, what)][-1:])
    if not found:
        raise BadInput(f"there is no order {what}", "see their numbers with %kis orders")
    return found


def check_leaves(order: Order) -> None:
    """Raises BadInput when nothing of an order is left that could be moved."""
    if not order.leaves:
        raise BadInput(
            f"{named_order(order)} is {order.state}: nothing of it is left to revise",
            "see %kis orders",
        )


def check_movable(order: Order) -> None:
    """Raises BadInput when an order is of a kind that has no price to move."""
    kind = order.intent.kind
    if kind.priced and kind is not OrderKind.STOP_LIMIT:
        return
    cure = (
        f"cancel it with %kis cancel {order.number}, and order anew"
        if order.is_open
        else "see %kis orders"
    )
    raise BadInput(
        f"{named_order(order)} is {order.state}, and a {kind} order cannot be revised", cure
    )


def seconds_of_day(when: str) -> int:
    """``"09:10"`` as seconds since midnight. Raises BadInput."""
    try:
        at = parse_time(values.narrow(when).strip())
    except ValueError as e:
        raise BadInput(str(e), "or write close") from None
    return seconds_since_midnight(at)


def number_of(again: object) -> int:
    """The number of ``again=N``: True is 1, left out is 0. Raises BadInput."""
    if isinstance(again, bool) or again is None:
        return int(bool(again))
    number = whole(again, "again")
    if not 0 <= number < MOST_AGAIN:
        raise BadInput(
            f"again={number} is no number of an order", f"count from 1 to {MOST_AGAIN - 1}"
        )
    return number


def name_of(key: object) -> str:
    """The name of ``key=``. Raises BadInput."""
    name = read_text(key, "the key").strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        cure = f"write 1 to {LONGEST_NAME} letters, such as key='monthly'"
        raise BadInput(f"key={name!r} is no name of an order", cure)
    return name


def verdict(order: Order, state: OrderState, text: str, msg_cd: str) -> Order:
    """The order, or the error that ``state`` stands for."""
    if state is OrderState.DENIED:
        raise OrderDenied(text, key=order.key)
    if state is OrderState.REJECTED:
        cure = f"%kis why {msg_cd}" if msg_cd else ""
        raise OrderRejected(
            f"KIS refused {order.intent.text}: {text}", cure, key=order.key, msg_cd=msg_cd
        )
    if state is OrderState.UNKNOWN:
        what = f"whether {order.intent.text} lives is not known: {text}"
        raise OrderUnknown(what, "look at %kis orders before you order again", key=order.key)
    return order
