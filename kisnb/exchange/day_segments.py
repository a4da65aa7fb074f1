"""The segment that trades in each span of a venue's day; the rules of the single-price market."""

from __future__ import annotations

from kisnb.clock import MINUTE, Ns
from kisnb.terms import Venue

MAIN = "main"
SINGLE_PRICE = "single price"
_SEGMENTS = {
    "pre-open closing price": "pre-open closing price",
    "closing price entry": "closing price",
    "closing price": "closing price",
    SINGLE_PRICE: SINGLE_PRICE,
    "after-market": "after-market",
}
"""Segment of each span of KRX's day. All other spans, and all of Nextrade's, trade in the main one.

KRX's after-hours markets have limit books of their own, because an order of one is not valid in
another (KRX business rules). Nextrade's orders live on from one market session to the next.
"""
EVERY: Ns = 10 * MINUTE
"""Time between two auctions of the single-price market (시간외 단일가; until 2026-09-11)."""
SINGLE_PRICE_PERCENT = 10
"""Percent of today's close: the single-price market's own limits, within the day's (KRX rule)."""


def segment_name(venue: Venue, span: str) -> str:
    """Return the segment that a span of a venue's day trades in."""
    return _SEGMENTS.get(span, MAIN) if venue is Venue.KRX else MAIN
