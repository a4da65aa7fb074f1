"""The newest book that each venue has shown of each stock, from the trade channels and the depth channels."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns
from kisnb.events import Depth, Tick
from kisnb.terms import Venue


class LatestDepths:
    """What the router looks at. A trade tells the best prices and their sizes, a depth up to ten levels."""

    def __init__(self) -> None:
        self._trades: dict[str, dict[Venue, Tick]] = {}
        self._depths: dict[str, dict[Venue, Depth]] = {}
        self._received: dict[str, Ns] = {}

    def add(self, event: Tick | Depth) -> None:
        """Take in an event; trades of an auction show no book and are passed over."""
        self._received[event.code] = event.received or event.t
        if isinstance(event, Depth):
            self._depths.setdefault(event.code, {})[event.venue] = event
        elif event.ask and event.bid:
            self._trades.setdefault(event.code, {})[event.venue] = event

    def received(self, code: str) -> Ns:
        """When the newest price of the stock was received; 0 when none ever was."""
        return self._received.get(code, 0)

    def price(self, code: str) -> int:
        """What a share costs by the newest book, won: its best ask; 0 when there is none."""
        newest = max(
            (depth for depth in self.of(code) if depth.asks),
            key=lambda depth: depth.t,
            default=None,
        )
        return newest.asks[0][0] if newest is not None else 0

    def add_read(self, now: Ns, depths: Sequence[Depth]) -> None:
        """Take in books that were asked for and have just come."""
        for depth in depths:
            self.add(depth)
            self._received[depth.code] = now

    def of(self, code: str) -> tuple[Depth, ...]:
        """The newest book per venue: the depth, unless a trade of a later second says more."""
        depths, trades = self._depths.get(code, {}), self._trades.get(code, {})
        found: list[Depth] = []
        for venue in (Venue.KRX, Venue.NXT):
            depth, trade = depths.get(venue), trades.get(venue)
            if trade is not None and (depth is None or depth.t < trade.t):
                found.append(_top(trade))
            elif depth is not None:
                found.append(depth)
        return tuple(found)


def _top(trade: Tick) -> Depth:
    asks, bids = ((trade.ask, trade.ask_qty),), ((trade.bid, trade.bid_qty),)
    return Depth(trade.t, trade.code, trade.venue, asks, bids, trade.received)
