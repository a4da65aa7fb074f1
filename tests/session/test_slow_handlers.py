"""A handler that takes long is named, and its agent is paused; the others go on. Row A03."""

from __future__ import annotations

import asyncio

import pytest

import kisnb
from kisnb.events import Tick
from kisnb.session.session import Session
from kisnb.trading.agents import handler_times
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.agents.handler_times import HandlerTimes
from tests.session.opening import on_simulated_day, posts

CODE = "005930"


class Machine:
    """The clock by which handlers are measured. Only a handler moves it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    clock = Machine()
    monkeypatch.setattr(HandlerTimes.__init__, "__defaults__", (clock,))
    return clock


class Slow(kisnb.Agent):
    """Takes as long as it is told, and buys a share at its first trade."""

    code: str = CODE
    seconds: float = 0.0

    def on_start(self) -> None:
        self.ticks = 0

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1
        if self.ticks == 1:
            self.buy(1)
            clock = self.machine
            clock.seconds += self.seconds


class Waiter(kisnb.Agent):
    """Awaits something of the loop, and the session's clock."""

    code: str = CODE

    async def on_start(self) -> None:
        self.done_waiting = False
        await asyncio.sleep(0.01)
        self.machine.seconds += 60
        await self.sleep(30)
        self.done_waiting = True


class Plain(kisnb.Agent):
    code: str = CODE

    def on_start(self) -> None:
        self.ticks = 0

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1


def slow(machine: Machine, seconds: float, agent_id: str) -> Slow:
    agent = Slow(seconds=seconds)
    agent.machine, agent.id = machine, agent_id  # type: ignore[attr-defined]
    return agent


@on_simulated_day()
async def test_a03_a_handler_over_fifty_ms_is_named_and_its_agent_goes_on(
    session: Session, machine: Machine
) -> None:
    agent, quick = slow(machine, 0.2, "slow"), slow(machine, 0.04, "quick")
    await session.agents.start(agent)
    await session.agents.start(quick)
    await session.until("10:01")
    assert {v.state for v in session.agents} == {AgentState.RUNNING}
    named = [t for t in session.troubles if "took" in t]
    assert len(named) == 1
    assert "agent slow: Slow.on_tick took 200 ms, and all agents waited for it" in named[0]
    assert min(agent.ticks, quick.ticks) > 3


@on_simulated_day()
async def test_a03_a_handler_over_two_seconds_pauses_its_agent_and_the_others_go_on(
    session: Session, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    agent, other = slow(machine, 2.5, "slow"), Plain()
    await session.agents.start(agent)
    view = await session.agents.start(other)
    await session.until("10:01")
    states = {v.id: v.state for v in session.agents}
    assert states == {"slow": AgentState.PAUSED, view.id: AgentState.RUNNING}
    assert agent.ticks == 1
    assert other.ticks > 3
    assert "Slow.on_tick took 2.5 s, so it was paused" in agent.note
    assert "%kis agents start slow" in capsys.readouterr().err
    # What it had decided before it was paused was sent, and is its own.
    assert len(posts()) == 1
    assert agent.book.position(CODE).qty == 1
    await session.agents.start("slow")
    await session.until("10:02")
    assert agent.ticks > 3
    assert agent.note == ""


@on_simulated_day()
async def test_a03_a_handler_that_waits_delays_nobody_and_its_wait_does_not_count(
    session: Session, machine: Machine
) -> None:
    agent, other = Waiter(), Plain()
    agent.machine = machine  # type: ignore[attr-defined]
    agent.id = "waiter"
    # Its step after the await takes a minute of the machine, which is a handler's own time.
    await session.agents.start(agent)
    await session.agents.start(other)
    await session.until("10:01")
    assert other.ticks > 3
    assert not any("Plain" in trouble for trouble in session.troubles)
    named = [t for t in session.troubles if "took" in t]
    assert named
    assert all("Waiter.on_start took 60.0 s" in t for t in named)
    # ``on_start`` is what a person waits for: it is named, and its agent goes on.
    assert agent.done_waiting


def test_a03_the_limits_are_fifty_milliseconds_and_two_seconds():
    assert (handler_times.SLOW_SECONDS, handler_times.PAUSE_SECONDS) == (0.05, 2.0)
    times = HandlerTimes()

    def on_tick() -> None: ...

    assert times.note(on_tick, (), 2.0) == ""
    assert "took 2.1 s" in times.note(on_tick, (), 2.1)
    assert times.slow["on_tick"].text == "2 calls over 50 ms, the longest 2,100 ms"
    assert len(times.take_news()) == 1
    assert times.take_news() == []
