"""Agents start, wait and stop by the market's day, also over days without trading. Row A12."""

from __future__ import annotations

from datetime import time

import pytest

import kisnb
from kisnb.clock import kst, kst_day
from kisnb.errors import BadInput, DeskBusy
from kisnb.events import PhaseChanged, Tick
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.trading.agents.agent_state import AgentState
from tests.session.opening import DAY, on_simulated_day, posts, traded

CODE = "005930"


class Witness(kisnb.Agent):
    """Notes when it was called, and holds one order far below the market."""

    code: str = CODE
    keep = ("starts",)

    def on_start(self) -> None:
        self.starts = getattr(self, "starts", 0) + 1
        self.began = self.now
        self.ticks: list[int] = []
        self.phases: list[str] = []

    def on_tick(self, tick: Tick) -> None:
        self.ticks.append(self.now)
        if len(self.ticks) == 1:
            self.buy(1, tick.price * 8 // 10 // 1000 * 1000)

    def on_phase(self, phase: PhaseChanged) -> None:
        self.phases.append(phase.session_id)


def state(session: Session, agent_id: str) -> AgentState:
    return next(view.state for view in session.agents if view.id == agent_id)


@on_simulated_day(start="08:57")
async def test_a12_an_agent_starts_with_the_market_session_and_stops_at_its_end(
    session: Session,
) -> None:
    agent = Witness()
    view = await session.agents.start(agent, at="KRX_REG", until="09:04", days=1)
    assert (view.state, view.note) == (
        AgentState.WAITING, "waits until 09:00:00 (KRX_REG until 09:04, once)",
    )  # fmt: skip
    await session.until("08:59")
    assert not hasattr(agent, "began")
    await session.until("09:10")
    opened, ended = kst(session.today, time(9)), kst(session.today, time(9, 4))
    assert agent.began == opened
    assert agent.ticks
    assert all(opened <= t < ended for t in agent.ticks)
    assert state(session, view.id) is AgentState.STOPPED
    # Its order was sent in the market session, and cancelled at the end of its schedule.
    (order,) = agent.book.orders.values()
    assert order.state is OrderState.CANCELLED
    assert len(posts()) == 1


def opening(day: str, start: str, at: str, until: str, wait: str) -> tuple[int, list[int]]:
    """The moment of the agent's start and its ticks, on a special day."""

    async def work(session: Session) -> tuple[int, list[int]]:
        agent = Witness()
        await session.agents.start(agent, at=at, until=until)
        await session.until(wait)
        return agent.began, agent.ticks

    began, ticks = traded(work, date=day, start=start)
    return began, ticks


def test_a12_on_the_exam_day_an_agent_starts_at_ten():
    async def work(session: Session) -> None:
        agent = Witness()
        view = await session.agents.start(agent, at="KRX_REG")
        assert "10:00:00" in view.note
        await session.until("09:59")
        assert not hasattr(agent, "began")
        await session.until("10:02")
        assert agent.began == kst(session.today, time(10))

    traded(work, date="2026-11-19", start="09:50")


def test_a12_on_the_exam_day_the_regular_session_ends_an_agent_an_hour_later():
    async def evening(session: Session) -> None:
        view = await session.agents.start(Witness(), at="KRX_REG")
        assert view.state is AgentState.RUNNING
        await session.until("16:29")
        assert state(session, view.id) is AgentState.RUNNING
        await session.until("16:31")
        assert state(session, view.id) is AgentState.WAITING
        (shown,) = session.agents
        assert shown.note.startswith("waits until 2026-11-20 09:00:00")

    traded(evening, date="2026-11-19", start="16:25")


def test_a12_on_the_first_trading_day_the_regular_session_starts_an_agent_at_ten():
    began, ticks = opening("2026-01-02", "09:55", "krx_reg", "", "10:02")
    assert began == kst(kst_day(began), time(10))
    assert ticks[0] >= began


@on_simulated_day(start="15:18")
async def test_a12_an_agent_survives_the_night_and_the_weekend_and_goes_on_with_the_next_session(
    session: Session,
) -> None:
    agent = Witness()
    view = await session.agents.start(agent, at="KRX_REG", days=2)
    await session.until("15:35")
    assert state(session, view.id) is AgentState.WAITING
    monday = "2026-11-23"
    (waiting,) = session.agents
    assert waiting.note.startswith(f"waits until {monday} 09:00:00")
    seen = len(agent.ticks)
    # From Friday afternoon over Saturday and Sunday.
    await session.sleep(65 * 3600)
    assert str(session.today) == monday
    assert state(session, view.id) is AgentState.WAITING
    assert len(agent.ticks) == seen
    await session.sleep(int(1.5 * 3600))
    assert state(session, view.id) is AgentState.RUNNING
    assert agent.starts == 1, "it goes on, and does not begin anew"
    (order,) = agent.book.orders.values()
    assert order.state is OrderState.EXPIRED
    await session.sleep(7 * 3600)
    assert state(session, view.id) is AgentState.STOPPED


@on_simulated_day()
async def test_a12_a_person_is_stronger_than_the_schedule(session: Session) -> None:
    agent = Witness()
    view = await session.agents.start(agent, at="10:05", until="10:20")
    # The same start cell, run again, changes nothing.
    assert (await session.agents.start(Witness(), at="10:05", until="10:20")).id == view.id
    with pytest.raises(DeskBusy, match="with the schedule 10:05 until 10:20"):
        await session.agents.start(Witness(), at="10:06", until="10:20")
    await session.agents.pause(view.id)
    await session.until("10:10")
    assert state(session, view.id) is AgentState.PAUSED
    assert not hasattr(agent, "began")
    await session.agents.start(view.id)
    assert state(session, view.id) is AgentState.RUNNING
    await session.until("10:25")
    assert state(session, view.id) is AgentState.WAITING
    await session.agents.stop(view.id)
    assert state(session, view.id) is AgentState.STOPPED


@on_simulated_day()
async def test_a12_an_end_alone_stops_a_running_agent_once(session: Session) -> None:
    view = await session.agents.start(Witness(), until="10:03")
    assert view.state is AgentState.RUNNING
    await session.until("10:02")
    assert state(session, view.id) is AgentState.RUNNING
    await session.until("10:04")
    assert state(session, view.id) is AgentState.STOPPED


@on_simulated_day()
async def test_a12_a_schedule_that_cannot_be_is_refused_in_one_sentence(session: Session) -> None:
    cases = [
        ({"at": "KRX_REGG"}, "is no market session and no time of day.*KRX_REG, "),
        ({"at": "25:00"}, "is no market session and no time of day"),
        ({"at": "KR_OFF"}, "is no market session"),
        ({"at": "15:30", "until": "09:30"}, "the end 09:30 is not after the begin 15:30"),
        ({"at": "KRX_REG", "until": "NXT_PRE"}, "is not after the begin KRX_REG"),
        ({"at": "21:00"}, "not after the begin 21:00"),
        ({"until": "09:30"}, r"the end 09:30 \(09:30:00\) is over: it is 10:00"),
        ({"at": "KRX_REG", "days": 0}, "cannot run on 0 days"),
        ({"days": 3}, "a number of days needs a begin"),
        ({"until": "close", "days": 3}, "a number of days needs a begin"),
        ({"at": 9}, "the begin"),
    ]
    for words, why in cases:
        with pytest.raises(BadInput, match=f"(?i){why}"):
            await session.agents.start(Witness(), **words)  # type: ignore[arg-type]
    assert list(session.agents) == []


@on_simulated_day()
async def test_a12_a_fresh_start_archives_what_the_agent_kept(session: Session) -> None:
    view = await session.agents.start(Witness())
    await session.until("10:02")
    await session.agents.stop(view.id)
    again = await session.agents.start(Witness())
    assert session.agents[again.id].starts == 2  # type: ignore[attr-defined]
    await session.agents.stop(view.id)
    await session.agents.start(Witness(), fresh=True)
    await session.until("10:03")
    assert session.agents[view.id].starts == 1  # type: ignore[attr-defined]
    (row,) = session.agents.archived(view.id).to_dicts()
    assert (row["state"], row["kept"]) == ("stopped", '{"starts":2}')


@on_simulated_day()
async def test_a12_a_restored_agent_has_its_schedule_still(session: Session) -> None:
    view = await session.agents.start(Witness(), at="10:10", until="10:20", days=1)
    await session.close()
    async with await kisnb.connect("sim", seed=7, date=DAY) as other:
        assert [a.state for a in other.agents] == [AgentState.LOST]
        again = await other.agents.restore(view.id)
        assert again.state is AgentState.WAITING
        await other.until("10:11")
        assert state(other, view.id) is AgentState.RUNNING
        await other.until("10:21")
        assert state(other, view.id) is AgentState.STOPPED
