"""The agents that have a schedule: started, put to wait and stopped at its moments.

    waiting ──begin of a window──► running ──end of a window──► waiting
                                                └─ of the last one ──► stopped

Only these two states follow the schedule. An agent that a person paused, or that failed, is left
alone until the last window ends.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from msgspec import json

from kisnb.clock import Ns
from kisnb.session.agents.schedule import AgentSchedule, Window, when_text
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState

_GONE = (AgentState.STOPPED, AgentState.FAILED)


Work: TypeAlias = Coroutine[Any, Any, None]


class _Planned:
    """One agent with its schedule."""

    def __init__(self, runner: AgentRunner, schedule: AgentSchedule, window: Window) -> None:
        self.runner = runner
        self.schedule = schedule
        self.window = window
        """The window that is open, else the next one."""
        self.begun = False
        """The begin of the window has come."""
        self.windows = 0
        """Windows that have begun."""

    @property
    def due(self) -> Ns:
        return self.window.end if self.begun else self.window.start


class Timetable:
    """The schedules of one session's agents."""

    def __init__(
        self,
        begin: Callable[[AgentRunner], Work],
        end: Callable[[AgentRunner], Work],
        on_rest: Callable[[AgentRunner], None],
        task: Callable[[Work, str], object],
    ) -> None:
        """``begin`` and ``end`` start and stop an agent, and ``on_rest`` is called when it waits.

        ``task`` runs a coroutine as a task of the session, with a name.
        """
        self._begin = begin
        self._end = end
        self._on_rest = on_rest
        self._task = task
        self._planned: dict[str, _Planned] = {}
        self._working = 0
        self.due: Ns | None = None
        """The earliest moment of all schedules; None without one."""

    @property
    def is_busy(self) -> bool:
        """True while an agent is being started or stopped by its schedule."""
        return self._working > 0

    def schedule_of(self, agent_id: str) -> AgentSchedule | None:
        """Return the schedule of an agent; None when it has none."""
        planned = self._planned.get(agent_id)
        return None if planned is None else planned.schedule

    def window_of(self, agent_id: str) -> Window | None:
        """Return the open or the next window of an agent; None when it has no schedule."""
        planned = self._planned.get(agent_id)
        return None if planned is None else planned.window

    def add(self, runner: AgentRunner, schedule: AgentSchedule, now: Ns) -> bool:
        """Take an agent in, and return whether it is to run now. Else it waits."""
        window = schedule.next_window(now)
        if window is None:
            return True
        planned = self._planned[runner.id] = _Planned(runner, schedule, window)
        runner.schedule = json.encode(schedule).decode()
        if window.start <= now:
            planned.begun, planned.windows = True, 1
        else:
            self._rest(planned, now)
        self._set_due()
        return planned.begun

    def remove(self, runner: AgentRunner) -> None:
        """Forget the schedule of an agent."""
        runner.schedule = ""
        if self._planned.pop(runner.id, None) is not None:
            self._set_due()

    def close(self) -> None:
        """Forget all schedules."""
        self._planned.clear()
        self._set_due()

    def proceed(self, now: Ns) -> None:
        """Do what is due at ``now``."""
        if self.due is None or now < self.due:
            return
        for planned in list(self._planned.values()):
            if planned.runner.state in _GONE:
                self._planned.pop(planned.runner.id, None)
            # A machine that slept may have missed several moments.
            while planned.runner.id in self._planned and planned.due <= now:
                self._pass(planned, now)
        self._set_due()

    def _pass(self, planned: _Planned, now: Ns) -> None:
        """Pass one moment of a schedule."""
        runner, schedule = planned.runner, planned.schedule
        if not planned.begun:
            planned.begun, planned.windows = True, planned.windows + 1
            if runner.state is AgentState.WAITING and planned.window.end > now:
                self._work(self._begin(runner), f"start of {runner.id} by its schedule")
            return
        over = schedule.days is not None and planned.windows >= schedule.days
        window = None if over else schedule.next_window(max(now, planned.window.end))
        if window is None:
            del self._planned[runner.id]
            self._work(self._end(runner), f"end of {runner.id} by its schedule")
            return
        planned.window, planned.begun = window, False
        if runner.state in (AgentState.RUNNING, AgentState.WAITING):
            self._rest(planned, now)

    def _rest(self, planned: _Planned, now: Ns) -> None:
        runner, window = planned.runner, planned.window
        begin = when_text(window.start, now)
        runner.rest(f"waits until {begin} ({planned.schedule.text})")
        self._on_rest(runner)

    def _work(self, work: Work, what: str) -> None:
        async def counted() -> None:
            try:
                await work
            finally:
                self._working -= 1

        # Simulated time must not run on while the agent is on its way.
        self._working += 1
        self._task(counted(), what)

    def _set_due(self) -> None:
        self.due = min((planned.due for planned in self._planned.values()), default=None)
