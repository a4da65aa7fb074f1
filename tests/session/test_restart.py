"""Kernels and desks die, and what was known is known again (rows O12, O14)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

import kisnb
from kisnb.cli import main
from kisnb.config import set_config
from kisnb.desk.address import find_desk
from kisnb.errors import OrderDenied
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from kisnb.trading.agents.agent_state import AgentState
from tests.desk.served import seen
from tests.session.opening import DAY, control, on_simulated_day, posts, recording, traded

KERNEL = f"""
import asyncio, os, signal, kisnb
class Holder(kisnb.Agent):
    code = "005930"
    def on_start(self):
        if not self.held():
            self.buy(2)
async def cell():
    session = await kisnb.connect("sim", seed=7, date="{DAY}", start="10:00")
    await session.agents.start(Holder())
    await session.buy("005930", 3, key="cell:a:1")
    await session.buy("005930", 1, (await session.quote("005930")).lower, key="cell:b:1")
    asyncio.create_task(session.buy("000660", 1, key="cell:c:1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(cell())
"""


class Holder(kisnb.Agent):
    """Buys when it holds nothing."""

    code = "005930"

    def on_start(self) -> None:
        if not self.held():
            self.buy(2)


def test_o12_after_kill_9_of_the_kernel_orders_positions_and_agents_are_as_the_broker_has_them():
    dead = subprocess.run([sys.executable, "-c", KERNEL], check=False)
    assert dead.returncode == -signal.SIGKILL

    async def work(session: Session) -> None:
        sent = {key.partition("@")[0]: order for key, order in session.book.orders.items()}
        view = await session.agents.start(Holder())
        assert (view.state, view.position) == (AgentState.RUNNING, 2)
        assert (await session.buy("005930", 3, key="cell:a:1")).number == sent["cell:a:1"].number
        resting = sent["cell:b:1"]
        assert resting.state is OrderState.ACCEPTED
        # It was on its way when the kernel died: it is one order whoever asks for it again.
        await session.buy("000660", 1, key="cell:c:1")
        await session.settle()
        account = {h.code: h.qty for h in (await session.balance()).holdings}
        assert account == {p.code: p.qty for p in session.book.positions.values() if p.qty}
        assert account == {"005930": 5, "000660": 1}
        assert sum(b.position("005930").qty for b in session.books.agents.values()) == 5

    traded(work)
    assert len(posts()) == 4


def test_o14_two_notebooks_come_back_with_the_same_books():
    async def work(first: Session) -> None:
        second = await kisnb.connect("sim")
        await first.agents.start(Holder())
        await second.buy("000660", 1, key="cell:a:1")
        await first.settle()
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGKILL)
        await seen(lambda: first.status.link != "up" and second.status.link != "up")
        await asyncio.gather(first.buy("005930", 1), second.buy("005930", 1))
        await asyncio.gather(first.settle(), second.settle())
        await asyncio.gather(first.until("10:01"), second.until("10:01"))
        seen_by = [
            [(o.key, o.number, o.state, o.filled) for o in s.book.orders.values()]
            for s in (first, second)
        ]
        assert sorted(seen_by[0]) == sorted(seen_by[1])
        assert len(seen_by[0]) == 4
        assert [a.state for a in first.agents] == [AgentState.RUNNING]
        await seen(lambda: [a.state for a in second.agents] == [AgentState.ELSEWHERE])
        account = {h.code: h.qty for h in (await first.balance()).holdings}
        assert account == {p.code: p.qty for p in second.book.positions.values() if p.qty}
        await second.close()

    traded(work)
    assert len(posts()) == 4


@on_simulated_day()
async def test_o14_what_a_cell_does_before_it_knows_that_the_desk_died_waits_for_the_next_desk(
    session: Session,
) -> None:
    """The thread of the connection sees the end at once, the notebook's loop only when it turns
    again."""
    order = await session.buy("005930", 1, (await session.quote("005930")).lower)
    for act in (
        lambda: session.cancel(order),
        lambda: session.sleep(1),
        lambda: session.halt("drill"),
    ):
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGKILL)
        time.sleep(0.5)  # noqa: ASYNC251 - the loop of the notebook stands
        await act()
    assert order.state is OrderState.CANCELLED
    assert session.halt_state == "halted"


def test_a06_a_desk_that_comes_back_to_nobody_follows_what_the_account_holds():
    async def work(session: Session) -> None:
        control("trade", code="005380", side="buy", qty=3)
        await session.until("10:02")
        assert session.book.position("005380").qty == 3

    traded(work)
    assert subscribed("005380") == 1
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGKILL)
    asyncio.run(seen(lambda: subscribed("005380") == 2))


def subscribed(code: str) -> int:
    """How often the trades of a stock at KRX were asked for."""
    asked = [
        line["params"]
        for line in recording()
        if line["kind"] == "request" and line["tr_id"] == "H0STCNT0"
    ]
    return sum(params == {"tr_type": "1", "tr_key": code} for params in asked)


def test_n14_a_desk_that_is_restarted_reads_its_settings_and_the_simulated_day_goes_on():
    """As the refusal of an order that is too large says."""

    async def work(session: Session) -> None:
        await session.buy("005930", 3)
        with pytest.raises(OrderDenied, match="%kis config max_order_value NEW") as caught:
            await session.buy("005930", 1_000)
        assert "92,300,000 won (without a price it counts at the upper limit)" in str(caught.value)
        set_config("max_order_value", "100,000,000 won")
        assert await asyncio.to_thread(main, ["desk", "restart"]) == 0
        again = await kisnb.connect("sim")
        assert again is not session
        assert (again.now >= session.now, again.book.position("005930").qty) == (True, 3)
        assert again.limits.max_order_value == 100_000_000
        await again.close()

    traded(work)
    assert len(posts()) == 1


def test_a_desk_that_does_not_run_is_not_restarted(capsys: pytest.CaptureFixture[str]):
    assert main(["desk", "restart"]) == 1
    assert "No sim desk runs. Begin with %kis open sim." in capsys.readouterr().err
