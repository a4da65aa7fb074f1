"""The actions of the buttons in the rows of a panel's tables."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from kisnb.errors import BadInput
from kisnb.notebook.panels.typed_values import (
    shares_of,
    stepped_price,
    stepped_shares,
    won_of,
)

if TYPE_CHECKING:
    from kisnb.session.session import Session


def row_action(
    session: Session, table: str, action: str, key: str, typed: Mapping[str, Any]
) -> Coroutine[Any, Any, object] | None:
    """Return the action of a button in a row. None for a button that no table has.

    ``key`` identifies the row. ``typed`` are the fields that a person filled in for the button.
    """
    agents, exits = session.agents, session.exits
    match table, action:
        case "orders", "cancel":
            return _awaited(session.cancel(key))
        case "orders", "revise":
            return _revise(session, key, typed)
        case "agents", "start":
            return _awaited(agents.start(key))
        case "agents", "pause":
            return _awaited(agents.pause(key))
        case "agents", "stop":
            return _awaited(agents.stop(key))
        case "agents", "flatten":
            return _awaited(agents.flatten(key))
        case "exits", "off":
            return exits.end_by_key(key)
        case "alerts", "off":
            return exits.end_alert(key)
    return None


def step_of_row(session: Session, key: str, n: int, field: Mapping[str, str]) -> str:
    """Return the text of a field in an order's form after an arrow: up (``n`` 1) or down (-1).

    ``field`` has its ``name``, ``price`` or ``quantity``, and its ``text``.
    """
    order, text = session.book.orders.get(key), field["text"]
    if order is None or abs(n) != 1:
        return text
    if field["name"] == "price":
        return stepped_price(session.estimates, order.code, text, n, order.intent.price)
    return stepped_shares(text, n)


async def _awaited(call: Any) -> object:
    return await call


async def _revise(session: Session, key: str, typed: Mapping[str, Any]) -> object:
    """Revise an order to the values that a person typed.

    Raises BadInput and the errors of ``revise``.
    """
    order = session.book.orders.get(key)
    if order is None:
        raise BadInput("the order of this row is not known any more", "look at %kis orders")
    price = won_of(typed.get("price"), "the new price")
    quantity = shares_of(typed.get("quantity"), "the quantity")
    # When all leaves are meant, no number is sent, because a part of them may be filled before KIS
    # answers.
    qty = None if quantity in (order.quantity, order.leaves) else quantity
    return await session.revise(key, price, qty)
