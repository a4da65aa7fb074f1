"""A block of code that an interrupt (SIGINT) cannot end early. The session applies events in it.

An interrupt in the middle of a batch would leave the order books with only a part of its events.
"""

from __future__ import annotations

import threading
from types import FrameType, TracebackType

from kisnb.trading.agents.handler_watch import SIGINT, Previous, get_handler, set_handler


class Uninterrupted:
    """Delays SIGINT until the end of the block, then calls the handler that was set before.

    Outside the main thread it has no effect, because Python handles signals only there.
    """

    def __init__(self) -> None:
        self._before: Previous = None
        self._depth = 0
        self._noted: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return
        if self._depth == 0:
            self._noted, self._before = None, get_handler(SIGINT)
            # None means a handler that was not installed from Python. It could not be restored.
            if self._before is not None:
                set_handler(SIGINT, self._note)
        # Increase the count last: an interrupt may leave this method at any call above.
        self._depth += 1

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return
        self._depth -= 1
        if self._depth or self._before is None:
            return
        before, self._before = self._before, None
        set_handler(SIGINT, before)
        noted, self._noted = self._noted, None
        if noted is not None and callable(before):
            before(*noted)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._noted = (signum, frame)
