"""A desk that dies is started again, and its sessions go on (row O14)."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

import kisnb
from kisnb.cli import main
from kisnb.desk.address import find_desk, is_up
from kisnb.desk.life.supervisor import MOST_DEATHS
from kisnb.errors import DeskLost
from kisnb.events import GapFound
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.session.opening import on_simulated_day, posts, traded


def kill_desk() -> int:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGKILL)
    return desk.pid


class Buyer(kisnb.Agent):
    """Buys one share a minute, and keeps what it was told."""

    code = "005930"

    async def on_start(self) -> None:
        while True:
            await self.sleep(60)
            self.buy(1)

    def on_gap(self, gap: GapFound) -> None:
        self.note = f"gap in {gap.code}"


@on_simulated_day()
async def test_o14_after_kill_9_a_session_goes_on_where_it_was(session: Session) -> None:
    order = await session.buy("005930", 2)
    await session.agents.start(Buyer())
    await session.until("10:03")
    await session.settle()
    bought = len(session.book.orders)
    dead = kill_desk()
    await session.until("10:06")
    await session.settle()
    again = find_desk(Mode.SIM)
    assert again is not None
    assert again.pid != dead
    assert session.status.link == "up"
    assert len(session.book.orders) == bought + 3
    assert session.book.orders[order.key] is order
    assert session.agents["Buyer-005930"].note == "gap in 005930"
    assert any("the desk is back; it died at" in text for text in session.troubles)
    held = (await session.balance()).holdings[0].qty
    assert (
        session.book.position("005930").qty
        == held
        == sum(o.filled for o in session.book.orders.values())
    )


def test_o14_an_order_in_the_air_is_sent_once_or_not_at_all():
    async def work(session: Session) -> None:
        for n in range(4):
            buying = asyncio.create_task(session.buy("005930", 1, key=f"k{n}"))
            for _ in range(n):
                await asyncio.sleep(0.002)
            kill_desk()
            (ended,) = await asyncio.gather(buying, return_exceptions=True)
            assert isinstance(ended, kisnb.Order | kisnb.errors.OrderRefused)
        await session.until("10:01")
        account = {h.code: h.qty for h in (await session.balance()).holdings}
        unknown = sum(
            o.quantity for o in session.book.orders.values() if o.state is OrderState.UNKNOWN
        )
        assert session.book.position("005930").qty <= account.get("005930", 0)
        assert account.get("005930", 0) <= session.book.position("005930").qty + unknown

    traded(work)
    assert len(posts()) <= 4


def test_o14_a_desk_that_dies_again_and_again_is_given_up_with_a_sentence(
    capsys: pytest.CaptureFixture[str],
):
    async def work(session: Session) -> None:
        waiting = asyncio.create_task(session.until("15:00"))
        killed: set[int] = set()
        while len(killed) < MOST_DEATHS:
            desk = find_desk(Mode.SIM)
            if desk is not None and desk.pid not in killed:
                os.kill(desk.pid, signal.SIGKILL)
                killed.add(desk.pid)
            await asyncio.sleep(0.02)
        with pytest.raises(DeskLost, match=r"died 5 times in a row.*SIGKILL"):
            await waiting
        assert not is_up(Mode.SIM)

    traded(work)
    capsys.readouterr()
    assert main(["desk", "status"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("no sim desk runs: it was given up\n")
    assert "died 5 times in a row" in said
    assert "may still be in the market" in said
