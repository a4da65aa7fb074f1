"""The columns of an order, for DataFrames, outputs, panels and reports."""

from __future__ import annotations

from kisnb.columns import Column, Tone, number, number_column, picked, text_column, time_column
from kisnb.orders import Order, OrderState
from kisnb.terms import Side

_STATE_TONES: dict[OrderState, Tone] = {
    OrderState.UNKNOWN: "unsure",
    OrderState.DENIED: "bad",
    OrderState.REJECTED: "bad",
}
"""Tones for the states that a person must not overlook."""


def state_tone(order: Order) -> Tone:
    """Return the tone in which the state of an order is drawn."""
    return _STATE_TONES.get(order.state, "")


def side_tone(order: Order) -> Tone:
    """Return the tone in which a buy or a sell is drawn."""
    return "up" if order.side is Side.BUY else "down"


def may_be_cancelled(order: Order) -> bool:
    """Return whether a cancel can be sent now: the order is open and no cancel is under way."""
    # ``Cancels`` sends one cancel of an order at a time, so a second cancel would do nothing.
    return order.is_open and not order.cancel_asked


def _state(order: Order) -> str:
    return "cancelling" if order.is_open and order.cancel_asked else str(order.state)


def _price(order: Order) -> str:
    return str(order.intent.kind) if order.intent.price is None else number(order.intent.price)


ORDER_COLUMNS: tuple[Column[Order], ...] = (
    time_column("time", lambda o: o.t),
    Column("number", "Int64", lambda o: o.number, lambda o: str(o.number or ""), "number"),
    text_column("agent", lambda o: o.intent.agent),
    text_column("code", lambda o: o.code),
    text_column("side", lambda o: str(o.side), kind="side", tone=side_tone),
    text_column("venue", lambda o: str(o.route.venue) if o.route else ""),
    number_column("quantity", lambda o: o.quantity),
    Column("price", "Int64", lambda o: o.intent.price, _price, "number"),
    number_column("filled", lambda o: o.filled),
    number_column("average", lambda o: o.average, "Float64"),
    # An order that has ended has no leaves in the market.
    number_column("leaves", lambda o: o.leaves if o.is_open else 0),
    # People see that a cancel is under way. Programs compare states, so the value is the state
    # alone.
    Column("state", "String", lambda o: str(o.state), _state, "state", state_tone),
    time_column("since", lambda o: o.since),
    text_column("text", lambda o: o.text, kind="note", heading="why"),
)
"""Every column of an order. Shares and won, times in KST."""
IN_FRAME = picked(
    ORDER_COLUMNS,
    "time number agent code side quantity price filled average leaves state text",
)
"""The columns of ``OrderBook.frame()``."""
IN_OUTPUT = picked(
    ORDER_COLUMNS,
    "time number agent side code venue quantity price filled average state since text",
)
"""The columns of an order table below a cell."""
IN_PANEL = picked(
    ORDER_COLUMNS, "time number agent side code venue quantity price filled average state text"
)
"""The columns of the panel and of the report."""
