"""The channels of the stream by venue, and the venue whose channel shows a followed stock.

KIS has each kind of channel three times: of KRX, of NXT, and of both (unified). The unified one is
``Venue.SOR`` here, because it shows both venues, as the smart order router does. The unified
channel sends nothing about a stock that NXT does not list, all day long. KRX's own channel has
every stock; since 2026-09-14 also in the after-market. Source: KIS's workbook, and a client's
measurements of 2026-09-14.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from kisnb.clock import DAY, MINUTE, Ns, kst_day
from kisnb.market import sessions
from kisnb.terms import SessionId, Venue


def _trs(kind: str) -> dict[Venue, str]:
    """Return the TR ids of one kind of channel by venue."""
    return {Venue.KRX: f"H0ST{kind}", Venue.NXT: f"H0NX{kind}", Venue.SOR: f"H0UN{kind}"}


TRADE_TRS, DEPTH_TRS = _trs("CNT0"), _trs("ASP0")
EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS = _trs("ANC0"), _trs("MKO0"), _trs("PGM0")
TRS_OF_CHANNEL = {
    "ticks": TRADE_TRS,
    "depth": DEPTH_TRS,
    "expected": EXPECTED_TRS,
    "operation": OPERATION_TRS,
    "programs": PROGRAM_TRS,
}
"""TR ids by the channel's name in a ``Want``. Execution notices have a TR id of their own."""
VENUE_OF_TR = {tr_id: venue for trs in TRS_OF_CHANNEL.values() for venue, tr_id in trs.items()}
"""Venue of each channel of the market by TR id."""
_CHANNEL_OF_TR = {tr: name for name, trs in TRS_OF_CHANNEL.items() for tr in trs.values()}


LEAD: Ns = MINUTE
"""Time before trading begins at which a channel is changed, so that no trade is missed."""
_DAYS_AHEAD = 10
"""Number of days that ``next_change`` searches. No run of holidays is as long."""


def is_same_kind(tr_id: str, other: str) -> bool:
    """Return True for one kind of channel at two venues, such as trades at KRX and at NXT."""
    kind = _CHANNEL_OF_TR.get(tr_id)
    return tr_id != other and kind is not None and kind == _CHANNEL_OF_TR.get(other)


def feed_venue(session_id: SessionId, *, nxt_listed: bool) -> Venue:
    """Return the venue whose channel shows how a stock trades in a market session.

    NXT trades alone before KRX opens. In KRX's regular session KRX's prices are the official ones.
    Afterwards both trade, because KRX has its own after-market since 2026-09-14 (KIS notice of
    2026-09-09): then it is the unified channel. For a stock that NXT does not list, and while
    nothing trades, it is KRX's channel.
    """
    if not nxt_listed:
        return Venue.KRX
    return _FEED[session_id]


_FEED = {
    SessionId.NXT_PRE: Venue.NXT,
    SessionId.KRX_REG: Venue.KRX,
    SessionId.NXT_AFTER: Venue.SOR,
    SessionId.KR_OFF: Venue.KRX,
}


class Feed:
    """Chooses the channel on which a stock is followed, at a host that streams ``venues``."""

    def __init__(self, nxt_listed: Callable[[str], bool], venues: Sequence[Venue]) -> None:
        self._nxt_listed = nxt_listed
        self._venues = venues

    def venue(self, now: Ns, code: str) -> Venue:
        """Return the venue of the channel on which a stock is followed at ``now``.

        If that would be NXT's channel and the server does not have it, the venue is SOR, the
        unified channel. If the server does not have the unified channel either, the venue is KRX.
        """
        wanted = self._at(now, nxt_listed=self._nxt_listed(code))
        # Both are compared: NXT would be right, and the server does not stream NXT.
        if wanted is Venue.NXT not in self._venues:
            wanted = Venue.SOR
        return wanted if wanted in self._venues else Venue.KRX

    def next_change(self, now: Ns) -> Ns | None:
        """Return the moment at which the channel of a stock that NXT lists changes next.

        None at a host that streams KRX alone. If nothing changes within ten days, return the moment
        ten days after ``now``.
        """
        # At a host that streams KRX alone nothing ever changes. None keeps the stream from waking
        # up for it.
        if not set(self._venues) - {Venue.KRX}:
            return None
        today = kst_day(now)
        # Only a stock that NXT lists changes its channel. All of them change at the same moments.
        held = self._at(now, nxt_listed=True)
        for day in (today + timedelta(days=n) for n in range(_DAYS_AHEAD)):
            # The channel changes a minute before trading begins, and at the very moment when it
            # ends.
            for t in sorted({t - lead for t in sessions.boundaries(day) for lead in (LEAD, 0)}):
                # A boundary counts only when the channel differs on its two sides.
                if t > now and self._at(t, nxt_listed=True) is not held:
                    return t
        # The caller asks again then, so a stream that runs for weeks still follows its stocks.
        return now + _DAYS_AHEAD * DAY

    @staticmethod
    def _at(now: Ns, *, nxt_listed: bool) -> Venue:
        """Return the venue to follow at ``now``. While nothing trades: the venue a minute later."""
        session_id = sessions.session_id(now)
        if session_id is SessionId.KR_OFF:
            # This applies only while nothing trades: a running session is followed to its end.
            session_id = sessions.session_id(now + LEAD)
        return feed_venue(session_id, nxt_listed=nxt_listed)
