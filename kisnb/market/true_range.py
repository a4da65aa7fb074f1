"""The average true range (ATR) of the newest days, as exits and sizes use it."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.events import Bar
from kisnb.market.indicators import Atr

LENGTH = 14
"""True ranges of the average."""


def newest_atr(bars: Sequence[Bar], length: int = LENGTH) -> float | None:
    """Return the mean of the newest ``length`` true ranges of closed bars, won.

    A bar without trades has no range, so it does not count. A true range needs the close before it:
    None when there are fewer than ``length + 1`` bars with trades. None also when no price moved,
    because a distance of 0 would sell at once.
    """
    traded: list[Bar] = []
    for bar in reversed(bars):
        if bar.volume:
            traded.append(bar)
        if len(traded) > length:
            break
    atr = Atr(length)
    for bar in reversed(traded):
        atr.update(bar.high, bar.low, bar.close)
    return atr.value or None
