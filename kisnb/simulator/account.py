"""The customer's true account: cash, reservations, holdings, settlement and the orders of the day.

Money in won, quantities in shares. A trade settles two trading days later: today's deposit never moves, the amount of
D+2 does, and what that amount leaves after reservations can be ordered with (sale proceeds can be used at once).
"""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

from kisnb.clock import Ns
from kisnb.market.costs import BANKIS, CostModel
from kisnb.market.instruments import Instrument
from kisnb.simulator.personas import Reason
from kisnb.terms import OrderKind, Side, Venue

STARTING_CASH = 100_000_000

State: TypeAlias = Literal["entered", "accepted", "partially filled", "filled", "cancelled", "expired", "confirmed"]


class Rejected(Exception):
    """The order is refused; nothing has changed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class AccountOrder:
    """One order of the day, or one request to cancel, which KIS lists under a number of its own."""

    __slots__ = (
        "cancelled",
        "expired",
        "filled",
        "item",
        "kind",
        "number",
        "original",
        "price",
        "qty",
        "reserve_price",
        "side",
        "state",
        "t",
        "value",
    )

    def __init__(
        self,
        t: Ns,
        number: int,
        item: Instrument,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int,
        *,
        original: int = 0,
        reserve_price: int = 0,
    ) -> None:
        self.t = t
        self.number = number
        self.original = original
        """Number of the order that this request cancels; 0 for an order."""
        self.item = item
        self.side = side
        self.kind = kind
        self.qty = qty
        self.price = price
        """0 for a market order."""
        self.reserve_price = reserve_price
        """What a share of a buy may cost at most."""
        self.filled = 0
        self.value = 0
        """Sum of price × shares of the fills."""
        self.cancelled = 0
        self.expired = 0
        self.state: State = "entered"

    @property
    def leaves(self) -> int:
        return self.qty - self.filled - self.cancelled - self.expired

    @property
    def average(self) -> int:
        """Average fill price, rounded; 0 without fills."""
        return round(self.value / self.filled) if self.filled else 0


class Position:
    """What is held of one stock; ``cost`` is its purchase amount without fees, at the moving average."""

    __slots__ = ("bought", "cost", "item", "qty", "sold")

    def __init__(self, item: Instrument) -> None:
        self.item = item
        self.qty = 0
        self.cost = 0
        self.bought = 0
        """Shares bought today."""
        self.sold = 0
        """Shares sold today."""


class Account:
    """One day of one customer. Every change goes through here, and adds up to the won."""

    def __init__(self, day: date, cash: int = STARTING_CASH, costs: CostModel = BANKIS) -> None:
        self.day = day
        self.deposit = cash
        self.positions: dict[str, Position] = {}
        self.orders: dict[int, AccountOrder] = {}
        """By number, oldest first."""
        self.buy_value = self.sell_value = self.fees = self.taxes = 0
        self._costs = costs
        self._live: dict[int, AccountOrder] = {}

    @property
    def settled_d2(self) -> int:
        """The deposit after the settlement of today's trades (D+2)."""
        return self.deposit - self.buy_value + self.sell_value - self.fees - self.taxes

    @property
    def reserved(self) -> int:
        """Cash that open buys hold, fees included."""
        return sum(self._needed(order.item, order.leaves, order.reserve_price) for order in self._live.values())

    @property
    def orderable(self) -> int:
        """Cash that a new buy may use."""
        return self.settled_d2 - self.reserved

    def sellable(self, code: str) -> int:
        """Shares that are held and that no open sell has claimed."""
        held = self.positions.get(code)
        claimed = sum(o.leaves for o in self._live.values() if o.side is Side.SELL and o.item.code == code)
        return (held.qty if held else 0) - claimed

    def buyable(self, item: Instrument, price: int) -> int:
        """Shares that the orderable cash buys at ``price`` with the fee."""
        qty = max(self.orderable, 0) // price
        while qty and self._needed(item, qty, price) > self.orderable:
            qty -= 1
        return qty

    def enter(self, order: AccountOrder) -> None:
        """Take an order in and reserve what it needs. Raises Rejected."""
        if order.qty < 1:
            raise Rejected("quantity")
        if order.side is Side.BUY and self._needed(order.item, order.qty, order.reserve_price) > self.orderable:
            raise Rejected("cash")
        if order.side is Side.SELL and order.qty > self.sellable(order.item.code):
            raise Rejected("holdings")
        self.orders[order.number] = self._live[order.number] = order

    def withdraw(self, number: int) -> None:
        """Forget an order that the exchange did not take."""
        del self.orders[number], self._live[number]

    def accept(self, number: int) -> AccountOrder:
        order = self._live[number]
        order.state = "accepted"
        return order

    def fill(self, number: int, qty: int, price: int) -> AccountOrder:
        """Book an execution: shares, cash, and what it adds to the fee and tax of its order."""
        order = self._live[number]
        value = qty * price
        before, after = order.value, order.value + value
        kind, board = order.item.kind, order.item.board
        position = self.positions.setdefault(order.item.code, Position(order.item))
        self.fees += self._costs.fee(after, Venue.KRX, kind) - self._costs.fee(before, Venue.KRX, kind)
        if order.side is Side.BUY:
            self.buy_value += value
            position.qty += qty
            position.cost += value
            position.bought += qty
        else:
            self.sell_value += value
            tax = self._costs.tax(after, self.day, kind, board) - self._costs.tax(before, self.day, kind, board)
            self.taxes += tax
            position.cost -= position.cost * qty // position.qty
            position.qty -= qty
            position.sold += qty
        order.filled += qty
        order.value += value
        order.state = "partially filled"
        return self._ended(order, "filled")

    def cancel(self, number: int, qty: int) -> AccountOrder:
        """Book that ``qty`` shares were taken out of the market."""
        order = self._live[number]
        order.cancelled += qty
        return self._ended(order, "cancelled")

    def expire(self, number: int, qty: int) -> AccountOrder:
        """Book that the rest ended with the session."""
        order = self._live[number]
        order.expired += qty
        return self._ended(order, "expired")

    def cancellable(self, number: int) -> AccountOrder:
        """The live order of this number. Raises Rejected when there is none, or nothing of it is left."""
        order = self.orders.get(number)
        if order is None or order.original:
            raise Rejected("no order")
        if number not in self._live:
            raise Rejected("no leaves")
        return order

    def note_cancel(self, t: Ns, number: int, order: AccountOrder, qty: int) -> AccountOrder:
        """List a confirmed request to cancel ``qty`` shares of ``order`` under its own number."""
        request = AccountOrder(t, number, order.item, order.side, order.kind, qty, 0, original=order.number)
        request.cancelled, request.state = qty, "confirmed"
        self.orders[number] = request
        return request

    def _ended(self, order: AccountOrder, state: State) -> AccountOrder:
        if not order.leaves:
            order.state = state
            del self._live[order.number]
        return order

    def _needed(self, item: Instrument, qty: int, price: int) -> int:
        """Cash for ``qty`` shares at ``price`` and the fee; nothing for a sell, whose reserve price is 0."""
        return qty * price + self._costs.fee(qty * price, Venue.KRX, item.kind)
