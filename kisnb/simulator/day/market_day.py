"""One stock's day before any client trades in it: every trade on both venues, or a script."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, time
from typing import NamedTuple

from kisnb.clock import Ns, kst
from kisnb.errors import BadInput
from kisnb.exchange.tape import Tally
from kisnb.market import sessions
from kisnb.terms import Phase, Side, Venue


class PlannedTrade(NamedTuple):
    """One trade of the schedule. ``side`` is the taker's, None for a call auction's trade."""

    t: Ns
    price: int
    qty: int
    side: Side | None
    venue: Venue = Venue.KRX
    spread: int = 1
    """Ticks between the best bid and the best ask around the trade."""


class Schedule(NamedTuple):
    """All trades of a stock's day in the order of time, and the depth around them."""

    trades: tuple[PlannedTrade, ...]
    times: tuple[Ns, ...]
    level_sizes: tuple[int, ...] = (1,)
    """Sizes of the background's levels, in shares."""
    level_gap: int = 1
    """Ticks between two background levels."""

    @staticmethod
    def of(
        trades: Iterable[PlannedTrade], level_sizes: tuple[int, ...] = (1,), level_gap: int = 1
    ) -> Schedule:
        """Return the schedule of these trades. They may be in any order.

        Of trades at the same moment, KRX's come first.
        """
        ordered = tuple(sorted(trades, key=_when))
        return Schedule(ordered, tuple(trade.t for trade in ordered), level_sizes, level_gap)

    def regular(self, day: date) -> Schedule:
        """Return KRX's regular session alone, with both auctions.

        The day's open, high, low, close and volume are those of this session.
        """
        begin, end = sessions.regular_open(day), sessions.regular_close(day)
        return Schedule.of(
            (
                trade
                for trade in self.trades
                if trade.venue is Venue.KRX and begin <= trade.t <= end
            ),
            self.level_sizes,
            self.level_gap,
        )

    def passed(self, now: Ns) -> int:
        """Return the number of trades up to and including ``now``."""
        return bisect_right(self.times, now)

    def tally(self, count: int) -> Tally:
        """Return the tally of the first ``count`` trades."""
        tally = Tally()
        for trade in self.trades[:count]:
            tally.add(trade.t, trade.price, trade.qty)
        return tally


class ScriptedDay(NamedTuple):
    """A stock's day written by hand: (time, price, shares), and the venue if it is not KRX.

    Times are in KST and rise. A trade on KRX at the opening or closing time of the day is the trade
    of that auction. The depth around each trade has levels of ``size`` shares, ``gap`` ticks apart.
    The taker sells if the price is below that of the venue's last trade. Otherwise the taker buys.
    """

    trades: Sequence[tuple[time, int, int] | tuple[time, int, int, Venue]]
    size: int = 1_000
    gap: int = 1

    def schedule(self, day: date) -> Schedule:
        """Return the script as a schedule of ``day``.

        Raises BadInput for times that do not rise, and for times at which the stock cannot trade.
        """
        auctions = (sessions.regular_open(day), sessions.regular_close(day))
        trades: list[PlannedTrade] = []
        last: dict[Venue, int] = {}
        for at, price, qty, *named in self.trades:
            venue = named[0] if named else Venue.KRX
            t = kst(day, at) + at.microsecond * 1_000
            printed = venue is Venue.KRX and t in auctions
            if not printed and sessions.phase(venue, t) is not Phase.CONTINUOUS:
                raise BadInput(
                    f"nothing can trade on {venue} at {at} on {day}",
                    "script it while the venue matches",
                )
            if trades and t < trades[-1].t:
                raise BadInput(
                    f"the scripted trade at {at} comes too late",
                    "write the trades in the order of time",
                )
            # A script has no sides. A falling price means that a seller took.
            side = None if printed else Side.SELL if price < last.get(venue, 0) else Side.BUY
            trades.append(PlannedTrade(t, price, qty, side, venue))
            last[venue] = price
        return Schedule.of(trades, (self.size,), self.gap)


def _when(trade: PlannedTrade) -> tuple[Ns, bool]:
    # False sorts before True.
    return trade.t, trade.venue is not Venue.KRX
