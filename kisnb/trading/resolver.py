"""What became of an order whose answer was lost: KIS's list says so, or a person; it is never guessed.

KIS has no order id of ours. A row of its list can be an order of unknown fate when code, side, quantity and price are
the same, its number is above every number known when the order was sent, its time lies in the window after that, and
it belongs to no other order. Exactly one such row, which no other order could be, is adopted. None, or several: the
order stays UNKNOWN and a person decides, once the window is over. Who says that it was never sent, while rows could be
it, is told so and has to say it twice; the rows are somebody else's then. A list of a day that is over is complete for
good: an order that it does not hold was never sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from kisnb.clock import SECOND, Ns, clock_text
from kisnb.events import DecisionRefused, Event, Resolved, Unresolved
from kisnb.orders import Order, OrderRow, OrderState
from kisnb.trading.commands import ResolveOrder
from kisnb.trading.journal_rows import Row
from kisnb.trading.order_book import Books, day_number

WINDOW: Ns = 90 * SECOND
"""How long after the beginning of its POST an order can come into being at KIS."""
SKEW: Ns = 30 * SECOND
"""How far KIS's clock and ours may be apart."""

_IN_THE_AIR = (OrderState.SENDING, OrderState.UNKNOWN)


class Resolver:
    """Adopts, or refuses to; keeps nothing but decisions that wait for fresh evidence and what was told already."""

    def __init__(self, row: Callable[[Row], None], tell: Callable[[Event], None]) -> None:
        self._row = row
        self._tell = tell
        self._decisions: dict[str, ResolveOrder] = {}
        self._told: set[str] = set()
        self._warned: dict[str, list[int]] = {}
        """By key: the numbers that it could be, which a person was told who said that it was never sent."""

    def decide(self, now: Ns, books: Books, command: ResolveOrder) -> bool:
        """Take a decision; False when it is refused at once. It counts when KIS's list does not contradict it."""
        order = books.orders.get(command.key)
        if order is None or order.state is not OrderState.UNKNOWN:
            what = (
                "no order has this key" if order is None else f"the order is {order.state}, there is nothing to decide"
            )
            self._tell(DecisionRefused(now, command.key, what))
            return False
        self._decisions[command.key] = command
        return True

    def unanswered(self, now: Ns) -> None:
        """KIS did not list its orders: no decision can be checked."""
        for key in list(self._decisions):
            self._refuse(now, key, "KIS did not list its orders; decide again when it does")

    def resolve(self, now: Ns, asked: Ns, day: int, books: Books, rows: Iterable[OrderRow]) -> None:
        """Look at every order of unknown fate of ``day`` in the light of its complete list, read after ``asked``."""
        found = claims(books, rows)
        claimants = Counter(row.ref.number for mine in found.values() for row in mine)
        for key, mine in found.items():
            order = books.orders[key]
            if order.state is not OrderState.UNKNOWN or day_number(order.sent_at) != day:
                continue
            if len(mine) == 1 and claimants[mine[0].ref.number] == 1:
                self._adopt(now, order, mine[0])
            elif key in self._decisions:
                self._decided(now, asked, order, mine, books)
            elif not mine and day_number(asked) > day:
                self._row(
                    Resolved(now, key, None, "never sent: KIS's list of its day, which is over, does not hold it")
                )
            elif asked >= order.sent_at + WINDOW and key not in self._told:
                self._told.add(key)
                self._tell(_unresolved(now, order, mine))

    def _adopt(self, now: Ns, order: Order, row: OrderRow) -> None:
        text = f"KIS lists one order like it: #{row.ref.number} of {clock_text(row.t)}"
        decision = self._decisions.get(order.key)
        self._row(Resolved(now, order.key, row.ref, text))
        if decision is not None and decision.adopt != row.ref.number:
            self._refuse(now, order.key, text)
        self._decisions.pop(order.key, None)

    def _decided(self, now: Ns, asked: Ns, order: Order, mine: list[OrderRow], books: Books) -> None:
        number = self._decisions[order.key].adopt
        row = next((row for row in mine if row.ref.number == number), None)
        if row is not None:
            del self._decisions[order.key]
            self._row(Resolved(now, order.key, row.ref, f"a person says that it is #{number}"))
        elif number is not None:
            other = books.by_number(day_number(order.sent_at), number)
            whose = f"#{number} is the order {other.key}" if other else f"KIS lists no order like it as #{number}"
            self._refuse(now, order.key, f"{whose}; {_could_be(mine)}")
        elif asked < order.sent_at + WINDOW:
            self._refuse(now, order.key, f"it can still come to light until {clock_text(order.sent_at + WINDOW)}")
        elif (numbers := [row.ref.number for row in mine]) and self._warned.get(order.key) != numbers:
            self._warned[order.key] = numbers
            text = f"it may have been sent: {_could_be(mine)}; say it once more if all of these are somebody else's"
            self._refuse(now, order.key, text)
        else:
            del self._decisions[order.key]
            listed = f"KIS listed {_named(numbers, 'and') if mine else 'nothing like it'} at {clock_text(asked)}"
            whose = ", somebody else's" if mine else ""
            self._row(Resolved(now, order.key, None, f"a person says that it was never sent; {listed}{whose}"))

    def _refuse(self, now: Ns, key: str, text: str) -> None:
        del self._decisions[key]
        self._tell(DecisionRefused(now, key, text))


def claims(books: Books, rows: Iterable[OrderRow]) -> dict[str, list[OrderRow]]:
    """For every order in the air, the rows that it could be and that belong to no order yet."""
    free = [row for row in rows if books.by_number(row.ref.day, row.ref.number) is None]
    waiting = [order for order in books.live.values() if order.state in _IN_THE_AIR]
    return {o.key: [row for row in free if could_be(o, row, books)] for o in waiting}


def could_be(order: Order, row: OrderRow, books: Books) -> bool:
    """Whether the row can be this order, for all that is known."""
    intent = order.intent
    parent = books.orders.get(intent.supersedes) if intent.supersedes else None
    same_qty = row.qty == intent.qty if parent is None else 0 < row.qty <= intent.qty
    original = parent.number if parent is not None else 0
    return (
        same_qty
        and (row.code, row.side, row.price, row.original) == (intent.code, intent.side, intent.price or 0, original)
        and row.ref.number > order.after
        and row.ref.day == day_number(order.sent_at)
        and -SKEW <= row.t - order.sent_at <= WINDOW
    )


def _could_be(mine: list[OrderRow]) -> str:
    numbers = _named([row.ref.number for row in mine], "or")
    return f"it could be {numbers}" if mine else "nothing that KIS lists could be it"


def _named(numbers: list[int], word: str) -> str:
    return f" {word} ".join(f"#{number}" for number in numbers)


def _unresolved(now: Ns, order: Order, mine: list[OrderRow]) -> Unresolved:
    cure = "decide which, or that it was never sent" if mine else "decide that it was never sent, or look at KIS's app"
    text = f"{order.intent.text} is of unknown fate since {clock_text(order.sent_at)}: {_could_be(mine)}; {cure}"
    return Unresolved(now, order.key, tuple(row.ref.number for row in mine), text)
