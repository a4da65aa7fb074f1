"""The index channel (H0UPCNT0): one record of each index a second while KRX trades."""

from __future__ import annotations

from kisnb.clock import SECOND, Ns
from kisnb.kis.feed import frames
from kisnb.market import sessions
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.streams.market_records import INDEX_TR, index_record
from kisnb.simulator.host.streams.outbox import Outbox
from kisnb.simulator.host.streams.sockets import Sockets
from kisnb.simulator.replies.indices import NAMES as INDICES

INDEX_EVERY: Ns = SECOND
"""Time between two records of an index."""


class IndexFeed:
    """Sends the records of the indices that a client follows."""

    def __init__(self, sockets: Sockets, outbox: Outbox, market: Market) -> None:
        self._sockets = sockets
        self._outbox = outbox
        self._market = market
        self._sent: Ns = 0
        """Moment of the last records."""

    def next_due(self) -> Ns | None:
        """Return the moment of the next records, a whole second.

        None when no client follows an index, and after the regular session.
        """
        holder = self._sockets.holder
        if holder is None or not holder.indices:
            return None
        day, since = self._market.day, max(self._sent, self._market.now - INDEX_EVERY)
        # Whole seconds, so that the moments do not depend on when a client subscribed.
        due = max(since // INDEX_EVERY * INDEX_EVERY + INDEX_EVERY, sessions.regular_open(day))
        return due if due <= sessions.regular_close(day) else None

    def release(self, now: Ns) -> None:
        """Send the records that are due."""
        due = self.next_due()
        if due is not None and due <= now:
            self._sent = now
            self._send(now)

    def _send(self, now: Ns) -> None:
        socket = self._sockets.holder
        if socket is None:
            return
        for code in sorted(socket.indices):
            point, before = (
                self._market.facts.index(INDICES[code], t) for t in (now, now - INDEX_EVERY)
            )
            record = index_record(point, before, code)
            self._outbox.send(now, socket, INDEX_TR, frames.encode(INDEX_TR, [record]))
