"""The customer's true account: cash, reservations, holdings, settlement and the orders of the day.

Money in won, quantities in shares. A trade settles two trading days later (D+2). So today's
deposit never moves; the amount of D+2 does. New orders may use that amount less the reservations,
because KIS lets a customer use sale proceeds at once.
"""

from __future__ import annotations

from datetime import date

from kisnb.clock import Ns
from kisnb.market.costs import BANKIS, CostModel, added
from kisnb.market.instruments import Instrument
from kisnb.simulator.host.account.orders import AccountOrder, AccountPosition, State
from kisnb.simulator.host.personas import Reason
from kisnb.terms import Side, Venue

STARTING_CASH = 100_000_000
"""Won that the account holds when the day begins."""


class AccountRejected(Exception):
    """The broker refuses an order for a reason. Nothing has changed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class SimulatedAccount:
    """The account of one customer on one trading day.

    Every change of cash, positions and orders is made by one of its methods.
    """

    def __init__(self, day: date, cash: int = STARTING_CASH, costs: CostModel = BANKIS) -> None:
        self.day = day
        self.deposit = cash
        """Cash before the settlement of today's trades."""
        self.positions: dict[str, AccountPosition] = {}
        """The positions by code. A stock that was sold out today stays with quantity 0."""
        self.orders: dict[int, AccountOrder] = {}
        """The orders by number, oldest first. Requests to cancel are among them."""
        self.buy_value = self.sell_value = self.fees = self.taxes = 0
        self._costs = costs
        self._live: dict[int, AccountOrder] = {}
        """Orders that have leaves, by number."""

    @property
    def settled_d2(self) -> int:
        """The cash after the settlement of today's trades (D+2)."""
        return self.deposit - self.buy_value + self.sell_value - self.fees - self.taxes

    @property
    def reserved(self) -> int:
        """Cash that open buys have reserved, fees included."""
        return sum(
            self._needed(order.item, order.leaves, order.reserve_price)
            for order in self._live.values()
        )

    @property
    def orderable(self) -> int:
        """Cash that a new buy may use."""
        # Sale proceeds can be used for buys at once (재사용), so the amount of D+2 counts, not the
        # deposit.
        return self.settled_d2 - self.reserved

    def sellable(self, code: str) -> int:
        """Return the held shares less those that open sells have reserved."""
        held = self.positions.get(code)
        # Shares of an open sell cannot be sold again (ord_psbl_qty of inquire-balance).
        on_sale = sum(
            o.leaves for o in self._live.values() if o.side is Side.SELL and o.item.code == code
        )
        return (held.qty if held else 0) - on_sale

    def buyable(self, item: Instrument, price: int) -> int:
        """Return how many shares the orderable cash buys at ``price`` won, fee included."""
        # The fee steps down to whole won, so no formula gives the quantity exactly.
        qty = max(self.orderable, 0) // price
        while qty and self._needed(item, qty, price) > self.orderable:
            qty -= 1
        return qty

    def enter(self, order: AccountOrder) -> None:
        """Add an order and reserve what it needs. Raises AccountRejected."""
        if order.qty < 1:
            raise AccountRejected("quantity")
        if (
            order.side is Side.BUY
            and self._needed(order.item, order.qty, order.reserve_price) > self.orderable
        ):
            raise AccountRejected("cash")
        if order.side is Side.SELL and order.qty > self.sellable(order.item.code):
            raise AccountRejected("holdings")
        self.orders[order.number] = self._live[order.number] = order

    def accept(self, number: int, venue: Venue) -> AccountOrder:
        """Note that the exchange has the order, at ``venue``. Return the order."""
        order = self._live[number]
        order.state, order.at = "accepted", venue
        return order

    def reject(self, number: int) -> AccountOrder:
        """Note that the exchange refuses an order that the broker had accepted.

        Its reservation is released. Return the order.
        """
        order = self._live[number]
        order.rejected = order.leaves
        return self._end_if_done(order, "rejected")

    def fill(self, number: int, qty: int, price: int, venue: Venue = Venue.KRX) -> AccountOrder:
        """Book a fill at ``venue``: shares, cash, and its own fee and tax. Return the order."""
        order = self._live[number]
        value = qty * price
        # KIS's fee page has a commission for each venue. It is rounded once for all that an order
        # trades there, so a fill pays what it adds to the order's fee.
        before = order.traded.get(venue, 0)
        order.traded[venue] = before + value
        kind, board = order.item.kind, order.item.board
        position = self.positions.setdefault(order.item.code, AccountPosition(order.item))
        fee = added(lambda won: self._costs.fee(won, venue, kind), before, value)
        self.fees += fee
        position.fees += fee
        if order.side is Side.BUY:
            self.buy_value += value
            position.qty += qty
            position.cost += value
            position.bought += qty
            position.bought_value += value
        else:
            self.sell_value += value
            tax = added(lambda won: self._costs.tax(won, self.day, kind, board), before, value)
            self.taxes += tax
            position.taxes += tax
            # The purchase amount moves at the average price, as in inquire-balance (pchs_avg_pric).
            cost = position.cost * qty // position.qty
            position.realised += value - cost
            position.sold_value += value
            position.cost -= cost
            position.qty -= qty
            position.sold += qty
        order.filled += qty
        order.value += value
        order.state = "partially filled"
        return self._end_if_done(order, "filled")

    def cancel(self, number: int, qty: int) -> AccountOrder:
        """Book that ``qty`` shares were cancelled, and return the order."""
        order = self._live[number]
        order.cancelled += qty
        return self._end_if_done(order, "cancelled")

    def expire(self, number: int, qty: int) -> AccountOrder:
        """Book that ``qty`` shares ended with the market session, and return the order."""
        order = self._live[number]
        order.expired += qty
        return self._end_if_done(order, "expired")

    def cancellable(self, number: int) -> AccountOrder:
        """Return the live order of this number.

        Raises AccountRejected when there is none, or when it has no leaves.
        """
        order = self.orders.get(number)
        # A request to cancel has a number, but it cannot itself be cancelled.
        if order is None or order.state == "confirmed":
            raise AccountRejected("no order")
        if number not in self._live:
            raise AccountRejected("no leaves")
        return order

    def check_revision(self, order: AccountOrder, qty: int, price: int) -> None:
        """Raise AccountRejected when the cash does not suffice to move shares to ``price`` won."""
        if order.side is Side.SELL:
            return
        # The new reservation replaces that of the moved shares, so the check counts it as free.
        freed = self._needed(order.item, order.leaves, order.reserve_price)
        kept = self._needed(order.item, order.leaves - qty, order.reserve_price)
        if kept + self._needed(order.item, qty, price) > self.orderable + freed:
            raise AccountRejected("cash")

    def revise(self, t: Ns, number: int, original: int, qty: int, price: int) -> AccountOrder:
        """Move ``qty`` shares of ``original`` to a new order ``number`` at ``price`` won.

        Returns the new order.
        """
        order = self._live[original]
        reserve = 0 if order.side is Side.SELL else price
        # KIS gives every revise a new order number. The shares move to a new order.
        heir = AccountOrder(
            t,
            number,
            order.item,
            order.side,
            order.kind,
            qty,
            price,
            original=original,
            reserve_price=reserve,
            venue=order.venue,
        )
        heir.at, heir.state = order.at, "accepted"
        order.revised += qty
        self.orders[number] = self._live[number] = heir
        self._end_if_done(order, "revised")
        return heir

    def note_cancel(self, t: Ns, number: int, order: AccountOrder, qty: int) -> AccountOrder:
        """Add and return a confirmed request to cancel ``qty`` shares of ``order``."""
        # KIS gives a request to cancel an order number of its own, and lists it with the day's
        # orders.
        request = AccountOrder(
            t,
            number,
            order.item,
            order.side,
            order.kind,
            qty,
            0,
            original=order.number,
            venue=order.venue,
        )
        request.cancelled, request.state, request.at = qty, "confirmed", order.at
        self.orders[number] = request
        return request

    def _end_if_done(self, order: AccountOrder, state: State) -> AccountOrder:
        # An order ends when it has no leaves any more, for whatever reason.
        if not order.leaves:
            order.state = state
            del self._live[order.number]
        return order

    def _needed(self, item: Instrument, qty: int, price: int) -> int:
        """Return the cash for ``qty`` shares at ``price`` with the fee.

        It is 0 for a sell, whose reserve price is 0.
        """
        return qty * price + self._costs.fee(qty * price, Venue.KRX, item.kind)
