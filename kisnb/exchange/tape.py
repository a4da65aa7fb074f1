"""The trades of a stock on a venue, and the sums of its day. Won and shares."""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.exchange.happenings import Happening, Traded
from kisnb.exchange.limit_book import LimitBook
from kisnb.terms import Side, Venue

PRICELESS = frozenset({"pre-open closing price", "closing price", "single price"})
"""Segments whose trades add to volume and value, but do not set open, high, low or last price.

The official close stays the price of 15:30 (brokers' notices of 2026-09).
"""


class Tally:
    """Volume, value and prices of a stock's day. Prices and their times are 0 before a trade."""

    __slots__ = ("high", "high_t", "last", "low", "low_t", "open", "open_t", "value", "volume")

    def __init__(self) -> None:
        self.last = self.open = self.high = self.low = self.volume = self.value = 0
        self.open_t: Ns = 0
        self.high_t: Ns = 0
        self.low_t: Ns = 0

    def add(self, t: Ns, price: int, qty: int, segment: str = "main") -> None:
        """Add a trade to the sums and prices of the day."""
        self.volume += qty
        self.value += price * qty
        # KIS's accumulated volume and value cover the whole day, and its prices the main market.
        if segment in PRICELESS:
            return
        if not self.open:
            self.open = self.high = self.low = price
            self.open_t = self.high_t = self.low_t = t
        elif price > self.high:
            self.high, self.high_t = price, t
        elif price < self.low:
            self.low, self.low_t = price, t
        self.last = price


class Tape:
    """Records the trades of one stock on one venue, and reports each to ``happenings``."""

    __slots__ = ("code", "happenings", "t", "tally", "twin", "venue")

    def __init__(self, code: str, venue: Venue, happenings: list[Happening]) -> None:
        self.code = code
        self.venue = venue
        self.happenings = happenings
        self.tally = Tally()
        self.t: Ns = 0
        """The moment of the last trade; 0 before the first."""
        self.twin: Tape | None = None
        """The tape of the other venue; None when one venue lists the stock."""

    def trade(
        self,
        now: Ns,
        price: int,
        qty: int,
        taker: Side | None,
        buy: int,
        sell: int,
        book: LimitBook,
        segment: str,
    ) -> None:
        """Record a trade and report it.

        ``buy`` and ``sell`` are the ids of the orders. ``book`` gives best ask and bid after the
        trade.
        """
        tally = self.tally
        tally.add(now, price, qty, segment)
        self.t = now
        twin = self.twin.tally if self.twin else None
        self.happenings.append(
            Traded(
                now,
                self.code,
                price,
                qty,
                taker,
                buy,
                sell,
                tally.volume,
                tally.value,
                tally.open,
                tally.high,
                tally.low,
                book.best_ask or 0,
                book.best_bid or 0,
                self.venue,
                segment,
                tally.volume + twin.volume if twin else 0,
                tally.value + twin.value if twin else 0,
            )
        )
