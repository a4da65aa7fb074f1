"""KRX and Nextrade on one day, for all stocks: orders, market sessions, interruptions and halts.

It does no I/O: the time is passed in and must not go back. Own orders are those that a client sent.
They have positive ids. All other orders belong to the simulated background and have negative ids.
Background orders are not checked. Their trades go to the tape. Nothing reports their acceptance,
their cancels or their end.

An order for SOR goes whole to one venue and stays there:

1. the venue with the better best opposite price on arrival,
2. else the one with more shares at that price,
3. else KRX.

KIS does not publish its rules, so this is kisnb's choice.
"""

from __future__ import annotations

import heapq
from datetime import date
from itertools import count

from kisnb.clock import Ns
from kisnb.exchange import halts
from kisnb.exchange.auction import MARKET_BUY, MARKET_SELL
from kisnb.exchange.day_segments import EVERY, SINGLE_PRICE
from kisnb.exchange.halts import HALT, Breaker, Level
from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    OrderNotAccepted,
    OrderRevised,
    Refusal,
    SessionBegan,
    SessionEnded,
)
from kisnb.exchange.listing import Listing
from kisnb.exchange.segment import ExchangeOrder
from kisnb.exchange.tape import Tally
from kisnb.market import order_rules, sessions
from kisnb.market.instruments import Instrument
from kisnb.market.session_table import REFORM
from kisnb.market.uncertain import Assumed, current
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind, OrderKind, Phase, Side, Venue

VENUES = (Venue.KRX, Venue.NXT)
Levels = tuple[tuple[int, int], ...]
KOSPI200 = 200
"""Number of the largest KOSPI stocks that count as KOSPI200, whose dynamic VI is narrower."""


class Exchange:
    """One day of both venues, from ``now`` on.

    An own order is one that a client sent; all others are of the simulated background. The listing
    of a stock is made when it is first asked for. Methods that change something return everything
    that happened, oldest first.
    """

    def __init__(self, universe: Universe, day: date, now: Ns, assumed: Assumed = None) -> None:
        self._universe = universe
        self._day = day
        self._now = now
        self._assumed = assumed = current() if assumed is None else assumed
        self._happenings: list[Happening] = []
        self._listings: dict[tuple[str, Venue], Listing] = {}
        self._home: dict[int, Listing] = {}
        self._boundaries = _boundaries(day, assumed)
        self._passed = sum(1 for t, _ in self._boundaries if t <= now)
        # Listings cannot be compared. Of equal moments, the count before the listing decides: the
        # one added first comes first.
        self._wakes: list[tuple[Ns, int, Listing]] = []
        self._count = count()
        self._active = {venue: sessions.active(venue, now, assumed) for venue in VENUES}
        self._breakers: dict[Board, Breaker] = {}
        self._halted: dict[Board, Ns] = {}
        stocks = [
            item for item in universe if item.kind is Kind.STOCK and item.board is Board.KOSPI
        ]
        # No file lists the constituents for a past day. Market value comes close to the index's
        # rule.
        stocks.sort(key=lambda item: (-item.shares * item.base, item.code))
        self._kospi200 = frozenset(item.code for item in stocks[:KOSPI200])

    # time

    @property
    def next_boundary(self) -> Ns | None:
        """The next start or end of a span, call auction or halt; None after the last."""
        boundary = (
            self._boundaries[self._passed][0] if self._passed < len(self._boundaries) else None
        )
        if self._wakes and (boundary is None or self._wakes[0][0] < boundary):
            return self._wakes[0][0]
        return boundary

    def advance(self, now: Ns) -> list[Happening]:
        """Move the day on to ``now``: sessions, calls and halts begin and end.

        Return what happened. Auctions are matched, and orders that end expire.
        """
        while (t := self.next_boundary) is not None and t <= now:
            self._now = t
            # Ends of calls and halts come before changes of the session at the same moment.
            while self._wakes and self._wakes[0][0] == t:
                heapq.heappop(self._wakes)[2].wake(t)
            while self._passed < len(self._boundaries) and self._boundaries[self._passed][0] == t:
                self._change(t, self._boundaries[self._passed][1])
                self._passed += 1
        self._now = now
        return self.take_happenings()

    # orders

    def enter(
        self,
        now: Ns,
        code: str,
        order_id: int,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int | None = None,
        venue: Venue = Venue.KRX,
        stop: int | None = None,
    ) -> list[Happening]:
        """Enter an own order, and return what happened. Prices in won, quantities in shares.

        A kind without a price ignores ``price``. Raises ValueError for an id that was used before.
        """
        # Time passes first, so that the order meets the phase of its own moment.
        happened = self.advance(now)
        if order_id in self._home:
            raise ValueError(f"order {order_id} was entered already")
        taken = self._find_place(
            now,
            code,
            ExchangeOrder(order_id, side, kind, 0, price if kind.priced else None, stop),
            qty,
            venue,
        )
        if isinstance(taken, str):
            return [*happened, OrderNotAccepted(now, order_id, taken)]
        listing, order, span = taken
        self._home[order_id] = listing
        listing.enter(now, order, span, qty)
        self._happenings.append(DepthChanged(now, code, listing.venue))
        return happened + self.take_happenings()

    def why_not(
        self,
        now: Ns,
        code: str,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int | None = None,
        venue: Venue = Venue.KRX,
        stop: int | None = None,
    ) -> Refusal | None:
        """Return why an order would be refused now; None when it would be accepted."""
        order = ExchangeOrder(0, side, kind, 0, price if kind.priced else None, stop)
        taken = self._find_place(now, code, order, qty, venue)
        return taken if isinstance(taken, str) else None

    def cancel(self, now: Ns, order_id: int, qty: int | None = None) -> list[Happening]:
        """Cancel ``qty`` shares of an own order (None: all leaves), and return what happened."""
        happened = self.advance(now)
        listing = self._home.get(order_id)
        if listing is None or order_id not in listing.own or (qty is not None and qty < 1):
            gone = listing is None or order_id not in listing.own
            return [*happened, OrderNotAccepted(now, order_id, "unknown" if gone else "quantity")]
        listing.cancel(now, order_id, qty)
        return happened + self.take_happenings()

    def revise(
        self, now: Ns, order_id: int, new_id: int, qty: int | None, price: int
    ) -> list[Happening]:
        """Move ``qty`` shares of an own limit order to ``price``, as the order ``new_id``.

        Return what happened. ``qty`` None: all its leaves. At the same price the shares keep their
        place in the queue. At another price they go to the end of the queue, and may trade at once.
        The other shares stay where they are. Venue, kind and end of the order stay the same.
        """
        happened = self.advance(now)
        listing = self._home.get(order_id)
        order = listing.own.get(order_id) if listing else None
        if listing is None or order is None:
            return [*happened, OrderNotAccepted(now, new_id, "unknown")]
        moved = listing.leaves_of(order_id) if qty is None else qty
        why = listing.revision_refusal(order, moved, price)
        if why is not None:
            return [*happened, OrderNotAccepted(now, new_id, why)]
        self._home[new_id] = listing
        self._happenings.append(OrderRevised(now, new_id, order_id, moved, price))
        listing.revise(now, order, new_id, moved, price)
        self._happenings.append(DepthChanged(now, listing.item.code, listing.venue))
        return happened + self.take_happenings()

    def leaves_of(self, order_id: int) -> int:
        """Return the leaves of an own order; 0 when the order has ended."""
        listing = self._home.get(order_id)
        return listing.leaves_of(order_id) if listing else 0

    # interruptions from outside

    def receive_index(
        self, now: Ns, board: Board, value: float, previous: float
    ) -> tuple[Level | None, list[Happening]]:
        """Receive the value of a board's index.

        Return the breaker level that begins, and what happened. ``previous`` is the index's
        previous close. The level is None when no level begins.
        """
        happened = self.advance(now)
        breaker = self._breakers.setdefault(board, Breaker(self._day, previous))
        level = breaker.receive(now, value)
        return level, happened + self.break_circuit(now, board, level) if level else happened

    def break_circuit(self, now: Ns, board: Board, level: Level) -> list[Happening]:
        """Halt a board on both venues, and return what happened.

        Levels 1 and 2: for 20 minutes, then a call auction. Level 3: for the rest of the day.
        Nextrade halts at once with KRX (Nextrade's rules).
        """
        happened = self.advance(now)
        # By board, because a stock whose listing is made later is halted as well. 0 means until the
        # end of the day.
        self._halted[board] = now + HALT if level < 3 else 0
        for listing in [x for x in self._listings.values() if x.item.board is board]:
            self._break(now, listing)
        return happened + self.take_happenings()

    def halt(self, now: Ns, code: str) -> list[Happening]:
        """Halt a stock on both venues until ``resume_trading``, and return what happened."""
        happened = self.advance(now)
        for venue in self._venues(code):
            self.listing(code, venue).halt(now, "halt", 0, 0)
        return happened + self.take_happenings()

    def resume_trading(self, now: Ns, code: str) -> list[Happening]:
        """End a stock's halt, and return what happened. A call auction follows, then trading.

        Nextrade trades again when KRX trades again.
        """
        happened = self.advance(now)
        krx = self.listing(code)
        krx.lift(now, now, halts.after_halt(Venue.KRX, self._day))
        if self._universe.get(code).nxt:
            # Nextrade waits for the end of KRX's call auction (KRX notice of 2026-09-09).
            goes_on = krx.until if krx.state == "call" else now
            self.listing(code, Venue.NXT).lift(now, goes_on, halts.after_halt(Venue.NXT, self._day))
        return happened + self.take_happenings()

    # queries

    def listing(self, code: str, venue: Venue = Venue.KRX) -> Listing:
        """Return the trading state of a stock on KRX or Nextrade.

        The first call creates the state.
        """
        found = self._listings.get((code, venue))
        if found is None:
            item = self._universe.get(code)
            narrow = code in self._kospi200
            found = Listing(
                item,
                venue,
                self._day,
                self._happenings,
                self._on_interruption,
                self._assumed,
                kospi200=narrow,
            )
            # This line comes before the look-up of the twin, because the twin looks up this
            # listing.
            self._listings[code, venue] = found
            if venue is Venue.KRX or item.nxt:
                found.begin(self._now, self._active[venue])
            if item.nxt:
                twin = self.listing(code, Venue.NXT if venue is Venue.KRX else Venue.KRX)
                found.tape.twin, twin.tape.twin = twin.tape, found.tape
            # The board was halted before this stock was first asked for.
            if item.board in self._halted:
                self._break(self._now, found)
        return found

    def depth(self, code: str, n: int = 10, venue: Venue = Venue.KRX) -> tuple[Levels, Levels]:
        """Return the best ``n`` asks and bids as (price, shares).

        For SOR, both venues are added up.
        """
        if venue is Venue.SOR:
            sides = zip(*(self.depth(code, n, one) for one in VENUES), strict=True)
            asks, bids = ([level for levels in side for level in levels] for side in sides)
            return _merged(asks, n, reverse=False), _merged(bids, n, reverse=True)
        # One level more than wanted, because the market orders of an auction take the first one.
        book = self.listing(code, venue).current.book
        asks_, bids_ = book.levels(Side.SELL, n + 1), book.levels(Side.BUY, n + 1)
        return (
            # Market orders of a running auction have no price to show.
            tuple(x for x in asks_ if x[0] != MARKET_SELL)[:n],
            tuple(x for x in bids_ if x[0] != MARKET_BUY)[:n],
        )

    def tally(self, code: str, venue: Venue = Venue.KRX) -> Tally:
        """Return volume, value and prices of a stock's day on a venue."""
        return self.listing(code, venue).tally

    def phase(self, code: str, venue: Venue = Venue.KRX) -> Phase:
        """Return the phase of a stock on a venue. Interruptions count."""
        return self.listing(code, venue).phase

    def take_happenings(self) -> list[Happening]:
        """Return the happenings that no call has returned yet, and remove them from the list."""
        # The caller gets a copy, because all listings and tapes add to this one list object.
        happened = self._happenings[:]
        self._happenings.clear()
        return happened

    # inside

    def _change(self, t: Ns, venue: Venue) -> None:
        before, self._active[venue] = self._active[venue], sessions.active(venue, t, self._assumed)
        self._happenings += [
            SessionEnded(t, venue, h.span.name) for h in before if h not in self._active[venue]
        ]
        for (_, at), listing in list(self._listings.items()):
            if at is venue and (venue is Venue.KRX or listing.item.nxt):
                listing.begin(t, self._active[venue])
        self._happenings += [
            SessionBegan(t, venue, h.span.name) for h in self._active[venue] if h not in before
        ]

    def _on_interruption(self, now: Ns, listing: Listing) -> None:
        """Schedule the end of a call auction or halt that began.

        Before 2026-09-14 Nextrade had no VI. It halted during a VI of KRX (notice of 2026-09-09).
        """
        if listing.until:
            heapq.heappush(self._wakes, (listing.until, next(self._count), listing))
        twin = self._listings.get((listing.item.code, Venue.NXT))
        if listing.venue is Venue.KRX and listing.state == "call" and twin and self._day < REFORM:
            twin.halt(now, listing.why, listing.until, 0)

    def _break(self, now: Ns, listing: Listing) -> None:
        ends = self._halted[listing.item.board]
        if not ends:
            listing.end_day(now)
        elif ends > now:
            call = halts.after_halt(listing.venue, self._day)
            # Nextrade trades again when KRX does: after KRX's call.
            ends += halts.after_halt(Venue.KRX, self._day) if listing.venue is Venue.NXT else 0
            listing.halt(now, "circuit breaker", ends, call)

    def _find_place(
        self, now: Ns, code: str, order: ExchangeOrder, qty: int, venue: Venue
    ) -> tuple[Listing, ExchangeOrder, str] | Refusal:
        """Return the listing, the order and the span that accepts it; or why it is refused."""
        if code not in self._universe:
            return "unknown"
        if qty < 1:
            return "quantity"
        item = self._universe.get(code)
        # Simulator, back-test and desk ask the same table, so none of the three accepts an order
        # that another of them refuses.
        verdict = order_rules.legal(now, venue, order.kind, item, self._assumed)
        if verdict.rule is None:
            return self._illegal(now, venue, item)
        why: Refusal = "halted"
        # SOR tries the better venue first, and the other one when that refuses.
        for at in self._by_price(code, order.side) if venue is Venue.SOR else (venue,):
            rule = (
                verdict
                if at is venue
                else order_rules.legal(now, at, order.kind, item, self._assumed)
            ).rule
            if rule is None:
                continue
            listing = self.listing(code, at)
            refused = listing.refusal(order, rule.span)
            if refused is None:
                # The chosen venue decides: an SOR order at KRX ends at 15:30, and one at Nextrade
                # at 20:00.
                order.expires = order_rules.expires(now, at, order.kind, self._assumed)
                return listing, order, rule.span
            why = refused
        return why

    def _illegal(self, now: Ns, venue: Venue, item: Instrument) -> Refusal:
        if (
            venue is not Venue.KRX
            and not item.nxt
            and not (venue is Venue.SOR and self._assumed.sor_krx_only)
        ):
            return "venue"
        return "kind" if order_rules.kinds(now, venue, item, self._assumed) else "closed"

    def _venues(self, code: str) -> tuple[Venue, ...]:
        return VENUES if self._universe.get(code).nxt else (Venue.KRX,)

    def _by_price(self, code: str, side: Side) -> list[Venue]:
        """Return the stock's venues, the one with the better price for ``side`` first."""
        found: list[tuple[bool, int, int, Venue]] = []
        for venue in self._venues(code):
            asks, bids = self.depth(code, 1, venue)
            best = asks if side is Side.BUY else bids
            price, shares = best[0] if best else (0, 0)
            # A venue without an opposite price comes last. KRX is asked first and wins where all is
            # equal.
            found.append((not best, price if side is Side.BUY else -price, -shares, venue))
        return [venue for *_, venue in sorted(found, key=lambda row: row[:3])]


def _boundaries(day: date, assumed: Assumed) -> list[tuple[Ns, Venue]]:
    """Return the moments at which a venue's spans change, and those of single-price auctions."""
    found: set[tuple[Ns, Venue]] = set()
    for venue in VENUES:
        for row in sessions.hours(venue, day, assumed):
            found |= {(row.start, venue), (row.end, venue)}
            if row.span.name == SINGLE_PRICE:
                # The single-price market matches every ten minutes within its span (KRX rule until
                # 2026-09-11).
                found |= {(t, venue) for t in range(row.start + EVERY, row.end, EVERY)}
    return sorted(found)


def _merged(levels: list[tuple[int, int]], n: int, *, reverse: bool) -> Levels:
    total: dict[int, int] = {}
    for price, shares in levels:
        total[price] = total.get(price, 0) + shares
    return tuple(sorted(total.items(), reverse=reverse)[:n])
