"""The channels of the stream by venue, and which venue's channel a stock is followed on.

KIS sends trades and books three times: of KRX, of NXT, and of both unified (here ``Venue.SOR``, as the smart order
router sees them). The unified channel says nothing about a stock that NXT does not list, all day long; KRX's own
carries every stock, in the after-market since 2026-09-14 too. Source: KIS's documentation of the channels and a
client's measurements of 2026-09-14.
"""

from __future__ import annotations

from kisnb.terms import SessionId, Venue

TRADE_TRS = {Venue.KRX: "H0STCNT0", Venue.NXT: "H0NXCNT0", Venue.SOR: "H0UNCNT0"}
BOOK_TRS = {Venue.KRX: "H0STASP0", Venue.NXT: "H0NXASP0", Venue.SOR: "H0UNASP0"}
TRADES_OF = {tr_id: venue for venue, tr_id in TRADE_TRS.items()}
"""Venue of a trade channel."""
BOOKS_OF = {tr_id: venue for venue, tr_id in BOOK_TRS.items()}
"""Venue of a book channel."""


def feed_venue(session_id: SessionId, *, nxt_listed: bool) -> Venue:
    """The venue whose channel shows how a stock trades in a session.

    NXT alone before KRX opens, both unified afterwards (KRX has an after-market of its own since 2026-09-14); KRX for
    a stock that NXT does not list, and when nothing trades.
    """
    if not nxt_listed or session_id is SessionId.KR_OFF:
        return Venue.KRX
    return Venue.NXT if session_id is SessionId.NXT_PRE else Venue.SOR
