"""Computes the number of shares for an amount in won or for a weight. Pure functions.

``Agent.buy_value`` and ``Agent.target`` use it at the decision. A back-test with ``sizing="fill"``
uses it again at the price of the fill.
"""

from __future__ import annotations

import math

import msgspec

from kisnb.errors import BadInput
from kisnb.market.costs import CostModel
from kisnb.terms import KRX, Kind
from kisnb.values import shown


class Wanted(msgspec.Struct, frozen=True):
    """A position that an agent wants, before its number of shares is known."""

    code: str
    won: int | None = None
    """The amount to spend, won, fee included. None: ``weight`` counts."""
    weight: float | None = None
    """The part of the equity to hold: 0 nothing, 1 all of it. None: ``won`` counts."""


class Means(msgspec.Struct, frozen=True):
    """The figures from which the shares of a ``Wanted`` are computed. Won and shares."""

    price: int
    """The price at which shares are valued: the newest price, or the price of the fill."""
    highest: int
    """The price at which a buy reserves cash: the upper limit price, or the price of the fill."""
    cash: int
    """Cash that no open order has reserved."""
    equity: int
    """Cash plus the value of all holdings. Only the cash when ``Wanted.won`` counts."""
    held: int
    """Shares that the agent holds, plus its open buys, minus its open sells."""


def change(wanted: Wanted, means: Means, costs: CostModel, kind: Kind) -> int:
    """Return the shares to buy. Negative: shares to sell. 0: nothing to do."""
    most = costs.most_shares(means.cash, means.highest, KRX, kind)
    if wanted.weight is None:
        won = costs.most_shares(wanted.won or 0, means.price, KRX, kind)
        return min(won, most)
    goal = int(means.equity * wanted.weight) // means.price
    return min(goal - means.held, most)


def weight_of(value: object) -> float:
    """Return ``value`` as a weight from 0 to 1. Raises BadInput for anything else, NaN too."""
    # Nearly every weight is such a float, and an agent may state one at each bar.
    if type(value) is float and 0 <= value <= 1:
        return value
    weight = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    # numpy's floats are Python floats. Its whole numbers are not, but they have ``__float__`` too.
    if weight != weight and hasattr(value, "__float__") and not isinstance(value, bool | str):
        weight = float(value)
    if not 0 <= weight <= 1:
        raise BadInput(
            f"the weight {shown(value)} is not a part of the equity",
            "give a number from 0 (hold nothing) to 1 (hold for all of it)",
        )
    return float(weight)
