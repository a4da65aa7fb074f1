"""Lets the interrupt button stop a handler that does not return, and nothing else.

Between cells ipykernel ignores SIGINT, so ``while True: pass`` in a handler could not be stopped.
While a session delivers events it therefore holds SIGINT itself:

    a handler has run for more than 0.3 s   KeyboardInterrupt is raised in it, then 0.3 s of grace
    else, the previous handler is callable  it is called: the cell that waits is interrupted
    else                                    nothing, as before
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

STUCK_SECONDS = 0.3
"""Wall time after which a handler counts as stuck. A cell that waits is interrupted before that."""
ELSEWHERE = -1.0
"""The value that ``HandlerWatch.begin`` returns outside the main thread."""
SIGINT = int(signal.SIGINT)
_MAIN = threading.main_thread().ident

Previous: TypeAlias = Callable[[int, FrameType | None], Any] | int | None
Held: TypeAlias = tuple[Previous, Previous]
"""The handler that was installed, and the one that an outer delivery had found."""

# The functions of ``signal`` turn each handler into an enum and back: a delivery costs 19 µs
# instead of 2. The C module under it, where there is one, takes and gives the same handlers.
_c: Any = sys.modules.get("_signal", signal)
get_handler: Callable[[int], Previous] = _c.getsignal
set_handler: Callable[[int, Previous], Previous] = _c.signal


class HandlerWatch:
    """Holds SIGINT while events are delivered, and knows since when a handler runs.

    There is one in a process, because a process has one SIGINT. It works in the main thread alone:
    Python delivers signals there, and handlers that run in other threads cannot be interrupted.
    """

    def __init__(self) -> None:
        self._since = 0.0
        """Start of the outermost handler of the main thread, monotonic; 0 while none runs."""
        self._previous: Previous = None
        self._handler = self._interrupt
        """The bound method, made once: each access would make a new one, and they are compared by
        identity."""

    def begin(self) -> float:
        """Note that a handler begins, unless another one runs. Return what ``end`` needs."""
        if threading.get_ident() != _MAIN:
            return ELSEWHERE
        before = self._since
        if not before:
            self._since = time.monotonic()
        return before

    def end(self, before: float) -> None:
        """Note that the handler of ``begin`` has ended."""
        if before != ELSEWHERE:
            self._since = before

    def install(self) -> Held | None:
        """Install our handler of SIGINT. Return what ``restore`` needs.

        None when nothing was installed.
        """
        if threading.get_ident() != _MAIN:
            return None
        previous = get_handler(SIGINT)
        # None is a handler that was not installed from Python: it could not be given back.
        if previous is None or previous is self._handler:
            return None
        held = previous, self._previous
        # An interrupt at the very end of a handler may have kept ``end`` from being noted.
        self._since, self._previous = 0.0, previous
        set_handler(SIGINT, self._handler)
        return held

    def restore(self, held: Held | None) -> None:
        """Install the previous handler of SIGINT again, unless other code has installed its own."""
        # Whoever took it over may give it back to us later: then we still call ``_previous``.
        if held is not None and get_handler(SIGINT) is self._handler:
            set_handler(SIGINT, held[0])
            self._previous = held[1]

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since and now - self._since > STUCK_SECONDS:
            # It gets time to end: another press must not strike its clean-up, nor what comes after.
            self._since = now
            raise KeyboardInterrupt
        if callable(self._previous):
            self._previous(signum, frame)


watch = HandlerWatch()
"""The only HandlerWatch of this process."""


class interruptible:  # noqa: N801 - reads as a word in a with statement
    """A ``with`` block around the delivery of events, in which SIGINT can stop a stuck handler."""

    __slots__ = ("_held",)

    def __enter__(self) -> None:
        self._held = watch.install()

    def __exit__(self, *_: object) -> None:
        watch.restore(self._held)
