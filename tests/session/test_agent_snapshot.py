"""A snapshot of one agent, now and at a past moment. Rows A19, H12."""

from __future__ import annotations

import pytest

import kisnb
from kisnb.errors import BadInput
from kisnb.events import Tick
from kisnb.session.session import Session
from tests.session.opening import DAY, ledger, on_simulated_day

CODE = "005930"


class Mean(kisnb.Agent):
    """Buys twice, and else says why it does not."""

    code: str = CODE
    most: int = 3
    keep = ("count",)

    def on_start(self) -> None:
        self.count = 0

    def on_tick(self, tick: Tick) -> None:
        self.count += 1
        if self.count in (3, 6):
            self.decide("BUY", "its turn", order=self.buy(self.most), price=tick.price)
        else:
            self.decide("HOLD", "not its turn", price=tick.price, mean=None)


class Poor(kisnb.Agent):
    code: str = CODE
    guards = kisnb.Guards()

    def on_start(self) -> None:
        self.tried = 0

    def on_tick(self, tick: Tick) -> None:
        if not self.tried:
            self.tried = 1
            self.buy(100_000, tick.price)


@on_simulated_day()
async def test_a19_a_snapshot_shows_state_parameters_order_book_decisions_and_why_it_is_idle(
    session: Session,
) -> None:
    view = await session.agents.start(Mean(most=4))
    await session.until("10:02")
    shown = session.agents.snapshot(view.id)
    assert (shown.state, shown.name, shown.code) == ("running", "Mean", CODE)
    assert shown.parameters == {"code": CODE, "most": 4}
    assert shown.kept["count"] > 6
    assert shown.book is session.books.of(view.id)
    assert {h["code"]: h["qty"] for h in ledger()["holdings"]} == {
        CODE: shown.book.position(CODE).qty
    }
    assert [made.action for made in shown.decisions] == ["HOLD", "BUY", "HOLD", "BUY", "HOLD"]
    assert shown.idle[0].startswith("it decided so itself: ")
    assert "HOLD, not its turn" in shown.idle[0]
    for words in ("holds 8 005930", "2 orders, 0 open", "most=4", "mean missing"):
        assert words in shown.text
    await session.agents.pause(view.id)
    assert session.agents.snapshot(view.id).idle[0] == "it is paused"
    await session.halt("a test")
    assert "the desk is halted" in session.agents.snapshot(view.id).idle[0]
    with pytest.raises(BadInput, match="There is no agent 'nobody'"):
        session.agents.snapshot("nobody")


@on_simulated_day()
async def test_a19_a_snapshot_names_the_order_that_was_refused_and_an_agent_that_waits(
    session: Session,
) -> None:
    poor = await session.agents.start(Poor())
    waits = await session.agents.start(Mean(), at="10:30", until="11:00")
    await session.until("10:02")
    shown = session.agents.snapshot(poor.id)
    assert any(reason.startswith("its newest order was refused") for reason in shown.idle)
    assert any("it notes no decisions" in reason for reason in shown.idle)
    waiting = session.agents.snapshot(waits.id)
    assert waiting.schedule == "10:30 until 11:00, each trading day"
    assert (
        waiting.idle[0]
        == "it is waiting: waits until 10:30:00 (10:30 until 11:00, each trading day)"
    )


@on_simulated_day()
async def test_a19_agents_of_other_sessions_and_lost_ones_have_a_snapshot(session: Session) -> None:
    view = await session.agents.start(Mean())
    await session.until("10:01")
    async with await kisnb.connect("sim", seed=7, date=DAY) as other:
        there = other.agents.snapshot(view.id)
        assert there.state == "elsewhere"
        assert there.parameters["most"] == 3
        await session.close()
        await other.sleep(1)
        lost = other.agents.snapshot(view.id)
        assert lost.state == "lost"
        assert "%kis agents restore" in lost.note
        assert lost.book.position(CODE).qty == there.book.position(CODE).qty


@on_simulated_day()
async def test_h12_a_past_moment_shows_the_agents_as_they_were_then(session: Session) -> None:
    view = await session.agents.start(Mean(most=2))
    await session.until("10:02")
    before = session.agents.snapshot(view.id)
    await session.agents.pause(view.id)
    await session.until("10:04")
    await session.agents.stop(view.id)
    await session.until("10:06")
    then = await session.at("10:01:59")
    was = then.agent(view.id)
    assert was.state == "running"
    assert was.parameters == {"code": CODE, "most": 2}
    assert was.book.position(CODE).qty == before.book.position(CODE).qty
    assert [m.action for m in was.decisions] == [m.action for m in before.decisions]
    assert f"agent {view.id}: running" in then.text
    assert (await session.at("10:03")).agent(view.id).state == "paused"
    assert (await session.at("10:05")).agent(view.id).state == "stopped"
    start = await session.at("10:00:01")
    with pytest.raises(BadInput, match="The desk knew no agent 'nobody' at 10:00:01"):
        start.agent("nobody")
