"""A person's actions on orders that the desk has: cancel, resolve, and wait for the outcome."""

from __future__ import annotations

from kisnb.errors import BadInput
from kisnb.events import Cancelled, CancelRefused
from kisnb.orders import Order, Orders, OrderState
from kisnb.session.feed.link import Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.named_orders import names_all, orders_named, orders_to_cancel
from kisnb.session.typed_orders.placing import Placing
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import UNDECIDED
from kisnb.trading.order_books.order_words import named_order
from kisnb.trading.orders.revise import may_be_revised
from kisnb.trading.ports.commands import CancelOrder, ResolveOrder
from kisnb.values import whole


class OpenOrders:
    """Cancels, resolves and awaits the orders of a session's desk that have not ended."""

    def __init__(
        self, link: Link, state: SessionState, pace: Pace, placing: Placing, rules: Rules
    ) -> None:
        self._link = link
        self._state = state
        self._pace = pace
        self._placing = placing
        self._rules = rules

    async def cancel(self, what: Order | int | str) -> Orders:
        """Cancel the orders that ``what`` names.

        Return them when each order has ended, or its cancel was refused. Raises BadInput when there
        is no such order, and DeskLost.
        """
        # While the desk is away the order books may lack what the next desk knows, and ``what``
        # could name the wrong orders.
        await self._link.wait_for_return()
        if names_all(what):
            # Wait for calls that were handed to the desk: it has not published their orders yet,
            # and ``what`` may name one of them.
            await self._pace.until(lambda: not self._placing.on_the_way)
        orders = orders_to_cancel(self._state, what)
        # Only facts from here on count, because an earlier cancel may have been refused, or may
        # have cancelled a part.
        before = {o.key: len(o.facts) for o in orders}

        def is_over(order: Order) -> bool:
            return order.is_ended or _is_cancel_refused(order, before[order.key])

        def is_done(order: Order) -> bool:
            return is_over(order) or _is_partly_cancelled(order, before[order.key])

        # The desk sends one cancel of an order at a time. If another cancel is under way, ours is
        # dropped. That other cancel may be for a part only, so ours is submitted once more.
        while open_ones := [o for o in orders if not is_over(o)]:
            # The lambdas are awaited within this round of the loop, so they see this round's
            # values.
            await self._pace.until(lambda: not any(o.is_open and o.cancel_asked for o in open_ones))
            before |= {o.key: len(o.facts) for o in open_ones}
            await self._pace.carry_out(
                lambda: [CancelOrder(o.key) for o in open_ones if o.is_open],
                lambda: all(is_done(o) for o in open_ones),
            )
        return orders

    async def resolve(self, adopt: int | None, what: Order | str | None) -> Order:
        """Decide the outcome of an order with unknown outcome.

        ``adopt`` is its order number at KIS; None says that it was never sent. ``what`` may be None
        when there is just one such order. Raises BadInput, also while KIS's list contradicts the
        decision.
        """
        await self._link.wait_for_return()
        number = None if adopt is None else whole(adopt, "the order number")
        order, refused = self._unknown(what), self._state.decisions_refused
        # An earlier refusal is removed, because it would end this wait at once.
        refused.pop(order.key, None)
        await self._pace.carry_out(
            lambda: [ResolveOrder(order.key, number)],
            lambda: order.state is not OrderState.UNKNOWN or order.key in refused,
        )
        if order.state is OrderState.UNKNOWN:
            raise BadInput(f"{order.intent.text} stays unknown: {refused[order.key]}")
        return order

    async def settle(self) -> None:
        """Wait until the outcome of every order that was handed to the desk is known."""
        await self._pace.until(
            lambda: (
                not self._placing.on_the_way
                and not any(o.state in UNDECIDED for o in self._state.books.live.values())
            )
        )

    def may_be_revised(self, order: Order) -> bool:
        """Return whether all leaves of an order could move to another price now."""
        item = self._rules.instrument(order.code)
        # A revise sends a new order in place of the old one, so a halt forbids it.
        if item is None or self._state.halt_state != "active":
            return False
        return may_be_revised(self._state.now, self._state.books, order, item)

    def _unknown(self, what: Order | str | None) -> Order:
        """Return the order with unknown outcome that ``what`` names. Raises BadInput."""
        books = self._state.books
        unknown = [o for o in books.live.values() if o.state is OrderState.UNKNOWN]
        if what is not None:
            # A name means its newest order, which comes last.
            order = orders_named(books, what)[-1]
            if order.state is not OrderState.UNKNOWN:
                raise BadInput(f"the outcome of {named_order(order)} is known: it is {order.state}")
            return order
        if len(unknown) != 1:
            named = ", ".join(f"{o.key} ({o.intent.text})" for o in unknown)
            raise BadInput(
                f"there are {len(unknown)} orders with unknown outcome",
                f"name one: {named}" if named else "",
            )
        return unknown[0]


def _is_cancel_refused(order: Order, since: int) -> bool:
    return any(isinstance(fact, CancelRefused) for fact in order.facts[since:])


def _is_partly_cancelled(order: Order, since: int) -> bool:
    """Return whether a part of the order was cancelled while its leaves are still in the market.

    Facts before index ``since`` do not count.
    """
    cancelled = any(isinstance(fact, Cancelled) for fact in order.facts[since:])
    return cancelled and order.is_open and not order.cancel_asked
