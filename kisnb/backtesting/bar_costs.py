"""Fee and tax of the fills over bars. The rates of a day are looked up once."""

from __future__ import annotations

from kisnb.backtesting.bar_rules import BarRules
from kisnb.clock import DAY, Ns, day_number, kst, kst_day
from kisnb.market.costs import added
from kisnb.market.instruments import Instrument
from kisnb.orders import Intent
from kisnb.terms import BUY, KRX, Board, Kind


class BarCosts:
    """Computes the fee and the tax that a fill adds to its order (rule 12 of ``BAR_FILLS.md``)."""

    def __init__(self, rules: BarRules) -> None:
        self._costs = rules.costs
        self._items = {item.code: item for item in rules.universe}
        self._day_ends: Ns = 0
        self._day_number = 0
        self._taxes: dict[tuple[Kind, Board], int] = {}
        """Tax rates of the current day, parts per billion, by kind and board of an issue."""

    def of_fill(self, t: Ns, intent: Intent, before: int, value: int) -> tuple[int, int]:
        """Return the fee and the tax that a fill of ``value`` won adds to its order, won.

        ``before`` is the value of the order's earlier fills, won.
        """
        item, costs = self._items[intent.code], self._costs
        if not before:
            # The whole order fills at once, as nearly every order does.
            fee = costs.fee(value, KRX, item.kind)
            if intent.side is BUY:
                return fee, 0
            return fee, value * self._tax_rate(t, item) // 1_000_000_000
        fee = added(lambda won: costs.fee(won, KRX, item.kind), before, value)
        if intent.side is BUY:
            return fee, 0
        day = kst_day(t)
        return fee, added(lambda won: costs.tax(won, day, item.kind, item.board), before, value)

    def kind(self, code: str) -> Kind:
        """Return the kind of an issue."""
        return self._items[code].kind

    def day_number(self, now: Ns) -> int:
        """Return the day of a moment as a number such as 20240131."""
        if now >= self._day_ends:
            day = kst_day(now)
            self._day_ends = kst(day, 0) + DAY
            self._day_number = day_number(now)
            self._taxes.clear()
        return self._day_number

    def _tax_rate(self, t: Ns, item: Instrument) -> int:
        """Return the day's tax on sales of issues like this one, in parts per billion."""
        self.day_number(t)
        sort = item.kind, item.board
        rate = self._taxes.get(sort)
        if rate is None:
            rate = self._costs.tax_rate(kst_day(t), item.kind, item.board)
            self._taxes[sort] = rate
        return rate


__all__ = ["BarCosts"]
