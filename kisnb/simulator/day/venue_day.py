"""One venue's part of a stock's scheduled day: its trades, their segments, and their tally."""

from __future__ import annotations

from bisect import bisect_right
from copy import copy
from datetime import date

from kisnb.clock import Ns
from kisnb.exchange.day_segments import MAIN, segment_name
from kisnb.exchange.tape import Tally
from kisnb.market import sessions
from kisnb.simulator.day.market_day import PlannedTrade, Schedule
from kisnb.terms import Phase, Venue


class VenueDay:
    """The planned trades of one stock at one venue, in the order of time."""

    def __init__(self, schedule: Schedule, venue: Venue, day: date) -> None:
        self.venue = venue
        self.schedule = schedule
        self.trades: tuple[PlannedTrade, ...] = tuple(
            trade for trade in schedule.trades if trade.venue is venue
        )
        self._counted = 0, Tally()
        """The number of trades in the running tally, and that tally."""
        self._times = [trade.t for trade in self.trades]
        self._open, self._close = sessions.regular_open(day), sessions.regular_close(day)
        self._hours = sessions.hours(venue, day)

    def passed(self, now: Ns) -> int:
        """Return the number of trades up to and including ``now``."""
        return bisect_right(self._times, now)

    def tally(self, count: int) -> Tally:
        """Return the tally of the first ``count`` trades, as a copy that the caller may change."""
        # Calls come with rising counts during a day, so the tally goes on from the last one.
        counted, tally = self._counted if self._counted[0] <= count else (0, Tally())
        for trade in self.trades[counted:count]:
            tally.add(trade.t, trade.price, trade.qty, self.segment(trade))
        if count >= self._counted[0]:
            self._counted = count, tally
        # A copy, because the kept one goes on with the next call.
        return copy(tally)

    def segment(self, trade: PlannedTrade) -> str:
        """Return the segment to which a trade belongs.

        An auction's trade belongs to the auction that ends with it.
        """
        # Nextrade has one limit book all day. KRX's after-hours sessions have books of their own.
        if self.venue is Venue.NXT or self._open <= trade.t < self._close:
            return MAIN
        for row in self._hours:
            ends = (
                trade.side is None
                and row.span.phase is Phase.AUCTION
                and row.start < trade.t <= row.end
            )
            if ends or (
                trade.side and row.span.phase is Phase.CONTINUOUS and row.start <= trade.t < row.end
            ):
                return segment_name(self.venue, row.span.name)
        return MAIN

    def auction_price(self, now: Ns, *, closing: bool) -> int:
        """Return the price of the opening auction in won. With ``closing``: of the closing auction.

        It is 0 before the auction, and when the auction had no trade.
        """
        t = self._close if closing else self._open
        if now < t:
            return 0
        at = bisect_right(self._times, t) - 1
        return self.trades[at].price if at >= 0 and self.trades[at].t == t else 0
