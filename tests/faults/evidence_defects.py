"""Desks with a defect in what they take for evidence of an order, and in what they book from KIS's
list."""

from __future__ import annotations

from collections import Counter

import msgspec

from kisnb.events import ExternalFound
from kisnb.trading.orders import reconciliation, resolver
from kisnb.trading.orders.account_reconciliation import AccountReconciliation
from kisnb.trading.orders.listed_orders import compare
from kisnb.trading.orders.order_reconciliation import OrderReconciliation
from kisnb.trading.orders.reconciliation import Reconciliation
from kisnb.trading.orders.resolver import Resolver

from .campaign import Make
from .planting import with_function, with_part

true_likeness = resolver.likeness


def any_venue(order, row, books):
    return true_likeness(order, at(row, order.sent_venue), books)


def at(row, venue):
    return msgspec.structs.replace(row, ref=msgspec.structs.replace(row.ref, venue=venue))


def any_kind(order, row, books):
    return true_likeness(order, msgspec.structs.replace(row, kind=order.sent_kind), books)


def any_number(order, row, books):
    after, order.after = order.after, 0
    try:
        return true_likeness(order, row, books)
    finally:
        order.after = after


def sure(order, row, books):
    """What may be the order is it."""
    return "like" if true_likeness(order, row, books) != "other" else "other"


class TakesShared(Resolver):
    """Takes the one row that it could be, although another order could be it too."""

    def resolve(self, turn, asked, day, books, rows, *, whole=True):
        rows = tuple(rows)
        for key, mine in resolver.candidates(books, compare(books, rows)).items():
            order = books.orders[key]
            if (
                len(mine) == 1
                and order.state == "unknown"
                and resolver.likeness(order, mine[0], books) == "like"
            ):
                self._adopt(turn, order, mine[0])
        super().resolve(turn, asked, day, books, rows, whole=whole)


class TakesTheNewest(Resolver):
    """Takes the newest of several rows that it could be."""

    def resolve(self, turn, asked, day, books, rows, *, whole=True):
        rows = tuple(rows)
        found = resolver.candidates(books, compare(books, rows))
        claimants = Counter(mine[0].ref.number for mine in found.values() if mine)
        for key, mine in found.items():
            order = books.orders[key]
            if mine and order.state == "unknown" and claimants[mine[0].ref.number] == 1:
                self._adopt(turn, order, mine[0])
        super().resolve(turn, asked, day, books, rows, whole=whole)


class FindsTooMuch(Reconciliation):
    """What an order of unknown fate could be is booked as somebody else's."""

    def _find_external(self, turn, page):
        for row in reversed(page.rows):
            known = self._books.by_number(row.ref.day, row.ref.number)
            if known is None and (not row.original or row.filled or row.leaves):
                parent = self._books.by_number(row.ref.day, row.original)
                turn.record(ExternalFound(row.t, reconciliation._external(row, parent), row.ref))


class MovesNothing(Reconciliation):
    """What a revise on its way has moved counts as cancelled."""

    def _being_revised(self, asked, page):
        return set()


class TrustsTheAverage(OrderReconciliation):
    """Missing fills are booked at KIS's average price, which is rounded."""

    def _repair_fills(self, turn, order, row):
        super()._repair_fills(
            turn, order, msgspec.structs.replace(row, value=row.filled * row.average)
        )


class NeverOpensAgain(OrderReconciliation):
    """An order that has ended stays so, whatever KIS's list shows later."""

    def _open_again(self, turn, asked, order, row):
        return None


class ErasesWhatIsLacking(AccountReconciliation):
    """Shares that KIS does not state for a minute are gone."""

    def _lacking(self, account):
        return set()


EVIDENCE_DEFECTS: dict[str, Make] = {
    "takes an order at another venue for its own": with_function(resolver, "likeness", any_venue),
    "takes an order of another kind for its own": with_function(resolver, "likeness", any_kind),
    "takes an order with a number from before for its own": with_function(
        resolver, "likeness", any_number
    ),
    "takes what the list does not tell for certain": with_function(resolver, "likeness", sure),
    "takes a row that two orders could be": with_part("reconciliation.resolver", TakesShared),
    "takes the newest of several rows": with_part("reconciliation.resolver", TakesTheNewest),
    "books what an order could be as somebody else's": with_part("reconciliation", FindsTooMuch),
    "books what a revise moves as cancelled": with_part("reconciliation", MovesNothing),
    "never opens an order again": with_part("reconciliation._orders", NeverOpensAgain),
    "erases the shares that a statement lacks": with_part(
        "reconciliation._account", ErasesWhatIsLacking
    ),
    "books missing fills at the average price": with_part(
        "reconciliation._orders", TrustsTheAverage
    ),
}
