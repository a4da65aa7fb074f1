"""Lets the interrupt button stop a handler that does not return, and nothing else.

Between cells ipykernel ignores SIGINT, so ``while True: pass`` in a handler could not be stopped.
So while a session delivers events, it handles SIGINT itself:

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
"""A handler counts as stuck after this wall time. Before that, an interrupt goes to the cell."""
ELSEWHERE = -1.0
"""The value that ``HandlerWatch.begin`` returns outside the main thread."""
SIGINT = int(signal.SIGINT)
_MAIN = threading.main_thread().ident

Previous: TypeAlias = Callable[[int, FrameType | None], Any] | int | None
Held: TypeAlias = tuple[Previous, Previous]
"""Our installed handler of SIGINT, and the handler that was set before."""

# The functions of ``signal`` turn each handler into an enum and back, so a delivery takes 19 µs.
# With the C module under it, where there is one, it takes 2 µs.
_c: Any = sys.modules.get("_signal", signal)
get_handler: Callable[[int], Previous] = _c.getsignal
set_handler: Callable[[int, Previous], Previous] = _c.signal


class HandlerWatch:
    """Handles SIGINT while events are delivered, and knows since when a handler runs.

    There is one in a process, because a process has one SIGINT. It works only in the main thread:
    Python delivers signals there, and handlers in other threads cannot be interrupted.
    """

    def __init__(self) -> None:
        self._since = 0.0
        """Start of the main thread's outermost handler, monotonic clock. 0 while none runs."""
        self._previous: Previous = None
        self._handler = self._interrupt
        """Our handler of SIGINT, a bound method that is made once.

        Each access would make a new one, and handlers are compared by identity.
        """

    def begin(self) -> float:
        """Note that a handler begins, unless one runs already.

        Return the value that ``end`` needs.
        """
        if threading.get_ident() != _MAIN:
            return ELSEWHERE
        before = self._since
        if not before:
            self._since = time.monotonic()
        return before

    def end(self, before: float) -> None:
        """Note that the handler has ended. ``before`` is the value that ``begin`` returned."""
        if before != ELSEWHERE:
            self._since = before

    def install(self) -> Held | None:
        """Install our handler of SIGINT. Return the value that ``restore`` needs.

        None: nothing was installed.
        """
        if threading.get_ident() != _MAIN:
            return None
        previous = get_handler(SIGINT)
        # None means a handler that was not installed from Python. It could not be restored.
        if previous is None or previous is self._handler:
            return None
        held = previous, self._previous
        # An interrupt at the very end of a handler may have prevented the call of ``end``.
        self._since, self._previous = 0.0, previous
        set_handler(SIGINT, self._handler)
        return held

    def restore(self, held: Held | None) -> None:
        """Install the previous handler of SIGINT again, unless other code has set its own."""
        # Other code has set its own handler, and may restore ours later. Then ours still calls
        # ``_previous``.
        if held is not None and get_handler(SIGINT) is self._handler:
            set_handler(SIGINT, held[0])
            self._previous = held[1]

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since and now - self._since > STUCK_SECONDS:
            # The handler gets time to end. Another press must not interrupt its clean-up or later
            # code.
            self._since = now
            raise KeyboardInterrupt
        if callable(self._previous):
            self._previous(signum, frame)


watch = HandlerWatch()
"""The HandlerWatch of this process."""


class interruptible:  # noqa: N801 - reads as a word in a with statement
    """A ``with`` block around the delivery of events, in which SIGINT can stop a stuck handler."""

    __slots__ = ("_held",)

    def __enter__(self) -> None:
        self._held = watch.install()

    def __exit__(self, *_: object) -> None:
        watch.restore(self._held)
