"""Guards of an agent's buys: a frozen specification of when the agent may not buy.

An agent names its guards as a class attribute. The desk keeps them, and checks each buy of the
agent in its gate and again right before it goes out. Sells are never guarded.
"""

from __future__ import annotations

import msgspec


class Guards(msgspec.Struct, frozen=True, gc=False):
    """The guards of one agent. Seconds, and basis points (100 are 1 %); 0 switches a guard off."""

    reentry: int = 1800
    """Seconds after a stop of an exit in which the agent may not buy the stock."""
    recent_sell: int = 1800
    """Seconds after a sale in which a buy of the stock may not pay more than sale price and fee."""
    chase_change: int = 400
    """Rise of the day, basis points, from which a stock near its high is not bought."""
    chase_near: int = 50
    """Distance below the day's high within which a stock is near it, basis points."""
    cash_retry: int = 600
    """Seconds without another buy, after a buy was denied for want of cash."""


USUAL = Guards()
"""The guards with their default values."""
