"""The pump: applies batches of events to the session's state, and delivers them to the agents.

    link ──► apply a whole batch ──► deliver each event ──► end the waits that are over
             to the state            to the agents          and draw the panels

Applying is never interrupted and calls no handler. So the order books equal the desk's, whatever a
handler does. Delivering calls the agents' handlers. While a cell blocks the loop, only applying
goes on (``catch_up``).
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import Protocol

from kisnb.clock import Ns, clock_text
from kisnb.errors import DeskLost
from kisnb.events import ClockMoved, CommandDropped, Event, GapFound, LinkUp, Tick, Trouble
from kisnb.events import LinkDown as LinkWasLost
from kisnb.session.feed.backfill import Backfill
from kisnb.session.feed.changes import Changes
from kisnb.session.feed.fast_forwards import FastForwards
from kisnb.session.feed.link import Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.session.feed.uninterrupted import Uninterrupted
from kisnb.session.feed.watched_stocks import WatchedStocks
from kisnb.trading.agents.handler_watch import interruptible
from kisnb.trading.ports.desk_port import Snapshot


class Audience(Protocol):
    """The interface of the agents to the pump."""

    @property
    def busy(self) -> bool:
        """True while a handler awaits something outside this session, such as a web request."""
        ...

    def deliver(self, event: Event, now: Ns) -> None:
        """Deliver one event to every agent."""
        ...

    def next_wake(self) -> Ns | None:
        """Return the earliest moment until which an agent sleeps. None when no agent sleeps."""
        ...

    def settle_leases(self) -> None:
        """Adjust the agents of this session to the leases that the next desk knows."""
        ...


class Pump:
    """Takes batches of events from the link, applies them, and delivers their events.

    It runs in the notebook's loop. One batch is applied whole before any of it is delivered.
    """

    def __init__(
        self, link: Link, state: SessionState, pace: Pace, agents: Audience, backfill: Backfill,
        watched: WatchedStocks, fast_forwards: FastForwards, changes: Changes,
    ) -> None:  # fmt: skip
        self._link = link
        self._state = state
        self._pace = pace
        self._agents = agents
        self._backfill = backfill
        self._watched = watched
        self._fast_forwards = fast_forwards
        self._changes = changes
        self._home = threading.get_ident()
        self._undelivered: deque[tuple[Event, Ns]] = deque()
        """Events that were applied and that agents have not got yet, each with its moment."""
        self._running = False
        self._shield = Uninterrupted()
        self._died: Ns = 0
        """The moment when the desk died, for the gap that it leaves."""
        pace.next_wake = self._next_wake
        pace.is_busy = lambda: agents.busy or bool(self._undelivered)
        pace.on_alarm = self._alarm

    # from the link

    def run(self) -> None:
        """Apply and deliver all that has come, in order. Then end the waits that are over."""
        # A handler may call the session, which comes here again. Then the outer call does the rest.
        if self._running or self._link.state.closed:
            return
        self._running = True
        try:
            self._run()
        finally:
            self._running = False
        # Nothing can be asked of a lost desk, and it has no clock that could wait for us.
        if not self._link.lost:
            self._backfill.start_due(self._state.now)
            self._pace.reschedule()

    def catch_up(self) -> None:
        """Apply what has come while a cell blocks the loop. No handler of an agent runs.

        In other threads it does nothing, because the order books belong to the home thread.
        """
        if not self._running and threading.get_ident() == self._home:
            while self._apply_next():
                pass

    def desk_died(self) -> None:
        """Note the moment of the desk's death. Trades are missing from then on."""
        self._died = self._state.now
        self._changes.publish()

    def desk_returned(self, snapshot: Snapshot) -> None:
        """Continue with the next desk where the dead one ended."""
        # An order that the dead desk had not journaled was never sent.
        untaken = [order for order in self._state.books.live.values() if not order.facts]
        with self._shield:
            applied = self._state.apply_rows(snapshot)
            self._undelivered += [(event, snapshot.now) for event in applied]
        # The next desk does not know how far this session has followed, nor which stocks it
        # watches. It knows the leases: they are in its snapshot.
        self._pace.forget_report()
        self._agents.settle_leases()
        cure = "order it again if it is still wanted"
        # If the next journal has no fact of our order, its row was never synced. So it was never
        # sent, because the desk syncs the row before it sends.
        for order in [order for order in untaken if not order.facts]:
            self.inject(
                CommandDropped(snapshot.now, order.key, "the desk died before it took it", cure)
            )
        # Prices are not journaled. Agents learn that trades are missing before they get the first
        # new one.
        self._mark_gap(snapshot.now)
        with suppress(DeskLost):
            self._link.submit([*self._watched.commands(), *self._fast_forwards.commands()])
        self.run()

    def undelivered(self, code: str) -> list[Tick]:
        """Return the trades of a stock that are applied but that no agent has got yet."""
        return [e for e, _ in self._undelivered if isinstance(e, Tick) and e.code == code]

    def inject(self, event: Event) -> None:
        """Apply an event that this session made itself. The pump delivers it in its next run."""
        with self._shield:
            self._undelivered += [(fact, event.t) for fact in self._state.apply(event)]

    def drop(self, dropped: CommandDropped) -> None:
        """Apply and deliver the fact that no desk got a command."""
        self.inject(dropped)
        self.run()

    # inside

    def _run(self) -> None:
        # A blocking call may have applied batches in the middle of a cell. Their events come first.
        if self._undelivered:
            self._deliver()
        while self._apply_next():
            self._deliver()

    def _apply_next(self) -> bool:
        """Drain the next batch and apply it whole. Return whether there was one."""
        if self._link.state.closed:
            return False
        with self._shield:
            batch = self._link.drain()
            if batch is None:
                return False
            # Each event keeps the time of its batch, so that a handler that is called later still
            # sees the moment of its event.
            self._undelivered += [(event, batch.now) for event in self._state.apply_batch(batch)]
        return True

    def _deliver(self) -> None:
        """Deliver the applied events to agents and backfill. Then end waits and draw the panels."""
        with interruptible():
            while self._undelivered and not self._link.state.closed:
                event, now = self._undelivered.popleft()
                self._note_link(event)
                self._agents.deliver(event, now)
        self._pace.end_waits()
        self._changes.publish()

    def _note_link(self, event: Event) -> None:
        """Tell the backfill when trades were no longer received, and when they came again."""
        match event:
            case GapFound():
                self._backfill.on_gap(event)
            case LinkWasLost():
                # The desk reconnects the stream. When the simulator is gone, its desk ends and
                # says so.
                self._link.state.stream_lost = self._link.state.stream_lost or event.t
                self._backfill.on_link_lost(event.t)
            case LinkUp():
                self._link.state.stream_lost = None
                self._backfill.on_link_up(event.t, set(self._watched.trades()))

    def _mark_gap(self, now: Ns) -> None:
        since, died = self._backfill.down_since(self._died), clock_text(self._died)
        self.inject(
            Trouble(now, f"the desk is back; it died at {died}: trades in between are missing")
        )
        for code, venue in self._watched.trades():
            self.inject(GapFound(now, code, since, 0, venue))

    def _alarm(self) -> None:
        # An agent that wakes must decide on the newest prices. So events that have come meanwhile
        # are delivered first.
        self.run()
        self._undelivered.append((ClockMoved(self._state.now), self._state.now))
        self.run()

    def _next_wake(self) -> Ns | None:
        wakes = (self._agents.next_wake(), self._backfill.next_wake())
        return min((t for t in wakes if t is not None), default=None)
