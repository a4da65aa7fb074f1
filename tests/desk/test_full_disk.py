"""A desk that cannot write down what it does sends nothing, and goes on when it can (row O01, bad
input)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from kisnb.desk.address import find_desk, holder, is_up, supervisor_lock
from kisnb.desk.life.supervisor import MOST_DEATHS
from kisnb.errors import DeskLost, OrderDenied
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import posts, traded


def desk_pid() -> int:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    return desk.pid


@contextmanager
def full_disk(pid: int | None = None) -> Iterator[None]:
    """No file of this process, or of those that it starts, can grow any more.

    The desk's by default.
    """
    process = psutil.Process(pid or desk_pid())
    limits = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1, limits[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, limits)


def test_o01_on_a_full_disk_no_order_passes_and_afterwards_the_desk_goes_on_by_itself():
    async def work(session: Session) -> None:
        resting = await session.buy("005930", 1, (await session.quote("005930")).lower)
        with full_disk():
            with pytest.raises(OrderDenied, match=r"journal cannot be written.*[Mm]ake room"):
                await session.buy("005930", 1, key="k")
            assert [o for o in await session.cancel(resting) if o.is_open] == [resting]
            assert "journal cannot be written" in resting.text
            assert (await session.quote("005930")).price
            with pytest.raises(OrderDenied):
                await asyncio.to_thread(session.blocking.buy, "005930", 1, key="l")
        await seen(lambda: session.status.link != "up")
        order = await session.buy("005930", 1)
        await session.settle()
        assert order.state is OrderState.FILLED
        await session.cancel(resting)
        assert resting.state is OrderState.CANCELLED
        assert (await session.balance()).holdings[0].qty == 1

    traded(work)
    assert len(posts()) == 2


# It counts the children of the supervisor.
@pytest.mark.usefixtures("started_processes")
def test_o14_a_desk_that_dies_on_a_full_disk_is_back_when_there_is_room():
    async def work(session: Session) -> None:
        await session.buy("005930", 1)
        supervisor = holder(supervisor_lock(Mode.SIM))
        assert supervisor is not None
        tried: set[int] = set()

        def tries() -> int:
            tried.update(child.pid for child in psutil.Process(supervisor).children())
            return len(tried)

        with full_disk(supervisor):
            os.kill(desk_pid(), signal.SIGKILL)
            # Of the dead one and those that found no room.
            await seen(lambda: tries() > MOST_DEATHS)
        order = await session.buy("005930", 2)
        await session.settle()
        assert order.state is OrderState.FILLED
        assert session.book.position("005930").qty == 3

    traded(work)
    assert len(posts()) == 2


def test_a_state_folder_that_is_removed_ends_the_desk_with_a_sentence(state: Path):
    async def work(session: Session) -> None:
        aside = state.with_name("aside")
        await asyncio.to_thread(state.rename, aside)
        with pytest.raises(OrderDenied, match=r"was removed.*[Pp]ut the state folder back"):
            await session.buy("005930", 1)
        await seen(lambda: session.status.link == "desk lost")
        with pytest.raises(DeskLost, match="state folder was removed under the desk"):
            await session.sleep(1)
        await asyncio.to_thread(shutil.rmtree, state, ignore_errors=True)
        await asyncio.to_thread(aside.rename, state)
        await seen(lambda: not is_up(Mode.SIM))

    traded(work)
    assert posts() == []
