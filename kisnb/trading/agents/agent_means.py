"""The cash that one agent can spend, and the value of its account at the newest prices. Won."""

from __future__ import annotations

from collections.abc import Callable

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.orders import Order
from kisnb.terms import Side, Venue
from kisnb.trading.agents.sizing import Means, Wanted, change
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks


class AgentMeans:
    """Values the account for one agent, and computes the shares of its orders."""

    def __init__(
        self,
        agent_id: str,
        books: OrderBooks,
        rules: Rules,
        now: Callable[[], Ns],
        cash: Callable[[], int | None],
        price: Callable[[str], int],
        last: Callable[[str], int | None],
    ) -> None:
        """Keep the sources. ``now`` returns the moment of the event that the agent handles.

        ``cash`` returns the account's cash, None while it is not known. ``price`` returns the
        newest price of a stock that the agent has seen, and raises BadInput when it has seen none.
        Then ``last`` may have a price.
        """
        self._id = agent_id
        self._books = books
        self._rules = rules
        self._now = now
        self._cash = cash
        self._price = price
        self._last = last

    def break_even(self, code: str) -> int | None:
        """Return the lowest price at which selling all that the agent holds loses nothing, won.

        None when the agent holds no share of it.
        """
        position = self._books.of(self._id).position(code)
        return self._rules.break_even(self._now(), code, position) if position.lots else None

    def equity(self) -> int | None:
        """Return the value of the account's cash and holdings at the newest prices, won.

        None: a part of it is not known.
        """
        cash = self._cash()
        if cash is None:
            return None
        try:
            return cash + self._holdings()
        except BadInput:
            return None

    def shares(self, wanted: Wanted) -> int:
        """Return the shares to buy now for ``wanted``. Negative: shares to sell. 0: nothing to do.

        Raises BadInput for a stock that is not listed, and if a figure is not known.
        """
        item = self._rules.instrument(wanted.code)
        if item is None:
            raise BadInput(
                f"{wanted.code} is not a listed issue", "look it up with %kis search NAME"
            )
        return change(wanted, self.of(wanted), self._rules.costs, item.kind)

    def of(self, wanted: Wanted) -> Means:
        """Return the figures from which the shares of ``wanted`` are computed now.

        Raises BadInput if one of them is not known.
        """
        code, price = wanted.code, self._price(wanted.code)
        cash = self._cash()
        if cash is None:
            raise BadInput("the cash of the account is not known yet", "order in shares: self.buy")
        today = self._rules.stock_day(self._now(), code)
        # Without limit prices (정리매매) a market buy has no highest cost, so the gate denies it.
        highest = today.limits[1] if today is not None and today.limits is not None else price
        mine = [
            o for o in self._books.live.values() if o.code == code and o.intent.agent == self._id
        ]
        coming = sum(o.leaves if o.side is Side.BUY else -o.leaves for o in mine)
        held = self._books.of(self._id).position(code).qty + coming
        equity = cash if wanted.weight is None else cash + self._holdings()
        return Means(price, highest, cash - self._reserved(), equity, held)

    def _holdings(self) -> int:
        held = ((code, p.qty) for code, p in self._books.account.positions.items() if p.qty)
        return sum(qty * self._value_price(code) for code, qty in held)

    def _value_price(self, code: str) -> int:
        """Return the price at which a holding of the account is valued, won. Raises BadInput.

        The account may hold stocks that this agent does not follow. For these the newest price that
        the session has counts, or else the price that KIS stated today, or else the day's base
        price.
        """
        try:
            return self._price(code)
        except BadInput:
            last, today = self._last(code), self._rules.stock_day(self._now(), code)
            if last is None and today is not None:
                last = today.price or today.base or None
            if last is None:
                raise
            return last

    def _reserved(self) -> int:
        """Return the cash that open buys may need, won, their fees included."""
        reserved = 0
        for order in self._books.live.values():
            if order.side is Side.BUY:
                reserved += self._worth(order)
        return reserved

    def _worth(self, order: Order) -> int:
        """Return the largest amount that an open buy may cost with its fee, won.

        A buy without a price counts at the upper limit price, or else at the newest price.
        """
        price, item = order.intent.price, self._rules.instrument(order.code)
        if price is None:
            today = self._rules.stock_day(self._now(), order.code)
            price = (
                today.limits[1]
                if today is not None and today.limits is not None
                else self._value_price(order.code)
            )
        value = order.leaves * price
        fee = 0 if item is None else self._rules.costs.fee(value, Venue.KRX, item.kind)
        return value + fee
