"""``kisnb desk status`` says what a person must know first (rows A07, A08, O02, K12).

Whose day a new one ends.
"""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

import kisnb
from kisnb.cli import main
from kisnb.desk.address import find_desk
from kisnb.desk.serve.client import notebook_name
from kisnb.errors import ConfigError, OrderUnknown
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import on_simulated_day, traded


async def told(capsys: pytest.CaptureFixture[str], status: int = 0) -> str:
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["desk", "status"]) == status
    return capsys.readouterr().out


@on_simulated_day()
async def test_a07_status_says_what_passes_who_is_attached_and_what_is_not_known(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "\n  active: orders pass\n  0 open orders\n" in await told(capsys)
    await session.agents.start(kisnb.Agent(code="005930"))
    assert f"attached: {notebook_name()} with Agent-005930\n" in await told(capsys)
    await session.simulator.fault("order", "cut", done=False)
    with pytest.raises(OrderUnknown):
        await session.buy("005930", 3)
    assert (
        "1 order with unknown outcome (buy 3 005930 market): settle them with %kis resolve"
        in await told(capsys)
    )
    await session.halt("a drill", state="reducing")
    assert (
        "reducing because of 'a drill': cancels, and sells up to the position, pass"
        in await told(capsys)
    )
    await session.halt("enough")
    assert "halted because of 'enough': cancels alone pass" in await told(capsys)


def test_a08_status_names_orders_that_a_blackout_holds_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KISNB_BLACKOUT", "10:00-10:05")

    async def work(session: Session) -> None:
        buying = asyncio.create_task(session.buy("005930", 1))
        await seen(lambda: bool(session.book.orders))
        assert "1 order held back until 10:05:00 KST or later: " in await told(capsys)
        await buying
        assert "held back" not in await told(capsys)

    traded(work)


@on_simulated_day()
async def test_k12_status_of_a_desk_that_does_not_answer_claims_nothing(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGSTOP)
    try:
        said = await told(capsys, 1)
    finally:
        os.kill(desk.pid, signal.SIGCONT)
    assert (
        "it does not answer: whether it is halted or armed, and which orders are open, is not known"
    ) in said
    assert f"kill -9 {desk.pid}" in said
    assert "active" not in said


def test_another_day_is_refused_with_the_name_of_those_whose_day_it_would_end():
    async def work(session: Session) -> None:
        await session.agents.start(kisnb.Agent(code="005930"))
        with pytest.raises(ConfigError) as refused:
            await kisnb.connect("sim", seed=8)
        assert "Add --fresh to begin a new day" in str(refused.value)
        assert str(refused.value).endswith(
            "A new day ends this one for this notebook with Agent-005930."
        )

    traded(work)

    async def alone() -> None:
        with pytest.raises(
            ConfigError, match="A new day ends this one for nobody: no session is attached"
        ):
            await kisnb.connect("sim", seed=8)

    asyncio.run(alone())
