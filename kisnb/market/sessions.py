"""The phase of each venue at a moment, and the session id of the moment.

The hours are in ``session_table``. A session id is only a label: it gives the ranking code and the
default venue. The kinds that a venue accepts are in ``order_rules``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import date, time
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from kisnb.clock import MINUTE, Ns, kst, kst_day
from kisnb.market.calendar import edition, first_trading_day, is_hour_later, is_trading_day
from kisnb.market.session_table import EVENING, LABELS, OPENING, SPANS, Label, Span
from kisnb.market.uncertain import Assumed, Uncertain, current
from kisnb.terms import Phase, SessionId, Venue

_T = TypeVar("_T")
_HOUR = 60 * MINUTE


class Hours(NamedTuple):
    """A span of a venue on one day, with its begin and its end."""

    span: Span
    start: Ns
    end: Ns
    """Exclusive."""


class _Track(NamedTuple, Generic[_T]):
    """Values over a day: ``holds[i]`` is the value from ``moments[i]`` on."""

    moments: list[Ns]
    holds: list[_T]

    def at(self, now: Ns, before: _T) -> _T:
        i = bisect_right(self.moments, now)
        return self.holds[i - 1] if i else before


class _Day(NamedTuple):
    hours: dict[Venue, tuple[Hours, ...]]
    active: dict[Venue, _Track[tuple[Hours, ...]]]
    phases: dict[Venue, _Track[Phase]]
    labels: _Track[SessionId]
    boundaries: tuple[Ns, ...]


class _RegularDay(NamedTuple):
    open: Ns
    continuous_end: Ns
    close: Ns


def phase(venue: Venue, now: Ns, assumed: Assumed = None) -> Phase:
    """Return the phase of ``venue`` at ``now``.

    The phase of SOR is that of KRX or of NXT, whichever lets more orders match.
    """
    return _at(now, assumed).phases[venue].at(now, Phase.CLOSED)


def active(venue: Venue, now: Ns, assumed: Assumed = None) -> tuple[Hours, ...]:
    """Return the spans that ``venue`` is in at ``now``; the first gives its phase.

    For SOR they are the spans of KRX and of NXT. Empty when the venue is closed.
    """
    return _at(now, assumed).active[venue].at(now, ())


def session_id(now: Ns) -> SessionId:
    """Return the session id of a moment, such as KRX_REG."""
    return _at(now, None).labels.at(now, SessionId.KR_OFF)


def gives_price(venue: Venue, now: Ns) -> bool:
    """Return True when market data of ``venue`` counts as the price of a stock at ``now``.

    Market data of KRX and of SOR always counts. That of Nextrade does not count in KRX's regular
    session: agents and the day's loss then follow KRX's price, which makes the official close and
    the next day's base price (brokers' notices of 2026-09). The router uses Nextrade's depth at any
    time.
    """
    return venue is not Venue.NXT or session_id(now) is not SessionId.KRX_REG


def hours(venue: Venue, day: date, assumed: Assumed = None) -> tuple[Hours, ...]:
    """Return the spans of a venue's day, ordered by time; empty on a day without trading."""
    return _of(day, assumed).hours[venue]


def regular_open(day: date) -> Ns:
    """Return the moment at which KRX's regular session opens: 09:00 KST.

    10:00 on the first trading day of a year and on the exam day (KRX rule).
    """
    return _regular_day(day, edition(), current()).open


def regular_close(day: date) -> Ns:
    """Return the moment of the official close: 15:30 KST, an hour later on the exam day.

    15:00 before 2016-08-01.
    """
    return _regular_day(day, edition(), current()).close


def continuous_end(day: date) -> Ns:
    """Return the moment at which the closing auction begins, ten minutes before the close."""
    return _regular_day(day, edition(), current()).continuous_end


def label_hours(label: SessionId, day: date) -> tuple[Ns, Ns] | None:
    """Return when a market session begins and ends on a day; None on a day without it."""
    track = _of(day, None).labels
    # The end of one label and the begin of the next are one moment, so the next moment is the end.
    for i, held in enumerate(track.holds):
        if held is label and label is not SessionId.KR_OFF:
            return track.moments[i], track.moments[i + 1]
    return None


def boundaries(day: date, assumed: Assumed = None) -> tuple[Ns, ...]:
    """Return each moment of a day at which a venue's phase or the session id changes.

    Empty on a day without trading.
    """
    return _of(day, assumed).boundaries


def _at(now: Ns, assumed: Assumed) -> _Day:
    return _of(kst_day(now), assumed)


def _of(day: date, assumed: Assumed) -> _Day:
    return _day(day, edition(), current() if assumed is None else assumed)


@lru_cache(maxsize=64)
def _day(day: date, _edition: int, assumed: Uncertain) -> _Day:
    #   SPANS ─ _rows: the newest of each ─► _hours: moments of the day ─► _active ─► phases
    #   LABELS ───────────────────────────── _labels ─────────────────────────────► session ids
    #
    # The edition is in the cache's key: a changed calendar makes every cached day void.
    rows = [_hours(row, day, assumed) for row in _rows(day, assumed)] if is_trading_day(day) else []
    krx = [row for row in rows if row.span.venue is Venue.KRX]
    nxt = [row for row in rows if row.span.venue is Venue.NXT]
    tracks = {Venue.KRX: _active(krx), Venue.NXT: _active(nxt), Venue.SOR: _active(rows)}
    phases = {venue: _changes(track, _phase_of) for venue, track in tracks.items()}
    phases[Venue.SOR] = _changes(tracks[Venue.SOR], _most_open)
    labels = _labels(day, assumed) if rows else _Track[SessionId]([], [])
    # SOR's phase follows from the other two, so it has no moments of its own.
    moments = {*phases[Venue.KRX].moments, *phases[Venue.NXT].moments, *labels.moments}
    by_time = {
        venue: tuple(sorted(own, key=lambda h: h.start))
        for venue, own in ((Venue.KRX, krx), (Venue.NXT, nxt))
    }
    by_time[Venue.SOR] = tuple(sorted(rows, key=lambda h: h.start))
    return _Day(by_time, tracks, phases, labels, tuple(sorted(moments)))


@lru_cache(maxsize=1024)
def _regular_day(day: date, _edition: int, assumed: Uncertain) -> _RegularDay:
    rows = _rows(day, assumed)
    closing = next(row for row in rows if row.name == "closing auction" and row.venue is Venue.KRX)
    later = _later(day)
    # KRX opens at 09:00 in every row of the table. Only the end of the day moved (2016-08-01).
    opened = kst(day, time(9)) + _opens_later(day)
    return _RegularDay(opened, kst(day, closing.start) + later, kst(day, closing.end) + later)


def _rows(day: date, assumed: Uncertain) -> list[Span]:
    """Return each span's newest row that is in force on ``day``, in the order of the table."""
    newest: dict[tuple[str, Venue], Span] = {}
    for row in SPANS:
        if row.since <= day and (not row.only_if or getattr(assumed, row.only_if)):
            # In the dict a later row replaces the earlier one at its position. So the table's order
            # stays, and it decides which span gives the phase.
            newest[row.name, row.venue] = row
    if not _has_pre_market(day, assumed):
        newest.pop(("pre-market", Venue.NXT), None)
    return [row for row in newest.values() if row.start < row.end]


def _has_pre_market(day: date, assumed: Uncertain) -> bool:
    # Nextrade had no pre-market on 2025-11-13 and 2026-01-02 (press reports of those days).
    return assumed.special_days_all_later or not _opens_later(day)


def _later(day: date) -> Ns:
    return _HOUR if is_hour_later(day) else 0


def _opens_later(day: date) -> Ns:
    return _HOUR if is_hour_later(day) or day == first_trading_day(day.year) else 0


def _hours(row: Span, day: date, assumed: Uncertain) -> Hours:
    """Return a row with its moments on ``day``.

    On the first trading day of a year only the spans up to the opening are an hour later. On the
    exam day all spans are an hour later (KRX rule), but the last ones end as usual (press reports
    of 2025-11-13).
    """
    begins = _opens_later(day) if row.name == "regular" or row.name in OPENING else _later(day)
    ends = _opens_later(day) if row.name in OPENING else _later(day)
    if row.name in EVENING and not assumed.special_days_all_later:
        ends = 0
    return Hours(row, kst(day, row.start) + begins, kst(day, row.end) + ends)


def _labels(day: date, assumed: Uncertain) -> _Track[SessionId]:
    newest: dict[SessionId, Label] = {row.session_id: row for row in LABELS if row.since <= day}
    if not _has_pre_market(day, assumed):
        newest.pop(SessionId.NXT_PRE, None)
    holds: dict[Ns, SessionId] = {}
    # By start, because one label may begin when another ends, as at 15:30. The later label then
    # overwrites KR_OFF.
    for row in sorted(newest.values(), key=lambda row: row.start):
        # After the open, Nextrade's hours move on the exam day alone, as KRX's close does.
        begins = _opens_later(day) if row.session_id is SessionId.KRX_REG else _later(day)
        holds[kst(day, row.start) + begins] = row.session_id
        evening = row.session_id is SessionId.NXT_AFTER and not assumed.special_days_all_later
        holds[kst(day, row.end) + (0 if evening else _later(day))] = SessionId.KR_OFF
    return _Track(list(holds), list(holds.values()))


def _active(rows: list[Hours]) -> _Track[tuple[Hours, ...]]:
    moments = sorted({t for row in rows for t in (row.start, row.end)})
    return _Track(
        moments, [tuple(row for row in rows if row.start <= t < row.end) for t in moments]
    )


def _phase_of(rows: tuple[Hours, ...]) -> Phase:
    # Of two spans that overlap, the earlier one of the table gives the phase.
    return rows[0].span.phase if rows else Phase.CLOSED


def _most_open(rows: tuple[Hours, ...]) -> Phase:
    # Phase lists its members from closed to continuous.
    order = list(Phase)
    firsts = (
        next((row for row in rows if row.span.venue is venue), None)
        for venue in (Venue.KRX, Venue.NXT)
    )
    return max((row.span.phase for row in firsts if row), key=order.index, default=Phase.CLOSED)


def _changes(
    track: _Track[tuple[Hours, ...]], phase_of: Callable[[tuple[Hours, ...]], Phase]
) -> _Track[Phase]:
    """Return the phases of a track. Moments at which the phase does not change are left out."""
    moments: list[Ns] = []
    phases: list[Phase] = []
    for t, rows in zip(track.moments, track.holds, strict=True):
        found = phase_of(rows)
        if not phases or phases[-1] is not found:
            moments.append(t)
            phases.append(found)
    return _Track(moments, phases)
