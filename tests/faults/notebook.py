"""A notebook of the campaign with real processes: ``python -m tests.faults.notebook SEED NUMBER``.

The first one trades by hand and has an agent that builds; each has an agent that raises. It is
killed and run again from the top, as a person does with Run All. Of each side and stock no two of
its orders have the same number of shares, so that the host's own ledger tells which order is which.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from random import Random

import msgspec

import kisnb
from kisnb.errors import BadInput, DeskError, DeskLost, KisnbError, LinkLost, OrderRefused
from kisnb.orders import Order
from kisnb.session.session import Session
from kisnb.terms import Side

from .rude import Builder, Rude, keep_starting

TYPED = ("005930", "000660")
"""Stocks that the notebook trades itself."""
AGENTS = Builder.code
RUDE = {1: "035720", 2: "035420"}
"""The stock of each notebook's agent that raises."""
GROUPS = 24
MOST_SECONDS = 20.0
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
    """What the notebook of a seed orders, group by group.

    The orders of a group are in flight together.
    """
    rng = Random(seed)
    groups, n = [], 0
    for _ in range(GROUPS):
        group = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            n += 1
            side = Side.SELL if rng.random() < 0.3 else Side.BUY
            rests = rng.random() < 0.4
            then = rng.choice(("", "revise", "cancel")) if rests else ""
            group.append(
                Wish(
                    f"wish:{n}",
                    rng.choice(TYPED),
                    side,
                    n if side is Side.SELL else 50 + n,
                    rests,
                    then,
                )
            )
        groups.append(group)
    return groups


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


async def cells(seed: int, number: int) -> None:
    async with await kisnb.connect("sim") as session:
        rude = asyncio.create_task(keep_starting(session, Rude(code=RUDE[number])))
        if number == 1:
            builder = Builder()
            await session.agents.start(builder)
            await by_hand(session, seed)
        await rude
        done_file(number).touch()
        await end_like_the_desk(session)
        if number == 1 and (text := builder.misheard()):
            raise AssertionError(text)


async def by_hand(session: Session, seed: int) -> None:
    rng = Random(seed + 1)
    for group in wishes(seed):
        await asyncio.sleep(rng.uniform(0, 0.25))
        for ended in await asyncio.gather(
            *(trade(session, w) for w in group), return_exceptions=True
        ):
            # What desk or host refuse, or cannot be asked just now, does not end a notebook.
            if isinstance(ended, DeskLost) or (
                isinstance(ended, BaseException)
                and not isinstance(ended, OrderRefused | BadInput | LinkLost)
            ):
                raise ended


def done_file(number: int) -> Path:
    """There when all cells of the notebook have ended."""
    return Path(os.environ["KISNB_STATE"]).parent / f"done-{number}"


def expected_file() -> Path:
    """There when all is decided: what every notebook must know then."""
    return done_file(0).with_name("expected.json")


def known(session: Session) -> dict[str, list[object]]:
    """By key: what a session knows of each order, and by owner and stock of each holding."""
    orders = {
        o.key: [str(o.state), o.number, o.filled, o.cancelled, len(o.fills)]
        for o in session.books.orders.values()
    }
    books = [session.books.account, *session.books.agents.values()]
    held = {
        f"{b.name} holds {code}": [p.qty, p.cost_with_fees]
        for b in books
        for code, p in b.positions.items()
    }
    return orders | held


async def end_like_the_desk(session: Session) -> None:
    """Stay attached until all is decided, and know then what the desk knows."""
    while not expected_file().exists():
        _check(session)
        await asyncio.sleep(0.05)
    expected = json.loads(expected_file().read_text())
    deadline = time.monotonic() + MOST_SECONDS
    while (apart := differences(known(session), expected)) and time.monotonic() < deadline:
        _check(session)
        await asyncio.sleep(0.2)
    if apart:
        raise AssertionError(f"this notebook knows otherwise than the desk: {apart}")


def _check(session: Session) -> None:
    """Raises DeskLost when no next desk comes: then the notebook is opened again."""
    if session.status.link == "desk lost":
        raise DeskLost(session.status.doubt)


def differences(here: dict[str, list[object]], desks: dict[str, list[object]]) -> list[object]:
    """An order that no desk took is known to its session alone, and denied."""
    return [
        (key, here.get(key), desks.get(key))
        for key in here.keys() | desks.keys()
        if here.get(key) != desks.get(key) and not (key not in desks and here[key][0] == "denied")
    ]


def main(seed: int, number: int) -> int:
    try:
        asyncio.run(cells(seed, number))
    except DeskError as e:
        print(e, file=sys.stderr)
        return LOST
    except KisnbError as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
