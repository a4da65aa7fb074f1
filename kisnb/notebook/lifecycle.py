"""The end of a kernel: the session leaves its desk in order, whoever ends the kernel and whatever a cell does then.

On a shutdown or restart from the front end ``do_shutdown`` runs first, in the control thread; ``atexit`` runs on every
orderly end. A killed kernel runs nothing: then the desk notices the closed socket.
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
"""Seconds of wall time that both ways out together may wait for a loop that stands; a kernel is gone within 2 s."""
AT_LEAST = 0.1


class CloseAtExit:
    """Closes the open session when the kernel of a shell ends."""

    def __init__(self, shell: InteractiveShell, current: CurrentSession) -> None:
        self._current = current
        self._kernel: Any = getattr(shell, "kernel", None)
        self._end: float | None = None
        """When waiting ends, once the kernel is told to go."""

    def add(self) -> None:
        atexit.register(self._at_exit)
        if self._kernel is not None:
            self._kernel.do_shutdown = self._do_shutdown

    def remove(self) -> None:
        atexit.unregister(self._at_exit)
        if self._kernel is not None:
            with suppress(AttributeError):
                del self._kernel.do_shutdown

    async def _do_shutdown(self, restart: bool) -> Any:
        session, loop = self._current.session, self._current.loop
        if session is not None and loop is not None and not loop.is_closed():
            closing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
            with suppress(TimeoutError):
                await asyncio.wait_for(closing, self._left())
        reply = type(self._kernel).do_shutdown(self._kernel, restart)
        return await reply if inspect.isawaitable(reply) else reply

    def _at_exit(self) -> None:
        if self._current.session is not None and self._current.loop is not None:
            close_now(self._current.session, self._current.loop, self._left())

    def _left(self) -> float:
        now = time.monotonic()
        self._end = self._end or now + PATIENCE
        return max(AT_LEAST, self._end - now)


def close_now(
    session: Session, loop: asyncio.AbstractEventLoop, patience: float = PATIENCE
) -> None:
    """Close ``session`` from outside its loop, or as soon as the loop goes on."""
    if loop.is_closed():
        return
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(session.close(), loop)
        return
    closing = loop.create_task(session.close())
    end = time.monotonic() + patience
    while not closing.done() and time.monotonic() < end:
        # A loop that was told to stop ends the first run early: the task is entered again.
        with suppress(RuntimeError):
            loop.run_until_complete(asyncio.wait([closing], timeout=patience))
