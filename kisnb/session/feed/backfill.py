"""Fills gaps in the stream: asks KIS for the minutes in which trades were not received.

A gap begins with the last trade before it. It ends with the first trade after it, or when the
connection returns. Minutes that KIS does not give stay missing: no price is made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kisnb.clock import MINUTE, Ns, clock_text, kst_day
from kisnb.errors import KisnbError
from kisnb.events import GapFound
from kisnb.kis.calls.chart_messages import minute_params, minute_rows, past_minute_params
from kisnb.session.feed.link import Link
from kisnb.session.feed.market_data import Gap
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.terms import Venue
from kisnb.trading.ports.queries import CallApi

# A reply holds 30 minutes of today, or 120 of an earlier day (KIS's workbook).
MOST_CALLS = 40
"""The most calls of KIS for one gap. Their replies cover more than a day of minutes."""


class Backfill:
    """Notes the gaps in a session's market data, and fetches their minutes one after another."""

    def __init__(self, link: Link, state: SessionState, pace: Pace) -> None:
        self._link = link
        self._state = state
        self._pace = pace
        self.on_filled: Callable[[str], object] = lambda _code: None
        """Called with the code of a stock after its missing minutes have come."""
        self._due: list[Gap] = []
        self._walk: asyncio.Task[None] | None = None
        self._lost: Ns | None = None
        """The moment when the stream broke. None while it is connected."""

    @property
    def lost_since(self) -> Ns | None:
        """The moment when the stream broke. None while it is connected."""
        return self._lost

    def on_gap(self, event: GapFound) -> None:
        """Note a gap that the desk found."""
        self._add(Gap(event.code, event.venue, event.since, event.t, event.missing))

    def mend(self, code: str, venue: Venue, t: Ns) -> None:
        """Plan a fetch of the minute of ``t``, because its first trades were not received."""
        # This is no gap, because the stock was not watched yet.
        self._due.append(Gap(code, venue, t, t, 0))
        self._pace.reschedule()

    def on_link_lost(self, t: Ns) -> None:
        """Note that the stream broke at ``t``. From then on, trades are not received."""
        self._lost = t if self._lost is None else self._lost

    def on_link_up(self, t: Ns, followed: set[tuple[str, Venue]]) -> None:
        """Note that the stream is connected again. Add a gap for each followed stock and venue."""
        # A stock that trades no more today has a gap too, and no later trade would show it.
        since, self._lost = self._lost, None
        if since is not None:
            for code, venue in sorted(followed):
                self._add(Gap(code, venue, since, t, 0))

    def down_since(self, died: Ns) -> Ns:
        """Return the moment from which trades are missing, for a desk that died at ``died``.

        It is earlier than ``died`` when the stream had broken before. That break is then forgotten,
        because the next desk has a stream of its own.
        """
        since, self._lost = self._lost, None
        return died if since is None else min(since, died)

    def next_wake(self) -> Ns | None:
        """Return the moment when the next gap can be filled. None: no gap, or a fetch runs."""
        return min((gap.over for gap in self._due), default=None) if self._walk is None else None

    def start_due(self, now: Ns) -> None:
        """Start a task that fetches the gaps that can be filled by now, unless one runs."""
        if self._walk is None and any(gap.over <= now for gap in self._due):
            self._walk = self._pace.task(self._fetch_due(now), "missing minutes from KIS")

    async def fill(self, gap: Gap) -> None:
        """Ask KIS for the minutes of a gap that is over, and add them. Raises KisnbError."""
        # KIS gives whole minutes. The minute in which the gap begins is incomplete here, so it is
        # fetched too.
        first, until = gap.since - gap.since % MINUTE, gap.until
        minutes: dict[Ns, tuple[int, ...]] = {}
        for _ in range(MOST_CALLS):
            rows = await self._minutes(gap, until)
            minutes |= {t: bar for t, bar in rows.items() if first <= t <= gap.until and bar[-1]}
            oldest = min(rows, default=first)
            # The second test ends the loop when a reply has nothing older than the reply before.
            if oldest <= first or oldest >= until:
                break
            until = oldest - 1
        self._state.data.fill(gap, minutes)
        self.on_filled(gap.code)

    async def _minutes(self, gap: Gap, until: Ns) -> dict[Ns, tuple[int, ...]]:
        # KIS has one call for the minutes of today and another for those of earlier days, which
        # paper does not offer (KIS's workbook).
        today = kst_day(gap.since) == kst_day(self._state.now)
        api, params = (minute_params if today else past_minute_params)(gap.code, until, gap.venue)
        reply = await self._link.ask(CallApi(api.name, params))
        return minute_rows(reply.blocks["output2"])

    async def _fetch_due(self, now: Ns) -> None:
        due = [gap for gap in self._due if gap.over <= now]
        self._due = [gap for gap in self._due if gap.over > now]
        try:
            for gap in due:
                if not gap.filled:
                    await self._fetch(gap)
        finally:
            # A gap that was noted during this loop is due now, and ``next_wake`` returned None
            # meanwhile.
            self._walk = None
            self._pace.reschedule()

    async def _fetch(self, gap: Gap) -> None:
        try:
            await self.fill(gap)
        except KisnbError as e:
            span = f"{clock_text(gap.since)} to {clock_text(gap.until)}"
            self._state.troubles.append(
                f"trades of {gap.code} from {span} are missing and cannot be had: {e}"
            )

    def _add(self, gap: Gap) -> None:
        self._state.data.gaps.append(gap)
        self._due.append(gap)
        self._pace.reschedule()
