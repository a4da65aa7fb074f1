"""Fetches the minutes of this day from KIS, page after page, with the fewest calls.

KIS has two calls. inquire-time-itemchartprice gives 30 minutes of this day.
inquire-time-dailychartprice gives 120 of any day, and paper does not offer it (KIS's workbook).
"""

from __future__ import annotations

from collections.abc import Mapping

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.errors import NotOffered
from kisnb.kis.calls.chart_messages import minute_params, minute_rows, past_minute_params
from kisnb.session.asking import Asking
from kisnb.terms import Venue
from kisnb.trading.ports.queries import CallApi

SMALL_PAGE = 30
"""Minutes of one reply of inquire-time-itemchartprice (KIS's workbook)."""
Minutes = Mapping[Ns, tuple[int, ...]]
"""Open, high, low, close (won) and volume (shares) by start (UTC ns)."""


class MinutePages:
    """Fetches spans of minutes of this day. Each method raises KisnbError."""

    def __init__(self) -> None:
        self._has_large_pages = True
        """False once the server has said that it does not offer inquire-time-dailychartprice."""

    async def fetch(self, desk: Asking, code: str, venue: Venue, first: Ns, last: Ns) -> Minutes:
        """Fetch and return the minute bars from ``first`` to ``last``.

        Both are starts of minutes, and both minutes are included. The newest page is fetched first,
        because KIS answers with the newest rows up to a given moment.
        """
        found: dict[Ns, tuple[int, ...]] = {}
        until, large = last + MINUTE - 1, True
        while True:
            large = large and until - first > SMALL_PAGE * MINUTE
            rows = await self._page(desk, code, venue, until, large=large)
            today = {t: bar for t, bar in rows.items() if kst_day(t) == kst_day(first)}
            if large and not today:
                # A server whose large pages end with yesterday still has small pages of today.
                large = False
                continue
            found |= {t: bar for t, bar in today.items() if first <= t <= last and bar[-1]}
            oldest = min(today, default=first)
            # The second test ends the loop when a reply has nothing older than the reply before.
            if oldest <= first or oldest > until:
                return found
            until = oldest - 1

    async def _page(
        self, desk: Asking, code: str, venue: Venue, until: Ns, *, large: bool
    ) -> Minutes:
        if large and self._has_large_pages:
            api, params = past_minute_params(code, until, venue, days_before=False)
            try:
                reply = await desk.ask(CallApi(api.name, params))
                return minute_rows(reply.blocks["output2"])
            except NotOffered:
                self._has_large_pages = False
        api, params = minute_params(code, until, venue)
        reply = await desk.ask(CallApi(api.name, params))
        return minute_rows(reply.blocks["output2"])
