"""Blackout windows: times of day in which orders are journaled and not sent (row A08).

After a window the desk reads KIS first. The orders then go on, through the gate and the router of
that moment. A buy whose price has moved too far is dropped, because it was decided on another
market. A sell is not dropped. A sell that protects goes at once, even when KIS does not reply.
"""

from __future__ import annotations

from kisnb.clock import DAY, SECOND, Ns, kst, kst_day, kst_seconds
from kisnb.events import OrderHeld
from kisnb.trading.ports.limits import Window

# All of them go out after the window, and each takes a call to KIS. At 18 calls a second (KIS
# notice of 2026-04-20) that is half a minute at least.
MOST_HELD = 500
"""Orders that wait at a time; a sell that protects is kept all the same."""
MOST_DRIFT = 5
"""Percent that the price may have moved."""
_DAY = DAY // SECOND


def window_end(now: Ns, windows: tuple[Window, ...]) -> Ns | None:
    """Return when the window that ``now`` falls into ends; None outside all windows.

    Windows that touch are one.
    """
    second = end = kst_seconds(now)
    # Yesterday's and tomorrow's windows too: one over midnight began yesterday, and it may touch
    # one that begins tomorrow.
    every = [(start + day, to + day) for start, to in windows for day in (-_DAY, 0, _DAY)]
    while (later := max((to for start, to in every if start <= end < to), default=end)) > end:
        end = later
    return kst(kst_day(now), end) if end > second else None


def drifted(before: int, price: int) -> str:
    """Return a sentence when the price has moved too far while a buy waited; else an empty text.

    Prices in won; 0 means a price that is not known.
    """
    # A price that is not known proves no move. The gate and the age of the price still stand before
    # the order.
    if not before or not price or abs(price - before) * 100 <= MOST_DRIFT * before:
        return ""
    return f"the price moved from {before:,} to {price:,} while it waited, more than {MOST_DRIFT} %"


def waits_for_window(held: OrderHeld | None) -> bool:
    """Return whether an order is held until a window ends, and not for a price alone."""
    # An order that went back for a price has ``until`` equal to the moment of its row: no wait is
    # set.
    return held is not None and held.until > held.t
