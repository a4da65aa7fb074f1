"""Desks whose gate has a defect: what it weighs, and what it forgets to weigh."""

from __future__ import annotations

from kisnb.orders import OrderState
from kisnb.trading.gate.risk import Gate
from kisnb.trading.order_books import reservations

from .campaign import Make
from .planting import with_function, with_part


def forgets_what_stays_behind(books, intent, side):
    """As ``reservations._open``, but the order that a revise changes counts for nothing at all."""
    for order in books.live.values():
        if (
            order.side is side
            and order.state is not OrderState.NEW
            and order.key not in (intent.key, intent.supersedes)
        ):
            yield order, order.leaves


def forgets_what_is_being_sent(books, intent, side):
    for order in books.live.values():
        waits = order.state in (OrderState.NEW, OrderState.SENDING)
        if order.side is side and not waits and order.key != intent.key:
            yield (
                order,
                max(order.leaves - (intent.qty if order.key == intent.supersedes else 0), 0),
            )


class ForgetsTheFee(Gate):
    """The fee of open buys counts, that of the buy itself does not."""

    def _cash(self, now, intent, state):
        if state.cash is None or self._value(
            now, intent.code, intent.qty, intent.price
        ) <= state.cash - self._reserved(now, intent, state):
            return None
        return super()._cash(now, intent, state)


class ReservesAtTheBase(Gate):
    """A market buy is weighed at the base price."""

    def value_or_none(self, now, code, qty, price):
        item = self.rules.instrument(code)
        return super().value_or_none(
            now, code, qty, item.base if price is None and item is not None else price
        )


class RevisesForFree(Gate):
    """A revise is thought to take the cash over that its order had reserved."""

    def _cash(self, now, intent, state):
        return None if intent.supersedes else super()._cash(now, intent, state)


class BudgetIgnoresOrders(Gate):
    """Of the armed budget only what has traded is gone."""

    def _armed(self, now, intent, state):
        reserved, self._reserved = self._reserved, lambda *_: 0  # type: ignore[method-assign]
        try:
            return super()._armed(now, intent, state)
        finally:
            self._reserved = reserved  # type: ignore[method-assign]


class RevisesOutOfBudget(Gate):
    """The budget is asked for new orders alone."""

    def _armed(self, now, intent, state):
        return None if intent.supersedes else super()._armed(now, intent, state)


def sells_for_all(books, intent):
    """As ``reservations.sellable``, but an agent may sell what others hold."""
    selling = sum(
        qty for order, qty in reservations._open(books, intent, "sell") if order.code == intent.code
    )
    return books.account.position(intent.code).qty - selling


GATE_DEFECTS: dict[str, Make] = {
    "forgets what a partial revise leaves behind": with_function(
        reservations, "_open", forgets_what_stays_behind
    ),
    "reserves nothing for what is being sent": with_function(
        reservations, "_open", forgets_what_is_being_sent
    ),
    "leaves the fee out of what a buy needs": with_part("gate", ForgetsTheFee),
    "reserves a market buy at the base price": with_part("gate", ReservesAtTheBase),
    "revises without asking for the cash": with_part("gate", RevisesForFree),
    "spends the armed budget on order twice": with_part("gate", BudgetIgnoresOrders),
    "revises without asking for the budget": with_part("gate", RevisesOutOfBudget),
    "lets an agent sell what others hold": with_function(reservations, "sellable", sells_for_all),
}
