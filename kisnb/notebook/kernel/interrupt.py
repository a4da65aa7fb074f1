"""The interrupt button: stops the cell at once and says so, and touches nothing that runs beside it.

In a cell that awaits, ipykernel turns SIGINT into "cancel the cell when it next waits". A cell that is on the CPU would
run to its end and show no error. The guard raises KeyboardInterrupt in such a cell and leaves waiting cells to be
cancelled; agents and the desk's link never see it. It is no kill switch.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

from kisnb.errors import Interrupted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


def interrupted() -> Interrupted:
    """What a cell raises that a person has interrupted."""
    return Interrupted(
        "The cell was interrupted", "Orders that the desk has taken live on: see %kis orders"
    )


class InterruptGuard:
    """Holds SIGINT's handler from the start of a cell to its end."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._previous: Handler = None
        self._held = False
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.asked = False
        """Whether the cell that runs now was interrupted."""
        self._driven: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        """The loop that a command runs itself, and the command's task."""

    def pre_run_cell(self, _info: ExecutionInfo) -> None:
        if self._held or threading.current_thread() is not threading.main_thread():
            return
        self.asked = False
        try:
            self._task = asyncio.current_task()
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._task = self._loop = None
        self._previous = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, self._interrupt)
        self._held = True

    def post_run_cell(self, _result: ExecutionResult) -> None:
        if threading.current_thread() is threading.main_thread():
            self.release()

    def release(self) -> None:
        """Give SIGINT back to whoever had it, unless somebody took it over since."""
        if not self._held:
            return
        self._held = False
        self._task = self._loop = None
        if signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, self._previous)

    @contextmanager
    def driving(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> Iterator[None]:
        """Within the block a command runs the loop itself: the first interrupt cancels its task.

        An exception out of the loop could lose the step that the loop was about to run, and the
        task would wait for it for ever. A second interrupt raises KeyboardInterrupt all the same.
        """
        self._driven = (loop, task)
        try:
            yield
        finally:
            self._driven = None

    def readable(self, error: asyncio.CancelledError) -> BaseException:
        """What to raise instead of ``error``: a sentence when the person interrupted, else ``error`` itself."""
        task = asyncio.current_task()
        if not self.asked or task is None:
            return error
        if task.cancelling():
            task.uncancel()
        return interrupted()

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        is_first, self.asked = not self.asked, True
        if self._driven is not None and is_first:
            loop, task = self._driven
            loop.call_soon_threadsafe(task.cancel)
            return
        if self._cell_is_running(frame):
            raise KeyboardInterrupt
        if (
            self._previous is signal.default_int_handler
            and self._task is not None
            and self._loop is not None
        ):
            # Terminal IPython: an exception out of the loop would leave the cell's task behind, half done.
            self._loop.call_soon_threadsafe(self._task.cancel)
        elif callable(self._previous):
            self._previous(signum, frame)

    def _cell_is_running(self, frame: FrameType | None) -> bool:
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        if current is not self._task:
            return False
        namespace = self._shell.user_ns
        while frame is not None:
            if frame.f_globals is namespace:
                return True
            frame = frame.f_back
        return False
