"""The simulated market as events for a tape, whether or not a client follows it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from kisnb.clock import SECOND, Ns
from kisnb.events import Depth, Event, MarketOperation, PhaseChanged, StockDay, Tick
from kisnb.exchange.day_segments import SINGLE_PRICE
from kisnb.exchange.happenings import (
    SessionBegan,
    SessionEnded,
    Traded,
    TradingInterrupted,
    TradingResumed,
)
from kisnb.market import sessions, ticks
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.streams.market_records import operation_code
from kisnb.terms import Venue


class MarketTape:
    """Gives ``take`` the events of some stocks, as a desk that follows them would see them.

    The stocks become active, as if a client had subscribed to them.
    """

    def __init__(
        self, market: Market, codes: Iterable[str], take: Callable[[Ns, Sequence[Event]], None]
    ) -> None:
        self._market = market
        self._take = take
        self._codes = frozenset(codes)
        self._phase = ""
        first: list[Event] = []
        for code in sorted(self._codes):
            market.activate(code)
            first += [self._stock_day(code), *self._depths(code, market.venues(code))]
        take(market.now, [*self._phases(market.now), *first])

    def add(
        self,
        now: Ns,
        traded: Mapping[str, Sequence[Traded]],
        steps: Sequence[TradingInterrupted | TradingResumed | SessionBegan | SessionEnded],
        changed: Mapping[str, Collection[Venue]],
    ) -> None:
        """Write the events of one moment to the tape, in the form in which KIS would send them.

        ``traded`` has the trades of each stock. ``changed`` has the venues of each stock whose bids
        or asks have changed.
        """
        events: list[Event] = self._phases(now) if steps else []
        for code, trades in traded.items():
            if code in self._codes:
                events += [_tick(trade) for trade in trades if trade.segment != SINGLE_PRICE]
        for step in steps:
            if isinstance(step, TradingInterrupted | TradingResumed) and step.code in self._codes:
                events.append(self._operation(now, step))
        for code, venues in changed.items():
            if code in self._codes:
                events += self._depths(code, venues)
        if events:
            self._take(now, events)

    def _phases(self, now: Ns) -> list[Event]:
        """Return the event of a market session that has begun; empty if returned before."""
        session_id = str(sessions.session_id(now))
        if session_id == self._phase:
            return []
        self._phase = session_id
        return [PhaseChanged(now, session_id, Venue.KRX, str(sessions.phase(Venue.KRX, now)))]

    def _operation(self, now: Ns, step: TradingInterrupted | TradingResumed) -> MarketOperation:
        listing = self._market.exchange.listing(step.code, step.venue)
        halted = listing.state == "halted" or listing.item.halted
        vi = listing.state == "call" and listing.why.endswith("VI")
        reason = listing.why if halted else ""
        code = operation_code(step)
        return MarketOperation(now, step.code, step.venue, code, halted, reason, vi, now)

    def _depths(self, code: str, venues: Collection[Venue]) -> list[Depth]:
        depths = []
        for venue in venues:
            depth = self._market.depth(code, venue)
            t = depth.t // SECOND * SECOND
            depths.append(Depth(t, code, venue, depth.asks, depth.bids, depth.t))
        return depths

    def _stock_day(self, code: str) -> StockDay:
        market = self._market
        item, now = market.universe.get(code), market.now
        limits = ticks.limits_of(item, market.day)
        return StockDay(
            now,
            code,
            item.base,
            None if limits is None else (limits.lower, limits.upper),
            market.quote(code).price,
            item.halted,
            item.liquidation,
            item.shares,
            item.name,
            item.board,
            item.kind,
            item.nxt,
        )


def _tick(trade: Traded) -> Tick:
    # KIS stamps whole seconds, and its frames carry no shares at the best prices here.
    return Tick(
        trade.t // SECOND * SECOND,
        trade.code,
        trade.venue,
        trade.price,
        trade.qty,
        trade.taker,
        trade.volume,
        trade.value,
        trade.ask,
        trade.bid,
        trade.t,
    )
