"""Starts the agents that have a schedule, lets them wait, and stops them at the schedule's moments.

    waiting ──begin of a window──► running ──end of a window──► waiting
                                                └─ of the last one ──► stopped

The schedule changes only these two states. It does not start or stop an agent that a person paused,
or that failed, until the last window ends.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from msgspec import json

from kisnb.clock import Ns
from kisnb.session.agents.schedule import AgentSchedule, Window, when_text
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState

_GONE = (AgentState.STOPPED, AgentState.FAILED)


Work: TypeAlias = Coroutine[Any, Any, None]


class _Planned:
    """One agent with its schedule."""

    def __init__(self, runner: AgentRunner, schedule: AgentSchedule, window: Window) -> None:
        self.runner = runner
        self.schedule = schedule
        self.window = window
        """The window that is open, or else the next one."""
        self.begun = False
        """True once the begin of ``window`` has come."""
        self.windows = 0
        """Number of windows that have begun."""

    @property
    def due(self) -> Ns:
        return self.window.end if self.begun else self.window.start


class Timetable:
    """Starts and stops the agents of one session by their schedules."""

    def __init__(
        self,
        begin: Callable[[AgentRunner], Work],
        end: Callable[[AgentRunner], Work],
        on_rest: Callable[[AgentRunner], None],
        task: Callable[[Work, str], object],
    ) -> None:
        """Prepare an empty timetable.

        ``begin`` starts an agent and ``end`` stops it. ``on_rest`` is called when an agent begins
        to wait. ``task`` runs a coroutine as a task of the session, under a name.
        """
        self._begin = begin
        self._end = end
        self._on_rest = on_rest
        self._task = task
        self._planned: dict[str, _Planned] = {}
        self._working = 0
        self.due: Ns | None = None
        """The earliest begin or end of a window among all schedules. None without a schedule."""

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
        """Add an agent with its schedule. Return True if it runs now, False if it must wait."""
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
        """Remove an agent, so that its schedule no longer starts or stops it."""
        runner.schedule = ""
        if self._planned.pop(runner.id, None) is not None:
            self._set_due()

    def close(self) -> None:
        """Remove all agents. Schedules no longer start or stop any of them."""
        self._planned.clear()
        self._set_due()

    def proceed(self, now: Ns) -> None:
        """Start, stop or let wait every agent whose window has begun or ended by ``now``."""
        if self.due is None or now < self.due:
            return
        for planned in list(self._planned.values()):
            if planned.runner.state in _GONE:
                self._planned.pop(planned.runner.id, None)
            # A machine that was asleep may have missed several begins and ends.
            while planned.runner.id in self._planned and planned.due <= now:
                self._pass(planned, now)
        self._set_due()

    def _pass(self, planned: _Planned, now: Ns) -> None:
        """Carry out one begin or end of an agent's window.

        At a begin, a waiting agent starts. At an end, a running agent waits for the next window. If
        there is no next window, it stops.
        """
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

        # Simulated time must wait until the agent has started or stopped.
        self._working += 1
        self._task(counted(), what)

    def _set_due(self) -> None:
        self.due = min((planned.due for planned in self._planned.values()), default=None)
