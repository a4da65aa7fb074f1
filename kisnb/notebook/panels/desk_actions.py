"""The actions of the buttons of a panel: in the rows of tables, in the forms of agents and HALT."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from kisnb.errors import BadInput
from kisnb.notebook.agent_classes import agent_classes
from kisnb.notebook.panels.depth_view import base_and_last
from kisnb.notebook.panels.kill_button import seen_state
from kisnb.notebook.panels.typed_values import (
    shares_of,
    stepped_number,
    stepped_price,
    stepped_shares,
    won_of,
)

if TYPE_CHECKING:
    from kisnb.session.agents.agent_view import AgentView
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
        case "agents", "restore":
            # A class of the notebook is in no module, so it cannot be imported.
            kind = agent_classes(session.hooks.variables).get(agents.class_name_of(key))
            return _awaited(agents.restore(key, kind))
        case "stocks", "above" | "below":
            return _alert(session, key, action, typed)
        case "exits", "off":
            return exits.end_by_key(key)
        case "alerts", "off":
            return exits.end_alert(key)
    return None


def stepped_field(session: Session, table: str, key: str, n: int, field: Mapping[str, str]) -> str:
    """Return the text of a field in a form after an arrow: up (``n`` 1) or down (-1).

    ``table`` and ``key`` say in whose row the form stands. The form that starts an agent has no
    row. ``field`` has its ``name`` and its ``text``.
    """
    text = field["text"]
    if abs(n) != 1:
        return text
    if table == "agents":
        return stepped_number(text, n)
    if table == "stocks":
        base, last = base_and_last(session, key)
        return stepped_price(session.estimates, key, text, n, last or base)
    order = session.book.orders.get(key)
    if order is None:
        return text
    if field["name"] == "price":
        return stepped_price(session.estimates, order.code, text, n, order.intent.price)
    return stepped_shares(text, n)


async def start_agent(session: Session, name: str, typed: Mapping[str, object]) -> AgentView:
    """Start an agent of the class ``name`` with the parameters that a person typed.

    Raises BadInput, UnknownInstrument, and the errors of ``session.agents.start``.
    """
    kind = agent_classes(session.hooks.variables).get(name)
    if kind is None:
        raise BadInput(f"there is no agent class {name!r} any more", "choose another one")
    parameters: dict[str, object] = {}
    for parameter, declared in kind.parameters().items():
        text = str(typed.get(parameter, getattr(kind, parameter))).strip()
        if not text and declared in (int, float):
            raise BadInput(f"{parameter} of {name} is missing", "type a number")
        if parameter in typed:
            parameters[parameter] = text
    if parameters.get("code"):
        parameters["code"] = session.universe.spell(str(parameters["code"]))
    try:
        agent = kind(**parameters)
    except BadInput:
        raise
    # The class is a person's own code. Its error appears below no cell, so the panel shows it.
    except Exception as error:
        why = f"{name} cannot be made: {type(error).__name__}: {error}"
        raise BadInput(why, "correct its class in the notebook") from error
    return await session.agents.start(agent)


async def lift_halt(session: Session, seen: str, reason: str) -> None:
    """Lift the halt, or end the flatten, that a person saw. Raises BadInput.

    ``seen`` is the state that the page showed. In another state nothing is lifted: the person has
    not seen why the desk is halted now.
    """
    if not session.trading.known or seen_state(session) != seen:
        raise BadInput("the trading state has changed meanwhile", "read it, and press again")
    await session.resume(reason)


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


async def _alert(session: Session, code: str, side: str, typed: Mapping[str, Any]) -> object:
    """Set a price alert at the price that a person typed. Raises BadInput."""
    price = won_of(typed.get("price"), "the price")
    if side == "above":
        return await session.alert(code, above=price)
    return await session.alert(code, below=price)
