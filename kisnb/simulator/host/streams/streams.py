"""The stream of a host: its sockets, the requests on them, and the feeds that send frames."""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.kis.credentials import Credentials
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.access import Access
from kisnb.simulator.host.faults import Faults
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.streams.client_requests import ClientRequests
from kisnb.simulator.host.streams.index_feed import IndexFeed
from kisnb.simulator.host.streams.market_feed import MarketFeed
from kisnb.simulator.host.streams.notice_feed import NoticeFeed
from kisnb.simulator.host.streams.outbox import Outbox
from kisnb.simulator.host.streams.sockets import Sockets


class Streams:
    """The parts of one host's WebSocket side, over the same sockets and one outbox."""

    def __init__(
        self,
        market: Market,
        access: Access,
        keys: Credentials,
        persona: Persona,
        recorder: DayRecorder,
        faults: Faults,
    ) -> None:
        self.sockets = Sockets(persona)
        self._outbox = Outbox(self.sockets, recorder, faults)
        self.requests = ClientRequests(
            self.sockets, self._outbox, market, access, keys, persona, recorder, faults
        )
        self.market = MarketFeed(self.sockets, self._outbox, market, persona)
        self.notices = NoticeFeed(self.sockets, self._outbox, keys, persona)
        self._indices = IndexFeed(self.sockets, self._outbox, market)

    def next_due(self) -> Ns | None:
        """Return the moment of the next delayed frame or index record; None when none waits."""
        frame, records = self._outbox.next_due(), self._indices.next_due()
        if frame is None or records is None:
            return records if frame is None else frame
        return min(frame, records)

    def release(self, now: Ns) -> None:
        """Send the delayed frames and index records that are due."""
        self._outbox.release(now)
        self._indices.release(now)
