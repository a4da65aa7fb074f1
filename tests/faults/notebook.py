"""The notebook of the campaign with real processes: ``python -m tests.faults.notebook SEED``.

It is killed and run again from the top, as a person does with Run All. Of each side and stock no two of its orders
have the same number of shares, so that the host's own ledger tells which order is which.
"""

from __future__ import annotations

import asyncio
import sys
from random import Random

import msgspec

import kisnb
from kisnb.errors import BadInput, DeskError, DeskLost, KisnbError, LinkLost, OrderRefused
from kisnb.orders import Order
from kisnb.session.session import Session
from kisnb.terms import Side

TYPED = ("005930", "000660")
"""Stocks that the notebook trades itself."""
AGENTS = "247540"
GROUPS = 24
MOST_SHARES = 12
LOST = 3
"""Exit status of a notebook whose desk is gone for good: it is opened again."""


class Wish(msgspec.Struct, frozen=True):
    """An order of the notebook; one that rests may be revised or cancelled at once."""

    key: str
    code: str
    side: Side
    qty: int
    rests: bool
    then: str = ""


def wishes(seed: int) -> list[list[Wish]]:
    """What the notebook of a seed orders, group by group; the orders of a group are in the air together."""
    rng = Random(seed)
    groups, n = [], 0
    for _ in range(GROUPS):
        group = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            n += 1
            side = Side.SELL if rng.random() < 0.3 else Side.BUY
            rests = rng.random() < 0.4
            then = rng.choice(("", "revise", "cancel")) if rests else ""
            group.append(Wish(f"wish:{n}", rng.choice(TYPED), side, n if side is Side.SELL else 50 + n, rests, then))
        groups.append(group)
    return groups


class Builder(kisnb.Agent):
    """Buys every two seconds, each time one share more than the most so far.

    The number of its orders would not do: one that a dead desk never took is known to the session alone.
    """

    code = AGENTS

    async def on_start(self) -> None:
        while (most := max((o.quantity for o in self.book.orders.values()), default=0)) < MOST_SHARES:
            self.buy(most + 1)
            await self.sleep(2)


async def trade(session: Session, wish: Wish) -> None:
    quote = await session.quote(wish.code)
    far, step = (quote.lower, quote.tick) if wish.side is Side.BUY else (quote.upper, -quote.tick)
    make = session.buy if wish.side is Side.BUY else session.sell
    order: Order = await make(wish.code, wish.qty, far if wish.rests else None, key=wish.key)
    if wish.then == "cancel":
        await session.cancel(order)
    elif wish.then == "revise":
        # A tick size holds for a range of prices: ten of the current one are on every grid.
        await session.revise(order, far + 10 * step, wish.qty, key=f"{wish.key}:revised")


async def cells(seed: int) -> None:
    rng = Random(seed + 1)
    async with await kisnb.connect("sim") as session:
        await session.agents.start(Builder())
        for group in wishes(seed):
            await asyncio.sleep(rng.uniform(0, 0.25))
            for ended in await asyncio.gather(*(trade(session, w) for w in group), return_exceptions=True):
                # What desk or host refuse, or cannot be asked just now, is no end of a notebook.
                if isinstance(ended, DeskLost) or (
                    isinstance(ended, BaseException) and not isinstance(ended, OrderRefused | BadInput | LinkLost)
                ):
                    raise ended


def main(seed: int) -> int:
    try:
        asyncio.run(cells(seed))
    except DeskError as e:
        print(e, file=sys.stderr)
        return LOST
    except KisnbError as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
