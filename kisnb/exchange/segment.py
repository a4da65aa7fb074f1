"""One limit book of a stock on a venue, and the matching in it.

The main market, each of KRX's after-hours markets and Nextrade's day are segments. Own orders are
those that a client sent. They have positive ids, background orders have negative ones. Every trade
goes to the tape. Fills, cancels and ends of own orders become happenings for the host. Of a
background order only its trades are reported.

Orders match continuously, or in a call auction. Two kinds wait beside the limit book:

- A mid-price order is hidden. Its price is midway between best bid and best ask, rounded down to
  the won. That is better than either, so an arriving order trades with it first. Of several, the
  oldest comes first. It does not take part in auctions.
- A stop order waits until a trade reaches its stop price. Then it arrives as a limit order.
"""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.exchange import auction
from kisnb.exchange.auction import MARKET_BUY, MARKET_SELL
from kisnb.exchange.happenings import OrderCancelled, OrderExpired, OrderFilled
from kisnb.exchange.limit_book import LimitBook, Match
from kisnb.exchange.tape import Tape
from kisnb.terms import OrderKind, Phase, Side


class ExchangeOrder:
    """An own order (one that a client sent) that has not ended."""

    __slots__ = ("beside", "expires", "id", "kind", "price", "segment", "side", "stop")

    def __init__(
        self,
        order_id: int,
        side: Side,
        kind: OrderKind,
        expires: Ns,
        price: int | None,
        stop: int | None,
    ):
        self.id = order_id
        self.side = side
        self.kind = kind
        self.expires = expires
        """The moment at which the order's leaves end."""
        self.price = price
        """Won; None for a kind without a limit."""
        self.stop = stop
        """Stop price, won; None for other kinds."""
        self.beside = 0
        """Shares that wait beside the limit book: a mid-price order, or a stop order."""
        self.segment: Segment
        """The segment that has the order. Set when it is entered."""


class Segment:
    """Matches the orders of one limit book and reports trades to its tape.

    ``own`` has the live own orders of the stock and venue, by id.
    """

    def __init__(self, name: str, tape: Tape, own: dict[int, ExchangeOrder]) -> None:
        self.name = name
        self.phase = Phase.CLOSED
        self.book = LimitBook()
        self.fixed: int | None = None
        """The one price of a closing-price market, won; None for other segments."""
        self.entered: list[tuple[int, Side, int, int]] = []
        """Orders (id, side, price, shares) that arrived before matching begins."""
        self._tape = tape
        self._own = own
        self._market_orders: list[int] = []
        self._mids: list[ExchangeOrder] = []
        self._stops: list[ExchangeOrder] = []

    @property
    def touch(self) -> tuple[int | None, int | None]:
        """Best bid and best ask; None for a side without a limit order."""
        bid, ask = self.book.best_bid, self.book.best_ask
        return (None if bid == MARKET_BUY else bid), (None if ask == MARKET_SELL else ask)

    @property
    def middle(self) -> int | None:
        """Midpoint of best bid and best ask, rounded down to the won. None when a side is empty."""
        bid, ask = self.touch
        return None if bid is None or ask is None else (bid + ask) // 2

    def leaves_of(self, order: ExchangeOrder) -> int:
        """Return the leaves of an own order."""
        return order.beside or self.book.leaves_of(order.id)

    # calls

    def collect(self, order_id: int, side: Side, price: int | None, qty: int) -> None:
        """Queue an order for a call auction. Without a price it is ahead of every limit order."""
        if price is None:
            price = MARKET_BUY if side is Side.BUY else MARKET_SELL
            self._market_orders.append(order_id)
        self.book.rest(order_id, side, price, qty)

    def enter_early(self, order_id: int, side: Side, price: int, qty: int) -> None:
        """Queue an order that arrives before matching begins."""
        # It enters the limit book as well, so that the depth shows it and it can be cancelled.
        # ``begin_matching`` removes it from the book again.
        self.entered.append((order_id, side, price, qty))
        self.book.rest(order_id, side, price, qty)

    def expected(self, reference: int) -> tuple[int, int]:
        """Return price and shares at which a call auction would match now.

        (``reference``, 0) when nothing crosses.
        """
        deepest = 1 << 30
        return auction.single_price(
            self.book.levels(Side.BUY, deepest), self.book.levels(Side.SELL, deepest), reference
        )

    def uncross(self, now: Ns, reference: int, limits: tuple[int, int] | None = None) -> int | None:
        """End a call auction with one trade. Return its price; None when nothing traded.

        ``limits`` are the price limits at which the auction allots; None: it does not allot. Leaves
        of market orders are cancelled. After the session's last auction they expire instead.
        """
        # KRX's last auction ends the day for its orders.
        ended = OrderExpired if self.phase is Phase.CLOSED else OrderCancelled
        outcome = auction.uncross(self.book, reference, limits)
        fills = [
            OrderFilled(now, f.order_id, f.qty, outcome.price, self._tape.venue)
            for f in outcome.fills
        ]
        # Market orders leave the book before the trade is reported. Otherwise its best ask and bid
        # would be the prices under which they queue.
        unmatched = [(order_id, self.book.cancel(order_id)) for order_id in self._market_orders]
        self._market_orders.clear()
        self.entered.clear()
        if outcome.volume:
            self._tape.trade(now, outcome.price, outcome.volume, None, 0, 0, self.book, self.name)
        happened = self._tape.happenings
        # Ids of the background are negative. No happening is reported for its orders.
        happened += [fill for fill in fills if fill.id > 0]
        happened += [
            ended(now, order_id, qty) for order_id, qty in unmatched if qty and order_id > 0
        ]
        for order_id in (*(fill.id for fill in fills), *(order_id for order_id, _ in unmatched)):
            self._forget_when_done(order_id)
        return outcome.price if outcome.volume else None

    def turn_conditional(self) -> None:
        """Turn conditional orders (조건부지정가) into market orders for the closing auction."""
        for order in [
            o for o in self._own.values() if o.kind is OrderKind.CONDITIONAL and o.segment is self
        ]:
            order.price = None
            self.collect(order.id, order.side, None, self.book.cancel(order.id))

    def begin_matching(self, now: Ns) -> None:
        """Match the orders that arrived early, in the order of their arrival."""
        early, self.entered = self.entered, []
        waiting = [
            (i, side, self.fixed or price, self.book.cancel(i)) for i, side, price, _ in early
        ]
        # All early orders are taken out before the first is matched. So each of them meets only the
        # orders that came before it.
        for order_id, side, price, qty in waiting:
            if qty:
                leaves = self.take(now, order_id, side, price, qty)
                if leaves:
                    self.book.rest(order_id, side, price, leaves)
                else:
                    self._own.pop(order_id, None)

    # continuous trading

    def meets(self, side: Side, price: int) -> bool:
        """Return True when an order at ``price`` may match now, at the midpoint or in the book."""
        if self._mids:
            return True
        if side is Side.BUY:
            best = self.book.best_ask
            return best is not None and best <= price
        best = self.book.best_bid
        return best is not None and best >= price

    def take(self, now: Ns, order_id: int, side: Side, worst: int | None, qty: int) -> int:
        """Trade up to ``qty`` shares at prices no worse than ``worst``. Return the leaves."""
        if self._mids:
            qty = self._take_mids(now, order_id, side, worst, qty)
        tape, book, name = self._tape, self.book, self.name
        for match in book.match(order_id, side, worst, qty):
            qty -= match.qty
            maker, _, price, shares, _ = match
            buy, sell = (order_id, maker) if side is Side.BUY else (maker, order_id)
            tape.trade(now, price, shares, side, buy, sell, book, name)
            if maker > 0 or order_id > 0:
                self._report_fills(now, match)
        return qty

    def has(self, side: Side, worst: int | None, qty: int) -> bool:
        """Return True when ``qty`` shares would fill at once, at ``worst`` or a better price."""
        middle = self.middle
        if middle is not None and self._mids and _reaches(side, worst, middle):
            # Hidden shares at the middle count for FOK as well.
            qty -= sum(order.beside for order in self._mids if order.side is not side)
        return qty <= 0 or self.book.available(side, worst, qty)

    def wait_for_middle(self, order: ExchangeOrder, qty: int) -> None:
        """Let ``qty`` shares of a mid-price order wait beside the limit book."""
        order.beside = qty
        self._mids.append(order)

    def meet_middle(self, now: Ns) -> None:
        """Match the waiting mid-price orders of both sides, when there is a midpoint."""
        if self._mids and self.middle is not None:
            for order in [o for o in self._mids if o.side is Side.BUY]:
                order.beside = self.take_middle(now, order.id, order.side, order.beside)
                self._forget_when_done(order.id)
            self._mids = [order for order in self._mids if order.beside]

    def take_middle(self, now: Ns, order_id: int, side: Side, qty: int) -> int:
        """Trade with mid-price orders of the other side. Return the leaves."""
        middle = self.middle
        # A mid-price order trades at the middle only, not with the limit book.
        return qty if middle is None else self._take_mids(now, order_id, side, middle, qty)

    # stops

    def wait_for_stop(self, order: ExchangeOrder, qty: int) -> None:
        """Let a stop order wait beside the limit book until a trade reaches its stop price."""
        order.beside = qty
        self._stops.append(order)

    def take_reached_stops(self) -> list[ExchangeOrder]:
        """Remove and return the stop orders that the last trade reached, oldest first."""
        if not self._stops:
            return []
        last = self._tape.tally.last
        hit = [o for o in self._stops if stop_reached(o.side, o.stop, last)]
        self._stops = [o for o in self._stops if o not in hit]
        return hit

    # changes

    def cancel(self, order: ExchangeOrder, qty: int | None) -> int:
        """Cancel ``qty`` shares of an own order; None: all. Return the cancelled shares."""
        if not order.beside:
            taken = self.book.cancel(order.id, qty)
        else:
            taken = order.beside if qty is None else min(qty, order.beside)
            order.beside -= taken
            if not order.beside:
                self._mids = [o for o in self._mids if o is not order]
                self._stops = [o for o in self._stops if o is not order]
        self._forget_when_done(order.id)
        return taken

    def hand_over(self, order: ExchangeOrder, heir: ExchangeOrder, qty: int) -> None:
        """Move ``qty`` shares of a resting order to ``heir``, at the same place of the queue."""
        self.book.hand_over(order.id, heir.id, qty)
        # An order that matching has not reached yet keeps its turn in the list of early orders,
        # too.
        for i, (order_id, side, price, _) in enumerate(self.entered):
            if order_id == order.id:
                self.entered.insert(i + 1, (heir.id, side, price, qty))
                break
        self._forget_when_done(order.id)

    def clear(self) -> None:
        """Remove all background orders."""
        for order_id in self.book.order_ids():
            if order_id < 0:
                self.book.cancel(order_id)
        self.entered.clear()

    def _take_mids(self, now: Ns, order_id: int, side: Side, worst: int | None, qty: int) -> int:
        middle = self.middle
        if middle is None or not _reaches(side, worst, middle):
            return qty
        for maker in [order for order in self._mids if order.side is not side]:
            if not qty:
                break
            shares = min(qty, maker.beside)
            maker.beside -= shares
            qty -= shares
            buy, sell = (order_id, maker.id) if side is Side.BUY else (maker.id, order_id)
            self._tape.trade(now, middle, shares, side, buy, sell, self.book, self.name)
            self._report_fills(now, Match(maker.id, order_id, middle, shares, maker.beside))
        self._mids = [order for order in self._mids if order.beside]
        return qty

    def _report_fills(self, now: Ns, match: Match) -> None:
        venue = self._tape.venue
        for own in (match.maker_id, match.taker_id):
            if own > 0:
                self._tape.happenings.append(OrderFilled(now, own, match.qty, match.price, venue))
        if not match.maker_leaves:
            self._own.pop(match.maker_id, None)

    def _forget_when_done(self, order_id: int) -> None:
        order = self._own.get(order_id)
        if order is not None and not self.leaves_of(order):
            del self._own[order_id]


def stop_reached(side: Side, stop: int | None, last: int) -> bool:
    """Return True when a trade at ``last`` won reaches the stop price of an order."""
    return stop is not None and last > 0 and (last >= stop if side is Side.BUY else last <= stop)


def _reaches(side: Side, worst: int | None, price: int) -> bool:
    return worst is None or (worst >= price if side is Side.BUY else worst <= price)
