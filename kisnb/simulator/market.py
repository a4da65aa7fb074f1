"""The simulated market: KRX's regular day of a universe, driven event by event.

Only *active* stocks have a book and events; a stock becomes active when somebody looks at its depth, trades it or
asks for it, in the middle of its day when need be. Own orders have positive ids.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from datetime import date
from itertools import count
from pathlib import Path

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import Depth, Quote
from kisnb.exchange.exchange import Exchange
from kisnb.exchange.happenings import DepthChanged, Happening, Traded
from kisnb.market import ticks
from kisnb.market.calendar import is_trading_day, last_trading_day
from kisnb.market.instruments import Universe
from kisnb.simulator.background import Background
from kisnb.simulator.day_facts import DayFacts
from kisnb.simulator.day_plan import DayPlan
from kisnb.simulator.market_day import Schedule, ScriptedDay
from kisnb.terms import OrderKind, Side, Venue

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
        self._schedules: dict[str, Schedule] = {}
        self._active: dict[str, Background] = {}
        self._due: list[tuple[Ns, str]] = []
        self._tapes: dict[str, deque[Traded]] = {}
        self._background_ids = count(-1, -1)

    def activate(self, code: str) -> None:
        """Give a stock its book and its events from now on; nothing happens when it has them already."""
        if code in self._active:
            return
        item = self.universe.get(code)
        schedule = self._schedule(code)
        self._tapes[code] = deque(self._printed(code, TAPE_LENGTH), maxlen=TAPE_LENGTH)
        background = Background(self.exchange, item, self.day, schedule, self._background_ids, self.now)
        self._active[code] = background
        if not item.halted:
            background.begin_phase(self.now)
            self._wait_for(code)

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
            said += self._change_phase(t) if t == self.exchange.next_boundary else self._act(t)
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
    ) -> list[Happening]:
        """Send an own order to the exchange now."""
        if code in self.universe:
            self.activate(code)
        return self._taped(self.exchange.enter(self.now, code, order_id, side, kind, qty, price))

    def cancel(self, order_id: int, qty: int | None = None) -> list[Happening]:
        """Cancel ``qty`` shares (None: all) of an own order now."""
        return self.exchange.cancel(self.now, order_id, qty)

    def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        """The current price of any stock on a venue, active or not; SOR: of both venues, volumes added.

        Before its first trade: the base price and zeros.
        """
        item = self.universe.get(code)
        schedule = None if code in self._active else self._schedule(code)
        tally = self.exchange.tally(code) if schedule is None else schedule.tally(schedule.passed(self.now))
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
        asks, bids = self.exchange.depth(code)
        return Depth(self.now, code, venue, asks, bids)

    def last_trades(self, code: str, n: int, venue: Venue = Venue.KRX) -> list[Traded]:
        """The newest ``n`` trades on a venue (SOR: on either), at most 100, oldest first."""
        tape = list(self._tapes[code]) if code in self._tapes else self._printed(code, min(n, TAPE_LENGTH))
        wanted = [trade for trade in tape if venue in (trade.venue, Venue.SOR)]
        return wanted[max(0, len(wanted) - n) :]

    def _act(self, t: Ns) -> list[Happening]:
        _, code = heapq.heappop(self._due)
        said = self._taped(self._active[code].act(t))
        self._wait_for(code)
        return [*said, DepthChanged(t, code)]

    def _change_phase(self, t: Ns) -> list[Happening]:
        said = self.exchange.advance(t)
        for code, background in self._active.items():
            if not self.universe.get(code).halted:
                said += background.begin_phase(t)
        changed: list[Happening] = [DepthChanged(t, code) for code in self._active]
        return [*self._taped([h for h in said if not isinstance(h, DepthChanged)]), *changed]

    def _wait_for(self, code: str) -> None:
        due = self._active[code].due
        if due is not None:
            heapq.heappush(self._due, (due, code))

    def _taped(self, said: list[Happening]) -> list[Happening]:
        for happening in said:
            if isinstance(happening, Traded):
                self._tapes[happening.code].append(happening)
        return said

    def _schedule(self, code: str) -> Schedule:
        schedule = self._schedules.get(code)
        if schedule is None:
            schedule = self._schedules[code] = self.plan.schedule(code).regular(self.day)
        return schedule

    def _printed(self, code: str, n: int) -> list[Traded]:
        """The newest ``n`` trades that the schedule has made up to now."""
        item, schedule = self.universe.get(code), self._schedule(code)
        passed = schedule.passed(self.now)
        first = max(0, passed - n)
        tally = schedule.tally(first)
        tape: list[Traded] = []
        for trade in schedule.trades[first:passed]:
            tally.add(trade.price, trade.qty)
            ask = trade.price if trade.side is Side.BUY else ticks.step(trade.price, 1, item.kind, self.day, item.board)
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
                )
            )
        return tape
