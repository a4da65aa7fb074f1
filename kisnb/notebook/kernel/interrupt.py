"""The interrupt button: it stops the cell at once, and nothing else.

For a cell that awaits, ipykernel turns SIGINT into "cancel the cell when it next waits". So a cell
that computes would run to its end and show no error. The guard changes this:

    the cell is                      an interrupt
    ───────────────────────────────  ──────────────────────────────────────────────
    waiting, in Jupyter              is left to ipykernel, which cancels the cell
    waiting, in a terminal           cancels the cell's task
    computing                        raises KeyboardInterrupt
    a command that runs the loop     cancels the command's task; a second one raises

Agents and the desk's link are not interrupted. It is not a kill switch: open orders stay open.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

from kisnb.errors import Interrupted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


def interrupted() -> Interrupted:
    """Return the error for a cell that a person has interrupted."""
    return Interrupted(
        "The cell was interrupted", "Orders that the desk has taken live on: see %kis orders"
    )


class InterruptGuard:
    """The handler of SIGINT from the start of a cell to its end."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._previous: Handler = None
        self._held = False
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.asked = False
        """True when a person has interrupted the cell that runs now."""
        self._driven: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        """The loop that a command itself runs now, and the command's task.

        None: no command does so.
        """

    def pre_run_cell(self, _info: ExecutionInfo) -> None:
        """Set the guard as the handler of SIGINT when a cell begins."""
        # A cell may run another cell. Also, only the main thread may set the handler of a signal.
        if self._held or threading.current_thread() is not threading.main_thread():
            return
        self.asked = False
        try:
            self._task = asyncio.current_task()
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            # IPython runs a cell without an await outside the loop.
            self._task = self._loop = None
        self._previous = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, self._interrupt)
        self._held = True

    def post_run_cell(self, _result: ExecutionResult) -> None:
        """Restore the earlier handler of SIGINT when the cell has ended."""
        if threading.current_thread() is threading.main_thread():
            self.release()

    def release(self) -> None:
        """Restore the earlier handler of SIGINT, unless other code has set a handler since."""
        if not self._held:
            return
        self._held = False
        self._task = self._loop = None
        if signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, self._previous)

    @contextmanager
    def driving(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> Iterator[None]:
        """Let the first interrupt cancel ``task`` in this block, in which a command runs ``loop``.

        A KeyboardInterrupt in the loop could lose the step that the loop was about to run. The task
        would then wait for that step for ever. A second interrupt still raises KeyboardInterrupt.
        """
        self._driven = (loop, task)
        try:
            yield
        finally:
            self._driven = None

    def error_for_people(self, error: asyncio.CancelledError) -> BaseException:
        """Return Interrupted if a person interrupted the cell, else ``error``."""
        task = asyncio.current_task()
        if not self.asked or task is None:
            return error
        if task.cancelling():
            # The cancellation becomes an error here. Without this a later await would fail too.
            task.uncancel()
        return interrupted()

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        is_first, self.asked = not self.asked, True
        # A signal handler may only schedule. The loop itself must cancel the task.
        if self._driven is not None and is_first:
            loop, task = self._driven
            loop.call_soon_threadsafe(task.cancel)
            return
        if self._cell_is_running(frame):
            raise self._keyboard_interrupt()
        if (
            self._previous is signal.default_int_handler
            and self._task is not None
            and self._loop is not None
        ):
            # This is IPython in a terminal. An exception in the loop would leave the cell's task
            # half done.
            self._loop.call_soon_threadsafe(self._task.cancel)
        elif callable(self._previous):
            self._previous(signum, frame)

    def _keyboard_interrupt(self) -> KeyboardInterrupt:
        """Return the error that stops a computing cell. IPython can show it in every case.

        A signal may arrive at an instruction that has no line number. Then IPython cannot format
        the traceback and shows no error at all: ipython/ipython issue 13598.
        """
        error = KeyboardInterrupt()

        def render() -> list[str]:
            parts = type(error), error, error.__traceback__
            try:
                formatter = self._shell.InteractiveTB
                lines: list[str] = formatter.structured_traceback(*parts, tb_offset=1)
            except Exception:
                # Any failure of IPython's formatter means: Python's own formatter shows it.
                return traceback.format_exception(*parts)
            return lines

        # IPython asks an error for this function before it uses its own formatter.
        vars(error)["_render_traceback_"] = render
        return error

    def _cell_is_running(self, frame: FrameType | None) -> bool:
        """Return whether ``frame`` runs below code of the cell, and in the cell's own task.

        IPython compiles and runs the statements of a cell one by one. Between two statements only
        IPython's code runs. That counts as the cell too, because the next statement may compute for
        an hour.
        """
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        if current is not self._task:
            # An agent's handler or a panel runs now. The interrupt is not for it.
            return False
        namespace, statements = self._shell.user_ns, type(self._shell).run_ast_nodes.__code__
        while frame is not None:
            if frame.f_globals is namespace or frame.f_code is statements:
                return True
            frame = frame.f_back
        return False
