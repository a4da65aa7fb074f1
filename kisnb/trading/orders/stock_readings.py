"""Schedules the readings of the day's facts of stocks: base price, limits, halts.

    a session watches a stock, the account holds it, a buy needs it
        │
        ▼
    the queue, buys first ─► AskStock, one at a time ─► StockRead
                                  ├─ facts: known until the next day, a halt for a minute
                                  └─ none: why; after PAUSE it is asked again when it is held or
                                     ordered

Only one stock is read at a time, because paper takes one call a second: the depth that an order
needs must not wait for the facts of all holdings. In the simulator and in a back-test the facts
come with the list of stocks, so no reading is needed.
"""

from __future__ import annotations

from collections.abc import Iterable

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.market import sessions
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.effects import AskStock, StockRead, WakeAt
from kisnb.trading.turn import Turn

PAUSE: Ns = 30 * SECOND
"""Pause before KIS is asked again for facts that it did not state."""


class StockReadings:
    """Asks KIS for the day's facts of each stock once, and stores them in the rules."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._wanted: dict[str, None] = {}
        """Stocks that are held or watched, or that a buy needed.

        Their facts are read on each day.
        """
        self._queue: list[str] = []
        """Stocks that wait to be read, in this order."""
        self._asked = ""
        """The stock whose reading is under way. Empty: no reading is under way."""
        self._again_at: dict[str, Ns] = {}
        """Earliest moment to ask for a stock again, because KIS stated nothing, by code."""

    def is_waiting(self, now: Ns, code: str) -> bool:
        """Return whether a buy must wait for the facts of this stock.

        It does not wait if KIS has just stated nothing about the stock.
        """
        is_missing = self._rules.days.is_missing(now, code)
        return is_missing and now >= self._again_at.get(code, 0)

    def want(self, turn: Turn, codes: Iterable[str], *, first: bool = False) -> None:
        """Read the unknown facts of these stocks, now and on each later day.

        ``first`` True: an order waits for them, so they are read first.
        """
        if self._rules.universe.is_complete:
            return
        for code in codes:
            self._wanted[code] = None
            if code == self._asked or not self.is_waiting(turn.now, code):
                continue
            if first and code in self._queue:
                self._queue.remove(code)
            if code not in self._queue:
                self._queue.insert(0 if first else len(self._queue), code)
        self._ask_next(turn)

    def on_read(self, turn: Turn, read: StockRead) -> None:
        """Store and publish the facts that were read, and begin the next reading."""
        if read.stated is not None:
            self._again_at.pop(read.code, None)
            self._rules.days.learn(read.stated)
            turn.publish(read.stated)
        else:
            self._note_unread(turn, read)
        if read.code == self._asked:
            self._asked = ""
            self._ask_next(turn)

    def _note_unread(self, turn: Turn, read: StockRead) -> None:
        self._rules.days.note_unread(read.code, read.why)
        self._again_at[read.code] = turn.now + PAUSE
        if read.code not in self._rules.universe:
            # The code may be a typing error, so it is not asked for again. A held stock is wanted
            # again at every step.
            self._wanted.pop(read.code, None)
        turn.emit(WakeAt(turn.now + PAUSE))

    def on_boundary(self, turn: Turn, boundary: Ns) -> None:
        """Ask for everything again when a day, or its first market session, has begun.

        KIS does not document when it states the base price of a new day. At midnight it may still
        state the base price of the day before.
        """
        if not self._rules.universe.is_complete and boundary <= _first(boundary):
            self._rules.days.forget()
            self._again_at.clear()
            self.want(turn, list(self._wanted))

    def _ask_next(self, turn: Turn) -> None:
        """Begin the next reading, unless a reading is under way."""
        while self._queue and not self._asked:
            code = self._queue.pop(0)
            # A session's question may have brought these facts meanwhile.
            if self.is_waiting(turn.now, code):
                self._asked = code
                turn.emit(AskStock(code, self._rules.days.is_described(code)))


def _first(t: Ns) -> Ns:
    """Return the first begin or end of a market session on the day of ``t``. Without one: ``t``."""
    return next(iter(sessions.boundaries(kst_day(t))), t)
