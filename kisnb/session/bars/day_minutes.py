"""Fetches this day's minutes whose trades a session did not receive, from the tape or KIS.

    minutes whose trades were all received ──► nothing is fetched
    the other minutes of the day           ──► each source in turn: the desk's tape, then KIS

A fetched minute replaces what was received of it. So the minute in which a session attached is
neither missing nor counted twice. The same holds for the first and the last minute of an outage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from kisnb.clock import MINUTE, Ns, clock_text, kst_day
from kisnb.errors import ApiError, FrameError, LinkLost, NotOffered
from kisnb.market import sessions
from kisnb.session.asking import Asking
from kisnb.session.bars.minute_pages import MinutePages, Minutes
from kisnb.session.feed.backfill import Backfill
from kisnb.session.feed.market_data import SETTLE
from kisnb.session.feed.state import SessionState
from kisnb.terms import Phase, Venue

JOINED = 20
"""Missing ranges that are at most this many minutes apart are fetched as one.

One page of KIS covers both.
"""


class MinuteRange(NamedTuple):
    """A range of minutes: the starts of its first and its last minute (UTC ns)."""

    first: Ns
    last: Ns


class MinuteSource(Protocol):
    """A place that has minutes of this day, such as the desk's tape.

    ``DayMinutes`` asks its ``sources`` one after another. Then it asks KIS for the minutes that are
    still missing.
    """

    async def minutes(
        self, desk: Asking, code: str, venue: Venue, part: MinuteRange
    ) -> tuple[Minutes, Sequence[MinuteRange]]:
        """Return the minute bars in ``part``, and the ranges in it of which no trade is missing."""
        ...


class DayMinutes:
    """Knows by stock and venue which minutes of this day the session has.

    Fetches the missing ones.
    """

    def __init__(
        self, state: SessionState, backfill: Backfill, sources: Sequence[MinuteSource] = ()
    ) -> None:
        self.sources = list(sources)
        """The sources that are asked before KIS, in this order."""
        self._state = state
        self._backfill = backfill
        self._pages = MinutePages()
        self._day: date | None = None
        self._fetched: dict[tuple[str, Venue], set[Ns]] = {}
        """The minutes of ``_day`` that need no further fetch, with or without a trade."""

    async def bring(
        self, desk: Asking, code: str, venue: Venue, now: Ns, *, regular: bool | None = None
    ) -> str:
        """Fetch a venue's missing minutes up to ``now``. Return why some stay missing, else empty.

        ``regular`` True: only the minutes of KRX's regular session. False: only those before and
        after it. None: all. Raises DeskLost. When KIS refuses a call, its refusal is returned as a
        sentence, and the minutes that have come stay.
        """
        if self._day != kst_day(now):
            self._day, self._fetched = kst_day(now), {}
        missing = self._missing(code, venue, now, regular)
        for part in reversed(_ranges(missing)):
            try:
                await self._fetch(desk, code, venue, part, now)
            except (ApiError, FrameError, LinkLost, NotOffered) as e:
                until = clock_text(part.last + MINUTE)
                return f"KIS gave no minutes of {clock_text(part.first)} to {until}: {e}"
        return ""

    async def _fetch(
        self, desk: Asking, code: str, venue: Venue, part: MinuteRange, now: Ns
    ) -> None:
        done = self._fetched.setdefault((code, venue), set())
        left = [part]
        for source in self.sources:
            parts, left = left, []
            for part in parts:
                found, whole = await source.minutes(desk, code, venue, part)
                self._state.data.add_minutes(code, venue, found)
                known = {t for known in whole for t in range(known.first, known.last + 1, MINUTE)}
                done |= known
                every = range(part.first, part.last + 1, MINUTE)
                left += _ranges(t for t in every if t not in known)
        for part in left:
            found = await self._pages.fetch(desk, code, venue, part.first, part.last)
            self._state.data.add_minutes(code, venue, found)
            # Right after a minute, KIS's list may lack the minute's last trades. So the minute is
            # fetched again later.
            done |= {
                t for t in range(part.first, part.last + 1, MINUTE) if t + MINUTE + SETTLE <= now
            }

    def _missing(self, code: str, venue: Venue, now: Ns, regular: bool | None) -> list[Ns]:
        """Return the starts of the ended minutes that this session lacks, oldest first."""
        day = minutes_of_day(venue, kst_day(now), regular)
        ended = [t for t in day if t + MINUTE <= now]
        done = self._fetched.get((code, venue), set())
        heard = self._heard_since(code, venue, now)
        gaps = [
            (gap.since, gap.until)
            for gap in self._state.data.gaps
            if not gap.filled and (gap.code, gap.venue) == (code, venue)
        ]
        if self._backfill.lost_since is not None:
            gaps.append((self._backfill.lost_since, now))

        def is_whole(t: Ns) -> bool:
            """Return whether every trade of a minute was received."""
            in_gap = any(since < t + MINUTE and t <= until for since, until in gaps)
            return heard is not None and t >= heard and not in_gap

        return [t for t in ended if t not in done and not is_whole(t)]

    def _heard_since(self, code: str, venue: Venue, now: Ns) -> Ns | None:
        """Return the start of the first minute of which every trade was received.

        None: no such minute.
        """
        # Trades state whole seconds, so the order of two venues' trades within a second is not
        # known. Minutes of both venues together are therefore always KIS's.
        if venue is Venue.SOR:
            return None
        begun = minutes_of_day(venue, kst_day(now))
        first = self._state.data.first_heard(code, venue, begun[0]) if begun else None
        # The minute of the first trade was received from its middle on.
        return None if first is None else first - first % MINUTE + MINUTE


def minutes_of_day(venue: Venue, day: date, regular: bool | None = None) -> list[Ns]:
    """Return the starts of the minutes in which a venue can trade, oldest first.

    SOR means both venues. ``regular`` True: only the minutes of KRX's regular session. False: only
    the minutes before and after it. None: all.
    """
    venues = (Venue.KRX, Venue.NXT) if venue is Venue.SOR else (venue,)
    minutes: set[Ns] = set()
    for where in venues:
        for row in sessions.hours(where, day):
            if row.span.phase in (Phase.CONTINUOUS, Phase.AUCTION):
                # An auction's trade is reported at the end of the auction, and belongs to that
                # minute.
                end = row.end + 1 if row.span.phase is Phase.AUCTION else row.end
                minutes |= set(range(row.start - row.start % MINUTE, end, MINUTE))
    if regular is None or not minutes:
        return sorted(minutes)
    return sorted(t for t in minutes if is_regular(t, day) is regular)


def is_regular(minute: Ns, day: date) -> bool:
    """Return whether a minute belongs to KRX's regular session, both auctions included."""
    return sessions.regular_open(day) <= minute <= sessions.regular_close(day)


def _ranges(minutes: Iterable[Ns]) -> list[MinuteRange]:
    """Return ranges that cover these minutes, oldest first.

    Two minutes that are at most ``JOINED`` minutes apart are in one range.
    """
    ranges: list[MinuteRange] = []
    for t in minutes:
        if ranges and t - ranges[-1].last <= JOINED * MINUTE:
            ranges[-1] = MinuteRange(ranges[-1].first, t)
        else:
            ranges.append(MinuteRange(t, t))
    return ranges
