"""An order in words: the reason of its state, and the next step."""

from __future__ import annotations

from kisnb.clock import clock_text, date_text
from kisnb.orders import Order, OrderState
from kisnb.trading.order_books.order_book import EXTERNAL


def named_order(order: Order) -> str:
    """Return number and intent of an order, such as ``"#2 buy 5 005930 @ 69,000"``.

    The number is left out while KIS has not given one.
    """
    reserved = f"R{order.reserved_as} " if order.reserved_as else ""
    number = reserved if order.number is None else f"#{order.number} "
    return f"{number}{order.intent.text}"


def why(order: Order) -> str:
    """Return the reason of an order's state in one line. Empty when the state needs no reason."""
    if order.text:
        return f"{order.msg_cd} {order.text}".strip(" .")
    match order.state:
        case OrderState.ACCEPTED if not order.fills and order.route:
            return f"{order.route.venue} took it"
        case OrderState.CANCELLED:
            return f"{order.cancelled:,} shares cancelled, asked for at this desk"
        case OrderState.NEW | OrderState.SENT | OrderState.SENDING:
            return ""
    return order.facts[-1].happenings if order.facts else ""


def order_line(order: Order) -> str:
    """Return an order in one line: intent, state, since when, fills, and if it was repeated."""
    return f"{owned_order(order)}: {standing(order)}"


def owned_order(order: Order) -> str:
    """Return number and intent of an order, and its agent if it has one."""
    agent = f" ({order.intent.agent})" if order.intent.agent else ""
    return f"{named_order(order)}{agent}"


def standing(order: Order) -> str:
    """Return an order's state in words: since when, its fills, and whether it was repeated."""
    since = f" since {clock_text(order.since)}" if order.since else ""
    filled = (
        f", {order.filled:,} of {order.quantity:,} filled at {order.average:,.0f}"
        if order.fills
        else ""
    )
    again = f" ({order.repeated})" if order.repeated else ""
    return f"{order.state}{since}{filled}{again}"


def next_step(order: Order, *, movable: bool = False) -> str:
    """Return in one line the desk's next action for an order, and what a person can do.

    ``movable`` True: the order can be revised now, so the line may name the command.
    """
    match order.state:
        case OrderState.NEW:
            return "the desk has it; what becomes of it shows as soon as the notebook's loop turns"
        case OrderState.DENIED:
            return "nothing was sent; change it, or run it again when the reason is gone"
        case OrderState.SENDING:
            return "KIS has been told and has not answered yet"
        case OrderState.RESERVED:
            sends = f"KIS sends it on {date_text(order.intent.day)}"
            if order.cancel_asked:
                return f"{sends}, unless it takes it back: it was asked to"
            # The gate cannot check these, because the base price of a day is not known before that
            # day.
            unchecked = "that day's price limits and halts are not known, so they were not checked"
            return f"{sends}; {unchecked}; %kis cancel R{order.reserved_as}"
        case OrderState.SENT:
            return "KIS has it; the exchange has not confirmed it yet"
        case OrderState.UNKNOWN:
            return (
                f"no buy of {order.code} passes; the desk looks for it in KIS's list; "
                "what that does not settle, you do: %kis resolve NUMBER|never"
            )
        case OrderState.ACCEPTED:
            return _waits(order, movable=movable)
        case OrderState.REJECTED:
            look_up = f"; %kis why {order.msg_cd}" if order.msg_cd else ""
            return f"nothing of it is in the market{look_up}"
        case OrderState.EXPIRED:
            return "it ended with its session; order again in the next one"
        case _:
            return (
                "it is over" if not order.revised_by else "it is over; the revising order goes on"
            )


def _waits(order: Order, *, movable: bool) -> str:
    waits = f"{order.leaves:,} shares wait{f' on {order.route.venue}' if order.route else ''}"
    # A refused cancel starts a reading of KIS's list (``Cancels.on_reply``), so a person need not
    # do anything yet.
    if order.text.startswith("cancel refused"):
        return "the desk asks KIS what became of it"
    if order.cancel_asked:
        return f"{waits} while KIS is asked to take them out"
    if order.intent.agent == EXTERNAL:
        return f"{waits}; it was placed elsewhere: revise or cancel it there"
    if order.number is None:
        return waits
    revise = f"%kis revise {order.number} PRICE or " if movable else ""
    return f"{waits}; {revise}%kis cancel {order.number}"
