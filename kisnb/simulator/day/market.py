"""The simulated market: KRX's and Nextrade's day of a universe, driven event by event.

Only *active* stocks have books and events; a stock becomes active when somebody looks at its depth, trades it or
asks for it, in the middle of its day when need be. Own orders have positive ids.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import count
from pathlib import Path

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import Depth, Quote
from kisnb.exchange.exchange import VENUES, Exchange
from kisnb.exchange.halts import Level
from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    Refusal,
    SessionBegan,
    SessionEnded,
    Traded,
    TradingInterrupted,
    TradingResumed,
)
from kisnb.exchange.tape import Tally
from kisnb.market import sessions, ticks
from kisnb.market.calendar import is_trading_day, last_trading_day
from kisnb.market.universe import Universe
from kisnb.simulator.day.background import Background
from kisnb.simulator.day.day_facts import DayFacts
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.market_day import PlannedTrade, Schedule, ScriptedDay
from kisnb.simulator.day.venue_day import VenueDay
from kisnb.terms import Board, OrderKind, Phase, Side, Venue

TAPE_LENGTH = 100
"""Trades that are remembered per stock."""


class Market:
    """One day from ``start`` on. ``scripts`` replaces the day of single stocks; ``data`` gives real daily bars.

    Raises BadInput when ``day`` is no trading day, ConfigError when the folder's files cannot be read; methods raise
    UnknownInstrument for codes outside the universe.
    """

    def __init__(
        self,
        universe: Universe,
        day: date,
        seed: int,
        start: Ns,
        scripts: Mapping[str, ScriptedDay | Schedule] | None = None,
        data: Path | None = None,
    ) -> None:
        if not is_trading_day(day):
            raise BadInput(f"{day} is no trading day", f"use {last_trading_day(day)}")
        self.universe = universe
        self.day = day
        self.now = start
        self.exchange = Exchange(universe, day, start)
        self.plan = DayPlan(universe, day, seed, scripts, data)
        self.facts = DayFacts(self.plan)
        self.interruptions: list[TradingInterrupted] = []
        """Every VI and halt of the active stocks so far, oldest first."""
        self._days: dict[tuple[str, Venue], VenueDay] = {}
        self._active: dict[tuple[str, Venue], Background] = {}
        self._due: list[tuple[Ns, str, Venue]] = []
        self._tapes: dict[str, deque[Traded]] = {}
        self._trades: dict[tuple[str, Venue], list[PlannedTrade]] = {}
        self._background_ids = count(-1, -1)

    def venues(self, code: str) -> tuple[Venue, ...]:
        """Where a stock trades."""
        return VENUES if self.universe.get(code).nxt else (Venue.KRX,)

    def activate(self, code: str) -> None:
        """Give a stock its books and its events from now on; nothing happens when it has them already."""
        if code in self._tapes:
            return
        item = self.universe.get(code)
        self._tapes[code] = deque(self._printed(code, TAPE_LENGTH), maxlen=TAPE_LENGTH)
        for venue in (*VENUES, Venue.SOR):
            self._trades[code, venue] = self._passed(code, venue)
        for venue in self.venues(code):
            listing = self.exchange.listing(code, venue)
            day = self._day(code, venue)
            background = Background(listing, self.day, day, self._background_ids, self.now)
            self._active[code, venue] = background
            if not item.halted:
                background.begin_phase(self.now, self.exchange.tally(code).last)
                self._wait_for(code, venue)

    def next_event(self) -> Ns | None:
        """When something happens next: an active stock's event or a phase change; None after the day's last."""
        boundary = self.exchange.next_boundary
        if not self._due:
            return boundary
        due = max(self._due[0][0], self.now)
        return due if boundary is None else min(due, boundary)

    def advance(self, until: Ns) -> list[Happening]:
        """Run every event up to ``until`` in the order of time and stop there; never backwards."""
        if until < self.now:
            raise ValueError(f"the market stands at {self.now} and cannot go back to {until}")
        said: list[Happening] = []
        while (t := self.next_event()) is not None and t <= until:
            self.now = t
            said += self._pass_boundary(t) if t == self.exchange.next_boundary else self._act(t)
        self.now = until
        return said

    def enter(
        self,
        code: str,
        order_id: int,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int | None = None,
        venue: Venue = Venue.KRX,
        stop: int | None = None,
    ) -> list[Happening]:
        """Send an own order to the exchange now."""
        if code in self.universe:
            self.activate(code)
        return self._taped(
            self.exchange.enter(self.now, code, order_id, side, kind, qty, price, venue, stop)
        )

    def why_not(
        self,
        code: str,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int | None,
        venue: Venue,
        stop: int | None,
    ) -> Refusal | None:
        """Why the exchange would refuse an order now; None when it would take it."""
        if code in self.universe:
            self.activate(code)
        return self.exchange.why_not(self.now, code, side, kind, qty, price, venue, stop)

    def cancel(self, order_id: int, qty: int | None = None) -> list[Happening]:
        """Cancel ``qty`` shares (None: all) of an own order now."""
        return self.exchange.cancel(self.now, order_id, qty)

    def revise(self, order_id: int, new_id: int, qty: int | None, price: int) -> list[Happening]:
        """Move ``qty`` shares (None: all) of an own order to another price, under a new number, now."""
        return self._taped(self.exchange.revise(self.now, order_id, new_id, qty, price))

    def halt(self, code: str) -> list[Happening]:
        """Stop a stock on both venues until ``resume_trading``."""
        self.activate(code)
        return self._passed_on(self.exchange.halt(self.now, code))

    def resume_trading(self, code: str) -> list[Happening]:
        """End a halt: a call auction comes first."""
        self.activate(code)
        return self._passed_on(self.exchange.resume_trading(self.now, code))

    def break_circuit(self, board: Board, level: Level) -> list[Happening]:
        """Set off a level of a board's circuit breaker, on both venues."""
        return self._passed_on(self.exchange.break_circuit(self.now, board, level))

    def stretch(self, venue: Venue) -> str:
        """The name of the stretch of the day that KRX or Nextrade is in; empty when it is closed."""
        active = sessions.active(venue, self.now)
        return active[0].span.name if active else ""

    def tally(self, code: str, venue: Venue = Venue.KRX) -> Tally:
        """What a stock has traded so far, active or not; both venues' for SOR."""
        if venue is Venue.SOR:
            return self._unified(code)
        if code in self._tapes:
            return self.exchange.tally(code, venue)
        day = self._day(code, venue)
        return day.tally(day.passed(self.now))

    def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        """The current price of any stock on a venue, active or not; SOR: of both venues, volumes added.

        Before its first trade: the base price and zeros.
        """
        item = self.universe.get(code)
        tally = self.tally(code, venue)
        lower, upper = ticks.limits(item.base, item.kind, self.day, item.board)
        price = tally.last or item.base
        return Quote(
            self.now,
            code,
            item.name,
            venue,
            price,
            item.base,
            tally.open,
            tally.high,
            tally.low,
            tally.volume,
            tally.value,
            upper,
            lower,
            ticks.tick_size(price, item.kind, self.day, item.board),
            item.halted,
            item.shares,
        )

    def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth:
        """Ten levels a side, of both venues' shares for SOR; makes the stock active.

        Empty outside the venue's session and for a halted stock.
        """
        self.activate(code)
        asks, bids = self.exchange.depth(code, venue=venue)
        return Depth(self.now, code, venue, asks, bids)

    def last_trades(self, code: str, n: int, venue: Venue = Venue.KRX) -> list[Traded]:
        """The newest ``n`` trades on a venue (SOR: on either), at most 100, oldest first."""
        tape = list(self._tapes[code]) if code in self._tapes else self._printed(code, TAPE_LENGTH)
        wanted = [trade for trade in tape if venue in (trade.venue, Venue.SOR)]
        return wanted[max(0, len(wanted) - n) :]

    def trades(self, code: str, venue: Venue = Venue.KRX) -> Sequence[PlannedTrade]:
        """Every trade of any stock up to now, active or not, oldest first; SOR: of both venues."""
        return self._trades[code, venue] if code in self._tapes else self._passed(code, venue)

    def _passed(self, code: str, venue: Venue) -> list[PlannedTrade]:
        schedule = self.plan.schedule(code)
        said = schedule.trades[: schedule.passed(self.now)]
        return (
            list(said) if venue is Venue.SOR else [trade for trade in said if trade.venue is venue]
        )

    def _act(self, t: Ns) -> list[Happening]:
        due, code, venue = heapq.heappop(self._due)
        background = self._active[code, venue]
        if background.due != due:  # it has been put off, or brought forward
            return []
        background.act(t)
        self._wait_for(code, venue)
        changed: list[Happening] = [DepthChanged(t, code, venue)]
        other = self._active.get((code, Venue.NXT)) if venue is Venue.KRX else None
        if other is not None and self.exchange.phase(code) is Phase.CONTINUOUS:
            before = other.touch
            other.follow(t, *background.touch)
            if other.touch != before:
                changed.append(DepthChanged(t, code, Venue.NXT))
        return [*self._taped(self.exchange.take_happenings()), *changed]

    def _pass_boundary(self, t: Ns) -> list[Happening]:
        return self._passed_on(self.exchange.advance(t))

    def _passed_on(self, said: list[Happening]) -> list[Happening]:
        """What the exchange said at a boundary, after the background has taken note of it; depth comes last."""
        venues = {h.venue for h in said if isinstance(h, SessionBegan | SessionEnded)}
        stocks = {
            (h.code, h.venue) for h in said if isinstance(h, TradingInterrupted | TradingResumed)
        }
        changed = [at for at in self._active if at in stocks or at[1] in venues]
        for code, venue in changed:
            if not self.universe.get(code).halted:
                self._active[code, venue].begin_phase(self.now, self.exchange.tally(code).last)
                self._wait_for(code, venue)
        said += self.exchange.take_happenings()
        touched = {(h.code, h.venue) for h in said if isinstance(h, DepthChanged)}
        depth: list[Happening] = [
            DepthChanged(self.now, *at)
            for at in self._active
            if at in touched or at in stocks or at[1] in venues
        ]
        return [*self._taped([h for h in said if not isinstance(h, DepthChanged)]), *depth]

    def _wait_for(self, code: str, venue: Venue) -> None:
        due = self._active[code, venue].due
        if due is not None:
            heapq.heappush(self._due, (due, code, venue))

    def _taped(self, said: list[Happening]) -> list[Happening]:
        for happening in said:
            if isinstance(happening, TradingInterrupted):
                self.interruptions.append(happening)
            elif isinstance(happening, Traded):
                self._tapes[happening.code].append(happening)
                trade = PlannedTrade(
                    happening.t, happening.price, happening.qty, happening.taker, happening.venue
                )
                self._trades[happening.code, happening.venue].append(trade)
                self._trades[happening.code, Venue.SOR].append(trade)
        return said

    def _day(self, code: str, venue: Venue) -> VenueDay:
        day = self._days.get((code, venue))
        if day is None:
            day = self._days[code, venue] = VenueDay(self.plan.schedule(code), venue, self.day)
        return day

    def _unified(self, code: str) -> Tally:
        """Both venues as one; Nextrade's pre-market, when it traded, opened the day."""
        tallies = {venue: self.tally(code, venue) for venue in self.venues(code)}
        traded = {venue: tally for venue, tally in tallies.items() if tally.last}
        both = Tally()
        both.volume = sum(tally.volume for tally in tallies.values())
        both.value = sum(tally.value for tally in tallies.values())
        if traded:
            first = traded.get(Venue.NXT) or traded[Venue.KRX]
            highest = max(traded.values(), key=lambda tally: tally.high)
            lowest = min(traded.values(), key=lambda tally: tally.low)
            both.open, both.high, both.low = first.open, highest.high, lowest.low
            both.open_t, both.high_t, both.low_t = first.open_t, highest.high_t, lowest.low_t
            both.last = traded[max(traded, key=lambda venue: self._last_traded(code, venue))].last
        return both

    def _last_traded(self, code: str, venue: Venue) -> Ns:
        if code in self._tapes:
            return self.exchange.listing(code, venue).tape.t
        day = self._day(code, venue)
        passed = day.passed(self.now)
        return day.trades[passed - 1].t if passed else 0

    def _printed(self, code: str, n: int) -> list[Traded]:
        """The newest ``n`` trades that the schedule has made up to now, on both venues."""
        tape = [trade for venue in self.venues(code) for trade in self._printed_at(code, venue, n)]
        return sorted(tape, key=lambda trade: trade.t)[-n:]

    def _printed_at(self, code: str, venue: Venue, n: int) -> list[Traded]:
        item, day = self.universe.get(code), self._day(code, venue)
        passed = day.passed(self.now)
        first = max(0, passed - n)
        tally = day.tally(first)
        tape: list[Traded] = []
        for trade in day.trades[first:passed]:
            segment = day.segment(trade)
            tally.add(trade.t, trade.price, trade.qty, segment)
            ask = (
                trade.price
                if trade.side is Side.BUY
                else ticks.step(trade.price, 1, item.kind, self.day, item.board)
            )
            bid = ticks.step(ask, -1, item.kind, self.day, item.board)
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
