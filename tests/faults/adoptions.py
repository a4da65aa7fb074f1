"""Whose order the desk took for its own: the truth is known here. Row O02.

An order that came into being for somebody else is never adopted, whether that has a visible
consequence or not. One that differs in nothing is excused while the true order is not in the list
that the desk has read. A person may be wrong about rows that the list does not tell apart, and the
desk then gives the row that is left to the other order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.events import Resolved
from kisnb.orders import Order, OrderRef
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.terms import Side, Venue

if TYPE_CHECKING:
    from .campaign import Run
    from .invariants import Watch


class Adoptions:
    """Judges every decision about an order of unknown fate; ``watch`` takes what is violated."""

    def __init__(self, run: Run, watch: Watch) -> None:
        self._run = run
        self._watch = watch
        self._highest: dict[str, int] = {}
        """By key: the highest number that the desk knew when it sent the order."""
        self.confused: set[int] = set()
        """Numbers of orders that nothing tells apart but a person's word, which was wrong."""
        self.misnamed: set[str] = set()
        """Orders for which a person named another one's row. Their own may come later."""
        self.overtaken: set[str] = set()
        """Orders that came into being at KIS after the one row that they could be, somebody else's,
        had been taken for them: the twins differ in nothing."""

    def sent(self, key: str) -> None:
        known = (o.number for o in self._watch.shadow.books.orders.values() if o.number is not None)
        self._highest[key] = max(known, default=0)

    def resolved(self, row: Resolved) -> None:
        mine = {number for number, placed in self._watch.placed.items() if placed == row.key}
        taken = {row.ref.number} if row.ref is not None else set()
        if taken and taken <= mine:
            return
        order, by_person = (
            self._watch.shadow.books.orders[row.key],
            row.evidence.startswith("a person"),
        )
        if row.ref is not None:
            different = self._different(order, row.ref, by_person=by_person)
            self._watch.demand(
                not different,
                f"{row.key} was taken for somebody else's {row.ref}: {', '.join(different)}",
            )
        if by_person:
            self.confused |= taken | mine
            self.misnamed.add(row.key)
        elif taken and not mine & self._watch.listed:
            self.overtaken.add(row.key)
        # Where a person's wrong word has given its own row to another order, the rest is left.
        elif taken and not (mine and mine <= self.confused):
            self._watch.demand(
                False, f"{row.key} was taken for somebody else's {row.ref}, and its own is listed"
            )

    def _different(self, order: Order, ref: OrderRef, *, by_person: bool) -> list[str]:
        """In what the adopted order differs from the one that was sent, as KIS's list shows it."""
        there, intent, route = (
            self._run.host.core.account.orders.get(ref.number),
            order.intent,
            order.route,
        )
        if there is None:
            # Taken by KIS and refused by the exchange: the host lists it and does not book it.
            return []
        assert route is not None
        parent = self._watch.shadow.books.orders.get(intent.supersedes or "")
        # Where the list names the venue at which SOR traded, a person may take one for the other.
        blurred = by_person and route.venue is Venue.SOR
        facts = {
            "stock": there.item.code == intent.code,
            "side": there.side is intent.side,
            "price": there.price == (intent.price or 0),
            "shares": there.qty == intent.qty
            or (parent is not None and 0 < there.qty < intent.qty),
            "venue": self._run.host.listed_venue(there) is route.venue or blurred,
            "kind": there.kind is route.kind or parent is not None,
            "original": there.original == (parent.number if parent is not None else 0),
            # A person may know better than the sequence of the numbers.
            "number": by_person
            or parent is not None
            or ref.number > self._highest.get(order.key, 0),
        }
        return [f"another {name}, {_shown(there)}" for name, same in facts.items() if not same]


def _shown(there: AccountOrder) -> str:
    side = "buy" if there.side is Side.BUY else "sell"
    return f"{side} {there.qty} {there.item.code} at {there.price} as {there.kind} to {there.venue}"
