"""Which book each stretch of a venue's day trades in, and the rules of KRX's single-price market."""

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
"""Stretch of KRX's day → the book it trades in; all others, and all of Nextrade's, are the main book."""
EVERY: Ns = 10 * MINUTE
"""Between two auctions of the single-price market."""
SINGLE_PRICE_PERCENT = 10
"""Of today's close, within the daily limits: the single-price market's own limits."""


def segment_name(venue: Venue, stretch: str) -> str:
    """The book that a stretch of a venue's day trades in."""
    return _SEGMENTS.get(stretch, MAIN) if venue is Venue.KRX else MAIN
