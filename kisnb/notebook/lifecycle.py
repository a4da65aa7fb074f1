"""Closes the session when its kernel ends, also while a cell runs.

a shutdown or restart by the front end    ``do_shutdown`` in the control thread, then ``atexit``
any other orderly end                     ``atexit``
the kernel is killed                      nothing: the desk notices the closed socket
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.notebook.commands.current_session import CurrentSession
    from kisnb.session.session import Session

PATIENCE = 0.6
"""Seconds of wall time that both ways together may wait for a loop that does not run.

A kernel has to be gone within 2 seconds.
"""
AT_LEAST = 0.1
"""Seconds that the second way waits, when the first one has used them all."""


class CloseAtExit:
    """Closes the open session when the kernel of a shell ends."""

    def __init__(self, shell: InteractiveShell, current: CurrentSession) -> None:
        self._current = current
        self._kernel: Any = getattr(shell, "kernel", None)
        self._end: float | None = None
        """The end of all waiting, on the monotonic clock; None before the kernel ends."""

    def add(self) -> None:
        """Register the hooks that close the session when the kernel ends."""
        # atexit runs in every orderly end, but only after the main thread is free. `do_shutdown`
        # runs in the control thread, also while a cell blocks the main one.
        atexit.register(self._at_exit)
        if self._kernel is not None:
            # An attribute of the object hides the method of its class. No public hook of ipykernel
            # runs at this point.
            self._kernel.do_shutdown = self._do_shutdown

    def remove(self) -> None:
        """Remove the hooks."""
        atexit.unregister(self._at_exit)
        if self._kernel is not None:
            # Without the attribute of our own, the method of the class is there again.
            with suppress(AttributeError):
                del self._kernel.do_shutdown

    async def _do_shutdown(self, restart: bool) -> Any:
        session, loop = self._current.session, self._current.loop
        if session is not None and loop is not None and not loop.is_closed():
            # The session belongs to the notebook's loop, and this coroutine runs in the control
            # thread's.
            closing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
            with suppress(TimeoutError):
                await asyncio.wait_for(closing, self._left())
        # The kernel ends whether or not the session could be closed in time.
        reply = type(self._kernel).do_shutdown(self._kernel, restart)
        return await reply if inspect.isawaitable(reply) else reply

    def _at_exit(self) -> None:
        if self._current.session is not None and self._current.loop is not None:
            close_now(self._current.session, self._current.loop, self._left())

    def _left(self) -> float:
        now = time.monotonic()
        # The first caller starts the clock for both ways. Each with a full wait of its own would
        # take the kernel past its 2 seconds.
        self._end = self._end or now + PATIENCE
        return max(AT_LEAST, self._end - now)


def close_now(
    session: Session, loop: asyncio.AbstractEventLoop, patience: float = PATIENCE
) -> None:
    """Close ``session`` from outside its loop, within ``patience`` seconds.

    A loop that runs now closes it as soon as it goes on.
    """
    if loop.is_closed():
        return
    # Nobody can wait here: this thread is what turns the loop.
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(session.close(), loop)
        return
    # One task, made before the loop is entered. A second `session.close()` after a failed entry
    # would begin to close a session that is half closed.
    closing = loop.create_task(session.close())
    end = time.monotonic() + patience
    while not closing.done() and time.monotonic() < end:
        # A loop that was told to stop ends the first run early: the task is entered again.
        with suppress(RuntimeError):
            loop.run_until_complete(asyncio.wait([closing], timeout=patience))
