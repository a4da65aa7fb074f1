"""Answers the calls of a run over a tape, as KIS's server answers those of a desk.

Each call becomes messages for the core: first the reply, then the notices of the exchange's
actions. At KIS either may come first, and the core accepts both orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from kisnb.backtesting.tape.tape_market import TapeFill, TapeMarket
from kisnb.clock import SECOND, Ns, day_number
from kisnb.events import Notice
from kisnb.orders import (
    Account,
    Holding,
    Intent,
    Order,
    OrderPage,
    OrderRef,
    OrderRow,
    Route,
    SendReply,
)
from kisnb.terms import Venue
from kisnb.trading.ports.effects import (
    Cancel,
    CancelReply,
    OrdersQuery,
    OrdersRead,
    Revise,
    Send,
)
from kisnb.trading.state import State

Call = Send | Revise | Cancel
"""A call that reaches the server."""
Reply = SendReply | CancelReply | Notice


class TapeServer:
    """The server of a tape's day. It gives orders their numbers and sends them to the exchange."""

    def __init__(self, market: TapeMarket, state: State, cash: int | None) -> None:
        """Begin the day with ``cash`` won in the account. None: the cash is not known."""
        self._market = market
        self._state = state
        self._cash = cash
        self._keys: dict[int, str] = {}
        """Keys of the orders, by order number."""
        self._last = 0
        """The order number that was given last. Orders, revises and cancels share the numbers."""
        self._prints: dict[tuple[str, int], Ns] = {}

    # Each message is made after the core has handled the one before, because that may change the
    # state.

    def answer(self, now: Ns, call: Call) -> Iterator[Reply]:
        """Yield the messages that follow when a call reaches the server now."""
        match call:
            case Send(intent=intent, route=route):
                return self._enter(now, intent, route)
            case Revise(intent=intent, ref=ref):
                return self._revise(now, intent, ref)
            case Cancel(key=key, ref=ref, qty=qty):
                return self._cancel(now, key, ref, qty)

    def notices(
        self, now: Ns, fills: Sequence[TapeFill], at: Venue = Venue.KRX
    ) -> Iterator[Notice]:
        """Yield the notices of fills.

        Fills of one order at the same price and moment become one notice.
        """
        for fill in _joined(fills):
            yield self._filled(now, fill, at)

    def read(self, query: OrdersQuery, prices: dict[str, int]) -> OrdersRead:
        """Answer a reading of the orders. ``prices`` are the prices of held stocks, won."""
        books, day = self._state.books, int(f"{query.day:%Y%m%d}")
        rows = tuple(
            self._row(order)
            for order in reversed(books.orders.values())
            if order.ref is not None and order.ref.day == day
        )
        account = None
        if query.account:
            cash = (self._cash or 0) + self._state.flow
            held = tuple(
                Holding(code, code, p.qty, p.qty, p.cost, prices.get(code, 0))
                for code, p in books.account.positions.items()
                if p.qty
            )
            account = Account(cash, cash, cash, cash, held, True)
        return OrdersRead(query, OrderPage(rows, True), account)

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _enter(self, now: Ns, intent: Intent, route: Route) -> Iterator[Reply]:
        number, market = self._number(), self._market
        self._keys[number] = intent.key
        at = market.venue_of(intent, route.venue)
        sent = msgspec.structs.replace(intent, kind=route.kind)
        yield SendReply(intent.key, "sent", OrderRef(day_number(now), "", number, route.venue))
        fills = market.enter(number, sent, at)
        yield self._notice(now, "accepted", number, intent, intent.qty, intent.price or 0, at)
        yield from self.notices(now, fills, at)
        left = intent.qty - sum(fill.qty for fill in fills)
        if left and number not in market.standing:
            # These are the leaves of a kind that never waits.
            yield self._notice(now, "cancelled", self._number(), intent, left, 0, at, number)

    def _revise(self, now: Ns, intent: Intent, ref: OrderRef) -> Iterator[Reply]:
        number = self._number()
        old = self._market.standing.get(ref.number)
        if old is None:
            yield SendReply(intent.key, "rejected", text="nothing left to revise")
            return
        self._keys[number], venue = intent.key, old.venue
        moved = min(intent.qty, old.leaves)
        yield SendReply(intent.key, "sent", OrderRef(day_number(now), "", number, ref.venue))
        fills = self._market.revise(number, ref.number, intent) or []
        yield self._notice(
            now, "revised", number, intent, moved, intent.price or 0, venue, ref.number
        )
        yield from self.notices(now, fills, venue)

    def _cancel(self, now: Ns, key: str, ref: OrderRef, qty: int | None) -> Iterator[Reply]:
        standing = self._market.standing.get(ref.number)
        venue = standing.venue if standing is not None else ref.venue
        out = self._market.cancel(ref.number, qty)
        if not out:
            yield CancelReply(SendReply(key, "rejected", text="nothing left to cancel"))
            return
        yield CancelReply(SendReply(key, "sent", ref))
        intent = self._state.books.orders[key].intent
        yield self._notice(now, "cancelled", self._number(), intent, out, 0, venue, ref.number)

    def _filled(self, now: Ns, fill: TapeFill, at: Venue) -> Notice:
        order = self._state.books.orders[self._keys[fill.number]]
        standing = self._market.standing.get(fill.number)
        venue = at
        if standing is not None:
            venue = standing.venue
        elif order.route is not None and order.route.venue is not Venue.SOR:
            venue = order.route.venue
        notice = self._notice(now, "filled", fill.number, order.intent, fill.qty, fill.price, venue)
        # KIS's times are whole seconds, so two equal fills in one second look like one notice that
        # came twice, and the desk then reads KIS's list. On a recorded day with our own orders this
        # happened too, so it is repeated. Otherwise two fills get different times.
        if self._market.own_in_tape:
            return msgspec.structs.replace(notice, t=now - now % SECOND)
        stamp = max(now, self._prints.get((order.key, fill.price), 0) + 1)
        self._prints[order.key, fill.price] = stamp
        return msgspec.structs.replace(notice, t=stamp)

    def _row(self, order: Order) -> OrderRow:
        """Return an order as a row of KIS's list, with its fills and leaves in the market."""
        assert order.ref is not None
        revised = self._state.books.orders.get(order.intent.supersedes or "")
        original = 0 if revised is None or revised.ref is None else revised.ref.number
        number = order.ref.number
        of = self._market.entered[number]
        leaves = of.leaves if number in self._market.standing else 0
        average = round(of.value / of.traded) if of.traded else 0
        return OrderRow(
            order.ref, original, order.code, order.side, order.sent_kind, order.quantity,
            order.intent.price or 0, of.traded, average, leaves, order.cancelled - order.expired,
            0, order.sent_at, of.value,
        )  # fmt: skip

    def _notice(
        self,
        now: Ns,
        kind: Literal["accepted", "filled", "cancelled", "revised"],
        number: int,
        intent: Intent,
        qty: int,
        price: int,
        venue: Venue,
        original: int = 0,
    ) -> Notice:
        code, side = intent.code, intent.side
        return Notice(now, kind, number, original, code, side, qty, price, "", venue)


def _joined(fills: Sequence[TapeFill]) -> list[TapeFill]:
    """Join fills of one moment that have the same order and price. Return the result."""
    shares: dict[tuple[int, int], int] = {}
    for number, qty, price in fills:
        shares[number, price] = shares.get((number, price), 0) + qty
    return [TapeFill(number, qty, price) for (number, price), qty in shares.items()]


__all__ = ["Call", "TapeServer"]
