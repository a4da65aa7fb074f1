"""Requotes: the steps that the desk takes with a limit order that nobody fills.

A ``Requote`` is a frozen specification that an agent or a person gives with an order. The desk
carries it out, so it works while a notebook's cell blocks, and after a restart of the desk.

Seconds, and basis points: 200 are 2 %.
"""

from __future__ import annotations

import msgspec

from kisnb import values
from kisnb.errors import BadInput
from kisnb.terms import OrderKind


class Requote(msgspec.Struct, frozen=True, gc=False):
    """The budget of an order: one better price, then its end."""

    after: int = 30
    """Seconds without a complete fill until each step."""
    gap: int = 200
    """Basis points above the last price.

    A buy goes to the best ask only when the ask is not higher.
    """
    cooldown: int = 600
    """Seconds without another buy of the stock, after a buy was given up."""


USUAL = Requote()
"""The requote with the default values."""


def read_requote(value: object, kind: OrderKind, of_agent: Requote | None = None) -> Requote | None:
    """Return the budget that was given with an order of this kind. Raises BadInput.

    ``value`` None gives ``of_agent``, the budget of the agent's class, if the order is a limit
    order. True gives the usual values, and False gives None: no requote.
    """
    if value is None:
        return of_agent if kind is OrderKind.LIMIT else None
    if value is False:
        return None
    if kind is not OrderKind.LIMIT:
        cure = "give a price, or leave requote out"
        raise BadInput(f"a {kind} order is not requoted: it does not wait at a price", cure)
    if value is True:
        return USUAL
    if not isinstance(value, Requote):
        cure = "give True, False, or kisnb.Requote(after=30)"
        raise BadInput(f"requote={values.shown(value)} is no requote", cure)
    if value.after < 1 or value.gap < 0 or value.cooldown < 0:
        raise BadInput(
            f"{value} has a negative value", "give after from 1 second on, gap and cooldown from 0"
        )
    return value
