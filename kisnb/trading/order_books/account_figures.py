"""The account's figures at a moment: equity, cash, and the result of the day. Won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kisnb.trading.order_books.breaker import TradingDay
from kisnb.trading.order_books.order_book import OrderBooks


class AccountFigures(NamedTuple):
    """The account's figures and the result of the day, won.

    None: the figure is not known. ``missing`` says why.
    """

    cash: int | None
    """Cash (D+2). None before KIS has stated it."""
    equity: int | None
    """Cash plus the value of all holdings. None when the cash or a price is not known."""
    result: int | None
    """The result of the day after fees and tax: realised plus unrealised.

    None when the value of a stock is not known, at the opening or now.
    """
    costs: int
    """Fees and taxes of the day's fills, won."""
    missing: frozenset[str] = frozenset()
    """Stocks without a price, or without a value at the opening."""

    @property
    def before_cost(self) -> int | None:
        """The result of the day before fees and tax, won. None when it is not known."""
        return None if self.result is None else self.result + self.costs

    @property
    def percent(self) -> float | None:
        """The result in percent of the equity at the opening. None when it is not known."""
        if self.result is None or self.equity is None or self.equity <= self.result:
            return None
        return self.result * 100 / (self.equity - self.result)


def account_figures(
    cash: int | None, day: TradingDay, books: OrderBooks,
    bases: Mapping[str, int], prices: Mapping[str, int],
) -> AccountFigures:  # fmt: skip
    """Return the account's figures at ``prices``, in won by code.

    ``bases`` are the base prices of the day. ``day`` must have begun. If a holding has no price,
    the sums are None, because the holding must not count as 0.
    """
    held = [p for p in books.account.positions.values() if p.qty]
    unpriced = {p.code for p in held if p.code not in prices}
    standing = day.standing(books, bases, prices)
    missing = standing.uncounted | unpriced
    worth = None if unpriced else sum(p.qty * prices[p.code] for p in held)
    return AccountFigures(
        cash,
        None if cash is None or worth is None else cash + worth,
        None if missing else standing.result,
        day.costs,
        missing,
    )
