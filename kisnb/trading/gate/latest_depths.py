"""The newest depth of each stock on each venue, from the trade channels and the depth channels."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns, day_number
from kisnb.events import Depth, Tick
from kisnb.market.sessions import gives_price
from kisnb.terms import Venue


class LatestDepths:
    """The depths that the router uses.

    A trade states only the best level, a depth up to ten levels.
    """

    def __init__(self) -> None:
        self._trades: dict[str, dict[Venue, Tick]] = {}
        self._depths: dict[str, dict[Venue, Depth]] = {}
        self._highs: dict[str, tuple[int, int]] = {}
        """By stock: the day, and its highest price so far, won."""
        self._last: dict[str, int] = {}
        """The price of the newest trade of each stock, won."""
        self._received: dict[str, Ns] = {}
        self._for_agents: dict[str, Ns] = {}
        """By stock: when the newest price that agents get was received."""

    def add(self, event: Tick | Depth) -> None:
        """Store an event, and note when it was received.

        A trade of a call auction has no depth, so only its time of receipt is noted.
        """
        self._note_received(event, event.t, event.received or event.t)
        if isinstance(event, Depth):
            self._depths.setdefault(event.code, {})[event.venue] = event
            return
        self._last[event.code] = event.price
        day = day_number(event.t)
        if self._highs.get(event.code, (0, 0)) < (day, event.price):
            self._highs[event.code] = day, event.price
        if event.ask and event.bid:
            self._trades.setdefault(event.code, {})[event.venue] = event

    def received(self, code: str) -> Ns:
        """Return when the newest price of the stock was received. 0: no price was received."""
        return self._received.get(code, 0)

    def received_by_agents(self, code: str) -> Ns:
        """Return when the newest price that agents get was received. 0: no price was received.

        In KRX's regular session agents get only KRX's prices (``gives_price``).
        """
        return self._for_agents.get(code, 0)

    def high(self, now: Ns, code: str) -> int:
        """Return the day's highest price that the desk has received, won. 0: it received none."""
        day, price = self._highs.get(code, (0, 0))
        return price if day == day_number(now) else 0

    def last(self, code: str) -> int:
        """Return the price of the newest trade, won. 0: the desk has received none."""
        return self._last.get(code, 0)

    def price(self, code: str) -> int:
        """Return the best ask of the newest depth, won. 0: there is no ask."""
        newest = max(
            (depth for depth in self.of(code) if depth.asks),
            key=lambda depth: depth.t,
            default=None,
        )
        return newest.asks[0][0] if newest is not None else 0

    def add_read(self, now: Ns, depths: Sequence[Depth]) -> None:
        """Store depths that the desk has just read from KIS."""
        for depth in depths:
            self.add(depth)
            # KIS has just confirmed this depth, although it may not have changed for minutes.
            # Without this line a quiet stock could never be bought.
            self._note_received(depth, now, now)

    def of(self, code: str) -> tuple[Depth, ...]:
        """Return the newest depth per venue. A trade replaces a depth of an earlier second."""
        depths, trades = self._depths.get(code, {}), self._trades.get(code, {})
        found: list[Depth] = []
        for venue in (Venue.KRX, Venue.NXT):
            depth, trade = depths.get(venue), trades.get(venue)
            # Both times are whole seconds (KIS sends HHMMSS). Within one second the depth is used,
            # because it has ten levels and a trade states one.
            if trade is not None and (depth is None or depth.t < trade.t):
                found.append(_top(trade))
            elif depth is not None:
                found.append(depth)
        return tuple(found)

    def _note_received(self, event: Tick | Depth, at: Ns, received: Ns) -> None:
        """Note when a price that counts at ``at`` was received."""
        self._received[event.code] = received
        if gives_price(event.venue, at):
            self._for_agents[event.code] = received


def _top(trade: Tick) -> Depth:
    asks, bids = ((trade.ask, trade.ask_qty),), ((trade.bid, trade.bid_qty),)
    return Depth(trade.t, trade.code, trade.venue, asks, bids, trade.received)
