"""``session.estimates``: the need and the cost of an order before it is sent. Won and shares.

The desk decides about an order, and decides again right before the order goes out. Estimates use
the same rules, on the state that this session knows.
"""

from __future__ import annotations

from typing import NamedTuple

from kisnb.clock import kst_day
from kisnb.market import ticks
from kisnb.market.instruments import Instrument
from kisnb.orders import Intent, OrderState
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.typed_order import TypedOrder
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.gate.risk import Gate, No, Rules
from kisnb.trading.order_books import reservations
from kisnb.trading.ports.limits import Limits


class Costs(NamedTuple):
    """The value, fee and tax of an order at its price. Won."""

    value: int
    fee: int
    tax: int


class Estimates:
    """Computes figures for orders before they are sent. It never asks the desk."""

    def __init__(self, state: SessionState, rules: Rules, limits: Limits) -> None:
        self._state = state
        self._rules = rules
        self._gate = Gate(rules, limits)

    def instrument(self, code: str) -> Instrument | None:
        """Return a stock with its base price of today; None for a code that is not listed."""
        return self._rules.days.today(self._state.now, code)

    def venues(self, code: str) -> tuple[Venue, ...]:
        """Return the venues at which this desk may order a stock."""
        item = self.instrument(code)
        on_nxt = item is not None and item.nxt is True
        can = self._rules.capabilities.venues
        return tuple(venue for venue in can if venue is Venue.KRX or on_nxt)

    def kinds(self, code: str, venue: Venue | None = None) -> tuple[OrderKind, ...]:
        """Return the kinds of orders that ``venue`` takes for a stock now.

        Without ``venue``: the kinds that at least one venue takes.
        """
        return self._rules.kinds_now(self._state.now, code, venue)

    def step(self, code: str, price: int, n: int) -> int:
        """Return the price ``n`` ticks above a price, or below it when ``n`` is negative.

        If ``price`` is not on the tick grid, the first step goes to the nearest tick in that
        direction. The result stays within today's price limits where they are known.
        """
        item, day = self.instrument(code), kst_day(self._state.now)
        if item is None:
            return price
        side = Side.BUY if n > 0 else Side.SELL
        on_grid = ticks.snap(price, side, item.kind, day, item.board)
        # ``snap`` moves a price that is not on the grid against the direction of the step.
        moved = ticks.step(on_grid, n, item.kind, day, item.board)
        stated = self._rules.stock_day(self._state.now, code)
        if stated is not None and stated.limits is not None:
            low, high = stated.limits
            return max(low, min(high, moved))
        return max(moved, ticks.tick_size(0, item.kind, day, item.board))

    def free_cash(self, code: str) -> int | None:
        """Return the cash less what open buys have reserved, fees included. None when not known."""
        cash = self._state.desk.cash
        if cash is None:
            return None
        intent = Intent("estimate", "", code, Side.BUY, 1, OrderKind.MARKET)
        reserved = 0
        for order, qty in reservations.buys(self._state.books, intent):
            value = self._value(order.code, qty, order.intent.price)
            if value is None:
                return None
            reserved += value + self._fee(order.code, value, Venue.KRX)
        return cash - reserved

    def buyable(self, code: str, price: int | None, venue: Venue | None = None) -> int | None:
        """Return how many shares the free cash can buy, fee included. None when not known.

        Without a price, each share counts at the upper limit price, as the desk and KIS count it.
        """
        cash, item = self.free_cash(code), self.instrument(code)
        one = self._value(code, 1, price)
        if cash is None or item is None or not one:
            return None
        return self._rules.costs.most_shares(max(cash, 0), one, venue or Venue.KRX, item.kind)

    def shares_for(self, code: str, won: int, price: int, side: Side) -> int:
        """Return how many shares an amount of won pays for at a price.

        For a buy, its fee is included.
        """
        item = self.instrument(code)
        if side is Side.SELL or item is None:
            return won // price
        return self._rules.costs.most_shares(won, price, Venue.KRX, item.kind)

    def sellable(self, code: str) -> int:
        """Return the shares of a stock in the account less those that open sells have reserved."""
        intent = Intent("estimate", "", code, Side.SELL, 1, OrderKind.MARKET)
        return max(reservations.sellable(self._state.books, intent), 0)

    def costs(self, order: TypedOrder, price: int) -> Costs:
        """Return the value, fee and tax of an order if it is filled at ``price``."""
        value = order.qty * price
        fee, tax = self._rules.fee_and_tax(
            self._state.now, order.code, order.side, 0, value, order.venue or Venue.KRX
        )
        return Costs(value, fee, tax)

    def why_not(self, order: TypedOrder) -> No | None:
        """Return the reason why the desk would deny an order now. None when it would accept it."""
        return self._gate.check(self._state.now, order.intent("estimate"), self._state.desk)

    def alike(self, order: TypedOrder) -> int:
        """Return how many orders of today have the same stock, side, quantity and price.

        Denied and rejected orders do not count.
        """
        return sum(
            1
            for known in self._state.books.account.orders.values()
            if (known.code, known.side, known.intent.qty, known.intent.price)
            == (order.code, order.side, order.qty, order.price)
            and known.state not in (OrderState.DENIED, OrderState.REJECTED)
        )

    def _value(self, code: str, qty: int, price: int | None) -> int | None:
        return self._gate.value_or_none(self._state.now, code, qty, price)

    def _fee(self, code: str, value: int, venue: Venue) -> int:
        item = self.instrument(code)
        return 0 if item is None else self._rules.costs.fee(value, venue, item.kind)
