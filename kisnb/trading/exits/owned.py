"""The shares of one stock that one owner holds, which an exit protects."""

from __future__ import annotations

from typing import NamedTuple

from kisnb.clock import Ns
from kisnb.orders import Order
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.ledger import Position
from kisnb.trading.order_books.order_book import NOBODY, OrderBooks


class Owned(NamedTuple):
    """The shares of an owner, and their cost."""

    qty: int
    """Shares."""
    in_lots: int
    """Shares whose cost is known."""
    cost: int
    """Cost of those shares without fees, won."""
    cost_with_fees: int
    """Cost of those shares with the fees of their buys, won."""

    @property
    def average(self) -> int | None:
        """Average purchase price without fees, rounded to a won. None: not known."""
        return round(self.cost / self.in_lots) if self.in_lots else None

    def break_even(self, rules: Rules, now: Ns, code: str) -> int:
        """Return the lowest price at which a sale loses nothing after fee and tax, won.

        0 when the cost is not known.
        """
        if not self.in_lots:
            return 0
        return rules.even_price(now, code, self.cost_with_fees, self.in_lots)


def owned(books: OrderBooks, agent: str, code: str) -> Owned:
    """Return an owner's shares of a stock.

    ``agent`` is an agent's id. A name in NOBODY means the shares that no agent holds.
    """
    if agent not in NOBODY:
        positions = [books.agents[agent].position(code)] if agent in books.agents else []
        return _sum(positions, sum(p.qty for p in positions))
    nobodys = [books.agents[name].position(code) for name in NOBODY if name in books.agents]
    of_agents = sum(b.position(code).qty for n, b in books.agents.items() if n not in NOBODY)
    # This is computed from the account's order book, because no agent's order book has shares that
    # came without an order.
    return _sum(nobodys, books.account.position(code).qty - of_agents)


def live_orders(books: OrderBooks, agent: str, code: str) -> list[Order]:
    """Return the orders of an owner in a stock that have not ended, oldest first."""
    owners = NOBODY if agent in NOBODY else {agent}
    return [o for o in books.live.values() if o.code == code and o.intent.agent in owners]


def _sum(positions: list[Position], qty: int) -> Owned:
    return Owned(
        qty,
        sum(p.in_lots for p in positions),
        sum(p.cost for p in positions),
        sum(p.cost_with_fees for p in positions),
    )
