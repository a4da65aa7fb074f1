"""What the replies are made from: prices, books, trades, bars and flows of the simulated day up to now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from kisnb.clock import MINUTE, Ns
from kisnb.events import Depth, Quote
from kisnb.market.instruments import Instrument, Universe
from kisnb.simulator.market import Market
from kisnb.simulator.market_day import Trade
from kisnb.terms import Side, Venue


class Sums(NamedTuple):
    """Trades added up by who took: shares and number of trades."""

    bought: int
    sold: int
    buys: int
    sells: int

    @property
    def strength(self) -> float:
        """Trade strength (체결강도): shares bought against shares sold, 100 for as many."""
        return self.bought / self.sold * 100 if self.sold else 0.0


class MinuteBar(NamedTuple):
    """A minute with trades; ``value`` is the day's up to its end. Won and shares."""

    t: Ns
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


class DayBar(NamedTuple):
    """A trading day of one issue or index: won (or points), shares."""

    day: date
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


class MarketView:
    """A look at a market; nothing here changes it but that a look at a book gives the stock one."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._summed: dict[tuple[str, Venue], tuple[int, int, int, int, int]] = {}
        """How many trades have been added up, and to what."""

    @property
    def now(self) -> Ns:
        return self.market.now

    @property
    def day(self) -> date:
        return self.market.day

    @property
    def universe(self) -> Universe:
        return self.market.universe

    def item(self, code: str) -> Instrument:
        return self.market.universe.get(code)

    def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        return self.market.quote(code, venue)

    def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth:
        return self.market.depth(code, venue)

    def trades(self, code: str, venue: Venue = Venue.KRX) -> Sequence[Trade]:
        """Every trade up to now, oldest first."""
        return self.market.trades(code, venue)

    def sums(self, code: str, venue: Venue = Venue.KRX) -> Sums:
        trades = self.trades(code, venue)
        counted, bought, sold, buys, sells = self._summed.get((code, venue), (0, 0, 0, 0, 0))
        for trade in trades[counted:]:
            if trade.side is Side.BUY:
                bought, buys = bought + trade.qty, buys + 1
            elif trade.side is Side.SELL:
                sold, sells = sold + trade.qty, sells + 1
        self._summed[code, venue] = (len(trades), bought, sold, buys, sells)
        return Sums(bought, sold, buys, sells)

    def past(self, code: str, n: int) -> Sequence[DayBar]:
        """The last ``n`` trading days before this one, newest first."""
        return ()

    def expected_fields(self, code: str) -> dict[str, object]:
        """What a call auction under way would trade; nothing outside of one."""
        return {}

    def minutes(self, code: str, venue: Venue = Venue.KRX) -> list[MinuteBar]:
        """The minutes of the day that had trades, oldest first; the last one may be running."""
        bars: list[MinuteBar] = []
        value = 0
        for trade in self.trades(code, venue):
            t = trade.t // MINUTE * MINUTE
            value += trade.price * trade.qty
            if bars and bars[-1].t == t:
                last = bars[-1]
                high, low = max(last.high, trade.price), min(last.low, trade.price)
                bars[-1] = MinuteBar(t, last.open, high, low, trade.price, last.volume + trade.qty, value)
            else:
                bars.append(MinuteBar(t, trade.price, trade.price, trade.price, trade.price, trade.qty, value))
        return bars
