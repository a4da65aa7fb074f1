"""The dated hours of each venue, and the labels of the day. Times in KST, ends exclusive.

Each row has a source and a certainty. A row is in force from its first day until a later row of the
same name and venue replaces it. A row with ``start == end`` abolishes the span. Certainty: A
documented or confirmed by several dated sources, B one good source, C uncertain.
"""

from __future__ import annotations

from datetime import date, time
from typing import Literal, NamedTuple, TypeAlias

from kisnb.terms import Phase, SessionId, Venue

Certainty: TypeAlias = Literal["A", "B", "C"]


class Span(NamedTuple):
    """A part of a venue's day with one phase.

    Where two spans overlap, the one that is earlier in the table gives the venue's phase.
    """

    name: str
    venue: Venue
    start: time
    end: time
    """Exclusive."""
    phase: Phase
    since: date
    """First day of the row."""
    source: str
    certainty: Certainty = "A"
    only_if: str = ""
    """Name of a field of ``Uncertain``. The row is in force only when the field is True."""


class Label(NamedTuple):
    """A part of the day with one session id."""

    session_id: SessionId
    start: time
    end: time
    """Exclusive."""
    since: date
    """First day of the row."""
    source: str
    certainty: Certainty = "A"


ALWAYS = date.min
"""First day of a rule whose first day does not matter."""
HALF_HOUR_LONGER = date(2016, 8, 1)
"""First day on which KRX's regular session was half an hour longer."""
SHORTER_AUCTION = date(2019, 4, 29)
"""First day on which KRX's opening auction was half an hour shorter."""
NXT_BEGAN = date(2025, 3, 4)
"""Nextrade's first day."""
REFORM = date(2026, 9, 14)
"""First day of KRX's after-market, without the single-price session (KRX notice of 2026-09-09)."""
OPENING = frozenset({"opening auction", "pre-open closing price"})
"""Spans whose start and end move when KRX opens later. Of ``regular`` only the start moves."""
EVENING = frozenset({"single price", "after-market"})
"""The last spans of a day. They end at their usual time on the exam day, too.

One variant of ``Uncertain`` moves their end.
"""

_KRX, _NXT = Venue.KRX, Venue.NXT
_ENTRY, _AUCTION, _CONTINUOUS, _CLOSED = (
    Phase.ENTRY_ONLY,
    Phase.AUCTION,
    Phase.CONTINUOUS,
    Phase.CLOSED,
)
_OLD = "KRX rule until 2016-07-29"

SPANS: tuple[Span, ...] = (
    # KRX. Orders of the opening auction and of the pre-open closing price arrive at the same time,
    # in two markets; the auction gives the phase.
    Span("opening auction", _KRX, time(8), time(9), _AUCTION, ALWAYS, "KRX rule until 2019-04-26"),
    Span(
        "opening auction",
        _KRX,
        time(8, 30),
        time(9),
        _AUCTION,
        SHORTER_AUCTION,
        "KRX rule since 2019-04-29",
    ),
    Span(
        "opening auction",
        _KRX,
        time(8, 20),
        time(9),
        _AUCTION,
        REFORM,
        "reported by one project",
        "C",
        "opening_auction_from_0820",
    ),
    Span(
        "pre-open closing price",
        _KRX,
        time(7, 30),
        time(8, 30),
        _CONTINUOUS,
        ALWAYS,
        "KRX rule until 2019-04-26: 장전 시간외 종가",
        "B",
    ),
    Span(
        "pre-open closing price",
        _KRX,
        time(8, 30),
        time(8, 40),
        _CONTINUOUS,
        SHORTER_AUCTION,
        "장전 시간외 종가: at the previous close, by time",
    ),
    Span("regular", _KRX, time(9), time(14, 50), _CONTINUOUS, ALWAYS, _OLD),
    Span(
        "regular",
        _KRX,
        time(9),
        time(15, 20),
        _CONTINUOUS,
        HALF_HOUR_LONGER,
        "KRX rule since 2016-08-01",
    ),
    Span("closing auction", _KRX, time(14, 50), time(15), _AUCTION, ALWAYS, _OLD),
    Span(
        "closing auction",
        _KRX,
        time(15, 20),
        time(15, 30),
        _AUCTION,
        HALF_HOUR_LONGER,
        "KRX rule since 2016-08-01",
    ),
    # 장후 시간외 종가 trades at today's close, so it collects orders until the close is known.
    Span("closing price entry", _KRX, time(15), time(15, 10), _ENTRY, ALWAYS, _OLD),
    Span(
        "closing price entry",
        _KRX,
        time(15, 30),
        time(15, 40),
        _ENTRY,
        HALF_HOUR_LONGER,
        "장후 시간외 종가: orders from 15:30",
    ),
    Span("closing price", _KRX, time(15, 10), time(15, 30), _CONTINUOUS, ALWAYS, _OLD),
    Span(
        "closing price",
        _KRX,
        time(15, 40),
        time(16),
        _CONTINUOUS,
        HALF_HOUR_LONGER,
        "장후 시간외 종가: at today's close, by time",
    ),
    Span("single price", _KRX, time(15, 30), time(18), _AUCTION, ALWAYS, _OLD),
    Span(
        "single price",
        _KRX,
        time(16),
        time(18),
        _AUCTION,
        HALF_HOUR_LONGER,
        "시간외 단일가: an auction every 10 minutes",
    ),
    Span(
        "single price",
        _KRX,
        time(16),
        time(16),
        _CLOSED,
        REFORM,
        "abolished; KRX notice 2026-09-09",
    ),
    # A market of its own: regular orders are not carried into it, and ETF and ETN are not traded.
    Span("after-market", _KRX, time(16), time(20), _CONTINUOUS, REFORM, "KRX notice 2026-09-09"),
    # Nextrade pauses while KRX holds its auctions, and opens 30 seconds after KRX's opening
    # auction.
    Span("pre-market", _NXT, time(8), time(8, 50), _CONTINUOUS, NXT_BEGAN, "Nextrade"),
    # The press wrote 09:00. Nextrade's own page says 30 seconds later, and 15:40 for the start of
    # matching in its after-market.
    Span("regular", _NXT, time(9, 0, 30), time(15, 20), _CONTINUOUS, NXT_BEGAN, "Nextrade"),
    Span(
        "after-market entry",
        _NXT,
        time(15, 30),
        time(15, 40),
        _ENTRY,
        NXT_BEGAN,
        "Nextrade: limit orders only",
    ),
    Span(
        "after-market entry",
        _NXT,
        time(15, 30),
        time(15, 40),
        _AUCTION,
        NXT_BEGAN,
        "some guides: one price at 15:40",
        "C",
        "nxt_after_call",
    ),
    Span("after-market", _NXT, time(15, 40), time(20), _CONTINUOUS, NXT_BEGAN, "Nextrade"),
)

LABELS: tuple[Label, ...] = (
    Label(SessionId.KRX_REG, time(9), time(15), ALWAYS, _OLD),
    Label(SessionId.KRX_REG, time(9), time(15, 30), HALF_HOUR_LONGER, "KRX rule since 2016-08-01"),
    # Labels never overlap. From 08:50 to 09:00, when no venue trades continuously, it is KR_OFF.
    Label(SessionId.NXT_PRE, time(8), time(8, 50), NXT_BEGAN, "Nextrade"),
    Label(
        SessionId.NXT_AFTER, time(15, 30), time(20), NXT_BEGAN, "Nextrade: order entry from 15:30"
    ),
)
