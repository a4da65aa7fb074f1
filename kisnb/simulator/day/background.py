"""All other traders in one stock on one venue.

The background keeps ten levels a side around the fair price, and makes the trades of the day's
schedule. Its orders are in the same limit book as all others. So an own order waits behind earlier
ones, and fills when the market trades at or through its price. Trades of the schedule that fall
into a call auction join the auction. Trades that fall into a halt are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from kisnb.clock import Ns
from kisnb.exchange.listing import Listing
from kisnb.exchange.segment import Segment
from kisnb.market import ticks
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.venue_day import VenueDay
from kisnb.terms import Phase, Side, Venue

LEVELS = 10
"""Levels a side, as many as KIS's depth channels show."""
AUCTION_LEAD: Ns = 1_000_000
"""The background's orders for an auction come this long before its match."""
REHEARSALS = 15
"""Number of parts into which an auction's time is cut. In each part more background orders come."""
NXT_SIZE = 6
"""A level on Nextrade has the shares of a level on KRX divided by this."""


class Background:
    """Plays all other traders of one stock on one venue, from ``now`` on."""

    def __init__(
        self, listing: Listing, day: date, schedule: VenueDay, ids: Iterator[int], now: Ns
    ) -> None:
        self._listing = listing
        self._item = listing.item
        self._day = day
        self._trades = schedule.trades
        self._sizes = schedule.schedule.level_sizes
        self._gap = schedule.schedule.level_gap
        self._ids = ids
        self._next = schedule.passed(now)
        self._standing: dict[Side, dict[int, list[int]]] = {Side.BUY: {}, Side.SELL: {}}
        self._ladders: dict[tuple[Side, int], dict[int, None]] = {}
        self._steps: dict[tuple[int, int], int] = {}
        self._book = listing.current.book
        self._touch = (0, 0)
        self._changes = 0
        """Number of changes so far: orders placed, and levels withdrawn."""
        self._stood: tuple[Segment, Phase] | None = None
        self._rehearsals: list[Ns] = []
        """Moments at which orders come in before the next auction, the latest first."""
        # A stock can become active in the middle of its day. Its listing then begins with the
        # trades so far.
        last = self._trades[self._next - 1].t if self._next else 0
        opening, close = (schedule.auction_price(now, closing=closing) for closing in (False, True))
        listing.resume(schedule.tally(self._next), last, opening, close)

    @property
    def due(self) -> Ns | None:
        """The next moment at which the background acts. None when the schedule is done."""
        if self._next >= len(self._trades):
            return None
        trade = self._trades[self._next]
        # The exchange matches an auction at a fixed moment, so the orders must be there a little
        # before.
        due = trade.t if trade.side else trade.t - AUCTION_LEAD
        return self._rehearsals[-1] if self._rehearsals and self._rehearsals[-1] < due else due

    @property
    def touch(self) -> tuple[int, int]:
        """The bid and the ask around which the background quotes, in won."""
        return self._touch

    def begin_phase(self, now: Ns, around: int = 0) -> None:
        """Place orders around the last price, or withdraw them, depending on the venue's phase.

        Before the first trade, ``around`` is used in place of the last price. If ``around`` is 0,
        the base price is used.
        """
        segment, phase = self._listing.current, self._listing.phase
        # An interruption of another stock, or a phase of the other venue, changes nothing here.
        if (segment, phase) == self._stood:
            return
        self._stood = segment, phase
        stands = phase in (Phase.AUCTION, Phase.CONTINUOUS) and not segment.fixed
        # Each segment has its own limit book. Orders in the old one would stay there for ever.
        if not stands or segment.book is not self._book:
            self._withdraw()
        self._book = segment.book
        if stands:
            last = self._listing.tally.last or around or self._item.base
            self._lay(now, self._step(last, -1), last)
        self._plan_rehearsals(now)

    def act(self, now: Ns) -> None:
        """Place the orders that cause the next trade of the schedule.

        Before an auction's match, place orders that show the price to which the auction moves.
        """
        trade = self._trades[self._next]
        if self._rehearsals and now == self._rehearsals[-1]:
            self._rehearsals.pop()
            self._rehearse(now)
            return
        # What a planned trade becomes depends on the segment in which the stock trades now:
        #     one fixed price       orders on both sides at that price, then none of ours stays
        #     call auction          orders on both sides; the exchange matches them at one price
        #     continuous            the side that is hit gets enough shares, then the taker comes
        #     closed or halted      nothing: the trade is lost
        self._next += 1
        segment = self._listing.trading
        # A closing-price session has one price and no depth.
        if segment.fixed:
            self._trade_at_one_price(now, segment, segment.fixed, trade)
        elif trade.side is None or self._listing.phase is Phase.AUCTION:
            self._join_call(now, trade)
        elif self._listing.phase is Phase.CONTINUOUS:
            self._trade(now, trade, trade.side)

    def follow(self, now: Ns, bid: int, ask: int) -> bool:
        """Quote around another venue's bid and ask while both venues trade continuously.

        Sometimes one side is quoted one tick further out. Return whether the depth changed. It also
        counts as a change when levels are filled again that other orders had used up.
        """
        before = self._changes
        if self._listing.phase is Phase.CONTINUOUS and not self._listing.current.fixed:
            tick = ticks.tick_size(ask, self._item.kind, self._day, self._item.board)
            # The ask decides, not a random number: the same prices give the same depth.
            wider = ask // tick % 3
            self._lay(
                now,
                self._step(bid, -1) if wider == 1 else bid,
                self._step(ask, 1) if wider == 2 else ask,
            )
        return self._changes != before

    def _trade(self, now: Ns, trade: PlannedTrade, side: Side) -> None:
        price, spread = trade.price, trade.spread
        if side is Side.BUY:
            self._lay(now, self._step(price, -spread), price)
        else:
            self._lay(now, price, self._step(price, spread))
        # First the other side gets enough shares, so that the trade has the size of the schedule.
        self._provide(now, side.opposite, price, trade.qty)
        taker = next(self._ids)
        self._listing.provide(now, taker, side, price, trade.qty)
        if self._listing.phase is Phase.CONTINUOUS:
            # The leaves of the taker do not stay in the limit book.
            self._book.cancel(taker)
        else:
            self._standing[side].setdefault(price, []).append(taker)

    def _provide(self, now: Ns, side: Side, price: int, qty: int) -> None:
        """Make sure that the background has more than ``qty`` shares at ``price``."""
        leaves = self._leaves_at(side, price)
        # A trade of just these shares would leave the side one level short.
        if leaves > qty:
            return
        if leaves == self._book.total_at(side, price):
            # Only the background has orders here. One new order in place of its old ones makes one
            # single trade.
            for order_id in self._standing[side].pop(price, ()):
                self._book.cancel(order_id)
            leaves = 0
        self._place(now, side, price, qty - leaves + self._size(price))

    def _plan_rehearsals(self, now: Ns) -> None:
        """Plan the moments at which orders come in before an auction of the schedule."""
        self._rehearsals.clear()
        ahead = (trade for trade in self._trades[self._next :] if trade.side is None)
        auction = next(ahead, None) if self._listing.phase is Phase.AUCTION else None
        # A VI's auction is not planned, so no orders come before it.
        if auction is not None and self._listing.state == "open":
            step = (auction.t - now) // REHEARSALS
            self._rehearsals += [now + n * step for n in range(REHEARSALS - 1, 0, -1)]

    def _rehearse(self, now: Ns) -> None:
        """Place orders for a part of the auction's shares.

        Their price is between the last price and the auction's price.
        """
        trade = next(trade for trade in self._trades[self._next :] if trade.side is None)
        done = REHEARSALS - len(self._rehearsals) - 1
        last = self._listing.tally.last or self._item.base
        on_the_way = last + (trade.price - last) * done // REHEARSALS
        price = ticks.nearest(on_the_way, self._item.kind, self._day, self._item.board)
        self._lay_anew(now, self._step(price, -1), self._step(price, 1))
        for side in Side:
            self._place(now, side, price, max(1, trade.qty * done // REHEARSALS))

    def _join_call(self, now: Ns, trade: PlannedTrade) -> None:
        if trade.side is None:
            self._withdraw()
            self._lay(now, self._step(trade.price, -1), self._step(trade.price, 1))
        for side in Side:
            self._place(now, side, trade.price, trade.qty)

    def _trade_at_one_price(
        self, now: Ns, segment: Segment, price: int, trade: PlannedTrade
    ) -> None:
        """Trade against the orders that wait: sell when buyers wait, otherwise buy."""
        # Waiting orders are filled first.
        taker_side = Side.BUY if segment.book.best_bid is None else Side.SELL
        for side in (taker_side.opposite, taker_side):
            order_id = next(self._ids)
            self._listing.provide(now, order_id, side, price, trade.qty, at=segment)
        # The leaves of the two orders are cancelled. Otherwise an own order could fill later
        # without a trade of the schedule.
        segment.clear()

    def _lay(self, now: Ns, bid: int, ask: int) -> None:
        before, self._touch = self._touch, (bid, ask)
        # Old orders of both sides are cancelled before either side is filled up. Otherwise new
        # orders could match old ones.
        self._clear_away(Side.BUY, before[0] != bid)
        self._clear_away(Side.SELL, before[1] != ask)
        self._fill_up(now, Side.BUY, before[0] != bid)
        self._fill_up(now, Side.SELL, before[1] != ask)

    def _lay_anew(self, now: Ns, bid: int, ask: int) -> None:
        """Place new orders around a bid and an ask, behind all other orders.

        An order of the background stays if it is alone at its price and has the size of a new one.
        """
        self._touch = bid, ask
        ladders = {Side.BUY: self._ladder(Side.BUY, bid), Side.SELL: self._ladder(Side.SELL, ask)}
        for side, ladder in ladders.items():
            standing = self._standing[side]
            for price in [p for p in standing if p not in ladder or not self._is_as_new(side, p)]:
                for order_id in standing.pop(price):
                    self._book.cancel(order_id)
        for side, ladder in ladders.items():
            for price in ladder:
                if price not in self._standing[side]:
                    self._place(now, side, price, self._size(price))

    def _is_as_new(self, side: Side, price: int) -> bool:
        """Return whether the only order at a price is ours and has the size of a new one."""
        orders, size = self._standing[side][price], self._size(price)
        return (
            len(orders) == 1
            and self._book.leaves_of(orders[0]) == size
            and self._book.total_at(side, price) == size
        )

    def _clear_away(self, side: Side, moved: bool) -> None:
        """Cancel the background's orders at prices outside the ladder."""
        standing = self._standing[side]
        prices = self._ladder(side, self._touch[side is Side.SELL])
        if not moved and len(standing) <= len(prices):
            return
        for price in [p for p in standing if p not in prices]:
            self._changes += 1
            for order_id in standing.pop(price):
                self._book.cancel(order_id)

    def _fill_up(self, now: Ns, side: Side, moved: bool) -> None:
        """Make sure that every level of the ladder has shares.

        Other orders use up the best levels first, one by one. So the search begins at the best
        level, and ends at the first level that has shares.
        """
        ladder = self._ladder(side, self._touch[side is Side.SELL])
        for price in ladder:
            if self._leaves_at(side, price):
                break
            self._place(now, side, price, self._size(price))
        if moved:
            # A ladder that has moved lacks levels at both of its ends.
            for price in reversed(ladder):
                if self._leaves_at(side, price):
                    break
                self._place(now, side, price, self._size(price))

    def _withdraw(self) -> None:
        self._touch = 0, 0
        for standing in self._standing.values():
            for orders in standing.values():
                for order_id in orders:
                    self._book.cancel(order_id)
            standing.clear()

    def _place(self, now: Ns, side: Side, price: int, qty: int) -> None:
        order_id = next(self._ids)
        self._changes += 1
        self._listing.provide(now, order_id, side, price, qty)
        if self._book.leaves_of(order_id):
            self._standing[side].setdefault(price, []).append(order_id)

    def _leaves_at(self, side: Side, price: int) -> int:
        orders = self._standing[side].get(price)
        if not orders:
            return 0
        if len(orders) == 1:
            return self._book.leaves_of(orders[0])
        sizes = [self._book.leaves_of(order_id) for order_id in orders]
        if not sizes[0]:
            # Filled orders leave the list here, so that it does not grow during the day.
            orders[:] = [order_id for order_id, size in zip(orders, sizes, strict=True) if size]
        return sum(sizes)

    def _ladder(self, side: Side, best: int) -> dict[int, None]:
        """Return the prices of one side, best first, as keys of a dictionary, for fast look-ups."""
        ladder = self._ladders.get((side, best))
        if ladder is None:
            limits = self._listing.limits
            direction = 1 if side is Side.SELL else -1
            prices = [best]
            while len(prices) < LEVELS:
                prices.append(self._step(prices[-1], direction))
            lower, upper = limits or (1, prices[-1] + prices[0])
            ladder = dict.fromkeys(p for p in prices if lower <= p <= upper)
            self._ladders[side, best] = ladder
        return ladder

    def _size(self, price: int) -> int:
        # The size depends on price and progress alone: the same day has the same depth.
        size = self._sizes[(price + self._next) % len(self._sizes)]
        return size if self._listing.venue is Venue.KRX else max(1, size // NXT_SIZE)

    def _step(self, price: int, n: int) -> int:
        # A day takes the same few steps thousands of times, and each costs a search in the tick
        # table.
        found = self._steps.get((price, n))
        if found is None:
            found = (
                ticks.step(price, n * self._gap, self._item.kind, self._day, self._item.board)
                if price
                else 0
            )
            self._steps[price, n] = found
        return found
