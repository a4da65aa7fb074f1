"""The desk's subscriptions at KIS: for stocks that are held, and for the wants of sessions."""

from __future__ import annotations

from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.event_feed import EventFeed
from kisnb.orders import Want
from kisnb.terms import Venue

HELD = 1
"""Priority of the trades of a held stock (row K06).

It comes after notices (0) and before the wants of sessions (2).
"""


class DeskWants:
    """Keeps the broker's wants equal to the needs of the holdings and the sessions."""

    def __init__(self, host: DeskHost, feed: EventFeed) -> None:
        self._host = host
        self._feed = feed
        self._given: list[Want] = []
        """The wants that the broker got at the last update."""

    def wants(self) -> list[Want]:
        """Return the wants: notices, then trades of held stocks, then the wants of sessions.

        The circuit breaker and the exits need the prices of holdings, even without a session.
        Stocks with a price alert count as held.
        """
        core = self._host.core
        codes = dict.fromkeys((*core.state.books.account.holds, *sorted(core.state.exits.codes)))
        held = [want for code in codes for want in core.rules.trade_channels(code, HELD)]
        # KIS takes 41 subscriptions of a session and refuses the next with OPSP0008 (KIS notice of
        # 2026-04-20, measured by clients). So the KRX trades of every holding come before the NXT
        # trades of the first.
        held.sort(key=lambda want: want.venue is not Venue.KRX)
        # The dict is used as a set in the order in which sessions asked. A channel that two
        # sessions watch is subscribed once.
        watched = {want: None for c in self._feed.connections for want in c.wants}
        if not core.rules.universe.is_complete:
            # A session that watches a stock that is in no list does not know whether Nextrade
            # trades it. KIS may have stated its venues since.
            followed = [want.code for want in watched if want.channel == "ticks"]
            also = (want for code in followed for want in core.rules.trade_channels(code))
            watched |= dict.fromkeys(also)
        return [Want("notices", priority=0), *held, *watched]

    def update(self) -> None:
        """Give the broker the current wants."""
        self._given = self.wants()
        self._host.broker.want(self._given)
        self._feed.wake_conductor(calls=True)

    def follow(self) -> None:
        """Call ``update`` if the wants differ from those of the last update.

        They differ when the account holds other stocks, or when KIS has stated the venues of a
        stock.
        """
        if self.wants() != self._given:
            self.update()
