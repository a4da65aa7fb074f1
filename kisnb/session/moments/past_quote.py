"""A stock's quote at a moment of a tape, made of the tape's trades and of quotes from KIS."""

from __future__ import annotations

import msgspec

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.events import Quote, StockDay, Tick
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.terms import Venue


class PastQuote(msgspec.Struct, frozen=True):
    """The quote of a stock at a venue at a moment. Won and shares.

    Its fields are those of ``Quote``. A field is None when the tape does not have the figure.
    """

    t: Ns
    """The exchange's time of the newest trade, or the time when KIS gave the quote."""
    code: str
    name: str
    venue: Venue
    price: int
    base: int | None
    """Base price of the day (previous close, adjusted)."""
    open: int | None
    high: int | None
    low: int | None
    volume: int
    value: int
    upper: int | None
    """Upper limit price of the day; 0 when the issue has none."""
    lower: int | None
    """Lower limit price of the day; 0 when the issue has none."""
    tick: int | None
    """Tick size at the price."""
    halted: bool | None
    listed_shares: int | None
    received: Ns = 0

    @property
    def change(self) -> int | None:
        """Change from the base price, won. None when the base price is not known."""
        return None if self.base is None else self.price - self.base

    @property
    def change_pct(self) -> float | None:
        """Change from the base price, percent. None when the base price is not known."""
        return None if not self.base else (self.price - self.base) / self.base * 100


class QuoteFold:
    """Computes the quote of one stock at one venue from the tape's events, one after another."""

    def __init__(self, code: str, venue: Venue) -> None:
        self.code = code
        self.venue = venue
        self._asked: Quote | None = None
        self._tick: Tick | None = None
        self._price: int | None = None
        """Price of the newest trade that counts as a price of the day."""
        self._open: int | None = None
        self._high: int | None = None
        self._low: int | None = None
        self._volume = 0
        self._whole = True
        """False when trades are missing, so that high and low are not known."""
        self._day_open: Ns = 0

    def add_quote(self, quote: Quote) -> None:
        """Apply a quote from KIS. It replaces all figures so far."""
        self._asked, self._tick = quote, None
        self._price = quote.price
        self._volume = quote.volume
        # KIS writes 0 before the first trade of the day.
        has_traded = bool(quote.open)
        self._open = quote.open if has_traded else None
        self._high = quote.high if has_traded else None
        self._low = quote.low if has_traded else None
        self._whole = True

    def add_tick(self, tick: Tick) -> None:
        """Apply a trade, unless the quote contains it already."""
        # The trade is in the quote from KIS already, or it came twice.
        if tick.volume <= self._volume:
            return
        is_open = self._is_opening_print(tick)
        if is_open:
            # No earlier trade counts for open, high and low.
            self._whole = True
        elif tick.volume != self._volume + tick.qty:
            # Trades are missing, and one of them may have been the highest or the lowest.
            self._whole, self._high, self._low = False, None, None
        self._volume, self._tick = tick.volume, tick
        if self._is_before_open(tick):
            # KRX's trades before the opening are at the last close. They count as volume, and not
            # as prices of the day.
            return
        self._price = tick.price
        if is_open or (self._open is None and self._whole):
            self._open = self._high = self._low = tick.price
        elif self._high is not None and self._low is not None:
            self._high, self._low = max(self._high, tick.price), min(self._low, tick.price)

    def quote(self, name: str, item: Instrument | None, day: StockDay | None) -> PastQuote | None:
        """Return the quote; None when the tape has no price of the stock."""
        asked, tick = self._asked, self._tick
        newest = tick or asked
        price = self._price if self._price is not None else day.base if day is not None else None
        if newest is None or price is None:
            return None
        limits = (day.limits or (0, 0)) if day is not None else (None, None)
        size = (
            asked.tick
            if item is None and asked is not None and asked.price == price
            else None
            if item is None
            else ticks.tick_size(price, item.kind, kst_day(newest.t), item.board)
        )
        return PastQuote(
            newest.t,
            self.code,
            name,
            self.venue,
            price,
            asked.base if asked is not None else day.base if day is not None else None,
            self._open,
            self._high,
            self._low,
            newest.volume,
            newest.value,
            asked.upper if asked is not None else limits[1],
            asked.lower if asked is not None else limits[0],
            size,
            asked.halted if asked is not None else day.halted if day is not None else None,
            asked.listed_shares if asked is not None else (day.shares or None) if day else None,
            newest.received,
        )

    def _is_before_open(self, tick: Tick) -> bool:
        return tick.venue is Venue.KRX and tick.t < self._opens(tick)

    def _is_opening_print(self, tick: Tick) -> bool:
        """Return whether this trade is the result of KRX's opening auction."""
        if tick.side is not None or tick.venue is not Venue.KRX or self._open is not None:
            return False
        return 0 <= tick.t - self._opens(tick) < MINUTE

    def _opens(self, tick: Tick) -> Ns:
        if not self._day_open:
            self._day_open = sessions.regular_open(kst_day(tick.t))
        return self._day_open
