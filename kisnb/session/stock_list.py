"""The list of stocks of a paper or live session in words: its source, its day, its cure."""

from __future__ import annotations

from datetime import date

from kisnb.market.calendar import last_trading_day
from kisnb.market.universe import Universe

CURE = "Get KIS's list with: kisnb master download; then kisnb desk restart and %kis open."


def list_text(universe: Universe) -> str:
    """Return where the list of stocks comes from, and how many it has."""
    return f"List of stocks: {universe.source}, {len(universe):,} stocks."


def list_trouble(universe: Universe, today: date) -> str:
    """Return a sentence when there is no list of stocks of KIS's, or an old one; else empty.

    At sim the list is the host's own, so there is nothing to say.
    """
    if universe.is_complete or (
        universe.day is not None and universe.day >= last_trading_day(today)
    ):
        return ""
    missing = "KIS is asked for each stock that it lacks, which takes a call"
    return f"{list_text(universe)} It is not of today: {missing}. {CURE}"
