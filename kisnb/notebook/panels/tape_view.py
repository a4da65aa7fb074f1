"""The newest trades of one stock at both venues, as texts for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.clock import clock_text
from kisnb.columns import Tone, number, tone_of
from kisnb.notebook.panels.depth_view import VENUES, base_and_last

if TYPE_CHECKING:
    from kisnb.session.session import Session

TRADES = 20
_SIDES: dict[int, Tone] = {1: "up", -1: "down"}


def tape_view(session: Session, code: str) -> dict[str, object]:
    """Return the newest trades, newest first: time, price, shares and venue, with their tones."""
    if not code:
        return {"trades": [], "title": "Trades"}
    data, (base, _) = session.data, base_and_last(session, code)
    newest = [
        trade
        for venue in VENUES
        for trade in data.trades_since(code, venue, max(data.count(code, venue) - TRADES, 0))
    ]
    newest.sort(key=lambda trade: trade.t, reverse=True)
    return {
        "title": f"Trades of {session.universe.name(code)}",
        "trades": [
            [
                clock_text(trade.t),
                number(trade.price),
                tone_of(None if base is None else trade.price - base),
                number(trade.qty),
                _SIDES.get(trade.side, ""),
                str(trade.venue),
            ]
            for trade in newest[:TRADES]
        ],
    }
