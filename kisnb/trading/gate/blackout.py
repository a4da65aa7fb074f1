"""Blackout windows: times of day in which the desk journals orders and does not send them (A08).

After a window the desk first reads KIS. Then the orders go on, through the gate and the router of
that moment. A buy whose price has moved too far is denied, because it was decided in a different
market. A sell is not denied. A protective sell is sent at once, even when KIS does not reply.
"""

from __future__ import annotations

from kisnb.clock import DAY, SECOND, Ns, kst, kst_day, kst_seconds
from kisnb.events import OrderHeld
from kisnb.trading.ports.limits import Window

# All of them are sent after the window, and each needs a call to KIS. At 18 calls a second (KIS
# notice of 2026-04-20) that takes at least half a minute.
MOST_HELD = 500
"""The most orders that wait at one time. Protective sells may exceed this number."""
MOST_DRIFT = 5
"""The largest move of the price while a buy waits, percent."""
_DAY = DAY // SECOND


def window_end(now: Ns, windows: tuple[Window, ...]) -> Ns | None:
    """Return when the blackout window around ``now`` ends. None outside all windows.

    Windows that touch count as one.
    """
    second = end = kst_seconds(now)
    # Windows of yesterday and tomorrow count too: a window over midnight began yesterday, and it
    # may touch one that begins tomorrow.
    every = [(start + day, to + day) for start, to in windows for day in (-_DAY, 0, _DAY)]
    while (later := max((to for start, to in every if start <= end < to), default=end)) > end:
        end = later
    return kst(kst_day(now), end) if end > second else None


def drifted(before: int, price: int) -> str:
    """Return a sentence if the price has moved too far while a buy waited. Otherwise empty.

    ``before`` is the price when the wait began, ``price`` is the price now, both in won. 0 means a
    price that is not known.
    """
    # An unknown price proves no move. The gate and the age of the price are checked all the same.
    if not before or not price or abs(price - before) * 100 <= MOST_DRIFT * before:
        return ""
    return f"the price moved from {before:,} to {price:,} while it waited, more than {MOST_DRIFT} %"


def waits_for_window(held: OrderHeld | None) -> bool:
    """Return whether an order is held until a blackout window ends.

    False for an order that is held only for a price.
    """
    # An order that waits only for a price has ``until`` equal to the moment of its row.
    return held is not None and held.until > held.t
