"""Requotes: what the desk does with a limit order that nobody fills.

A ``Requote`` is a frozen specification that an agent gives with an order. The desk carries it out,
so it works while a notebook's cell blocks, and over a restart of the desk.

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
    """A buy goes to the best ask only when that is at most this far above the last price, basis
    points."""
    cooldown: int = 600
    """Seconds without another buy of the stock after a buy that was given up."""


USUAL = Requote()
"""The usual values."""


def read_requote(value: object, of_agent: Requote | None) -> Requote | None:
    """Return the budget that an agent gave with an order. Raises BadInput.

    None takes that of the agent's class; True takes the usual values, and False takes none.
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
