"""The simulated market: KRX's and Nextrade's day of a universe, driven event by event.

Only *active* stocks have limit books and events. A stock becomes active when its depth is read,
when somebody trades it, or when a client subscribes to it. That can be in the middle of its day.
Own orders have positive ids, so that they never collide with the negative ids of the background.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import count
from pathlib import Path

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import Depth, Quote
from kisnb.exchange.exchange import Exchange
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
from kisnb.simulator.day.tapes import Tapes, venues_of
from kisnb.terms import Board, OrderKind, Phase, Side, Venue


class Market:
    """One day of KRX and Nextrade, from ``start`` on.

    ``scripts`` are days of single stocks that replace the made-up ones. ``data`` is a folder with
    real daily bars. Raises BadInput when ``day`` is not a trading day, and ConfigError when the
    folder's files cannot be read. Methods raise UnknownInstrument for codes outside the universe.
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
            raise BadInput(f"{day} is not a trading day", f"use {last_trading_day(day)}")
        self.universe = universe
        self.day = day
        self.now = start
        self.exchange = Exchange(universe, day, start)
        self.plan = DayPlan(universe, day, seed, scripts, data)
        self.facts = DayFacts(self.plan)
        self.interruptions: list[TradingInterrupted] = []
        """All VI and halts of the active stocks so far, oldest first."""
        self._tapes = Tapes(universe, day, self.plan, self.exchange)
        self._active: dict[tuple[str, Venue], Background] = {}
        self._due: list[tuple[Ns, str, Venue]] = []
        # The ids are negative, so that they never equal the numbers of own orders.
        self._background_ids = count(-1, -1)

    def venues(self, code: str) -> tuple[Venue, ...]:
        """Return the venues at which a stock trades."""
        return venues_of(self.universe.get(code))

    def activate(self, code: str) -> None:
        """Give a stock its limit books, and play its background trades from now on.

        An active stock is left as it is.
        """
        if self._tapes.is_active(code):
            return
        item = self.universe.get(code)
        self._tapes.activate(code, self.now)
        for venue in self.venues(code):
            listing = self.exchange.listing(code, venue)
            day = self._tapes.venue_day(code, venue)
            background = Background(listing, self.day, day, self._background_ids, self.now)
            self._active[code, venue] = background
            # A halted stock has a limit book, but nothing happens in it.
            if not item.halted:
                background.begin_phase(self.now, self.exchange.tally(code).last)
                self._wait_for(code, venue)

    def next_event(self) -> Ns | None:
        """Return the moment of the next event. None after the day's last event.

        It is an active stock's event or a change of phase.
        """
        boundary = self.exchange.next_boundary
        if not self._due:
            return boundary
        # An event may have been queued for a moment that has passed since.
        due = max(self._due[0][0], self.now)
        return due if boundary is None else min(due, boundary)

    def advance(self, until: Ns) -> list[Happening]:
        """Run every event up to ``until`` in the order of time, and return what happened.

        Raises ValueError when ``until`` has passed.
        """
        if until < self.now:
            raise ValueError(f"the market's time is {self.now} and cannot go back to {until}")
        happened: list[Happening] = []
        while (t := self.next_event()) is not None and t <= until:
            self.now = t
            # A phase that begins at a moment comes before the trades of that moment: a trade of
            # 09:00:00 belongs to the phase that begins then.
            happened += self._pass_boundary(t) if t == self.exchange.next_boundary else self._act(t)
        # This is set also when nothing happened, because quotes and depths state this moment.
        self.now = until
        return happened

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
        """Send an own order to the exchange now, and return what happened."""
        if code in self.universe:
            self.activate(code)
        return self._record_prints(
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
        """Return why the exchange would refuse an order now. None when it would accept it."""
        if code in self.universe:
            self.activate(code)
        return self.exchange.why_not(self.now, code, side, kind, qty, price, venue, stop)

    def cancel(self, order_id: int, qty: int | None = None) -> list[Happening]:
        """Cancel ``qty`` shares of an own order (None: all) now, and return what happened."""
        return self.exchange.cancel(self.now, order_id, qty)

    def revise(self, order_id: int, new_id: int, qty: int | None, price: int) -> list[Happening]:
        """Move ``qty`` shares of an own order to another price under a new number.

        None as ``qty`` moves all leaves. Return what happened.
        """
        return self._record_prints(self.exchange.revise(self.now, order_id, new_id, qty, price))

    def halt(self, code: str) -> list[Happening]:
        """Halt a stock on both venues until ``resume_trading``, and return what happened."""
        self.activate(code)
        return self._follow_exchange(self.exchange.halt(self.now, code))

    def resume_trading(self, code: str) -> list[Happening]:
        """End a halt, and return what happened. A call auction comes first."""
        self.activate(code)
        return self._follow_exchange(self.exchange.resume_trading(self.now, code))

    def break_circuit(self, board: Board, level: Level) -> list[Happening]:
        """Trigger a level of a board's circuit breaker on both venues. Return what happened."""
        return self._follow_exchange(self.exchange.break_circuit(self.now, board, level))

    def stretch(self, venue: Venue) -> str:
        """Return the name of the span of the day in which a venue is. Empty when it is closed."""
        active = sessions.active(venue, self.now)
        return active[0].span.name if active else ""

    def tally(self, code: str, venue: Venue = Venue.KRX) -> Tally:
        """Return the ``Tally`` of any stock's day up to now, active or not. SOR: of both venues."""
        return self._tapes.tally(code, venue, self.now)

    def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        """Return the current price of any stock on a venue, active or not.

        SOR means both venues together. Before its first trade a stock has the base price and zeros.
        """
        item = self.universe.get(code)
        tally = self.tally(code, venue)
        # KIS writes 0 for a limit price that does not exist.
        lower, upper = ticks.limits_of(item, self.day) or (0, 0)
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
        """Return ten levels a side; SOR: of both venues together. The stock becomes active.

        The depth is empty outside the venue's market session, and for a halted stock.
        """
        self.activate(code)
        asks, bids = self.exchange.depth(code, venue=venue)
        return Depth(self.now, code, venue, asks, bids)

    def last_trades(self, code: str, n: int, venue: Venue = Venue.KRX) -> list[Traded]:
        """Return the newest ``n`` trades on a venue, at most 100, oldest first; SOR: on both."""
        return self._tapes.newest(code, n, venue, self.now)

    def trades(self, code: str, venue: Venue = Venue.KRX) -> Sequence[PlannedTrade]:
        """Return every trade of any stock up to now, oldest first; SOR: of both venues."""
        return self._tapes.trades(code, venue, self.now)

    def _act(self, t: Ns) -> list[Happening]:
        due, code, venue = heapq.heappop(self._due)
        background = self._active[code, venue]
        if background.due != due:  # The event was moved. Its new moment is in the queue too.
            return []
        background.act(t)
        self._wait_for(code, venue)
        changed: list[Happening] = [DepthChanged(t, code, venue)]
        # Nextrade follows KRX's bid and ask while both trade continuously.
        other = self._active.get((code, Venue.NXT)) if venue is Venue.KRX else None
        follows = other is not None and self.exchange.phase(code) is Phase.CONTINUOUS
        if follows and other is not None and other.follow(t, *background.touch):
            changed.append(DepthChanged(t, code, Venue.NXT))
        return [*self._record_prints(self.exchange.take_happenings()), *changed]

    def _pass_boundary(self, t: Ns) -> list[Happening]:
        return self._follow_exchange(self.exchange.advance(t))

    def _follow_exchange(self, happened: list[Happening]) -> list[Happening]:
        """Let the background react to the exchange's actions at a boundary.

        Return all that happened. Changes of depth come last.
        """
        venues = {h.venue for h in happened if isinstance(h, SessionBegan | SessionEnded)}
        stocks = {
            (h.code, h.venue)
            for h in happened
            if isinstance(h, TradingInterrupted | TradingResumed)
        }
        changed = [at for at in self._active if at in stocks or at[1] in venues]
        for code, venue in changed:
            if not self.universe.get(code).halted:
                self._active[code, venue].begin_phase(self.now, self.exchange.tally(code).last)
                self._wait_for(code, venue)
        # The background's new orders can trade at once.
        happened += self.exchange.take_happenings()
        # The depth of a moment is sent once, after everything that changes it.
        touched = {(h.code, h.venue) for h in happened if isinstance(h, DepthChanged)}
        depth: list[Happening] = [
            DepthChanged(self.now, *at)
            for at in self._active
            if at in touched or at in stocks or at[1] in venues
        ]
        return [
            *self._record_prints([h for h in happened if not isinstance(h, DepthChanged)]),
            *depth,
        ]

    def _wait_for(self, code: str, venue: Venue) -> None:
        due = self._active[code, venue].due
        if due is not None:
            heapq.heappush(self._due, (due, code, venue))

    def _record_prints(self, happened: list[Happening]) -> list[Happening]:
        for happening in happened:
            if isinstance(happening, TradingInterrupted):
                self.interruptions.append(happening)
            elif isinstance(happening, Traded):
                self._tapes.add(happening)
        return happened
