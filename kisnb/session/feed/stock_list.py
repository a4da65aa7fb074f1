"""Sentences about the list of stocks at paper and live: its source, its day, and its cure."""

from __future__ import annotations

from datetime import date

from kisnb.market.calendar import last_trading_day
from kisnb.market.universe import Universe

CURE = "Get KIS's list with: kisnb master download; then kisnb desk restart and %kis open."


def list_text(universe: Universe) -> str:
    """Return a sentence about the source of the list of stocks, and the number of stocks in it."""
    return f"List of stocks: {universe.source}, {len(universe):,} stocks."


def list_trouble(universe: Universe, today: date) -> str:
    """Return a sentence when the list of stocks is old, is not KIS's, or lacks NXT's stocks.

    Empty otherwise. At sim the list comes from the simulator itself, so there is nothing to report.
    """
    if universe.is_complete:
        return ""
    lacks = []
    if universe.day is None or universe.day < last_trading_day(today):
        missing = "KIS is asked for each stock that it lacks, which takes a call"
        lacks.append(f"It is not of today: {missing}.")
    if universe.lacks_nxt:
        lacks.append(
            "It does not say which stocks NXT trades: orders of those stocks go to KRX alone."
        )
    return " ".join([list_text(universe), *lacks, CURE]) if lacks else ""
