"""A holding goes over to an agent in a running session, and stays its own over the desk's death.

Row A18.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import kisnb
from kisnb.desk.address import find_desk
from kisnb.errors import BadInput
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from kisnb.trading.agents.agent_state import AgentState
from tests.desk.served import seen
from tests.notebook.real_kernels import kernel
from tests.session.opening import control, posts, traded

CODE = "005930"


class Seller(kisnb.Agent):
    """Sells what it holds when it begins."""

    code = CODE

    def on_start(self) -> None:
        if self.held():
            self.sell(self.held())


def test_a18_an_agent_takes_over_what_a_person_and_the_phone_bought_and_earns_against_its_cost():
    async def work(session: Session) -> None:
        order = await session.buy(CODE, 10)
        await session.settle()
        control("trade", code=CODE, side="buy", qty=5)
        await session.until("10:01")
        assert session.book.position(CODE).qty == 15
        assert session.books.unassigned == {CODE: 15}
        assert f"unassigned: 15 {CODE}" in repr(session.agents)
        with pytest.raises(BadInput, match="15 shares"):
            await session.agents.adopt(Seller(), qty=16)
        view = await session.agents.adopt(Seller(), key="take over")
        await session.agents.adopt(Seller(), key="take over")
        assert (view.state, view.position) == (AgentState.READY, 15)
        paid = sum(f.qty * f.price for o in session.book.orders.values() for f in o.fills)
        assert session.books.of("Seller-005930").position(CODE).cost == paid
        assert "unassigned" not in repr(session.agents)
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGKILL)
        await seen(lambda: session.status.link != "up")
        await session.agents.start(Seller())
        await session.settle()
        await session.until("10:02")
        seller = session.books.of("Seller-005930").position(CODE)
        (sell,) = session.books.of("Seller-005930").orders.values()
        fees = sum(f.fee for f in order.fills) + sum(
            f.fee for o, f in session.books.of("external").fills
        )
        earned = sum(f.qty * f.price - f.fee - f.tax for f in sell.fills)
        assert (sell.state, seller.qty) == (OrderState.FILLED, 0)
        assert seller.realised_net == earned - paid - fees
        assert (await session.balance()).holdings == ()
        other = await kisnb.connect("sim")
        assert other.books.of("Seller-005930").position(CODE).realised_net == seller.realised_net
        await other.close()

    traded(work)
    assert len(posts()) == 2


def test_a18_by_magic_with_a_name_a_code_and_a_quantity(state: Path):
    with kernel(state, KISNB_SIM_SPEED="step") as k:
        k.ok("%load_ext kisnb")
        k.ok("%kis open sim --seed 7 --date 2026-11-20 --start 10:00")
        k.ok("%kis buy 005930 10")
        for _ in range(2):
            shown = k.ok("%kis agents adopt volume_trigger 삼성전자 4", "adopt").text
            assert "VolumeTrigger-005930" in shown
        assert "unassigned: 6 005930" in k.ok("%kis agents").text
        frame = "p = %kis positions\nprint(p.select('code', 'quantity', 'unassigned').rows())"
        assert k.ok(frame).text == "[('005930', 10, 6)]\n"
        assert "6 shares" in k.run("%kis agents adopt VolumeTrigger-005930 005930 7").error
        assert "takes one name" in k.run("%kis agents stop VolumeTrigger-005930 005930").error
