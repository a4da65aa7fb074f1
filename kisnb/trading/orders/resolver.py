"""The fate of an order whose reply was lost: KIS's list decides, or a person. Nobody guesses.

KIS has no order id of ours. A row of its list can be an order with unknown outcome when all of this
holds:

- code, side, quantity and price are the same;
- its number is above every number that was known when the order was sent;
- its time lies in the window after that;
- it belongs to no other order.

Venue and kind are compared with what was sent:

| the list says                                      | the row              |
|----------------------------------------------------|----------------------|
| the venue and the kind that were sent              | is like the order    |
| a revise: the kind of the revised order            | is like the order    |
| a revise: any other kind                           | may be the order     |
| an order to SOR: KRX or NXT, where it traded       | may be the order     |
| a revise of an order to SOR: KRX or NXT            | is like the order    |
| no venue, and the order went to NXT or SOR         | may be the order     |
| a kind whose code we do not know                   | may be the order     |
| conditional as market, stop limit as limit         | may be the order     |
| a best or mid price order: the price that it got   | may be the order     |
| any other venue or kind                            | is somebody else's   |

A row is adopted when it alone is like the order and no other order could be it. Otherwise the order
stays UNKNOWN, and a person decides once the window is over. If rows could still be the order, a
person must say twice that it was never sent. The first time they are warned. After the second time
the rows are somebody else's. The list of a day that is over is complete for good: an order that it
does not hold was never sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import SECOND, Ns, clock_text, day_number
from kisnb.events import DecisionRefused, Resolved, Unresolved
from kisnb.orders import Order, OrderRef, OrderRow, OrderState
from kisnb.terms import OrderKind, Venue
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import ResolveOrder
from kisnb.trading.turn import Turn

WINDOW: Ns = 90 * SECOND
"""An order can come into being at KIS until so long after the begin of its POST."""
SKEW: Ns = 30 * SECOND
"""KIS's clock and ours may be so far apart."""

_IN_FLIGHT = (OrderState.SENDING, OrderState.UNKNOWN)

Likeness: TypeAlias = Literal["other", "maybe", "like"]
"""A row is somebody else's, may be an order, or has all that the order has."""

_K = OrderKind
_LISTED_AS = {_K.CONDITIONAL: _K.MARKET, _K.STOP_LIMIT: _K.LIMIT}
"""Kinds that turn into another one; whether KIS then lists them as the other is not documented."""
_PRICED_ON_ARRIVAL = frozenset({
    _K.BEST_OPPOSITE, _K.BEST_OPPOSITE_IOC, _K.BEST_OPPOSITE_FOK, _K.BEST_OWN,
    _K.MID_PRICE, _K.MID_PRICE_IOC, _K.MID_PRICE_FOK,
    _K.NXT_PRE_BEST_OPPOSITE, _K.NXT_PRE_BEST_OWN,
    _K.AFTER_BEST_OPPOSITE, _K.AFTER_BEST_OPPOSITE_IOC, _K.AFTER_BEST_OPPOSITE_FOK,
    _K.AFTER_BEST_OWN,
})  # fmt: skip
"""Kinds that are sent without a price. KIS does not document whether its list shows the price that
they got."""


class Resolver:
    """Adopts a row of KIS's list for an unknown order, or leaves it unknown.

    It keeps only decisions that wait for fresh evidence, and what it has reported already.
    """

    def __init__(self) -> None:
        self._decisions: dict[str, ResolveOrder] = {}
        self._reported: set[str] = set()
        self._warned: dict[str, list[int]] = {}
        """The numbers of which a person was warned who said that an order was never sent, by the
        order's key. The order could be any of them."""

    def decide(self, turn: Turn, books: OrderBooks, command: ResolveOrder) -> bool:
        """Take a person's decision; False when it is refused at once.

        It counts once KIS's list does not contradict it.
        """
        order = books.orders.get(command.key)
        if order is None or order.state is not OrderState.UNKNOWN:
            what = (
                "no order has this key"
                if order is None
                else f"the order is {order.state}, there is nothing to decide"
            )
            turn.publish(DecisionRefused(turn.now, command.key, what))
            return False
        self._decisions[command.key] = command
        return True

    def on_orders_unread(self, turn: Turn) -> None:
        """KIS did not list its orders: no decision can be checked."""
        for key in list(self._decisions):
            self._refuse(turn, key, "KIS did not list its orders; decide again when it does")

    def resolve(
        self, turn: Turn, asked: Ns, day: int, books: OrderBooks, rows: Iterable[OrderRow]
    ) -> None:
        """Settle the orders with unknown outcome of ``day`` by its complete list.

        The list was read after ``asked``.
        """
        found = claims(books, rows)
        claimants = Counter(row.ref.number for mine in found.values() for row in mine)
        for key, mine in found.items():
            order = books.orders[key]
            if order.state is not OrderState.UNKNOWN or day_number(order.sent_at) != day:
                continue
            # Two orders that could be the same row must not both adopt it: one fill would count
            # twice.
            alone = len(mine) == 1 and claimants[mine[0].ref.number] == 1
            if alone and likeness(order, mine[0], books) == "like":
                self._adopt(turn, order, mine[0])
            elif key in self._decisions:
                self._apply_decision(turn, asked, order, mine, books)
            # KIS adds nothing to the list of a day that is over. Today the order may still come.
            elif not mine and day_number(asked) > day:
                turn.record(
                    Resolved(
                        turn.now,
                        key,
                        None,
                        "never sent: KIS's list of its day, which is over, does not hold it",
                    )
                )
            elif asked >= order.sent_at + WINDOW and key not in self._reported:
                self._reported.add(key)
                turn.publish(_unresolved(turn.now, order, mine, books))

    def _adopt(self, turn: Turn, order: Order, row: OrderRow) -> None:
        text = f"KIS lists one order like it: #{row.ref.number} of {clock_text(row.t)}"
        decision = self._decisions.get(order.key)
        turn.record(Resolved(turn.now, order.key, ref_of(order, row), text))
        # The list proves more than a person can know. A person who decided otherwise is told so.
        if decision is not None and decision.adopt != row.ref.number:
            self._refuse(turn, order.key, text)
        self._decisions.pop(order.key, None)

    def _apply_decision(
        self, turn: Turn, asked: Ns, order: Order, mine: list[OrderRow], books: OrderBooks
    ) -> None:
        number = self._decisions[order.key].adopt
        row = next((row for row in mine if row.ref.number == number), None)
        if row is not None and (rival := _being_sent(order, row, books)) is not None:
            whose = (
                f"#{number} could be {rival.intent.text} as well, which KIS has not answered yet"
            )
            self._refuse(turn, order.key, f"{whose}; decide again when it has")
        elif row is not None:
            del self._decisions[order.key]
            text = f"a person says that it is #{number}"
            turn.record(Resolved(turn.now, order.key, ref_of(order, row), text))
        elif number is not None:
            other = books.by_number(day_number(order.sent_at), number)
            whose = (
                f"#{number} is the order {other.key}"
                if other
                else f"KIS lists no order like it as #{number}"
            )
            self._refuse(turn, order.key, f"{whose}; {_could_be(order, mine, books)}")
        elif asked < order.sent_at + WINDOW:
            self._refuse(
                turn,
                order.key,
                f"it can still come to light until {clock_text(order.sent_at + WINDOW)}",
            )
        elif (numbers := [row.ref.number for row in mine]) and self._warned.get(
            order.key
        ) != numbers:
            self._warned[order.key] = numbers
            could_be = _could_be(order, mine, books)
            again = "say it once more if all of these are somebody else's"
            text = f"it may have been sent: {could_be}; {again}"
            self._refuse(turn, order.key, text)
        else:
            del self._decisions[order.key]
            rows = _named(numbers, "and") if mine else "nothing like it"
            listed = f"KIS listed {rows} at {clock_text(asked)}"
            whose = ", somebody else's" if mine else ""
            turn.record(
                Resolved(
                    turn.now,
                    order.key,
                    None,
                    f"a person says that it was never sent; {listed}{whose}",
                )
            )

    def _refuse(self, turn: Turn, key: str, text: str) -> None:
        del self._decisions[key]
        turn.publish(DecisionRefused(turn.now, key, text))


def claims(books: OrderBooks, rows: Iterable[OrderRow]) -> dict[str, list[OrderRow]]:
    """Return, for every order whose reply is missing, the free rows that it could be."""
    free = [row for row in rows if books.by_number(row.ref.day, row.ref.number) is None]
    # A reserved order is in another list of KIS's (``reserved_orders``).
    waiting = [
        order for order in books.live.values() if order.state in _IN_FLIGHT and not order.intent.day
    ]
    return {o.key: [row for row in free if could_be(o, row, books)] for o in waiting}


def _being_sent(order: Order, row: OrderRow, books: OrderBooks) -> Order | None:
    """Return another order that the row could be, whose reply is still to come; else None."""
    sending = (o for o in books.live.values() if o.state is OrderState.SENDING and o is not order)
    return next((o for o in sending if could_be(o, row, books)), None)


def could_be(order: Order, row: OrderRow, books: OrderBooks) -> bool:
    """Return whether the row can be this order, for all that is known."""
    return likeness(order, row, books) != "other"


def likeness(order: Order, row: OrderRow, books: OrderBooks) -> Likeness:
    """Return how far the row has what was sent as this order.

    The module's table lists what counts.
    """
    intent = order.intent
    parent = books.orders.get(intent.supersedes) if intent.supersedes else None
    same_qty = row.qty == intent.qty if parent is None else 0 < row.qty <= intent.qty
    original = parent.number if parent is not None else 0
    if not (
        same_qty
        and (row.code, row.side, row.original) == (intent.code, intent.side, original)
        and row.ref.number > order.after
        and row.ref.day == day_number(order.sent_at)
        and -SKEW <= row.t - order.sent_at <= WINDOW
    ):
        return "other"
    found = {_venue(order, row, parent), _kind(order, row, parent), _price(order, row)}
    return "other" if "other" in found else "maybe" if "maybe" in found else "like"


def _venue(order: Order, row: OrderRow, parent: Order | None) -> Likeness:
    sent = _venue_sent(order)
    # A revise stays where its order is, and the row names that order.
    if row.ref.venue is sent or (sent is Venue.SOR and parent is not None):
        return "like"
    return "maybe" if sent is Venue.SOR or not row.venue_given else "other"


def _kind(order: Order, row: OrderRow, parent: Order | None) -> Likeness:
    sent = _kind_sent(order)
    # KIS may list a revise under the kind that it asked for, or under that of the revised order.
    known = {sent} if parent is None else {sent, _kind_sent(parent)}
    if not row.kind_known:
        return "maybe"
    if row.kind in known:
        return "like"
    # A revise's row names its original order, which is stronger evidence than its kind.
    return "maybe" if parent is not None or row.kind is _LISTED_AS.get(sent) else "other"


def _price(order: Order, row: OrderRow) -> Likeness:
    if row.price == (order.intent.price or 0):
        return "like"
    return "maybe" if _kind_sent(order) in _PRICED_ON_ARRIVAL else "other"


def _kind_sent(order: Order) -> OrderKind:
    return order.route.kind if order.route is not None else order.intent.kind


def _venue_sent(order: Order) -> Venue:
    if order.route is not None:
        return order.route.venue
    return order.ref.venue if order.ref is not None else Venue.KRX


def ref_of(order: Order, row: OrderRow) -> OrderRef:
    """Return the order's name at KIS. A cancel goes where the order went.

    For an order to SOR the list may name another venue.
    """
    return msgspec.structs.replace(row.ref, venue=_venue_sent(order))


def _could_be(order: Order, mine: list[OrderRow], books: OrderBooks) -> str:
    if not mine:
        return "nothing that KIS lists could be it"
    listed = {
        row.ref.number: f" (listed at {row.ref.venue} as {row.kind})"
        for row in mine
        if likeness(order, row, books) == "maybe"
    }
    return f"it could be {_named([row.ref.number for row in mine], 'or', listed)}"


def _named(numbers: list[int], word: str, more: Mapping[int, str] | None = None) -> str:
    more = more or {}
    return f" {word} ".join(f"#{number}{more.get(number, '')}" for number in numbers)


def _unresolved(now: Ns, order: Order, mine: list[OrderRow], books: OrderBooks) -> Unresolved:
    cure = (
        "decide which, or that it was never sent"
        if mine
        else "decide that it was never sent, or look at KIS's app"
    )
    since, could_be = clock_text(order.sent_at), _could_be(order, mine, books)
    text = f"the outcome of {order.intent.text} is unknown since {since}: {could_be}; {cure}"
    return Unresolved(now, order.key, tuple(row.ref.number for row in mine), text)
