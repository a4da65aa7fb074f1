"""Closes the session when its kernel ends, also while a cell runs.

the front end ends the kernel    ``do_shutdown`` in the control thread, then ``atexit``
another orderly end              ``atexit``
the kernel is killed             nothing: the desk sees that the socket is closed
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

The wait is short, because a kernel must have ended within 2 seconds.
"""
AT_LEAST = 0.1
"""Seconds that the second way waits, even when the first way has used all of ``PATIENCE``."""


class CloseAtExit:
    """Closes the open session when the kernel of a shell ends."""

    def __init__(self, shell: InteractiveShell, current: CurrentSession) -> None:
        self._current = current
        self._kernel: Any = getattr(shell, "kernel", None)
        self._end: float | None = None
        """The end of all waiting, on the monotonic clock. None until the kernel ends."""

    def add(self) -> None:
        """Register the hooks that close the session when the kernel ends."""
        # atexit runs in every orderly end, but only after the main thread is free. `do_shutdown`
        # runs in the control thread, also while a cell blocks the main one.
        atexit.register(self._at_exit)
        if self._kernel is not None:
            # The attribute of the object hides the method of its class. ipykernel has no public
            # hook at this point.
            self._kernel.do_shutdown = self._do_shutdown

    def remove(self) -> None:
        """Remove the hooks."""
        atexit.unregister(self._at_exit)
        if self._kernel is not None:
            # Without our attribute, the method of the class is used again.
            with suppress(AttributeError):
                del self._kernel.do_shutdown

    async def _do_shutdown(self, restart: bool) -> Any:
        session, loop = self._current.session, self._current.loop
        if session is not None and loop is not None and not loop.is_closed():
            # The session belongs to the notebook's loop. This coroutine runs in the control
            # thread's loop.
            closing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
            with suppress(TimeoutError):
                await asyncio.wait_for(closing, self._left())
        # The kernel ends, even if the session could not be closed in time.
        reply = type(self._kernel).do_shutdown(self._kernel, restart)
        return await reply if inspect.isawaitable(reply) else reply

    def _at_exit(self) -> None:
        if self._current.session is not None and self._current.loop is not None:
            close_now(self._current.session, self._current.loop, self._left())

    def _left(self) -> float:
        now = time.monotonic()
        # The first caller starts the clock for both ways. Two full waits would take longer than the
        # 2 seconds that the kernel has.
        self._end = self._end or now + PATIENCE
        return max(AT_LEAST, self._end - now)


def close_now(
    session: Session, loop: asyncio.AbstractEventLoop, patience: float = PATIENCE
) -> None:
    """Close ``session`` from outside its loop, within ``patience`` seconds.

    If the loop is running, the session closes as soon as the loop goes on.
    """
    if loop.is_closed():
        return
    # This thread must not wait, because it runs the loop.
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(session.close(), loop)
        return
    # There is one task, made before the loop is entered. If entering failed, a second
    # `session.close()` would begin on a session that is half closed.
    closing = loop.create_task(session.close())
    end = time.monotonic() + patience
    while not closing.done() and time.monotonic() < end:
        # A loop that was told to stop ends the first run early. Then the loop is entered again.
        with suppress(RuntimeError):
            loop.run_until_complete(asyncio.wait([closing], timeout=patience))
