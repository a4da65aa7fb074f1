"""A stock on one venue: its segments through the day, its volatility interruptions and its halts.

    open ──VI──► call ──────────────► open        orders are collected, then matched at one price
     │             ▲
     │             │ call_after
     └──halt──► halted ─────────────► open        no order is taken
                   └─ circuit breaker, level 3 ─► halted for the day

Orders stay in the limit book in all states, and can be cancelled. When the span ends during a call,
the call is matched at that moment. When the closing auction begins during a call, the call becomes
part of it. When the closing auction itself causes a VI, it is matched when the VI's call ends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Literal, TypeAlias

from kisnb.clock import Ns
from kisnb.exchange.day_segments import (
    EVERY,
    MAIN,
    SINGLE_PRICE,
    SINGLE_PRICE_PERCENT,
    segment_name,
)
from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    Refusal,
    TradingInterrupted,
    TradingResumed,
    Why,
)
from kisnb.exchange.order_styles import STYLES
from kisnb.exchange.segment import ExchangeOrder, Segment, stop_reached
from kisnb.exchange.tape import Tally, Tape
from kisnb.exchange.volatility import VI_CALL, ViWatch, When
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.order_rules import joins_call
from kisnb.market.sessions import Hours
from kisnb.market.uncertain import Assumed
from kisnb.terms import OrderKind, Phase, Side, Venue

State: TypeAlias = Literal["open", "call", "halted"]


class Listing:
    """Orders, trades and interruptions of one stock on one venue.

    Everything that happens is added to ``happenings``. The listing calls ``interrupted`` when a VI,
    a halt, or the call auction after a halt begins. The exchange calls ``wake`` when one of these
    ends.
    """

    def __init__(
        self,
        item: Instrument,
        venue: Venue,
        day: date,
        happenings: list[Happening],
        interrupted: Callable[[Ns, Listing], None],
        assumed: Assumed,
        *,
        kospi200: bool,
    ) -> None:
        self.item = item
        self.venue = venue
        self.happenings = happenings
        self.tape = Tape(item.code, venue, happenings)
        self.own: dict[int, ExchangeOrder] = {}
        """Live own orders by id."""
        self.limits = ticks.limits_of(item, day)
        """The day's limit prices, won. None: the stock has none."""
        self.close = 0
        """The official close, won; 0 before it."""
        self.vi = ViWatch(venue, day, item.base, kospi200=kospi200, exempt=item.liquidation)
        self.state: State = "open"
        self.until: Ns = 0
        """The moment at which the call or halt ends; 0: not known."""
        self.why: Why = "halt"
        """The reason of the call or halt, or of the last one."""
        self.ended_for_day = False
        """True: a circuit breaker of level 3 ended the day."""
        self._day = day
        self._interrupted = interrupted
        self._call_after = 0
        self._segments: dict[str, Segment] = {}
        # Before the first span the main segment is used, because a caller may ask for the depth
        # then.
        self._current = self._called = self._segment(MAIN)
        self._over = {
            segment_name(venue, h.span.name): h.end for h in sessions.hours(venue, day, assumed)
        }

    @property
    def tally(self) -> Tally:
        """Volume, value and prices of the day."""
        return self.tape.tally

    @property
    def current(self) -> Segment:
        """The segment of the venue's present span, or of its last span while it is closed."""
        return self._current

    @property
    def phase(self) -> Phase:
        """The phase of the current segment. Interruptions count."""
        return self._phase(self._current)

    # the day

    def begin(self, t: Ns, spans: tuple[Hours, ...]) -> None:
        """Begin these spans of the day. Match auctions that end, and expire orders that end."""
        # If two spans share a segment, the first one has to give its phase. Reversed, it is entered
        # last.
        now = {segment_name(self.venue, h.span.name): h.span.phase for h in reversed(spans)}
        for name in now:
            self._segment(name)
        for segment in self._segments.values():
            self._change(t, segment, now.get(segment.name, Phase.CLOSED))
        if spans:
            self._current = self._segments[segment_name(self.venue, spans[0].span.name)]
        self._expire(t)

    def resume(self, tally: Tally, t: Ns, opening: int, close: int) -> None:
        """Begin in the middle of a day, after the trades that ``tally`` sums up.

        ``opening`` is the opening auction's price, ``close`` the official close. Each is 0 before
        it.
        """
        self.tape.tally, self.tape.t = tally, t
        self.vi.reference = opening or self.vi.reference
        self.close = close

    def wake(self, t: Ns) -> None:
        """End the halt or call auction whose end is ``t``. A call auction may follow a halt."""
        # A planned wake is never cancelled. This wake may belong to a call or halt that a later
        # call or halt has replaced.
        if self.until != t or self.state == "open":
            return
        # A call makes sense only where trading goes on after it.
        if self.state == "halted" and self._call_after and self._current.phase is Phase.CONTINUOUS:
            self.state, self.until, self._called = "call", t + self._call_after, self._current
            self._interrupted(t, self)
            return
        self._resume(t)
        self._expire(t)

    def halt(self, t: Ns, why: Why, until: Ns, call_after: Ns) -> None:
        """Halt the stock until ``until``, then hold a call auction of ``call_after`` nanoseconds.

        ``until`` 0: the halt lasts until ``lift``.
        """
        if self.state == "halted" and not self.until:
            # A halt with a known end must not shorten a halt without one.
            return
        self.state, self.why, self.until, self._call_after = "halted", why, until, call_after
        self.happenings.append(
            TradingInterrupted(t, self.item.code, self.venue, why, until, self.tally.last)
        )
        self._interrupted(t, self)

    def lift(self, now: Ns, t: Ns, call: Ns) -> None:
        """End a halt at ``t``. In continuous trading a call auction of ``call`` ns follows."""
        if self.state == "halted" and not self.ended_for_day:
            # Nextrade's halt ends when KRX trades again, which is later than now.
            self._call_after, self.until = call, t
            if t > now:
                self._interrupted(now, self)
            else:
                self.wake(t)

    def end_day(self, t: Ns) -> None:
        """Halt the stock for the rest of the day after a circuit breaker. All orders expire."""
        self.ended_for_day, self.state = True, "halted"
        self.why, self.until = "circuit breaker", 0
        self.happenings.append(
            TradingInterrupted(t, self.item.code, self.venue, self.why, 0, self.tally.last)
        )
        self._expire(t)

    # orders

    def refusal(self, order: ExchangeOrder, span: str) -> Refusal | None:
        """Return why the order is refused in a span; None when it is accepted.

        The rules of kinds are not checked here.
        """
        if self.ended_for_day:
            return "closed"
        if self.item.halted or self.state == "halted":
            return "halted"
        segment = self._segment(segment_name(self.venue, span))
        # During a VI's call KRX refuses IOC, FOK, best-price and mid-price orders.
        if self.state == "call" and segment is self._called and not joins_call(order.kind):
            return "kind"
        pricing = STYLES[order.kind].pricing
        if pricing in ("limit", "stop"):
            return self._price_refusal(segment, order.price) or (
                self._price_refusal(segment, order.stop) if pricing == "stop" else None
            )
        return (
            "no price"
            if pricing.startswith("best") and self._own_price(segment, order) is None
            else None
        )

    def enter(self, now: Ns, order: ExchangeOrder, span: str, qty: int) -> None:
        """Enter an own order of ``qty`` shares. ``refusal`` must have returned None for it."""
        segment = order.segment = self._segment(segment_name(self.venue, span))
        # A conditional order (조건부지정가) becomes a market order in the closing auction.
        if order.kind is OrderKind.CONDITIONAL and span == "closing auction":
            order.price = None
        # Accepted before anything trades: KIS sends the notice of the acceptance before that of a
        # fill.
        self.happenings.append(OrderAccepted(now, order.id, self.venue))
        self.own[order.id] = order
        if STYLES[order.kind].pricing == "stop" and not stop_reached(
            order.side, order.stop, self.tally.last
        ):
            segment.wait_for_stop(order, qty)
        else:
            self._arrive(now, segment, order, qty)
        # A fill may reach stop prices, and their orders may trade in their turn.
        self._settle(now, segment)

    @property
    def trading(self) -> Segment:
        """The segment in which orders trade now; usually the current segment.

        During an auction it is the closing-price market (종가), when that is open at the same time.
        """
        if self._current.phase is Phase.AUCTION and self.state == "open":
            return next(
                (s for s in self._segments.values() if s.phase is Phase.CONTINUOUS), self._current
            )
        return self._current

    def provide(
        self, now: Ns, order_id: int, side: Side, price: int, qty: int, at: Segment | None = None
    ) -> None:
        """Enter a limit order of the background into the segment ``at``; None: the current one.

        The order is not checked. It is dropped while the segment accepts no orders.
        """
        segment = at or self._current
        phase = self._phase(segment)
        if phase is Phase.CONTINUOUS:
            if not segment.meets(side, price):
                segment.book.rest(order_id, side, price, qty)
                return
            # The background causes VIs as any order does.
            leaves, stopped = self._trade(now, segment, order_id, side, price, qty)
            if stopped:
                # The leaves join the call auction that the order has caused.
                segment.collect(order_id, side, price, leaves)
            elif leaves:
                segment.book.rest(order_id, side, price, leaves)
            self._settle(now, segment)
        elif phase is Phase.AUCTION:
            segment.collect(order_id, side, price, qty)
        elif phase is Phase.ENTRY_ONLY:
            segment.enter_early(order_id, side, price, qty)

    def cancel(self, now: Ns, order_id: int, qty: int | None) -> int:
        """Cancel ``qty`` shares of a live own order; None: all. Return the cancelled shares."""
        order = self.own[order_id]
        taken = order.segment.cancel(order, qty)
        self.happenings += (
            OrderCancelled(now, order_id, taken),
            DepthChanged(now, self.item.code, self.venue),
        )
        return taken

    def revision_refusal(self, order: ExchangeOrder, qty: int, price: int) -> Refusal | None:
        """Return the reason why ``qty`` shares cannot move to ``price``; None when they can.

        Only an order with a limit of its own can be revised.
        """
        if self.state == "halted":
            return "closed" if self.ended_for_day else "halted"
        if self._phase(order.segment) is Phase.CLOSED:
            return "closed"
        if (
            order.beside
            or STYLES[order.kind].pricing in ("fixed", "market", "mid")
            or order.price is None
        ):
            return "kind"
        if not 0 < qty <= self.leaves_of(order.id):
            return "quantity"
        return self._price_refusal(order.segment, price)

    def revise(self, now: Ns, order: ExchangeOrder, new_id: int, qty: int, price: int) -> None:
        """Move ``qty`` shares of an order to ``price``, as ``Exchange.revise`` describes."""
        segment = order.segment
        # A best-price order got its limit on arrival. Revised, it is a plain limit order.
        kind = order.kind if STYLES[order.kind].pricing == "limit" else OrderKind.LIMIT
        heir = self.own[new_id] = ExchangeOrder(
            new_id, order.side, kind, order.expires, price, None
        )
        heir.segment = segment
        # A new price loses the time priority; a pure reduction keeps it (KRX business rules).
        if price == order.price:
            segment.hand_over(order, heir, qty)
            return
        segment.cancel(order, qty)
        self._arrive(now, segment, heir, qty)
        self._settle(now, segment)

    def leaves_of(self, order_id: int) -> int:
        """Return the leaves of an own order; 0 when the order has ended."""
        order = self.own.get(order_id)
        return order.segment.leaves_of(order) if order else 0

    def expected(self) -> tuple[int, int]:
        """Return the price and shares at which the running call auction would match now.

        (0, 0) without a call auction, and when nothing would match.
        """
        if self.phase is not Phase.AUCTION:
            return 0, 0
        price, qty = self._current.expected(self._last)
        return (price, qty) if qty else (0, 0)

    # inside

    @property
    def _last(self) -> int:
        return self.tally.last or self.item.base

    def _phase(self, segment: Segment) -> Phase:
        if self.state == "halted":
            return Phase.CLOSED
        return Phase.AUCTION if self.state == "call" and segment is self._called else segment.phase

    def _segment(self, name: str) -> Segment:
        segment = self._segments.get(name)
        if segment is None:
            segment = self._segments[name] = Segment(name, self.tape, self.own)
            if name == "pre-open closing price":
                # 장전 시간외 종가 trades at the previous close.
                segment.fixed = self.item.base
        return segment

    def _arrive(self, now: Ns, segment: Segment, order: ExchangeOrder, qty: int) -> None:
        # | the phase of the segment | an order that arrives                                     |
        # |--------------------------|-----------------------------------------------------------|
        # | call auction             | is collected, a market order ahead of all limits          |
        # | order entry              | waits until matching begins                               |
        # | continuous trading       | trades up to the bounds of a VI. Its leaves then          |
        # |                          | - rest, or join the VI's call, if the kind waits          |
        # |                          | - wait beside the limit book, if it is a mid-price order  |
        # |                          | - join the VI's call or are cancelled, if it has no price |
        # |                          | - are cancelled, if it is IOC or FOK                      |
        phase, side = self._phase(segment), order.side
        pricing, rest = STYLES[order.kind]
        price = segment.fixed if pricing == "fixed" else self._own_price(segment, order)
        if phase is Phase.AUCTION:
            segment.collect(order.id, side, price, qty)
            return
        if phase is Phase.ENTRY_ONLY and price is not None:
            segment.enter_early(order.id, side, price, qty)
            return
        if pricing == "mid":
            price = segment.middle
        # A FOK order is checked first: it trades whole within the VI's bounds, or not at all.
        if (pricing == "mid" and price is None) or (
            rest == "forbids"
            and not segment.has(side, self.vi.worst(side, price, self.tally.last), qty)
        ):
            leaves, stopped = qty, False
        elif pricing == "mid":
            leaves, stopped = segment.take_middle(now, order.id, side, qty), False
        else:
            leaves, stopped = self._trade(now, segment, order.id, side, price, qty)
        if not leaves:
            del self.own[order.id]
        # A market order that a VI stops waits for the call; an IOC is cancelled.
        elif rest != "waits" and not (stopped and joins_call(order.kind)):
            del self.own[order.id]
            self.happenings.append(OrderCancelled(now, order.id, leaves))
        elif pricing == "mid":
            segment.wait_for_middle(order, leaves)
        elif stopped:
            segment.collect(order.id, side, price, leaves)
        else:
            assert price is not None
            order.price = price
            segment.book.rest(order.id, side, price, leaves)

    def _trade(
        self, now: Ns, segment: Segment, order_id: int, side: Side, price: int | None, qty: int
    ) -> tuple[int, bool]:
        """Trade within the bounds of a VI. Return the leaves, and True when a VI began.

        It begins when the leaves would trade beyond the bounds.
        """
        last = self.tally.last
        worst = self.vi.worst(side, price, last)
        leaves = segment.take(now, order_id, side, worst, qty)
        # The bounds stopped no shares, so no VI begins.
        if not leaves or worst == price:
            return leaves, False
        best = segment.book.best_ask if side is Side.BUY else segment.book.best_bid
        if best is None or (
            price is not None and (best > price if side is Side.BUY else best < price)
        ):
            return leaves, False
        self._interrupt(now, best, "regular", last)
        return leaves, True

    def _interrupt(self, now: Ns, price: int, when: When | None, last: int) -> None:
        """Begin a VI, because the stock would have traded at ``price`` after ``last``."""
        self.why = self.vi.why(price, when, last)
        # If static and dynamic VI come together, there is one call (KRX rule).
        self.state, self.until, self._called = "call", now + VI_CALL, self._current
        item, reference = self.item, self.vi.reference
        self.happenings.append(
            TradingInterrupted(
                now, item.code, self.venue, self.why, self.until, price, reference, last
            )
        )
        self._interrupted(now, self)

    def _settle(self, now: Ns, segment: Segment) -> None:
        """Enter the stop orders whose stop the last trades reached, and match mid-price orders."""
        while self._phase(segment) is not Phase.CLOSED and (hit := segment.take_reached_stops()):
            for order in hit:
                qty, order.beside = order.beside, 0
                self._arrive(now, segment, order, qty)
        if self._phase(segment) is Phase.CONTINUOUS:
            segment.meet_middle(now)

    def _change(self, t: Ns, segment: Segment, new: Phase) -> None:
        # | the segment was in | and is now in      | so                                      |
        # |--------------------|--------------------|-----------------------------------------|
        # | a VI's call        | an auction         | the call becomes part of the auction    |
        # | a VI's call        | another phase      | the call is matched now                 |
        # | an auction         | another phase      | it is matched, or a VI begins           |
        # | an auction         | its next 10 min    | the same, in the single-price market    |
        # | order entry        | continuous trading | the early orders are matched in turn    |
        # | continuous trading | an auction         | conditional orders turn to the market   |
        old, segment.phase = segment.phase, new
        if new is not Phase.CLOSED and segment.name == "closing price":
            # 장후 시간외 종가 trades at today's close, which the closing auction has just made.
            segment.fixed = self.close or self._last
        # The span of the segment changed while a VI's call was running.
        overtaken = (
            self.state == "call" and segment is self._called and old is Phase.CONTINUOUS is not new
        )
        if overtaken and new is Phase.AUCTION:
            self._report_resumed(t)
        elif overtaken:
            self._resume(t)
        elif old is Phase.AUCTION and (new is not old or self._due(segment, t)):
            self._end_call(t, segment, new)
        elif old is Phase.ENTRY_ONLY and self.state == "open":
            self._begin_matching(t, segment)
        if new is Phase.AUCTION is not old and old is Phase.CONTINUOUS:
            segment.turn_conditional()

    def _begin_matching(self, t: Ns, segment: Segment) -> None:
        if segment.entered and segment.phase is Phase.CONTINUOUS:
            segment.begin_matching(t)
            self._settle(t, segment)

    def _due(self, segment: Segment, t: Ns) -> bool:
        """Return True when an auction of the single-price market ends now."""
        return segment.name == SINGLE_PRICE and not t % EVERY

    def _end_call(self, t: Ns, segment: Segment, new: Phase) -> None:
        """Match a call auction whose span ends, or begin a VI when its price is out of bounds."""
        # In a halt nothing matches: these orders join the call auction after it. A VI's call is
        # matched when it ends.
        if self.state != "open":
            return
        # The opening auction knows the static VI alone: there is no last trade to compare with.
        when: When | None = None
        if segment.name == SINGLE_PRICE or new is Phase.CLOSED:
            when = "after hours" if segment.name == SINGLE_PRICE else "closing auction"
        price, qty = segment.expected(self._last)
        bounds = self.vi.bounds(when, self.tally.last)
        if qty and bounds is not None and not bounds.lower < price < bounds.upper:
            self._interrupt(t, price, when, self.tally.last)
        else:
            self._uncross(t, segment)

    def _uncross(self, t: Ns, segment: Segment) -> None:
        # Only the opening auction allots (동시호가): on KRX, before the first trade of the day.
        opens = segment.name == MAIN and self.venue is Venue.KRX and not self.tally.open
        price = segment.uncross(t, self._last, self.limits if opens else None)
        # Each auction's price is the new reference of the static VI (KRX rule of 2015-06-15).
        if price is not None and segment.name != SINGLE_PRICE:
            self.vi.reference = price
        # KRX's closing auction makes the official close. After-market trades do not move it.
        if segment.name == MAIN and segment.phase is Phase.CLOSED and self.venue is Venue.KRX:
            self.close = self._last
        self._settle(t, segment)
        self.happenings.append(DepthChanged(t, self.item.code, self.venue))

    def _report_resumed(self, t: Ns) -> None:
        self.state, self.until = "open", 0
        self.happenings.append(TradingResumed(t, self.item.code, self.venue, self.why))

    def _resume(self, t: Ns) -> None:
        """End a call auction by matching it, or end a halt."""
        called = self.state == "call"
        self._report_resumed(t)
        if called:
            self._uncross(t, self._called)
        else:
            for segment in self._segments.values():
                self._begin_matching(t, segment)

    def _expire(self, t: Ns) -> None:
        """Expire the orders that end at ``t`` or before."""
        if self.state == "call":
            # The call is matched first.
            return
        for order in [o for o in self.own.values() if o.expires <= t or self.ended_for_day]:
            self.happenings.append(OrderExpired(t, order.id, order.segment.cancel(order, None)))
        for segment in self._segments.values():
            if segment.book and (self.ended_for_day or self._over.get(segment.name, t) <= t):
                segment.clear()

    def _own_price(self, segment: Segment, order: ExchangeOrder) -> int | None:
        """Return the limit price of an order on arrival, won.

        None for a market order. None also when the order takes its price from a side that is empty.
        """
        match STYLES[order.kind].pricing:
            case "best opposite":
                return segment.touch[1 if order.side is Side.BUY else 0]
            case "best own":
                return segment.touch[0 if order.side is Side.BUY else 1]
            case "market" | "mid":
                return None
        return order.price

    def _price_refusal(self, segment: Segment, price: int | None) -> Refusal | None:
        item = self.item
        if price is None or not ticks.on_grid(price, item.kind, self._day, item.board):
            return "tick"
        if self.limits is not None and not self.limits.lower <= price <= self.limits.upper:
            return "limit"
        if segment.name == SINGLE_PRICE:
            close = self.close or self._last
            # 시간외 단일가: ±10 % of today's close, within the daily limits.
            if abs(price - close) * 100 > close * SINGLE_PRICE_PERCENT:
                return "limit"
        return None
