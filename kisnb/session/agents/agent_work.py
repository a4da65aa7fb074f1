"""The work around the handlers of agents: commands to the desk, tasks, failures."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from kisnb.clock import clock_text
from kisnb.errors import BadInput, DeskLost
from kisnb.events import CommandDropped
from kisnb.session.agents.agent_records import AgentRecords
from kisnb.session.feed.changes import Changes
from kisnb.session.feed.link import WAIT, Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.ports.commands import Command, ReleaseAgent, ReviseOrder, Submit


class AgentWork:
    """Sends agents' commands to the desk, and keeps the tasks in which their handlers wait."""

    def __init__(self, link: Link, state: SessionState, pace: Pace, changes: Changes) -> None:
        self.drop: Callable[[CommandDropped], None]
        """Called with the fact that no desk got a command. It delivers that fact to the agent."""
        self._link = link
        self._state = state
        self._pace = pace
        self.records = AgentRecords(link, state)
        self._changes = changes
        self._started_in: dict[str, contextvars.Context] = {}
        """The context of each agent's start. Text printed in it appears below that cell."""
        self._announced: set[str] = set()
        """Agents that failed or were paused, and that a person was told about."""
        self._tasks: dict[asyncio.Task[None], AgentRunner] = {}

    @property
    def is_busy(self) -> bool:
        """True while a handler awaits something outside this session, such as a web request."""
        return bool(self._tasks)

    def begin(self, runner: AgentRunner) -> None:
        """Remember the cell that starts an agent.

        Later messages about the agent appear below it.
        """
        # ipykernel prints below the cell whose context is current. Later no cell runs, or a
        # different cell.
        self._started_in[runner.id] = contextvars.copy_context()
        self._announced.discard(runner.id)

    def hand_over(self, runner: AgentRunner, commands: list[Command]) -> None:
        """Send an agent's commands and its record to the desk. If the agent has failed, show that.

        If the desk could not read a command, only this agent stops.
        """
        if commands:
            self._send(runner, commands)
        elif not runner.has_acted:
            # The quick way out: most events concern stocks that this agent does not trade.
            return
        runner.has_acted = False
        for dropped in runner.commands.take_dropped():
            why = "its agent gave too many orders, and was stopped"
            self._drop_order(dropped, why, f"start it again with %kis agents start {runner.id}")
        try:
            self.records.note(runner)
        except BadInput as error:
            runner.failed(error)
        if runner.times is not None:
            for news in runner.times.take_news():
                text = f"{clock_text(self._state.now)} agent {runner.id}: {news}"
                self._state.troubles.append(text)
        stands_still = runner.state in (AgentState.FAILED, AgentState.PAUSED)
        if stands_still and runner.id not in self._announced:
            self._announce(runner)

    def await_foreign(self, coroutine: Coroutine[Any, Any, None], runner: AgentRunner) -> None:
        """Start a task for a handler that awaits something outside this session."""
        task = asyncio.get_running_loop().create_task(coroutine, name=f"agent {runner.id}")
        self._tasks[task] = runner
        task.add_done_callback(self._foreign_done)

    def cancel_tasks(self, runner: AgentRunner) -> None:
        """Cancel the tasks in which handlers of an agent wait."""
        for task, owner in self._tasks.items():
            if owner is runner:
                task.cancel("the agent stops")

    def close(self) -> None:
        """Cancel the tasks in which handlers of all agents wait."""
        for task in self._tasks:
            task.cancel("the session closes")

    def _foreign_done(self, task: asyncio.Task[None]) -> None:
        runner = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            runner.failed(error)
        # The handler may have ordered at its end. No event follows by itself, and these orders must
        # not wait for the next tick.
        self.hand_over(runner, runner.commands.take())
        self._pace.reschedule()
        self._changes.publish()

    def _send(self, runner: AgentRunner, commands: list[Command]) -> None:
        if self._link.state.is_silent:
            for command in [c for c in commands if isinstance(c, Submit | ReviseOrder)]:
                # Nobody knows when a silent desk would send the order, so the desk does not get it.
                commands.remove(command)
                self._drop_order(command, self._link.state.not_taken, WAIT)
        # A lost desk raises no error here, because the other events must still be handled. The link
        # reports the loss to the calls that wait.
        with suppress(DeskLost):
            try:
                self._link.submit(commands)
            except BadInput as error:
                runner.failed(error)
                for command in [c for c in commands if isinstance(c, Submit | ReviseOrder)]:
                    self._drop_order(command, error.text, error.cure)

    def _drop_order(self, command: Submit | ReviseOrder, reason: str, cure: str) -> None:
        dropped = CommandDropped(self._link.last_received, command.intent.key, reason, cure)
        # This runs later, because the handler that ordered must end before it receives the outcome.
        asyncio.get_running_loop().call_soon(self.drop, dropped)

    def _announce(self, runner: AgentRunner) -> None:
        """Show that an agent failed, or why it was paused. A failed agent's lease is released."""
        if runner.state is AgentState.FAILED:
            with suppress(DeskLost):
                self._link.submit([ReleaseAgent(runner.id)])
            self.cancel_tasks(runner)
            text = f"agent {runner.id} failed: {runner.failed_line}"
        elif runner.interrupted:
            text = f"agent {runner.id} is paused: {runner.agent.note}"
        else:
            return
        self._announced.add(runner.id)
        self._state.troubles.append(f"{clock_text(self._state.now)} {text}")
        context = self._started_in.get(runner.id, contextvars.copy_context())
        # Where nothing can be printed, the trouble is in the panel all the same.
        with suppress(Exception):
            context.run(print, f"{self._state.mode.badge}{text}", file=sys.stderr, flush=True)
