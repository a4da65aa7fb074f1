"""Blackout windows: times of day in which orders are journaled and not sent (row A08).

Afterwards KIS is asked first; what it answers lets the orders go on, through the gate and the router of that moment. A
buy whose price has moved too far meanwhile is dropped: it was decided on another market. A sell is not, and one that
protects goes at once even when KIS does not answer.
"""

from __future__ import annotations

from kisnb.clock import DAY, SECOND, Ns, kst, kst_day, kst_seconds
from kisnb.events import OrderHeld
from kisnb.trading.ports.limits import Window

MOST_HELD = 500
"""Orders that wait at a time; a sell that protects is kept all the same."""
MOST_DRIFT = 5
"""Percent that the price may have moved."""
_DAY = DAY // SECOND


def window_end(now: Ns, windows: tuple[Window, ...]) -> Ns | None:
    """When the window that ``now`` falls into ends; None outside all of them. Windows that touch are one."""
    second = end = kst_seconds(now)
    every = [(start + day, to + day) for start, to in windows for day in (-_DAY, 0, _DAY)]
    while (later := max((to for start, to in every if start <= end < to), default=end)) > end:
        end = later
    return kst(kst_day(now), end) if end > second else None


def drifted(before: int, price: int) -> str:
    """How far the price has moved while a buy waited, in words, when that is too far; else nothing.

    Won; 0 for a price that is not known.
    """
    if not before or not price or abs(price - before) * 100 <= MOST_DRIFT * before:
        return ""
    return f"the price moved from {before:,} to {price:,} while it waited, more than {MOST_DRIFT} %"


def waits_for_window(held: OrderHeld | None) -> bool:
    """Whether an order is held until the end of a blackout window, and not for a price alone."""
    return held is not None and held.until > held.t
