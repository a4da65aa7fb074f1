"""A desk that is there and does not answer: a person is told, nothing counts as known, and nothing
is sent twice.

Rows K12 (a frozen process on either end), O11, A04. A process is frozen as a machine under load, or
a debugger, does it: with SIGSTOP.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

import kisnb
from kisnb.desk.address import find_desk
from kisnb.desk.serve import pulse
from kisnb.errors import OrderDenied
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import posts, traded


@contextmanager
def frozen() -> Iterator[int]:
    """The desk's process stands still meanwhile; gives its number."""
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGSTOP)
    try:
        yield desk.pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(desk.pid, signal.SIGCONT)


@pytest.fixture
def soon_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session counts a desk as silent after two seconds, and not after five."""
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.25)
    monkeypatch.setattr(pulse, "SILENT_SECONDS", 2.0)


def listened(session: Session) -> list[str]:
    """What a person is told at once from now on."""
    told: list[str] = []
    session.hooks.alert = told.append
    return told


def test_k12_a_frozen_desk_is_named_and_what_waits_goes_on_once_it_thaws():
    async def work(session: Session) -> None:
        resting = await session.buy(
            "005930", 1, (await session.quote("005930")).lower, key="resting"
        )
        told = listened(session)
        assert session.status.doubt == ""
        with frozen() as pid:
            cells = [
                asyncio.create_task(session.quote("005930")),
                asyncio.create_task(session.buy("005930", 1, key="handed over")),
                asyncio.create_task(session.cancel(resting)),
            ]
            await seen(lambda: bool(told))
            assert f"process {pid}" in told[0]
            assert "has not answered for" in told[0]
            assert "as of 10:00:0" in told[0]
            assert f"kill -9 {pid}" in told[0]
            assert session.status.link == "desk silent"
            assert session.status.doubt.startswith("not confirmed since 10:00:0")
            assert not any(cell.done() for cell in cells)
            # A new order is handed to nobody who might send it an hour later; a known one is shown.
            with pytest.raises(OrderDenied, match=r"has not answered for .* nothing was sent"):
                await session.buy("005930", 5, key="refused")
            assert await session.buy("005930", 1, resting.intent.price, key="resting") is resting
        quote, order, (cancelled,) = await asyncio.gather(*cells)
        assert quote.code == "005930"
        assert order.state in (OrderState.ACCEPTED, OrderState.FILLED)
        assert cancelled.state is OrderState.CANCELLED
        assert told[-1] == "The desk answers again."
        assert (session.status.link, session.status.doubt) == ("up", "")
        await session.buy("005930", 2, key="after")

    traded(work)
    assert len(posts()) == 3


class Clockwork(kisnb.Agent):
    """Buys by its clock alone, whatever it hears."""

    code = "005930"

    async def on_start(self) -> None:
        while True:
            await self.sleep(1)
            self.buy(1, 49_400)


def test_no_agent_orders_through_a_desk_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, soon_silent: None
):
    monkeypatch.setenv("KISNB_SIM_SPEED", "1")

    async def work(session: Session) -> None:
        told = listened(session)
        await session.agents.start(Clockwork())
        await seen(lambda: bool(session.book.orders))
        with frozen():
            await seen(lambda: bool(told))
            before = len(session.book.orders)
            await seen(lambda: len(session.book.orders) > before)
            *_, newest = session.book.orders.values()
            await seen(lambda: newest.state is OrderState.DENIED)
            assert "nothing was sent" in newest.text
        await session.agents.stop("Clockwork-005930")
        assert session.book.orders[newest.key].state is OrderState.DENIED

    traded(work)


def test_o14_a_desk_that_stays_silent_and_is_killed_is_followed_by_the_next(soon_silent: None):
    async def work(session: Session) -> None:
        told = listened(session)
        with frozen() as pid:
            buying = asyncio.create_task(session.buy("005930", 1, key="in its grave"))
            await seen(lambda: bool(told))
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(OrderDenied, match="died before it took it"):
                await buying
        assert session.status.doubt == ""
        await session.buy("005930", 1, key="after")

    traded(work)
    assert len(posts()) == 1


KERNEL = """
import asyncio, kisnb
class Holder(kisnb.Agent):
    code = "005930"
async def cell():
    session = await kisnb.connect("sim")
    await session.agents.start(Holder())
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(cell())
"""


def test_k12_a_frozen_kernel_is_named_and_keeps_its_agents(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KISNB_SIM_SPEED", "1")

    async def work(session: Session) -> None:
        kernel = subprocess.Popen([sys.executable, "-c", KERNEL], stdout=subprocess.PIPE)  # noqa: ASYNC220
        try:
            assert kernel.stdout is not None
            await asyncio.to_thread(kernel.stdout.readline)
            kernel.send_signal(signal.SIGSTOP)
            await seen(lambda: any("has said nothing for" in text for text in session.troubles))
            assert f"process {kernel.pid}" in session.troubles[-1]
            assert [a.id for a in session.agents] == ["Holder-005930"]
            kernel.send_signal(signal.SIGCONT)
            await seen(lambda: session.troubles[-1].endswith("is heard again"))
        finally:
            kernel.kill()
            kernel.wait()

    traded(work)
