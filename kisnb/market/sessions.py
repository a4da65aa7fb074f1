"""The dated day of each venue: which phase it is in, and the label of the moment.

A session id is a label (ranking code, default venue). ``regular_phase`` says what KRX's regular session takes.
Times of the tables are KST; a row holds from its first day until a later row of the same name replaces it.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, time
from functools import lru_cache
from typing import NamedTuple, TypeVar

from kisnb.clock import MINUTE, Ns, kst, kst_day
from kisnb.market.calendar import first_trading_day, is_trading_day
from kisnb.terms import Phase, SessionId, Venue

_T = TypeVar("_T")
_ALWAYS = date.min
_HOUR = 60 * MINUTE
_REGULAR = ("opening auction", "regular", "closing auction")


class Span(NamedTuple):
    """A stretch of a venue's day, end exclusive; ``start == end`` abolishes the stretch of that name."""

    name: str
    venue: Venue
    start: time
    end: time
    phase: Phase
    since: date
    source: str


class Label(NamedTuple):
    """A stretch of the day with one session id."""

    session_id: SessionId
    start: time
    end: time
    since: date


_HALF_HOUR_LONGER = date(2016, 8, 1)
_SHORTER_AUCTION = date(2019, 4, 29)
_NXT_BEGAN = date(2025, 3, 4)
_REFORM = date(2026, 9, 14)

SPANS: tuple[Span, ...] = (
    Span("opening auction", Venue.KRX, time(8), time(9), Phase.AUCTION, _ALWAYS, "KRX rule until 2019-04-26"),
    Span(
        "opening auction",
        Venue.KRX,
        time(8, 30),
        time(9),
        Phase.AUCTION,
        _SHORTER_AUCTION,
        "KRX rule since 2019-04-29; a start at 08:20 from 2026-09-14 is reported once and not confirmed",
    ),
    Span("regular", Venue.KRX, time(9), time(14, 50), Phase.CONTINUOUS, _ALWAYS, "KRX rule until 2016-07-29"),
    Span("regular", Venue.KRX, time(9), time(15, 20), Phase.CONTINUOUS, _HALF_HOUR_LONGER, "KRX rule since 2016-08-01"),
    Span("closing auction", Venue.KRX, time(14, 50), time(15), Phase.AUCTION, _ALWAYS, "KRX rule until 2016-07-29"),
    Span(
        "closing auction",
        Venue.KRX,
        time(15, 20),
        time(15, 30),
        Phase.AUCTION,
        _HALF_HOUR_LONGER,
        "KRX rule since 2016-08-01",
    ),
    Span(
        "closing price entry", Venue.KRX, time(15), time(15, 10), Phase.ENTRY_ONLY, _ALWAYS, "KRX rule until 2016-07-29"
    ),
    Span(
        "closing price entry",
        Venue.KRX,
        time(15, 30),
        time(15, 40),
        Phase.ENTRY_ONLY,
        _HALF_HOUR_LONGER,
        "장후 시간외 종가: orders from 15:30",
    ),
    Span(
        "closing price", Venue.KRX, time(15, 10), time(15, 30), Phase.CONTINUOUS, _ALWAYS, "KRX rule until 2016-07-29"
    ),
    Span(
        "closing price",
        Venue.KRX,
        time(15, 40),
        time(16),
        Phase.CONTINUOUS,
        _HALF_HOUR_LONGER,
        "장후 시간외 종가: at today's close, by time",
    ),
    Span("single price", Venue.KRX, time(15, 30), time(18), Phase.AUCTION, _ALWAYS, "KRX rule until 2016-07-29"),
    Span(
        "single price",
        Venue.KRX,
        time(16),
        time(18),
        Phase.AUCTION,
        _HALF_HOUR_LONGER,
        "시간외 단일가: an auction every 10 minutes",
    ),
    Span("single price", Venue.KRX, time(16), time(16), Phase.CLOSED, _REFORM, "abolished; KRX notice 2026-09-09"),
    Span("after-market", Venue.KRX, time(16), time(20), Phase.CONTINUOUS, _REFORM, "KRX notice 2026-09-09"),
    Span("pre-market", Venue.NXT, time(8), time(8, 50), Phase.CONTINUOUS, _NXT_BEGAN, "Nextrade"),
    Span("regular", Venue.NXT, time(9, 0, 30), time(15, 20), Phase.CONTINUOUS, _NXT_BEGAN, "Nextrade"),
    Span(
        "after-market entry",
        Venue.NXT,
        time(15, 30),
        time(15, 40),
        Phase.ENTRY_ONLY,
        _NXT_BEGAN,
        "Nextrade: limit orders only; an opening auction is disputed",
    ),
    Span("after-market", Venue.NXT, time(15, 40), time(20), Phase.CONTINUOUS, _NXT_BEGAN, "Nextrade"),
)

LABELS: tuple[Label, ...] = (
    Label(SessionId.KRX_REG, time(9), time(15), _ALWAYS),
    Label(SessionId.KRX_REG, time(9), time(15, 30), _HALF_HOUR_LONGER),
    Label(SessionId.NXT_PRE, time(8), time(8, 50), _NXT_BEGAN),
    Label(SessionId.NXT_AFTER, time(15, 30), time(20), _NXT_BEGAN),
)

EXAM_DAYS: frozenset[date] = frozenset({date(2023, 11, 16), date(2024, 11, 14), date(2025, 11, 13), date(2026, 11, 19)})
"""College entrance exam (수능): everything an hour later. Source: ministry of education, KRX press releases."""


class _Day(NamedTuple):
    """One day's changes: parallel lists of moments and what holds from each on."""

    phases: dict[Venue, tuple[list[Ns], list[Phase]]]
    regular: tuple[list[Ns], list[Phase]]
    labels: tuple[list[Ns], list[SessionId]]
    boundaries: tuple[Ns, ...]


def phase(venue: Venue, now: Ns) -> Phase:
    """What ``venue`` does at ``now``; SOR does what the more open of KRX and NXT does."""
    return _at(_day(kst_day(now)).phases[venue], now, Phase.CLOSED)


def regular_phase(now: Ns) -> Phase:
    """What KRX's regular session does: AUCTION or CONTINUOUS while it takes orders, else CLOSED."""
    return _at(_day(kst_day(now)).regular, now, Phase.CLOSED)


def session_id(now: Ns) -> SessionId:
    """The label of a moment."""
    return _at(_day(kst_day(now)).labels, now, SessionId.KR_OFF)


def regular_open(day: date) -> Ns:
    """09:00 KST; 10:00 on the first trading day of a year and on the exam day."""
    return kst(day, time(9)) + _shift_open(day)


def regular_close(day: date) -> Ns:
    """15:30 KST (15:00 before 2016-08-01); an hour later on the exam day."""
    return kst(day, _row("closing auction", Venue.KRX, day).end) + _shift(day)


def continuous_end(day: date) -> Ns:
    """Begin of the closing auction, ten minutes before the close."""
    return kst(day, _row("closing auction", Venue.KRX, day).start) + _shift(day)


def boundaries(day: date) -> tuple[Ns, ...]:
    """Every moment of a day at which a venue's phase or the session id changes; empty when nothing trades."""
    return _day(day).boundaries


def regular_boundaries(day: date) -> tuple[Ns, ...]:
    """The phase changes of KRX's regular session: auction begins, open, closing auction begins, close."""
    return tuple(_day(day).regular[0])


@lru_cache(maxsize=64)
def _day(day: date) -> _Day:
    if not is_trading_day(day):
        nothing: tuple[list[Ns], list[Phase]] = ([], [])
        return _Day(dict.fromkeys(Venue, nothing), nothing, ([], []), ())
    krx = [(*_moments(s, day), s.phase) for s in _rows(day) if s.venue is Venue.KRX]
    nxt = [(*_moments(s, day), s.phase) for s in _rows(day) if s.venue is Venue.NXT]
    regular = [(*_moments(_row(name, Venue.KRX, day), day), _row(name, Venue.KRX, day).phase) for name in _REGULAR]
    labels = [(*_label_moments(row, day), row.session_id) for row in _labels(day)]
    phases = {Venue.KRX: _track(krx, Phase.CLOSED), Venue.NXT: _track(nxt, Phase.CLOSED)}
    phases[Venue.SOR] = _either(phases[Venue.KRX], phases[Venue.NXT])
    named = _track(labels, SessionId.KR_OFF)
    moments = {*phases[Venue.KRX][0], *phases[Venue.NXT][0], *named[0]}
    return _Day(phases, _track(regular, Phase.CLOSED), named, tuple(sorted(moments)))


def _rows(day: date) -> list[Span]:
    """The rows that hold on ``day``: of each name and venue the newest."""
    newest: dict[tuple[str, Venue], Span] = {}
    for row in SPANS:
        if row.since <= day:
            newest[row.name, row.venue] = row
    return [row for row in newest.values() if row.start < row.end]


def _labels(day: date) -> list[Label]:
    newest = {row.session_id: row for row in LABELS if row.since <= day}
    return list(newest.values())


def _row(name: str, venue: Venue, day: date) -> Span:
    return next(row for row in _rows(day) if row.name == name and row.venue is venue)


def _shift(day: date) -> Ns:
    return _HOUR if day in EXAM_DAYS else 0


def _shift_open(day: date) -> Ns:
    return _HOUR if day in EXAM_DAYS or day == first_trading_day(day.year) else 0


def _moments(row: Span, day: date) -> tuple[Ns, Ns]:
    """Start and end of a row; on the first trading day of a year only the opening moves, by an hour."""
    begins = _shift_open(day) if row.name in ("opening auction", "regular") else _shift(day)
    ends = _shift_open(day) if row.name == "opening auction" else _shift(day)
    return kst(day, row.start) + begins, kst(day, row.end) + ends


def _label_moments(row: Label, day: date) -> tuple[Ns, Ns]:
    begins = _shift_open(day) if row.session_id is SessionId.KRX_REG else _shift(day)
    return kst(day, row.start) + begins, kst(day, row.end) + _shift(day)


def _track(spans: list[tuple[Ns, Ns, _T]], between: _T) -> tuple[list[Ns], list[_T]]:
    """Spans (start, end, what) as a list of moments and what holds from each on."""
    holds: dict[Ns, _T] = {}
    for start, end, what in sorted(spans, key=lambda s: s[0]):
        holds[start] = what
        holds[end] = between
    return list(holds), list(holds.values())


def _either(a: tuple[list[Ns], list[Phase]], b: tuple[list[Ns], list[Phase]]) -> tuple[list[Ns], list[Phase]]:
    moments = sorted({*a[0], *b[0]})
    order = list(Phase)
    return moments, [max(_at(a, t, Phase.CLOSED), _at(b, t, Phase.CLOSED), key=order.index) for t in moments]


def _at(track: tuple[list[Ns], list[_T]], now: Ns, before: _T) -> _T:
    i = bisect_right(track[0], now)
    return track[1][i - 1] if i else before
