"""Runs commands that have been read: awaited in the cell's loop, or at once to their end.

the cell can await      run()        each command is awaited
the code cannot await   run_now()    a verb that can block does so; another verb runs in the
                                     session's loop, if that loop is not running now
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from IPython.core.async_helpers import get_asyncio_loop

from kisnb.errors import BadInput
from kisnb.notebook.commands.console import Console
from kisnb.notebook.commands.current_session import CurrentSession
from kisnb.notebook.commands.reading import Command, with_lines
from kisnb.notebook.kernel.interrupt import InterruptGuard, interrupted
from kisnb.notebook.kernel.transform import awaits
from kisnb.session.typed_orders.magic_line import MagicLine, running

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.notebook.commands.verbs.context import Context
    from kisnb.notebook.commands.verbs.verb import Verb


class CommandRunner:
    """Runs the commands of one shell."""

    def __init__(
        self,
        shell: InteractiveShell,
        current: CurrentSession,
        console: Console,
        guard: InterruptGuard,
        every: Callable[[], str],
    ) -> None:
        """Prepare the runner. ``every`` returns the length of bars that a person has set."""
        self._shell = shell
        self._current = current
        self._console = console
        self._guard = guard
        self._every = every
        self._is_loading = True
        """True until the end of the cell that loads the extension: its commands are not awaited."""

    def end_loading(self, _result: object = None) -> None:
        """Note that the cell that loads the extension has ended."""
        self._is_loading = False

    async def run(self, commands: Sequence[Command]) -> object:
        """Run commands for code that awaits them. Return the value of the last one."""
        value: object = None
        for line, command in with_lines(commands):
            # IPython shows the last value, which is returned to it. The values before it are shown
            # here.
            self._console.show(value)
            value = await self._run(line, command)
        return value

    def run_now(self, commands: Sequence[Command]) -> object:
        """Run commands for code that cannot await. Return the value of the last one.

        Raises BadInput.
        """
        value: object = None
        for line, command in with_lines(commands):
            self._console.show(value)
            value = self._run_now(line, command)
        return value

    async def _run(self, line: MagicLine, command: Command) -> object:
        try:
            with running(line):
                # `running(line)` lasts until the await ends, so that an order that is sent after a
                # wait still knows its line.
                value = command.verb.run(self._context(command.verb), command.typed)
                if inspect.isawaitable(value):
                    value = await value
        except asyncio.CancelledError as error:
            raise self._guard.error_for_people(error) from None
        return self._result(command, value)

    def _run_now(self, line: MagicLine, command: Command) -> object:
        # Most verbs can block, and then need no event loop.
        if not command.verb.blocking:
            return self._run_to_end(command.verb, self._run(line, command))
        context = self._context(command.verb, is_blocking=True)
        with running(line):
            value = command.verb.run(context, command.typed)
        return self._result(command, value)

    def _context(self, verb: Verb, *, is_blocking: bool = False) -> Context:
        """Return the context for a verb. Raises NotOpen when the verb needs an open session."""
        from kisnb.notebook.commands.verbs.context import Context

        if verb.needs_session:
            session = self._current.require()
            # If the desk does not answer, a line says so before the verb begins to wait.
            if session.status.silence:
                self._console.alert(session.status.silence)
        return Context(self._current, self._console, self._shell, self._every(), is_blocking)

    def _result(self, command: Command, value: object) -> object:
        # A result that is not shown now may be shown later, as a variable.
        self._console.keep_frame(value)
        return None if command.silent else value

    def _run_to_end(self, verb: Verb, work: Coroutine[object, None, object]) -> object:
        """Run ``work`` in the session's loop. Raises BadInput when that loop is already running."""
        loop = self._resting_loop()
        if loop is None:
            # The coroutine is closed, because Python warns of one that was never awaited.
            work.close()
            raise BadInput(
                f"%kis {verb.name} has to be awaited, and here it cannot be", self._how_to_await()
            )
        task = loop.create_task(work)
        try:
            with self._guard.driving(loop, task):
                return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if not self._guard.asked:
                raise
            raise interrupted() from None
        except KeyboardInterrupt:
            # Without this the task would stay half done, and go on during the next command.
            task.cancel()
            with suppress(BaseException):
                loop.run_until_complete(task)
            raise interrupted() from None

    def _resting_loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the session's loop, or None while it is running.

        In a terminal and in a script, the loop does not run between two commands.
        """
        # A loop belongs to one thread. If another thread ran it, the tasks in it would break.
        if threading.current_thread() is not threading.main_thread() or not _is_outside_loops():
            return None
        session, loop = self._current.session, self._current.loop
        if session is None or session.closed or loop is None:
            loop = get_asyncio_loop()  # type: ignore[no-untyped-call]
        return None if loop.is_running() or loop.is_closed() else loop

    def _how_to_await(self) -> str:
        """Return advice on how to write the command so that the cell awaits it."""
        if self._is_loading:
            return (
                "This cell loads kisnb: run it once more, or give %load_ext kisnb a cell of its own"
            )
        if not awaits(self._shell):
            runners = self._shell.loop_runner_map.items()
            name = next(
                (name for name, (run, _) in runners if run is self._shell.loop_runner),
                "another loop",
            )
            how = f"set to {name}" if self._shell.autoawait else "off"
            return f"%autoawait is {how} here: type %autoawait asyncio first"
        return "Write it at the top level of a cell: not in a def or class body, not after %time"


def _is_outside_loops() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
