"""Guards of an agent's buys: a frozen specification of when the agent may not buy.

An agent names its guards as a class attribute. The desk stores them. It checks each buy of the
agent at its gate, and again right before it sends the order. Sells are never guarded.
"""

from __future__ import annotations

import msgspec


class Guards(msgspec.Struct, frozen=True, gc=False):
    """The guards of one agent. Seconds, and basis points (100 are 1 %); 0 switches a guard off."""

    reentry: int = 1800
    """Seconds in which the agent may not buy a stock again, after a stop of an exit sold it."""
    recent_sell: int = 1800
    """Seconds after a sale in which a buy of the stock may cost at most the sale price plus fee."""
    chase_change: int = 400
    """Rise of the day, basis points. From this rise on, a stock near its high is not bought."""
    chase_near: int = 50
    """Basis points below the day's high. Within this distance the price counts as near the high."""
    cash_retry: int = 600
    """Seconds without another buy after a buy was denied because the cash was too low."""


USUAL = Guards()
"""The guards with their default values."""
