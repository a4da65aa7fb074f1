"""Sends every event to every session, numbered, in order, in batches.

A batch has all events that were published in one round of the desk's event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque

from kisnb.desk.record.desk_tape import DeskTape
from kisnb.desk.run.conductor import Conductor
from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.connection import Connection
from kisnb.desk.serve.protocol import Events, pack
from kisnb.events import Event, Trouble
from kisnb.orders import OrderState
from kisnb.trading.order_books.order_book import UNDECIDED
from kisnb.trading.ports.replies import OutcomeReply

MOST_UNHEARD = 50
"""The most troubles that are kept for the next session. Older ones are dropped."""


class EventFeed:
    """Sends events to the attached sessions, and replies to sessions that wait for an outcome."""

    def __init__(self, host: DeskHost) -> None:
        self.seq = 0
        """Number of the newest event."""
        self.connections: list[Connection] = []
        """The attached sessions."""
        self.conductor: Conductor | None = None
        """Moves the simulated clock. None at paper and live."""
        self.tape: DeskTape | None = None
        """The tape, which gets all published events. None: no tape is written."""
        self._host = host
        self._batch: list[Event] = []
        """Events that were published in this round of the loop and not sent yet."""
        self._unheard: deque[Event] = deque(maxlen=MOST_UNHEARD)
        """Troubles that were published while no session was attached."""

    def publish(self, event: Event) -> None:
        """Give an event its number, and send it at the end of this round of the loop.

        All events that are published in one round are sent together.
        """
        if not self._batch:
            # A frame of KIS may bring many events in one round of the loop. All sessions get them
            # in one message, right after the round.
            asyncio.get_running_loop().call_soon(self.flush)
        self.seq += 1
        self._batch.append(event)

    def flush(self) -> None:
        """Send the published events now."""
        if not self._batch:
            return
        events, self._batch = tuple(self._batch), []
        message = self._packed(self.seq - len(events) + 1, events)
        if self.tape is not None:
            self.tape.add(self._host.clock.now(), events)
        if not self.connections:
            self._unheard += [event for event in events if isinstance(event, Trouble)]
        # All sessions get the same message: it is packed once, and has the same numbers for all.
        for connection in self.connections:
            connection.send(message)
            self.reply_outcomes(connection)
        self.wake_conductor()

    def publish_to(self, connection: Connection, events: tuple[Event, ...]) -> None:
        """Send events to one session only.

        They get no new numbers, because the other sessions would miss these numbers. The last of
        them has the number of the newest event, so that an Idle of this session still says how far
        it has followed.
        """
        self.flush()
        connection.send(self._packed(self.seq - len(events) + 1, events))

    def publish_unheard(self, connection: Connection) -> None:
        """Send a session the troubles that were published while no session was attached."""
        if self._unheard:
            self.publish_to(connection, tuple(self._unheard))
            self._unheard.clear()

    def reply_outcomes(self, connection: Connection) -> None:
        """Reply to a session's queries for the outcome of an order.

        A query whose order is not decided yet gets its reply later.
        """
        orders = self._host.core.state.books.orders
        # A copy, because answered queries are removed within the loop.
        for number, key in list(connection.outcomes.items()):
            order = orders.get(key)
            # A dropped order is in no order book. Without this its query would wait
            # for ever.
            if key in self._host.dropped:
                outcome = OutcomeReply(OrderState.DENIED, None, "", str(self._host.broken))
            elif order is not None and order.state not in UNDECIDED:
                outcome = OutcomeReply(order.state, order.number, order.msg_cd, order.text)
            else:
                continue
            del connection.outcomes[number]
            connection.reply(number, outcome)

    def wake_conductor(self, *, calls: bool = False) -> None:
        """Let the conductor check again whether the clock may move.

        Give ``calls=True`` when a call to the broker has begun or ended.
        """
        if self.conductor is not None:
            self.conductor.wake(calls=calls)

    def _packed(self, first: int, events: tuple[Event, ...]) -> bytes:
        now, published = self._host.clock.now(), self._host.journal.published
        return pack(Events(first, now, events, published))
