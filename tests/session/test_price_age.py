"""No buy on an old price, through desk and simulator: frames that do not come, a slow host, a
frozen desk. Row A05."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

import kisnb
from kisnb.desk.address import find_desk
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import control, posts, recording, traded

CODE = "005930"
BASKET = ("005930", "000660", "035420")


class Sleeper(kisnb.Agent):
    """Decides by its clock, on the last price that it heard."""

    code = CODE

    async def on_start(self) -> None:
        await self.sleep(300)
        self.buy(1)


def requests() -> list[str]:
    """The paths that the desk asked, oldest first."""
    return [line["path"] for line in recording() if line["kind"] == "request"]


@pytest.mark.parametrize("readable", [True, False])
def test_a05_an_agent_whose_frames_are_dropped_buys_on_a_book_that_was_just_read_or_not_at_all(
    readable: bool,
):
    async def work(session: Session) -> None:
        await session.watch(CODE)
        await session.agents.start(Sleeper())
        await session.sleep(5)
        control("fault", on="frame", what="drop", times=10**6)
        if not readable:
            control("fault", on="read", what="error", tr_id="FHKST01010200", times=100)
        await session.sleep(302)
        (order,) = session.book.orders.values()
        if readable:
            assert order.state is OrderState.FILLED
        else:
            assert order.state is OrderState.DENIED
            assert "the newest price is too old, and KIS gave no newer one" in order.text

    traded(work)
    asked = requests()
    books = [n for n, path in enumerate(asked) if "asking-price" in path]
    sends = [n for n, path in enumerate(asked) if "order-cash" in path]
    assert len(sends) == readable
    assert not readable or books[-1] < sends[0]


def test_a05_a_basket_of_thirty_limit_buys_leaves_whole_at_one_call_a_second(
    monkeypatch: pytest.MonkeyPatch,
):
    """The rate of paper: the last one waits for half a minute behind the others."""
    monkeypatch.setenv("KISNB_CALLS_PER_SECOND", "1")

    async def work(session: Session) -> Any:
        quotes = {code: await session.quote(code) for code in BASKET}
        lines = [
            ("buy", code, 1, quotes[code].price - n * quotes[code].tick)
            for n in range(10)
            for code in BASKET
        ]
        began = session.now
        book = await session.batch(lines)
        states = [order.state for order in book.orders.values()]
        assert OrderState.DENIED not in states, [o.text for o in book.orders.values()]
        assert len(states) == 30
        return (session.now - began) / 1e9

    assert traded(work) < 100
    assert len(posts()) == 30


def test_a05_market_buys_that_a_frozen_desk_kept_for_long_do_not_leave_when_it_thaws(
    monkeypatch: pytest.MonkeyPatch,
):
    """As under a lid that was closed: the wait outlasts any price that they were decided on."""
    monkeypatch.setenv("KISNB_SIM_SPEED", "1")
    monkeypatch.setenv("KISNB_CALLS_PER_SECOND", "1")
    monkeypatch.setenv("KISNB_MAX_QUOTE_AGE", "1")

    async def work(session: Session) -> None:
        await session.watch(*BASKET)
        buying = asyncio.create_task(session.batch([("buy", code, 1) for code in BASKET]))
        await seen(lambda: any(o.state is not OrderState.NEW for o in session.book.orders.values()))
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGSTOP)
        try:
            # Only what was sent by now may leave; the rest waits for the desk's own limiter.
            await asyncio.sleep(1)
            before = len(posts())
            await asyncio.sleep(7)
        finally:
            os.kill(desk.pid, signal.SIGCONT)
        book = await buying
        assert len(posts()) == before < len(BASKET)
        late = [order for order in book.orders.values() if order.state is OrderState.DENIED]
        assert len(late) == len(BASKET) - before
        assert all("buy without a price has waited" in order.text for order in late)

    traded(work)
