"""The desk's subscriptions at KIS: for what the account holds, and for what sessions watch."""

from __future__ import annotations

from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.event_feed import EventFeed
from kisnb.orders import Want
from kisnb.terms import Venue

HELD = 1
"""Priority of the trades of a held stock (row K06): after notices (0), before what sessions watch
(2)."""


class DeskWants:
    """Keeps the broker's wants at what holdings and sessions need."""

    def __init__(self, host: DeskHost, feed: EventFeed) -> None:
        self._host = host
        self._feed = feed
        self._held: list[Want] = []
        """The wants for the holdings when the broker got its wants last."""

    def wants(self) -> list[Want]:
        """Return notices, then the trades of all that the account holds, then what sessions watch.

        The circuit breaker needs the prices of holdings, whoever is attached.
        """
        self._held = self._of_holdings()
        # A dict is a set in the order in which sessions asked. What two sessions watch is
        # subscribed to once.
        watched = {want: None for c in self._feed.connections for want in c.wants}
        return [Want("notices", priority=0), *self._held, *watched]

    def update(self) -> None:
        """Give the broker the wants of this moment."""
        self._host.broker.want(self.wants())
        self._feed.wake_conductor(calls=True)

    def follow_holdings(self) -> None:
        """Update when the holdings need other channels than at the last update.

        The account may hold other stocks, or KIS has named the venues of one.
        """
        if self._of_holdings() != self._held:
            self.update()

    def _of_holdings(self) -> list[Want]:
        core = self._host.core
        codes = core.state.books.account.holds
        held = [want for code in codes for want in core.rules.trade_channels(code, HELD)]
        # KIS takes 41 subscriptions of a session and refuses the next with OPSP0008 (KIS notice of
        # 2026-04-20, measured by clients). So the KRX trades of every holding come before the NXT
        # trades of the first.
        held.sort(key=lambda want: want.venue is not Venue.KRX)
        return held
