"""Guards of an agent's buys: what a person would rather not do twice, as a frozen specification.

An agent names its guards as a class attribute. The desk keeps them, and checks each buy of the
agent in its gate and again right before it goes out. Sells are never guarded.
"""

from __future__ import annotations

import msgspec


class Guards(msgspec.Struct, frozen=True, gc=False):
    """The guards of one agent. Seconds, and basis points (100 are 1 %); 0 switches a guard off."""

    reentry: int = 1800
    """After a stop of an exit: seconds without a buy of the stock."""
    recent_sell: int = 1800
    """Seconds after a sale in which no buy of the stock may pay more than the sale's price and
    its fee."""
    chase_change: int = 400
    """No buy when the stock is up this much on the day and near its high, basis points."""
    chase_near: int = 50
    """Near means within this distance below the day's high, basis points."""
    cash_retry: int = 600
    """After a buy that was denied for want of cash: seconds without another buy."""


USUAL = Guards()
"""The usual values."""
