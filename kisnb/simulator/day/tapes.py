"""The trades of every stock up to now: those of its schedule, and fills of own orders.

A stock that is not active has the trades of its schedule. An active stock's trades come from the
exchange, which own orders change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import date

from kisnb.clock import Ns
from kisnb.exchange.exchange import VENUES, Exchange
from kisnb.exchange.happenings import Traded
from kisnb.exchange.tape import Tally
from kisnb.market import ticks
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.venue_day import VenueDay
from kisnb.terms import Side, Venue

TAPE_LENGTH = 100
"""Number of trades per stock that are kept with all the figures that a frame shows."""


def venues_of(item: Instrument) -> tuple[Venue, ...]:
    """Return the venues at which a stock trades."""
    return VENUES if item.nxt else (Venue.KRX,)


class Tapes:
    """The trades and tallies of all stocks. ``now`` is the simulated moment up to which they go."""

    def __init__(self, universe: Universe, day: date, plan: DayPlan, exchange: Exchange) -> None:
        self._universe = universe
        self._day = day
        self._plan = plan
        self._exchange = exchange
        self._days: dict[tuple[str, Venue], VenueDay] = {}
        self._newest: dict[str, deque[Traded]] = {}
        """The newest trades of each active stock, of both venues."""
        self._trades: dict[tuple[str, Venue], list[PlannedTrade]] = {}
        """All trades of each active stock, by venue. SOR has the trades of both venues."""

    def is_active(self, code: str) -> bool:
        """Return whether the exchange makes this stock's trades."""
        return code in self._newest

    def activate(self, code: str, now: Ns) -> None:
        """Begin a stock's tape with the trades that its schedule has made up to now."""
        self._newest[code] = deque(self._printed(code, TAPE_LENGTH, now), maxlen=TAPE_LENGTH)
        for venue in (*VENUES, Venue.SOR):
            self._trades[code, venue] = self._passed(code, venue, now)

    def add(self, traded: Traded) -> None:
        """Append a trade of an active stock."""
        self._newest[traded.code].append(traded)
        trade = PlannedTrade(traded.t, traded.price, traded.qty, traded.taker, traded.venue)
        self._trades[traded.code, traded.venue].append(trade)
        self._trades[traded.code, Venue.SOR].append(trade)

    def venue_day(self, code: str, venue: Venue) -> VenueDay:
        """Return the planned day of a stock at one venue."""
        day = self._days.get((code, venue))
        if day is None:
            day = self._days[code, venue] = VenueDay(self._plan.schedule(code), venue, self._day)
        return day

    def tally(self, code: str, venue: Venue, now: Ns) -> Tally:
        """Return the tally of a stock up to now. SOR: of both venues."""
        if venue is Venue.SOR:
            return self._unified(code, now)
        if code in self._newest:
            return self._exchange.tally(code, venue)
        day = self.venue_day(code, venue)
        return day.tally(day.passed(now))

    def newest(self, code: str, n: int, venue: Venue, now: Ns) -> list[Traded]:
        """Return the newest ``n`` trades of a stock, oldest first. SOR: of both venues.

        At most ``TAPE_LENGTH`` trades of the stock are known.
        """
        tape = (
            list(self._newest[code])
            if code in self._newest
            else self._printed(code, TAPE_LENGTH, now)
        )
        wanted = [trade for trade in tape if venue in (trade.venue, Venue.SOR)]
        return wanted[max(0, len(wanted) - n) :]

    def trades(self, code: str, venue: Venue, now: Ns) -> Sequence[PlannedTrade]:
        """Return every trade of a stock up to now, oldest first. SOR: of both venues."""
        if code in self._newest:
            return self._trades[code, venue]
        return self._passed(code, venue, now)

    def _passed(self, code: str, venue: Venue, now: Ns) -> list[PlannedTrade]:
        schedule = self._plan.schedule(code)
        passed = schedule.trades[: schedule.passed(now)]
        if venue is Venue.SOR:
            return list(passed)
        return [trade for trade in passed if trade.venue is venue]

    def _unified(self, code: str, now: Ns) -> Tally:
        """Return the tallies of both venues added up. The open is the first one of the two."""
        venues = venues_of(self._universe.get(code))
        tallies = {venue: self.tally(code, venue, now) for venue in venues}
        traded = {venue: tally for venue, tally in tallies.items() if tally.last}
        both = Tally()
        both.volume = sum(tally.volume for tally in tallies.values())
        both.value = sum(tally.value for tally in tallies.values())
        if traded:
            first = min(traded.values(), key=lambda tally: tally.open_t)
            highest = max(traded.values(), key=lambda tally: tally.high)
            lowest = min(traded.values(), key=lambda tally: tally.low)
            both.open, both.high, both.low = first.open, highest.high, lowest.low
            both.open_t, both.high_t, both.low_t = first.open_t, highest.high_t, lowest.low_t
            latest = max(traded, key=lambda venue: self._last_traded(code, venue, now))
            both.last = traded[latest].last
        return both

    def _last_traded(self, code: str, venue: Venue, now: Ns) -> Ns:
        if code in self._newest:
            return self._exchange.listing(code, venue).tape.t
        day = self.venue_day(code, venue)
        passed = day.passed(now)
        return day.trades[passed - 1].t if passed else 0

    def _printed(self, code: str, n: int, now: Ns) -> list[Traded]:
        """Return the newest ``n`` trades that the schedule has made up to now, on both venues."""
        venues = venues_of(self._universe.get(code))
        tape = [trade for venue in venues for trade in self._printed_at(code, venue, n, now)]
        return sorted(tape, key=lambda trade: trade.t)[-n:]

    def _printed_at(self, code: str, venue: Venue, n: int, now: Ns) -> list[Traded]:
        item, day = self._universe.get(code), self.venue_day(code, venue)
        passed = day.passed(now)
        first = max(0, passed - n)
        # Each trade shows the day's volume including itself, so the trades before the first one are
        # counted too.
        tally = day.tally(first)
        tape: list[Traded] = []
        for trade in day.trades[first:passed]:
            segment = day.segment(trade)
            tally.add(trade.t, trade.price, trade.qty, segment)
            # A planned trade had no limit book, so the other side is assumed one tick away.
            ask = (
                trade.price
                if trade.side is Side.BUY
                else ticks.step(trade.price, 1, item.kind, self._day, item.board)
            )
            bid = ticks.step(ask, -1, item.kind, self._day, item.board)
            tape.append(
                Traded(
                    trade.t,
                    code,
                    trade.price,
                    trade.qty,
                    trade.side,
                    0,
                    0,
                    tally.volume,
                    tally.value,
                    tally.open,
                    tally.high,
                    tally.low,
                    ask,
                    bid,
                    venue,
                    segment,
                )
            )
        return tape
