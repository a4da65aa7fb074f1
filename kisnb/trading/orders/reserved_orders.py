"""Reserved orders (예약주문): follows them in KIS's list, and adopts their orders on their day.

    sent ─► RESERVED ─► KIS makes it an order ─► its row of the day's list is adopted ─► SENT
               │        (order-resv-ccnl has the order number; no notice says so)
               ├─► cancelled, here or by phone
               └─► refused by KIS in the morning

A reserved order whose reply was lost is UNKNOWN. The list of reserved orders decides: a row is
adopted when it is like the order, no other row is, and it could be no other order. Otherwise a
person decides. The order is never sent again.
"""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns, clock_text, date_of, day_number, kst_day
from kisnb.events import (
    Cancelled,
    DecisionRefused,
    Expired,
    OrderReserved,
    Rejected,
    Resolved,
    Sent,
    Unresolved,
)
from kisnb.orders import Order, OrderPage, OrderRef, OrderRow, OrderState, ReservedRow
from kisnb.terms import OrderKind, Side
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.orders.readings import UNANSWERED, Readings
from kisnb.trading.orders.resolver import SKEW, WINDOW
from kisnb.trading.ports.commands import ResolveOrder
from kisnb.trading.ports.effects import AskReserved, ReservedRead
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

REFUSED = "KIS made no order of the reserved one"


class ReservedOrders:
    """Adjusts our reserved orders to KIS's list.

    After a restart of the desk it reads from KIS again the facts that the journal does not have.
    """

    def __init__(self, state: State, readings: Readings) -> None:
        self._state = state
        self._readings = readings
        self._asked: Ns | None = None
        """Start of the reading that is under way. None: no reading is under way."""
        self._numbers: dict[str, tuple[int, int]] = {}
        """By the order's key: the day and order number that KIS lists for a reserved order."""
        self._decisions: dict[str, ResolveOrder] = {}
        self._reported: set[str] = set()

    @property
    def _books(self) -> OrderBooks:
        return self._state.books

    @property
    def _waiting(self) -> list[Order]:
        """Our reserved orders that are not in a day's list yet, unknown orders included."""
        states = (OrderState.RESERVED, OrderState.UNKNOWN)
        return [o for o in self._books.live.values() if o.intent.day and o.state in states]

    def ask(self, turn: Turn) -> None:
        """Begin to read KIS's reserved orders, if we have some and no reading is under way."""
        waiting = self._waiting
        if not waiting or (self._asked is not None and turn.now - self._asked < UNANSWERED):
            return
        self._asked = turn.now
        # KIS's workbook does not say whether the days are those of the receipt or of the order. So
        # the range covers both.
        first = min(kst_day(order.sent_at) for order in waiting)
        last = date_of(max(order.intent.day for order in waiting))
        turn.emit(AskReserved(first, last, turn.now))

    def decide(self, turn: Turn, command: ResolveOrder) -> bool:
        """Store a person's decision about a reserved order. Return False for any other order."""
        order = self._books.orders.get(command.key)
        if order is None or not order.intent.day or order.state is not OrderState.UNKNOWN:
            return False
        self._decisions[command.key] = command
        self.ask(turn)
        return True

    def on_read(self, turn: Turn, read: ReservedRead) -> None:
        """Adjust our reserved orders to a reading of KIS's list, and apply decisions."""
        if self._asked == read.query.asked:
            self._asked = None
        if read.rows is None:
            for key in list(self._decisions):
                self._refuse(turn, key, "KIS did not list its reserved orders; decide again")
            return
        known = set(self._numbers)
        for order in self._waiting:
            if order.state is OrderState.UNKNOWN:
                self._resolve(turn, read.query.asked, order, read.rows)
            else:
                self._follow(turn, order, read.rows)
        # This is done only for a new number. If the day's list shows it a little later, the regular
        # reading finds it.
        if self._numbers.keys() - known:
            self._readings.schedule(turn, turn.now, "reserved order", account=True)

    def adopt(self, turn: Turn, page: OrderPage) -> None:
        """Record the order number of each reserved order that is now in KIS's list of the day."""
        rows = {(row.ref.day, row.ref.number): row for row in page.rows}
        for key, name in list(self._numbers.items()):
            row = rows.get(name)
            if row is not None:
                del self._numbers[key]
                if self._books.orders[key].state is OrderState.RESERVED:
                    turn.record(Sent(turn.now, key, row.ref))

    def could_be(self, page: OrderPage) -> set[OrderRef]:
        """Return the refs of rows that may be a reserved order of ours.

        Such a row is booked as an external order only when KIS's list of reserved orders shows that
        it is none of ours.
        """
        return {row.ref for row in page.rows if any(_is_row_of(o, row) for o in self._waiting)}

    def _follow(self, turn: Turn, order: Order, rows: Sequence[ReservedRow]) -> None:
        now, key = turn.now, order.key
        name = (order.intent.day, order.reserved_as)
        row = next((row for row in rows if (row.day, row.number) == name), None)
        if row is None:
            return
        if row.order:
            self._numbers[key] = (row.day, row.order)
        elif row.cancelled:
            turn.record(Cancelled(now, key, order.leaves))
        elif row.refused:
            turn.record(Rejected(now, key, "", f"{REFUSED}: {row.refused}"))
        elif order.intent.day < day_number(now):
            turn.record(Expired(now, key, order.leaves))

    def _resolve(self, turn: Turn, asked: Ns, order: Order, rows: Sequence[ReservedRow]) -> None:
        """Resolve an order with unknown outcome by the list that was read after ``asked``."""
        key, mine = order.key, [row for row in self._free(rows) if _is_like(order, row)]
        rivals = [o for o in self._books.live.values() if o is not order and o.intent.day]
        decision = self._decisions.get(key)
        alone = len(mine) == 1 and not any(
            not o.reserved_as and _is_like(o, mine[0]) for o in rivals if o.sent_at
        )
        chosen = next((r for r in mine if decision and r.number == decision.adopt), None)
        if (row := mine[0] if alone else chosen) is not None:
            turn.record(OrderReserved(turn.now, key, row.number))
            if self._decisions.pop(key, None) is not None and row is not chosen:
                text = f"KIS lists one reserved order like it: R{row.number}"
                turn.publish(DecisionRefused(turn.now, key, text))
        elif decision is not None:
            self._apply(turn, asked, order, decision, mine)
        elif asked >= order.sent_at + WINDOW and key not in self._reported:
            self._reported.add(key)
            since = clock_text(order.sent_at)
            text = f"the outcome of {order.intent.text} is unknown since {since}: {_could_be(mine)}"
            cure = "decide with %kis resolve NUMBER|never"
            numbers = tuple(row.number for row in mine)
            turn.publish(Unresolved(turn.now, key, numbers, f"{text}; {cure}"))

    def _apply(
        self, turn: Turn, asked: Ns, order: Order, decision: ResolveOrder, mine: list[ReservedRow]
    ) -> None:
        """Apply a person's decision when no row contradicts it.

        ``mine`` are the rows that could be the order. They were read after ``asked``.
        """
        if decision.adopt is not None or mine:
            self._refuse(turn, order.key, f"{_could_be(mine)}; give one of these numbers")
        elif asked < order.sent_at + WINDOW:
            until = clock_text(order.sent_at + WINDOW)
            self._refuse(turn, order.key, f"it can still come to light until {until}")
        else:
            del self._decisions[order.key]
            text = f"a person says that it was never sent; KIS listed none at {clock_text(asked)}"
            turn.record(Resolved(turn.now, order.key, None, text))

    def _refuse(self, turn: Turn, key: str, text: str) -> None:
        del self._decisions[key]
        turn.publish(DecisionRefused(turn.now, key, text))

    def _free(self, rows: Sequence[ReservedRow]) -> list[ReservedRow]:
        """Return the rows that belong to none of our orders yet."""
        orders = self._books.orders.values()
        taken = {(o.intent.day, o.reserved_as) for o in orders if o.reserved_as}
        return [row for row in rows if (row.day, row.number) not in taken]


def _is_like(order: Order, row: ReservedRow) -> bool:
    """Return whether a row of the list has all values of the sent order, and nearly its time."""
    named = (row.day, row.code, row.side, row.kind, row.qty, row.price)
    return named == _sent(order) and -SKEW <= row.t - order.sent_at <= WINDOW


def _is_row_of(order: Order, row: OrderRow) -> bool:
    """Return whether KIS may have made this row of the day's list from our reserved order."""
    return (row.ref.day, row.code, row.side, row.kind, row.qty, row.price) == _sent(order)


def _sent(order: Order) -> tuple[int, str, Side, OrderKind, int, int]:
    """Return the values that were sent: day, code, side, kind, quantity, price (0 for none)."""
    intent = order.intent
    return intent.day, intent.code, intent.side, intent.kind, intent.qty, intent.price or 0


def _could_be(mine: list[ReservedRow]) -> str:
    if not mine:
        return "no reserved order that KIS lists could be it"
    return f"it could be {' or '.join(f'R{row.number}' for row in mine)}"
