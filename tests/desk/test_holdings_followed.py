"""The desk itself follows the trades of all that the account holds (rows A06, K06): no notebook
need watch it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from kisnb.events import AccountOpened, LinkUp
from kisnb.orders import Account, Holding, Want
from kisnb.terms import Side, Venue
from kisnb.trading.ports.commands import Submit, WatchCodes
from tests.desk.served import Served, seen, served
from tests.trading.desk import CAN, CODE, NOON, intent, notice, price_of

NOTICES = Want("notices", priority=0)
HELD = Want("ticks", CODE, Venue.KRX, 1)


def test_a06_what_the_account_holds_is_followed_while_it_holds_it_and_nobody_is_attached(
    tmp_path: Path,
):
    async def begin(desk: Served) -> None:
        desk.host.submit(Submit(intent("a")))
        await seen(lambda: desk.host.core.state.books.orders["a"].number is not None)
        assert HELD not in desk.wire.wanted
        desk.host.receive([notice("filled", 1)])
        assert desk.wire.wanted == [NOTICES, HELD]
        desk.host.submit(Submit(intent("b", side=Side.SELL)))
        await seen(lambda: desk.host.core.state.books.orders["b"].number is not None)
        desk.host.receive([notice("filled", 2, side=Side.SELL)])
        assert desk.wire.wanted == [NOTICES]

    run(begin, tmp_path)


def test_a06_holdings_that_no_order_explains_and_after_a_restart(tmp_path: Path):
    """What KIS states of the account counts: bought before, on the phone, or paid in as shares."""
    account = Account(
        10**9,
        10**9,
        10**9,
        10**9,
        (Holding(CODE, "", 5, 5, 5 * price_of(), price_of()),),
        complete=True,
    )

    async def begin(desk: Served) -> None:
        async def stated() -> Account:
            return account

        desk.wire.account = stated  # type: ignore[method-assign]
        desk.host.receive([LinkUp(NOON)])
        await seen(lambda: HELD in desk.wire.wanted)

    async def again(desk: Served) -> None:
        assert desk.server.subscriptions.wants() == [NOTICES, HELD]

    run(begin, tmp_path)
    run(again, tmp_path)


def test_k06_held_stocks_come_before_watched_ones_and_first_venues_before_second_ones(
    tmp_path: Path,
):
    watched = (Want("ticks", CODE), Want("depth", CODE, None))

    async def begin(desk: Served) -> None:
        rules = desk.host.core.rules
        rules.capabilities = msgspec.structs.replace(CAN, venues=(Venue.KRX, Venue.NXT))
        session = await desk.session()
        session._parts.link.submit([WatchCodes(watched)])
        codes = [CODE, "000660"]
        assert all(rules.universe.get(code).nxt for code in codes)
        for code in codes:
            desk.host.core.state.books.account.ensure_position(code).open(3, 300)
        desk.server.publish(AccountOpened(NOON, 0, ()))
        await seen(lambda: len(desk.wire.wanted) == 7)
        first, second = (
            [Want("ticks", code, venue, 1) for code in codes] for venue in (Venue.KRX, Venue.NXT)
        )
        assert desk.wire.wanted == [NOTICES, *first, *second, *watched]
        await session.close()
        await seen(lambda: desk.wire.wanted == [NOTICES, *first, *second])

    run(begin, tmp_path)


def run(begin: Callable[[Served], Awaitable[None]], folder: Path) -> None:
    async def whole() -> None:
        async with served(folder) as desk:
            await begin(desk)

    asyncio.run(asyncio.wait_for(whole(), 60))
