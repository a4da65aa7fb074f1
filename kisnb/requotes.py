"""Requotes: the steps that the desk takes with a limit order that nobody fills.

A ``Requote`` is a frozen specification that an agent gives with an order. The desk carries it out,
so it works while a notebook's cell blocks, and after a restart of the desk.

Seconds, and basis points: 200 are 2 %.
"""

from __future__ import annotations

import msgspec

from kisnb import values
from kisnb.errors import BadInput


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


def read_requote(value: object, of_agent: Requote | None) -> Requote | None:
    """Return the budget that an agent gave with an order. Raises BadInput.

    ``value`` None gives ``of_agent``, the budget of the agent's class. True gives the usual values,
    and False gives None: no requote.
    """
    if value is None:
        return of_agent
    if isinstance(value, bool):
        return USUAL if value else None
    if not isinstance(value, Requote):
        cure = "give True, False, or kisnb.Requote(after=30)"
        raise BadInput(f"requote={values.shown(value)} is no requote", cure)
    if value.after < 1 or value.gap < 0 or value.cooldown < 0:
        raise BadInput(
            f"{value} has a negative value", "give after from 1 second on, gap and cooldown from 0"
        )
    return value
