"""The waits of cells, in the session's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kisnb.clock import Ns


class Waits:
    """The waits of cells. Their conditions are checked after each batch, in the home loop."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Future[None], tuple[Callable[[], bool], Ns | None]] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def next_wake(self) -> Ns | None:
        """Return the earliest moment at which a wait can end without any event."""
        return min((t for _, t in self._open.values() if t is not None), default=None)

    async def until(
        self, over: Callable[[], bool], wake: Ns | None, changed: Callable[[], None]
    ) -> None:
        """Wait until ``over()`` is true.

        ``wake`` is the moment when ``over()`` can become true without an event. None: only an event
        can make it true. ``changed`` is called when the wait begins and when it ends.
        """
        if over():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open[future] = (over, wake)
        changed()
        try:
            await future
        finally:
            # When a cell is interrupted, its wait must no longer stop the clock of a simulated day.
            self._open.pop(future, None)
            changed()

    def end_over(self) -> None:
        """End the waits whose condition is true."""
        for future, (over, _) in list(self._open.items()):
            if over():
                self._open.pop(future)
                # The waiting task may have been cancelled and not run yet.
                if not future.done():
                    future.set_result(None)

    def fail(self, error: Exception) -> None:
        """End all waits with ``error``."""
        for future in list(self._open):
            self._open.pop(future)
            if not future.done():
                future.set_exception(error)
