"""Adoption: an agent takes over shares that no agent holds, with quantity and cost (row A18).

Some shares belong to no agent: shares that were held before the journal began, and shares that a
person bought in a notebook or on the phone. An adoption moves them to the agent's order book lot by
lot, with their cost. So the agent's profit is measured from that cost. The account's order book
stays as it is. So the agents' shares plus the shares of no agent are always the account's shares.
"""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.events import HoldingAdopted
from kisnb.terms import Side
from kisnb.trading.gate.risk import No
from kisnb.trading.order_books.order_book import NOBODY, OrderBooks
from kisnb.trading.ports.queries import AdoptHolding


def adopt(now: Ns, books: OrderBooks, wish: AdoptHolding) -> HoldingAdopted | No:
    """Return the fact of an adoption, or the reason why the shares cannot be adopted.

    If the adoption was carried out before, return its fact again.
    """
    # This comes before any other check: a cell that is run again must get its own adoption back,
    # although the shares are no longer free.
    if (known := books.adoptions.get(wish.key)) is not None:
        if (known.agent, known.code) == (wish.agent, wish.code) and wish.qty in (None, known.qty):
            return known
        return No(
            f"this call already let {known.agent} adopt {known.qty:,} {known.code}",
            "adopt under another key",
        )
    if not wish.agent or wish.agent in NOBODY:
        return No(
            f"{wish.agent or 'nobody'!r} is not an agent", "name an agent: %kis agents lists them"
        )
    free = adoptable(books, wish.code)
    qty = free if wish.qty is None else wish.qty
    if wish.qty is not None and wish.qty < 1:
        return No(f"quantity {wish.qty} is not valid", "give at least 1 share")
    if not 0 < qty <= free:
        has = f"{free:,} shares" if free else "no share"
        rest = "the rest is another agent's, on sale, or not held"
        why = f"{has} of {wish.code} can be adopted: {rest}"
        return No(why, f"adopt {free:,} or less" if free else "look at %kis positions")
    # First in, first out, as a sale takes lots.
    lots = tuple(_oldest(books, wish.code, qty))
    return HoldingAdopted(now, wish.key, wish.agent, wish.code, lots, wish.naming)


def adoptable(books: OrderBooks, code: str) -> int:
    """Return how many shares of ``code`` an agent may take over.

    These shares belong to no agent, their cost is known, and no order by hand or from outside is
    selling them.
    """
    agents = (
        max(b.position(code).qty, 0) for name, b in books.agents.items() if name not in NOBODY
    )
    # The account's order book decides, because a sell on the phone takes shares out of the account,
    # whoever had bought them.
    held = books.account.position(code).qty - sum(agents)
    orders = (o for o in books.live.values() if o.code == code and o.side is Side.SELL)
    on_sale = sum(o.leaves for o in orders if o.intent.agent in NOBODY)
    # Shares whose cost is not known cannot be moved at their cost.
    lots = sum(_with_cost(books, name, code) for name in NOBODY)
    # Shares that an open sell of no agent is selling must not go to an agent. Otherwise two orders
    # would sell the same shares.
    return max(min(held, lots) - on_sale, 0)


def _with_cost(books: OrderBooks, owner: str, code: str) -> int:
    position = books.of(owner).position(code)
    return max(min(position.qty, position.in_lots), 0)


def _oldest(books: OrderBooks, code: str, qty: int) -> list[tuple[str, int, int, int]]:
    lots = []
    # Any fixed sequence would do. The reversed one begins with the shares from before the journal,
    # which are the oldest.
    for owner in sorted(NOBODY, reverse=True):
        part = min(qty, _with_cost(books, owner, code))
        lots += [(owner, *lot) for lot in books.of(owner).position(code).oldest(part)]
        qty -= part
    return lots
