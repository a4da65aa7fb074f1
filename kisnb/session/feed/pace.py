"""The session's time: waits of cells, alarms, and the report that lets simulated time move on.

In lockstep the desk moves its clock only when every session rests. A session rests when it has
handled all events. It then sends the desk an ``Idle`` with the newest event that it handled, the
next moment for which it waits, and whether a cell awaits something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from kisnb.clock import Ns, clock_text
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.feed.waits import Waits
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Command, Idle


class Pace:
    """Runs the waits and alarms of one session. Reports to the desk that the session rests."""

    def __init__(self, link: Link, state: SessionState) -> None:
        self.next_wake: Callable[[], Ns | None] = lambda: None
        """Returns the earliest moment for which agents, or gaps to be filled, wait."""
        self.is_busy: Callable[[], bool] = lambda: False
        """Returns True while events wait for delivery, or a handler awaits something outside."""
        self.on_alarm: Callable[[], object] = lambda: None
        """Called when the moment of ``next_wake`` has come on a free-running clock."""
        self._link = link
        self._state = state
        self._waits = Waits()
        self._loop = asyncio.get_running_loop()
        self._reported: Idle | None = None
        self._reporting = False
        self._wake: Ns | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # waiting

    async def until(self, over: Callable[[], bool], wake: Ns | None = None) -> None:
        """Wait until ``over()`` is true. Raises DeskLost, and BadInput in another loop.

        ``wake`` is the moment when ``over()`` can become true without an event. None: only an event
        can make it true.
        """
        self._link.home.check_loop()
        self._link.check()
        with self._link.errors_for_people():
            await self._waits.until(over, wake, self._report_soon)

    async def until_time(self, t: Ns) -> None:
        """Wait until the session's clock is at ``t`` or later."""
        while True:
            alarm = self.task(self._ring(t), f"wait until {clock_text(t)}")
            alarm.add_done_callback(lambda _: self._waits.end_over())
            try:
                # A cell that cancels all tasks cancels the alarm too. Then the alarm is set again.
                await self.until(lambda: self._state.now >= t or alarm.cancelled(), t)  # noqa: B023
            finally:
                alarm.cancel("what it was set for is over")
            if self._state.now >= t:
                return

    async def carry_out(
        self, commands: Callable[[], Sequence[Command]], over: Callable[[], bool]
    ) -> None:
        """Send the commands to the desk, and wait until ``over()`` is true.

        If the desk dies meanwhile, the next desk gets the commands again. So a command must do no
        harm when it arrives twice.
        """
        while not over():
            await self._link.wait_for_return()
            # If the link returned while we waited, the desk that got the commands is dead, and may
            # not have carried them out.
            returns = self._link.state.returns
            self._link.submit(commands())
            # The lambda is awaited within this round of the loop.
            await self.until(lambda: over() or self._link.state.returns != returns)  # noqa: B023

    def end_waits(self) -> None:
        """End the waits whose condition is true."""
        self._waits.end_over()

    def fail(self, error: Exception) -> None:
        """End all waits with ``error``."""
        self._waits.fail(error)

    async def _ring(self, t: Ns) -> None:
        """Sleep until ``t`` on a free-running clock, then end the waits that are over."""
        await self._state.clock.sleep_until(t)
        self._waits.end_over()

    # tasks and alarms

    def task(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """Start and return a task that ends with this session. ``what`` describes its work."""
        task = self._loop.create_task(work, name=what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def task_names(self) -> list[str]:
        """Return the description of each running task of this session."""
        return [task.get_name() for task in self._tasks if not task.done()]

    def reschedule(self) -> None:
        """Set the alarm to the next moment that agents and gaps wait for. Report to the desk."""
        # In lockstep the desk moves the clock to the moment that ``Idle`` names, so no alarm is
        # needed.
        wake = self.next_wake() if self._state.runs_free and not self._link.state.closed else None
        if wake != self._wake:
            self._wake = wake
            if self._alarm is not None:
                self._alarm.cancel("the agents wait for another moment")
            self._alarm = None
            if wake is not None:
                self._alarm = self.task(self._wake_agents(wake), "wake of the agents")
                self._alarm.add_done_callback(self._alarm_ended)
        self._report_soon()

    def _alarm_ended(self, task: asyncio.Task[None]) -> None:
        """Set the alarm again if a cell cancelled it.

        Otherwise a sleeping agent would never wake.
        """
        if task is self._alarm and task.cancelled():
            self._wake = self._alarm = None
            self.reschedule()

    async def _wake_agents(self, t: Ns) -> None:
        await self._state.clock.sleep_until(t)
        # The alarm is cleared before the agents are woken, because their next sleep sets the next
        # alarm.
        self._wake = self._alarm = None
        self.on_alarm()

    def close(self) -> None:
        """Cancel every task of this session."""
        # The link is closed by now, so this cancels the alarm and sets no new one.
        self.reschedule()
        for task in self._tasks:
            task.cancel("the session was closed")

    # rest

    def forget_report(self) -> None:
        """Forget the last report, so that the next one is sent even if it is equal."""
        self._reported = None

    def _report_soon(self) -> None:
        """Report that the session rests, once the cells and agents just woken have run."""
        if self._state.mode is Mode.SIM and not self._reporting and not self._link.state.closed:
            self._reporting = True
            # Three rounds of the event loop: the first wakes the tasks, the others let them run.
            self._loop.call_soon(self._loop.call_soon, self._loop.call_soon, self._report)

    def _report(self) -> None:
        self._reporting = False
        wakes = [t for t in (self._waits.next_wake(), self.next_wake()) if t is not None]
        # A session with a handler that awaits something from outside does not rest. -1 reports a
        # session that has handled nothing.
        seq = -1 if self.is_busy() else self._link.seq
        idle = Idle(seq, min(wakes, default=None), bool(self._waits))
        # A repeated report has no news for the desk, and would wake the desk's conductor at each
        # batch.
        if idle != self._reported and not self._link.state.closed and not self._link.lost:
            self._reported = idle
            self._link.submit([idle])
