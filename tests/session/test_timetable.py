"""Schedules of a machine that slept: what was missed is not done twice. Row A12."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import date, time
from typing import Any

from kisnb.clock import Ns, kst
from kisnb.session.agents.schedule import AgentSchedule
from kisnb.session.agents.timetable import Timetable
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from tests.trading.test_agents import runner_of
from tests.trading.test_agents_of_several_stocks import Follower

THURSDAY, FRIDAY, MONDAY = date(2026, 11, 26), date(2026, 11, 27), date(2026, 11, 30)


class Plan:
    """A timetable with one agent, and what it did."""

    def __init__(self, now: Ns, **schedule: Any) -> None:
        self.did: list[str] = []
        self.timetable = Timetable(self.begin, self.end, lambda _: None, self.run)
        self.runner = runner_of(Follower())
        if self.timetable.add(self.runner, AgentSchedule(**schedule), now):
            self.runner.start(now)

    async def begin(self, runner: AgentRunner) -> None:
        self.did.append("begin")
        runner.start(0)

    async def end(self, runner: AgentRunner) -> None:
        self.did.append("end")
        runner.stop()

    def run(self, work: Coroutine[Any, Any, None], _what: str) -> None:
        try:
            work.send(None)
        except StopIteration:
            return

    def at(self, day: date, hour: int, minute: int = 0) -> AgentState:
        self.timetable.proceed(kst(day, time(hour, minute)))
        return self.runner.state


def test_a12_a_machine_that_slept_over_the_begin_starts_its_agent_late():
    plan = Plan(kst(THURSDAY, time(8)), at="KRX_REG")
    assert plan.at(THURSDAY, 13) is AgentState.RUNNING
    assert plan.did == ["begin"]


def test_a12_a_machine_that_slept_over_a_whole_window_waits_for_the_next_one():
    plan = Plan(kst(THURSDAY, time(8)), at="KRX_REG")
    assert plan.at(THURSDAY, 20) is AgentState.WAITING
    assert plan.did == []
    assert "2026-11-27 09:00:00" in plan.runner.waits_for


def test_a12_a_machine_that_slept_over_days_is_at_the_window_of_today():
    plan = Plan(kst(THURSDAY, time(10)), at="KRX_REG")
    assert plan.runner.state is AgentState.RUNNING
    assert plan.at(MONDAY, 11) is AgentState.RUNNING
    # It waited and began again in one look, so that it runs in the window of today.
    assert plan.did == ["begin"]
    assert plan.at(MONDAY, 16) is AgentState.WAITING


def test_a12_an_agent_whose_last_day_was_slept_over_ends():
    plan = Plan(kst(THURSDAY, time(10)), at="KRX_REG", days=1)
    assert plan.at(MONDAY, 11) is AgentState.STOPPED
    assert plan.did == ["end"]
    assert plan.timetable.due is None
