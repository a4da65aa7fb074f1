"""The channels of the stream by venue, and which venue's channel a stock is followed on.

KIS sends each kind three times: of KRX, of NXT, and of both unified (here ``Venue.SOR``, as the smart order router sees
them). The unified channel says nothing about a stock that NXT does not list, all day long; KRX's own carries every
stock, in the after-market since 2026-09-14 too. Source: KIS's documentation of the channels and a client's measurements
of 2026-09-14.
"""

from __future__ import annotations

from kisnb.terms import SessionId, Venue


def _trs(kind: str) -> dict[Venue, str]:
    return {Venue.KRX: f"H0ST{kind}", Venue.NXT: f"H0NX{kind}", Venue.SOR: f"H0UN{kind}"}


def _venues(trs: dict[Venue, str]) -> dict[str, Venue]:
    return {tr_id: venue for venue, tr_id in trs.items()}


TRADE_TRS, BOOK_TRS = _trs("CNT0"), _trs("ASP0")
EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS = _trs("ANC0"), _trs("MKO0"), _trs("PGM0")
TRADES_OF, BOOKS_OF = _venues(TRADE_TRS), _venues(BOOK_TRS)
"""Venue of a trade channel, and of a book channel."""
TRS_OF_CHANNEL = {
    "ticks": TRADE_TRS,
    "depth": BOOK_TRS,
    "expected": EXPECTED_TRS,
    "operation": OPERATION_TRS,
    "programs": PROGRAM_TRS,
}
"""TR ids by the channel's name in a ``Want``; exec notices have one of their own."""
VENUE_OF_TR = {tr_id: venue for trs in TRS_OF_CHANNEL.values() for venue, tr_id in trs.items()}


def feed_venue(session_id: SessionId, *, nxt_listed: bool) -> Venue:
    """The venue whose channel shows how a stock trades in a session.

    NXT alone before KRX opens, both unified otherwise (KRX has an after-market of its own since 2026-09-14), and
    already while nothing trades, so that the trade that opens KRX's day is not missed; KRX for a stock that NXT does
    not list.
    """
    if not nxt_listed:
        return Venue.KRX
    return Venue.NXT if session_id is SessionId.NXT_PRE else Venue.SOR
