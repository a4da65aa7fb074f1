"""Stocks, moments and short words for the tests of the exchange."""

from datetime import date, time

from kisnb.clock import Ns, kst
from kisnb.exchange.exchange import Exchange
from kisnb.exchange.happenings import (
    Happening,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotAccepted,
    Traded,
)
from kisnb.market.instruments import Instrument
from kisnb.market.uncertain import Assumed
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind, OrderKind, Side, Venue

DAY, OLD_DAY = date(2026, 11, 20), date(2026, 9, 11)
"""After and before the reform of 2026-09-14."""
BUY, SELL = Side.BUY, Side.SELL
KRX, NXT, SOR = Venue.KRX, Venue.NXT, Venue.SOR
LIMIT, MARKET = OrderKind.LIMIT, OrderKind.MARKET
SAMSUNG, ONLY_KRX, FUND = "005930", "000880", "069500"
UNIVERSE = Universe(
    [
        Instrument(
            SAMSUNG, "삼성전자", Board.KOSDAQ, Kind.STOCK, 1_000_000, 71_000, 10_000, nxt=True
        ),
        Instrument(ONLY_KRX, "한화", Board.KOSPI, Kind.STOCK, 1_000_000, 50_000, 10_000),
        Instrument(FUND, "KODEX 200", Board.KOSPI, Kind.ETF, 1_000_000, 35_000, 10_000),
    ]
)


class Play:
    """An exchange with a clock of its own, and all that it has said."""

    def __init__(self, start: str, day: date = DAY, assumed: Assumed = None) -> None:
        self.day = day
        self.now = self.at(start)
        self.exchange = Exchange(UNIVERSE, day, self.now, assumed)
        self.said: list[Happening] = []
        self.numbers = 0

    def at(self, text: str) -> Ns:
        return kst(self.day, time.fromisoformat(text))

    def until(self, text: str) -> list[Happening]:
        self.now = self.at(text)
        return self._kept(self.exchange.advance(self.now))

    def order(
        self,
        side: Side,
        qty: int,
        price: int | None = None,
        kind: OrderKind | None = None,
        venue: Venue = KRX,
        code: str = SAMSUNG,
        stop: int | None = None,
    ) -> list[Happening]:
        """The next order; limit with a price, market without when no kind is named.

        Numbers rise from 1.
        """
        self.numbers += 1
        kind = kind or (MARKET if price is None else LIMIT)
        return self._kept(
            self.exchange.enter(self.now, code, self.numbers, side, kind, qty, price, venue, stop)
        )

    def revise(self, number: int, qty: int | None, price: int) -> list[Happening]:
        self.numbers += 1
        return self._kept(self.exchange.revise(self.now, number, self.numbers, qty, price))

    def cancel(self, number: int, qty: int | None = None) -> list[Happening]:
        return self._kept(self.exchange.cancel(self.now, number, qty))

    def book(
        self, venue: Venue = KRX, code: str = SAMSUNG
    ) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Asks and bids."""
        return self.exchange.depth(code, venue=venue)

    def _kept(self, said: list[Happening]) -> list[Happening]:
        self.said += said
        return said


def fills(said: list[Happening]) -> list[tuple[int, int, int]]:
    """(number, shares, price)."""
    return [(h.id, h.qty, h.price) for h in said if isinstance(h, OrderFilled)]


def trades(said: list[Happening]) -> list[tuple[Venue, int, int]]:
    """(venue, shares, price)."""
    return [(h.venue, h.qty, h.price) for h in said if isinstance(h, Traded)]


def ended(said: list[Happening]) -> list[tuple[str, int, int]]:
    """("cancelled" | "expired", number, shares)."""
    words = {OrderCancelled: "cancelled", OrderExpired: "expired"}
    return [
        (words[type(h)], h.id, h.qty) for h in said if isinstance(h, OrderCancelled | OrderExpired)
    ]


def refused(said: list[Happening]) -> str:
    """Why the order was refused; empty when it was taken."""
    return next((h.why for h in said if isinstance(h, OrderNotAccepted)), "")


def accepted_at(said: list[Happening]) -> Venue | None:
    return next((h.venue for h in said if isinstance(h, OrderAccepted)), None)
