"""Matches own orders against the recorded depth and the recorded trades of a tape.

A tape comes in batches: the trades of a moment and the depth after them. An order that an agent
decides on a batch meets the depth after that batch.

| order | what fills it |
|---|---|
| takes at once (market, or a limit that reaches) | levels of the newest depth, best first |
| waits at a price | trades at its price, once the shares ahead of it are gone |
| waits, and the market trades beyond its price | all of it |
| any, while no depth is known | the next trade of the stock that its limit allows |

The queue: when an order arrives, all shares at its price are ahead of it. Trades at the price use
up these shares first. When the depth shows fewer shares than are ahead, the difference is gone too.

The tape may be a recording of a market that contained our own orders: the agent traded on that day
(``own_in_tape``). Then the recorded depth includes our shares, and a decrease of our shares means a
fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from kisnb.events import Depth, Tick
from kisnb.orders import Intent
from kisnb.terms import OrderKind, Side, Venue

_KINDS = OrderKind
TAKES = (
    _KINDS.LIMIT, _KINDS.MARKET, _KINDS.BEST_OPPOSITE, _KINDS.BEST_OWN, _KINDS.LIMIT_IOC,
    _KINDS.LIMIT_FOK, _KINDS.MARKET_IOC, _KINDS.MARKET_FOK, _KINDS.BEST_OPPOSITE_IOC,
    _KINDS.BEST_OPPOSITE_FOK,
)  # fmt: skip
"""The kinds of orders that this market can match against depth and trades."""
_WHOLE = frozenset({_KINDS.LIMIT_FOK, _KINDS.MARKET_FOK, _KINDS.BEST_OPPOSITE_FOK})
_TAKER = frozenset({_KINDS.MARKET, _KINDS.MARKET_IOC, _KINDS.MARKET_FOK})
_BEST = frozenset({_KINDS.BEST_OPPOSITE, _KINDS.BEST_OPPOSITE_IOC, _KINDS.BEST_OPPOSITE_FOK})


class TapeFill(NamedTuple):
    """A fill of an own order: the order's number, the shares, and the price in won."""

    number: int
    qty: int
    price: int


class Standing:
    """An own order that has arrived in the market. It may still wait there."""

    __slots__ = (
        "ahead",
        "blind",
        "intent",
        "leaves",
        "number",
        "price",
        "traded",
        "value",
        "venue",
    )

    def __init__(self, number: int, intent: Intent, venue: Venue, price: int | None) -> None:
        self.number = number
        self.intent = intent
        self.venue = venue
        self.price = price
        """The price at which it waits, won. None: it accepts any price."""
        self.leaves = intent.qty
        self.ahead = 0
        """Shares in the queue at its price that trade before it."""
        self.blind = False
        """True if it arrived while no depth was known. Then the next trade fills it."""
        self.traded = 0
        self.value = 0
        """Value of its fills, won."""


class Levels(msgspec.Struct):
    """The newest depth of a stock on a venue: shares by price."""

    asks: dict[int, int]
    bids: dict[int, int]
    is_whole: bool = False
    """False when only the best prices are known, from a trade."""

    @property
    def is_known(self) -> bool:
        """True when at least one level is known, or a full depth was recorded."""
        return self.is_whole or bool(self.asks or self.bids)

    def against(self, side: Side) -> dict[int, int]:
        """Return the levels against which an order of this side trades: the asks for a buy."""
        return self.asks if side is Side.BUY else self.bids

    def own(self, side: Side) -> dict[int, int]:
        """Return the levels among which an order of this side waits: the bids for a buy."""
        return self.bids if side is Side.BUY else self.asks

    def sees(self, side: Side, price: int) -> bool:
        """Return whether a price is within the range of prices that the depth shows."""
        levels = self.own(side)
        if not self.is_whole:
            return False
        return not levels or (price >= min(levels) if side is Side.BUY else price <= max(levels))


class TapeMarket:
    """Matches own orders against a tape. Prices in won, quantities in shares."""

    def __init__(self, *, own_in_tape: bool) -> None:
        self.own_in_tape = own_in_tape
        self.standing: dict[int, Standing] = {}
        """Own orders that wait in the market, by number, oldest first."""
        self.entered: dict[int, Standing] = {}
        """All own orders that have arrived, by number."""
        self._levels: dict[tuple[str, Venue], Levels] = {}

    def venue_of(self, intent: Intent, venue: Venue) -> Venue:
        """Return the venue at which an order is executed. A SOR order goes to the better venue.

        The rule is the exchange's own: the better price, then more shares at that price, then KRX.
        """
        if venue is not Venue.SOR:
            return venue
        sign = 1 if intent.side is Side.BUY else -1

        def rank(at: Venue) -> tuple[int, int]:
            levels = self._levels.get((intent.code, at))
            against = levels.against(intent.side) if levels is not None else {}
            best = min(against, key=lambda price: sign * price, default=None)
            return (1 << 62, 0) if best is None else (sign * best, -against[best])

        return min((Venue.KRX, Venue.NXT), key=rank)

    # own orders

    def enter(self, number: int, intent: Intent, venue: Venue) -> list[TapeFill]:
        """Match a new order against the depth, and return its fills.

        Shares that do not fill wait in ``standing``, unless the kind is IOC or FOK. Without a known
        depth the order waits for a trade.
        """
        levels = self._of(intent.code, venue)
        price = self._limit(intent, levels)
        order = self.entered[number] = Standing(number, intent, venue, price)
        order.blind = not levels.is_known
        if order.blind:
            order.price = intent.price
            self.standing[number] = order
            return []
        if intent.kind in _WHOLE and self._reachable(order, levels) < intent.qty:
            return []
        fills = self._sweep(order, levels)
        if order.leaves and not intent.kind.immediate:
            self._rest(order, levels)
        return fills

    def revise(self, number: int, old: int, intent: Intent) -> list[TapeFill] | None:
        """Move shares of the order ``old`` to the order ``number`` at another price.

        Return the fills of ``number``. None when ``old`` no longer waits.
        """
        before = self.standing.get(old)
        if before is None:
            return None
        levels = self._of(intent.code, before.venue)
        moved = self.entered[number] = Standing(number, intent, before.venue, intent.price)
        moved.leaves = min(intent.qty, before.leaves)
        if intent.price == before.price:
            # At the same price the shares keep their place in the queue.
            moved.ahead = before.ahead
            before.leaves -= moved.leaves
            self.standing[number] = moved
            fills = []
        else:
            self._remove(before, moved.leaves)
            fills = self._sweep(moved, levels)
            if moved.leaves:
                self._rest(moved, levels)
        if not before.leaves:
            self.standing.pop(old, None)
        return fills

    def cancel(self, number: int, qty: int | None) -> int:
        """Cancel ``qty`` shares of an order, None for all. Return how many were cancelled.

        0: the order no longer waits.
        """
        order = self.standing.get(number)
        if order is None:
            return 0
        gone = min(qty or order.leaves, order.leaves)
        self._remove(order, gone)
        if not order.leaves:
            del self.standing[number]
        return gone

    def expire(self, code: str, venue: Venue) -> list[tuple[int, int]]:
        """Remove all orders of a stock at a venue.

        Return the order number and the leaves of each removed order.
        """
        ended = [o for o in self.standing.values() if (o.intent.code, o.venue) == (code, venue)]
        for order in ended:
            del self.standing[order.number]
        return [(order.number, order.leaves) for order in ended]

    # the tape

    def play(self, ticks: Sequence[Tick], depths: Sequence[Depth]) -> list[TapeFill]:
        """Play a batch: store its depth, and return the fills of the waiting orders."""
        before = list(self.standing.values())
        for tick in ticks:
            self._note_tick(tick)
        for depth in depths:
            self._levels[depth.code, depth.venue] = Levels(dict(depth.asks), dict(depth.bids), True)
        shown = {(d.code, d.venue) for d in depths}
        for tick in ticks:
            if (tick.code, tick.venue) not in shown:
                self._use_up(tick)
        traded: dict[tuple[str, Venue, Side | None, int], int] = {}
        for tick in ticks:
            key = tick.code, tick.venue, tick.side, tick.price
            traded[key] = traded.get(key, 0) + tick.qty
        fills = []
        for order in before:
            at = order.intent.code, order.venue
            if order.blind and at in shown:
                # Now its place in the queue is known: behind all shares that the depth shows.
                order.blind = False
                mine = order.leaves if self.own_in_tape else 0
                total = self._of(*at).own(order.intent.side).get(order.price or 0, 0)
                order.ahead = max(total - mine, 0)
                continue
            if order.blind:
                fills += self._fill_blind(order, ticks)
            elif order.price is None:
                fills += self._sweep(order, self._of(order.intent.code, order.venue))
            else:
                fills += self._wait(
                    order, traded, is_shown=(order.intent.code, order.venue) in shown
                )
            if not order.leaves:
                self.standing.pop(order.number, None)
        return fills

    def _wait(
        self, order: Standing, traded: dict[tuple[str, Venue, Side | None, int], int],
        *, is_shown: bool,
    ) -> list[TapeFill]:  # fmt: skip
        """Match a waiting order against the trades and the depth of a batch. Return its fills.

        ``traded`` has the shares of the batch's trades. ``is_shown`` is True when the batch has a
        new depth of the stock.
        """
        code, side, price, leaves = order.intent.code, order.intent.side, order.price, order.leaves
        assert price is not None
        levels = self._of(code, order.venue)
        through = 0
        for (of, venue, taker, at), qty in traded.items():
            if (of, venue) != (code, order.venue) or taker is side:
                continue
            if (at < price) if side is Side.BUY else (at > price):
                # The market traded beyond our price, so none of our shares can still wait there.
                through += qty
        key = code, order.venue, side.opposite, price
        volume = traded.get(key, 0) + traded.get((code, order.venue, None, price), 0)
        total = levels.own(side).get(price, 0)
        seen = is_shown and levels.sees(side, price)
        if self.own_in_tape:
            missing = leaves - total if seen else 0
            filled = min(max(volume - order.ahead, missing, 0), leaves, volume + through)
        else:
            against = levels.against(side)
            crossed = is_shown and any(
                at <= price if side is Side.BUY else at >= price for at in against
            )
            filled = leaves if through or crossed else min(max(volume - order.ahead, 0), leaves)
        order.ahead = max(order.ahead - max(volume - filled, 0), 0)
        if seen:
            others = total - (leaves - filled) if self.own_in_tape else total
            order.ahead = max(min(order.ahead, others), 0)
        if not filled:
            return []
        return [self._book(order, filled, price)]

    def _use_up(self, tick: Tick) -> None:
        """Subtract a trade's shares from the depth, because the batch has no newer depth."""
        if tick.side is not None:
            against = self._of(tick.code, tick.venue).against(tick.side)
            left = against.get(tick.price, 0) - tick.qty
            if left > 0:
                against[tick.price] = left
            else:
                against.pop(tick.price, None)

    def _fill_blind(self, order: Standing, ticks: Sequence[Tick]) -> list[TapeFill]:
        """Fill an order without a known depth by the first trade that its limit allows."""
        buys, limit = order.intent.side is Side.BUY, order.price
        for tick in ticks:
            allowed = limit is None or (tick.price <= limit if buys else tick.price >= limit)
            if (tick.code, tick.venue) == (order.intent.code, order.venue) and allowed:
                return [self._book(order, order.leaves, tick.price)]
        return []

    def _note_tick(self, tick: Tick) -> None:
        """Keep the best bid and ask that a trade states, while no depth is recorded."""
        levels = self._levels.get((tick.code, tick.venue))
        if (levels is not None and levels.is_whole) or not tick.ask or not tick.bid:
            return
        # A channel without the shares at the best prices shows no depth that an order could take.
        if tick.ask_qty and tick.bid_qty:
            asks, bids = {tick.ask: tick.ask_qty}, {tick.bid: tick.bid_qty}
            self._levels[tick.code, tick.venue] = Levels(asks, bids)

    # inside

    def _of(self, code: str, venue: Venue) -> Levels:
        return self._levels.get((code, venue)) or Levels({}, {})

    def _limit(self, intent: Intent, levels: Levels) -> int | None:
        if intent.kind in _TAKER:
            return None
        if intent.kind in _BEST:
            against = levels.against(intent.side)
            return min(against) if intent.side is Side.BUY and against else max(against, default=0)
        if intent.kind is OrderKind.BEST_OWN:
            own = levels.own(intent.side)
            return max(own, default=0) if intent.side is Side.BUY else min(own, default=0)
        return intent.price

    def _sweep(self, order: Standing, levels: Levels) -> list[TapeFill]:
        """Fill the order from the levels that its limit allows, best first. Return its fills."""
        buys = order.intent.side is Side.BUY
        against, fills = levels.against(order.intent.side), []
        for at in sorted(against, reverse=not buys):
            if not order.leaves or (
                order.price is not None and (at > order.price if buys else at < order.price)
            ):
                break
            shares = min(order.leaves, against[at])
            against[at] -= shares
            if not against[at]:
                del against[at]
            fills.append(self._book(order, shares, at))
        return fills

    def _reachable(self, order: Standing, levels: Levels) -> int:
        buys = order.intent.side is Side.BUY
        return sum(
            qty
            for at, qty in levels.against(order.intent.side).items()
            if order.price is None or (at <= order.price if buys else at >= order.price)
        )

    def _rest(self, order: Standing, levels: Levels) -> None:
        self.standing[order.number] = order
        if order.price is None:
            return
        own = levels.own(order.intent.side)
        order.ahead = own.get(order.price, 0)
        if self.own_in_tape:
            own[order.price] = order.ahead + order.leaves
        else:
            mine = (o for o in self.standing.values() if o is not order)
            order.ahead += sum(o.leaves for o in mine if _same_level(o, order))

    def _remove(self, order: Standing, qty: int) -> None:
        order.leaves -= qty
        # Own orders behind it in the queue move up.
        for other in self.standing.values():
            if other.number > order.number and _same_level(other, order):
                other.ahead = max(other.ahead - qty, 0)
        own = self._of(order.intent.code, order.venue).own(order.intent.side)
        if self.own_in_tape and order.price in own:
            own[order.price] = max(own[order.price] - qty, 0)

    def _book(self, order: Standing, qty: int, price: int) -> TapeFill:
        order.leaves -= qty
        order.traded += qty
        order.value += qty * price
        return TapeFill(order.number, qty, price)


def _same_level(a: Standing, b: Standing) -> bool:
    return (a.intent.code, a.intent.side, a.venue, a.price) == (
        b.intent.code, b.intent.side, b.venue, b.price,
    )  # fmt: skip


__all__ = ["TAKES", "Levels", "Standing", "TapeFill", "TapeMarket"]
