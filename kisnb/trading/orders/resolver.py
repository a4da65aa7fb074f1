"""Decides the outcome of an order whose reply was lost. KIS's list decides, or a person does.

KIS does not store our key of an order. A *row* is one line of its list of orders. A row can be an
order with unknown outcome when all of this is true:

- code, side, quantity and price are the same;
- its time is in the window after the order was sent;
- it belongs to no other order.

Number, branch, venue and kind are evidence:

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
| not a revise, and a number no higher than one that |                      |
| was known before the POST                          | may be the order     |
| a branch that none of our listed orders has        | may be the order     |
| any other venue or kind                            | is an external order |

A row is adopted when only this row is like the order, and the row fits no other order.

There is one exception: an external order may be a part of the row. Then the row is not adopted.
Such an external order has the same wish, has as many shares or fewer, and came later. Only a list
has shown its end, or a later list had more shares of it.

When no row is adopted, the order stays UNKNOWN, and a person decides once the window is over. A
person may also name an order that was taken for an external one. If that could be this order, it
becomes this order with its fills.

If rows could still be the order, a person must say twice that it was never sent. The first time
they are warned. After the second time the rows are external orders. The list of a past day is
final: an order that it does not have was never sent.

A list may lack an order that KIS has accepted, or have a row that cannot be read. Such a list does
not prove that an order is absent, and no row of it is adopted. A person who says "never sent" on
such a list is warned first.

Docstrings call these orders external. Texts for people call them "somebody else's".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from kisnb.clock import SECOND, Ns, clock_text, day_number
from kisnb.events import (
    Cancelled,
    DecisionRefused,
    ExternalFound,
    Reopened,
    Resolved,
    Unresolved,
)
from kisnb.orders import Order, OrderRef, OrderRow, OrderState, same_branch
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks
from kisnb.trading.orders.likeness import Likeness, kind_of, price_of, venue_of
from kisnb.trading.orders.listed_orders import ListedOrders, compare
from kisnb.trading.ports.commands import ResolveOrder
from kisnb.trading.turn import Turn

WINDOW: Ns = 90 * SECOND
"""The longest time after the start of its POST in which KIS can create an order."""
SKEW: Ns = 30 * SECOND
"""The largest difference between KIS's clock and ours."""

_IN_FLIGHT = (OrderState.SENDING, OrderState.UNKNOWN)
_SHORT = -1
"""The number in place of ``SHORT_LIST`` among the numbers of a warning."""
SHORT_LIST = "KIS's list lacks orders that KIS has accepted, or could not be read whole"


class Resolver:
    """Adopts a row of KIS's list for an unknown order, or leaves the order unknown.

    It stores only decisions that wait for a new list, and what it has reported already.
    """

    def __init__(self) -> None:
        self._decisions: dict[str, ResolveOrder] = {}
        self._reported: set[str] = set()
        self._warned: dict[str, list[int]] = {}
        """By the order's key: numbers of which a person who said "never sent" was warned.

        Each of them could be the order.
        """

    def decide(self, turn: Turn, books: OrderBooks, command: ResolveOrder) -> bool:
        """Store a person's decision until the next reading of KIS's list.

        Return False, and publish why, when it is refused at once.
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
        """Refuse all waiting decisions, because KIS did not list its orders."""
        for key in list(self._decisions):
            self._refuse(turn, key, "KIS did not list its orders; decide again when it does")

    def resolve(
        self,
        turn: Turn,
        asked: Ns,
        day: int,
        books: OrderBooks,
        rows: Iterable[OrderRow],
        *,
        whole: bool = True,
    ) -> None:
        """Resolve the unknown orders of ``day`` (YYYYMMDD) by its list, read after ``asked``.

        ``whole`` True: no row is known to be missing. Otherwise an absent row proves nothing.
        """
        rows = tuple(rows)
        found = candidates(books, compare(books, rows))
        orders_of = Counter(row.ref for mine in found.values() for row in mine)
        for key, mine in found.items():
            order = books.orders[key]
            if order.state is not OrderState.UNKNOWN or day_number(order.sent_at) != day:
                continue
            # This is computed again for each order, because an adoption may have changed the owners
            # of rows.
            listing = compare(books, rows)
            # If two orders could be the same row, neither may adopt it. Otherwise one fill could
            # count twice.
            alone = whole and len(mine) == 1 and orders_of[mine[0].ref] == 1
            if alone and is_sure(order, mine[0], listing, books):
                self._adopt(turn, order, mine[0])
            elif key in self._decisions:
                self._apply_decision(turn, asked, order, mine, listing, books, whole=whole)
            # KIS adds nothing to the list of a past day. Today the order may still appear.
            elif not mine and whole and day_number(asked) > day:
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
        # The list is better evidence than a person's decision. A person who decided otherwise is
        # told so.
        if decision is not None and decision.adopt != row.ref.number:
            self._refuse(turn, order.key, text)
        self._decisions.pop(order.key, None)

    def _apply_decision(
        self,
        turn: Turn,
        asked: Ns,
        order: Order,
        mine: list[OrderRow],
        listing: ListedOrders,
        books: OrderBooks,
        *,
        whole: bool,
    ) -> None:
        number = self._decisions[order.key].adopt
        free = (*mine, *_taken_for_others(order, listing, books))
        row = next((row for row in free if row.ref.number == number), None)
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
        elif (numbers := _doubts(mine, whole=whole)) and self._warned.get(order.key) != numbers:
            self._warned[order.key] = numbers
            could_be = _could_be(order, mine, books) if mine else SHORT_LIST
            again = "say it once more if all of these are somebody else's"
            again = again if mine else "look at KIS's app, and say it once more if it is not there"
            text = f"it may have been sent: {could_be}; {again}"
            self._refuse(turn, order.key, text)
        else:
            del self._decisions[order.key]
            rows = _named([r.ref.number for r in mine], "and") if mine else "nothing like it"
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


def candidates(books: OrderBooks, listing: ListedOrders) -> dict[str, list[OrderRow]]:
    """Return by the order's key: the free rows that an order without a reply could be."""
    free = (*listing.unmatched, *listing.grown)
    # A reserved order is in another list of KIS's (``reserved_orders``).
    waiting = [
        order for order in books.live.values() if order.state in _IN_FLIGHT and not order.intent.day
    ]
    return {o.key: [row for row in free if could_be(o, row, books)] for o in waiting}


def _being_sent(order: Order, row: OrderRow, books: OrderBooks) -> Order | None:
    """Return another order that is being sent and could be this row. Otherwise None."""
    sending = (o for o in books.live.values() if o.state is OrderState.SENDING and o is not order)
    return next((o for o in sending if could_be(o, row, books)), None)


def could_be(order: Order, row: OrderRow, books: OrderBooks) -> bool:
    """Return whether the row may be this order."""
    return likeness(order, row, books) != "other"


def likeness(order: Order, row: OrderRow, books: OrderBooks) -> Likeness:
    """Return how well a row fits an order, by all that the module's table lists."""
    if not -SKEW <= row.t - order.sent_at <= WINDOW:
        return "other"
    found = _wish_likeness(order, row, books)
    # KIS does not document that numbers rise within an account, so a low number proves nothing. But
    # such a row is not adopted without a person, because it probably belongs to an older order. The
    # row of a revise names the order that it revises, which is stronger evidence than a number.
    low = row.ref.number <= order.after and not row.original
    return "maybe" if found == "like" and low else found


def is_sure(order: Order, row: OrderRow, listing: ListedOrders, books: OrderBooks) -> bool:
    """Return whether the row alone is enough evidence that it is this order."""
    branches = {
        listed.ref.branch
        for key, listed in listing.rows.items()
        if books.orders[key].intent.agent != EXTERNAL
    }
    known = not branches or any(same_branch(row.ref.branch, branch) for branch in branches)
    return (
        known
        and likeness(order, row, books) == "like"
        and not any(
            _may_be_part(order, listed, books)
            for key, listed in listing.rows.items()
            if _was_doubtful(books.orders[key]) and listed.ref != row.ref
        )
    )


def _was_doubtful(order: Order) -> bool:
    """Return whether KIS's list may have shown only a part of an external order.

    That may be so when only a list showed the end of the order, when it was opened again, or when a
    later list had more shares of it.
    """
    if order.intent.agent != EXTERNAL:
        return False
    found = sum(isinstance(fact, ExternalFound) for fact in order.facts)
    return found > 1 or any(
        isinstance(fact, Reopened) or (isinstance(fact, Cancelled) and not fact.number)
        for fact in order.facts
    )


def _may_be_part(order: Order, row: OrderRow, books: OrderBooks) -> bool:
    """Return whether the row may be a part of the order: the same wish, with no more shares.

    KIS's list may first have shown only a part of our order, which was then booked as an external
    order. In that case another row that is like our order belongs to somebody else.
    """
    intent = order.intent
    if intent.supersedes or not 0 < row.qty <= intent.qty or row.ref.number <= order.after:
        return False
    whole = msgspec.structs.replace(row, qty=order.intent.qty)
    return likeness(order, whole, books) != "other"


def _taken_for_others(order: Order, listing: ListedOrders, books: OrderBooks) -> list[OrderRow]:
    """Return the rows of external orders that a person may declare to be this order.

    The time is not compared, because a person may know that the clocks differ.
    """
    others = [
        row for key, row in listing.rows.items() if books.orders[key].intent.agent == EXTERNAL
    ]
    return [row for row in others if _wish_likeness(order, row, books) != "other"]


def _wish_likeness(order: Order, row: OrderRow, books: OrderBooks) -> Likeness:
    intent = order.intent
    parent = books.orders.get(intent.supersedes) if intent.supersedes else None
    same_qty = row.qty == intent.qty if parent is None else 0 < row.qty <= intent.qty
    original = parent.number if parent is not None else 0
    if not (
        same_qty
        and (row.code, row.side, row.original) == (intent.code, intent.side, original)
        and row.ref.day == day_number(order.sent_at)
    ):
        return "other"
    found = {venue_of(order, row, parent), kind_of(order, row, parent), price_of(order, row)}
    return "other" if "other" in found else "maybe" if "maybe" in found else "like"


def ref_of(order: Order, row: OrderRow) -> OrderRef:
    """Return the row's ref with the venue to which the order was sent.

    A cancel goes to that venue. The list may name another venue if the order was sent to SOR.
    """
    return msgspec.structs.replace(row.ref, venue=order.sent_venue)


def _could_be(order: Order, mine: list[OrderRow], books: OrderBooks) -> str:
    if not mine:
        return "nothing that KIS lists could be it"
    listed = {
        row.ref.number: f" (listed at {row.ref.venue} as {row.kind})"
        for row in mine
        if likeness(order, row, books) == "maybe"
    }
    return f"it could be {_named([row.ref.number for row in mine], 'or', listed)}"


def _doubts(mine: list[OrderRow], *, whole: bool) -> list[int]:
    """Return the order numbers that contradict "never sent".

    ``mine`` are the rows that could be the order. Add ``_SHORT`` if not ``whole``.
    """
    return [row.ref.number for row in mine] + ([] if whole else [_SHORT])


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
