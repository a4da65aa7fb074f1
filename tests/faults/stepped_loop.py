"""An event loop on the campaign's clock: it turns when it is told to, and waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kisnb.clock import SECOND, Ns


class NoSockets:
    """What the loop asks for sockets that are ready: there are none."""

    def select(self, _timeout: float | None) -> list[Any]:
        return []


class SteppedLoop(asyncio.BaseEventLoop):
    """Each process of the campaign has one. ``at`` asks for a turn at a moment, for timers."""

    def __init__(
        self, now: Callable[[], Ns], at: Callable[[Ns], None], failed: Callable[[str], None]
    ) -> None:
        """``failed`` is told what nobody caught."""
        super().__init__()
        self._selector = NoSockets()
        self._began = now()
        self._clock = now
        self._at = at
        self.set_exception_handler(
            lambda _, about: failed(f"{about['message']}: {about.get('exception')!r}")
        )

    def time(self) -> float:
        return (self._clock() - self._began) / SECOND

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Any:
        handle = super().call_at(when, callback, *args, context=context)
        # A nanosecond later: a float may be a little too early.
        self._at(self._began + int(when * SECOND) + 1)
        return handle

    def turn(self) -> None:
        """Run everything that is due.

        Raises what asyncio lets out: SystemExit and KeyboardInterrupt.
        """
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            self._run_once()
            while self._ready:
                self._run_once()
        finally:
            asyncio._set_running_loop(before)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What runs within finds this loop as the running one."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(before)

    def _process_events(self, _events: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...
