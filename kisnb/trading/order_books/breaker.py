"""The circuit breaker's figures: the loss of the day, and the won that were at stake.

    result = value of the holdings now − their value at the opening + cash flows of the day's fills
             (after fee and tax); this is what was realised today, and how the unrealised changed
    stake  = value of the holdings at the opening + what was bought today

Idle cash is not at stake, so that it does not hide a loss. At the opening, shares count at the base
price (previous close), also shares that no order explains. If the base price or the current price
of a stock is not known, the whole stock is left out: its holdings, its fills and its buys. An
example, with fee and tax in won:

| event                                | holdings   | flow so far | result   | stake      | lost   |
|--------------------------------------|------------|-------------|----------|------------|--------|
| opening: 700 shares, base 10,000     | 7,000,000  | 0           | 0        | 7,000,000  | 0.00 % |
| buy 300 at 10,000, fee 100           | 10,000,000 | -3,000,100  | -100     | 10,000,000 | 0.00 % |
| sell 900 at 9,800, cost 260 + 17,640 | 980,000    | +5,802,000  | -218,000 | 10,000,000 | 2.18 % |
| the 100 that are left fall to 8,980  | 898,000    | +5,802,000  | -300,000 | 10,000,000 | 3.00 % |
| and to 8,970                         | 897,000    | +5,802,000  | -301,000 | 10,000,000 | 3.01 % |

With a limit of 3 % the breaker does not trip in the fourth line, and trips in the fifth. A person
who lifts the halt lets the day lose as much again: the breaker trips next at twice the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import DAY, Ns, kst, kst_day
from kisnb.events import AccountOpened

if TYPE_CHECKING:
    from kisnb.trading.order_books.order_book import OrderBooks


class DayResult(NamedTuple):
    """The result of the day after cost, and the amount that was at stake; won."""

    result: int
    stake: int
    uncounted: frozenset[str] = frozenset()
    """Stocks that were left out, because their value at the opening or now is not known."""

    def breaks(self, limit: int) -> bool:
        """Return whether the loss is above ``limit``, in hundredths of a percent of the stake."""
        # Both sides are whole numbers, so that no rounding decides at the limit itself.
        return self.stake > 0 and -self.result * 10_000 > limit * self.stake


class TradingDay:
    """The holdings at the opening and the fills of one Korean day, computed from the journal."""

    def __init__(self) -> None:
        self.day: date | None = None
        self.opening: dict[str, int] = {}
        """Shares held before the first fill of the day."""
        self.flows: dict[str, int] = {}
        """Cash flow of the day's fills after fee and tax, won, by stock. Buys count as negative."""
        self.bought: dict[str, int] = {}
        """Value of the day's buys before fees, won, by stock."""
        self.costs = 0
        """Fees and taxes of the day's fills, won."""
        self.trips = 0
        self._ends: Ns = 0
        """Start of the next Korean day."""

    def roll(self, t: Ns, books: OrderBooks) -> None:
        """Begin the day of ``t``, if it has not begun yet.

        ``books`` are the order books before the day's first fact.
        """
        if t >= self._ends:
            # The opening is computed from the journal and not from KIS, so that a desk that
            # restarts during the day finds the same opening. It differs from the opening of the day
            # before in the stocks of that day's fills. A back-test over a whole market has
            # thousands of other positions. ``adopt`` counts shares that came without a fill.
            positions = books.account.positions
            for code in positions if self.day is None else self.flows:
                if qty := positions[code].qty:
                    self.opening[code] = qty
                else:
                    self.opening.pop(code, None)
            self.day = kst_day(t)
            self._ends = kst(self.day, 0) + DAY
            self.flows, self.bought, self.costs, self.trips = {}, {}, 0, 0

    def add_fill(self, code: str, flow: int, bought: int, cost: int) -> None:
        """Count a fill: its cash flow, the value that it bought before fees, and its fee and tax.

        All in won.
        """
        self.costs += cost
        self.flows[code] = self.flows.get(code, 0) + flow
        self.bought[code] = self.bought.get(code, 0) + bought

    def adopt(self, row: AccountOpened) -> None:
        """Count shares that no order explains as if they had been held all day."""
        for code, qty, _ in row.holdings:
            # It is not known when these shares came. If they were left out of the opening, they
            # would look like a gain of their whole value.
            self.opening[code] = self.opening.get(code, 0) + qty

    def standing(
        self, books: OrderBooks, bases: Mapping[str, int], prices: Mapping[str, int]
    ) -> DayResult:
        """Return the day's result and stake at ``prices``.

        ``prices`` and the base prices ``bases`` are in won, by code. A stock without a price counts
        at its base price.
        """
        result = stake = 0
        uncounted = set()
        for code in self._codes(books):
            qty, opening = books.account.position(code).qty, self.opening.get(code, 0)
            if code not in bases and (opening or (qty and code not in prices)):
                uncounted.add(code)
                continue
            now = qty * prices.get(code, bases.get(code, 0)) if qty else 0
            before = opening * bases[code] if opening else 0
            result += now - before + self.flows.get(code, 0)
            stake += before + self.bought.get(code, 0)
        return DayResult(result, stake, frozenset(uncounted))

    def _codes(self, books: OrderBooks) -> set[str]:
        """Return the stocks that are held, were held at the opening, or were traded today."""
        held = {code for code, p in books.account.positions.items() if p.qty}
        return held | self.opening.keys() | self.flows.keys()
