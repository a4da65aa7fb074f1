"""Blackout windows: times of day in which orders are journaled and not sent."""

from __future__ import annotations

from kisnb.clock import Ns, kst, kst_day, kst_seconds
from kisnb.trading.limits import Window


def window_end(now: Ns, windows: tuple[Window, ...]) -> Ns | None:
    """When the window that ``now`` falls into ends; None outside all of them. Windows that touch are one."""
    second = end = kst_seconds(now)
    while (later := max((to for start, to in windows if start <= end < to), default=end)) > end:
        end = later
    return kst(kst_day(now), end) if end > second else None
