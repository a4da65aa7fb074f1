"""Notices a cell that blocks the notebook's loop, and names its line.

Agents stand still while the loop is blocked. The desk goes on, with protective exits, the kill
switch and all orders. The watch interrupts nothing: a thread compares the clock with the time of
the last beat, a callback that the loop runs again and again.
"""

from __future__ import annotations

import asyncio
import linecache
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from kisnb.notebook.kernel.transform import as_typed

# Shorter stalls are normal: an import, a garbage collection. After longer ones, prices are too old
# for a buy.
LAG_SECONDS = 0.4
"""After this number of seconds without a beat, the loop counts as blocked."""
BEAT_SECONDS = 0.05
"""Seconds between two beats of the loop, and between two checks of the thread."""
Blocked = Callable[[str], None]


class LoopLagWatch:
    """Watches one event loop, and reports when a cell blocks it.

    When a cell blocks the loop, ``on_blocked`` is called once, in the watch's own thread. When the
    loop goes on, ``on_over`` is called in the loop, with the seconds for which it was blocked.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        is_cell: Callable[[str], bool],
        on_blocked: Blocked,
        on_over: Callable[[str, float], None],
    ) -> None:
        self._loop = loop
        self._is_cell = is_cell
        self._on_blocked = on_blocked
        self._on_over = on_over
        # The watch is made in the loop's own thread, so this is the thread to look at later.
        self._thread_id = threading.get_ident()
        self._beaten = time.monotonic()
        self._where = ""
        self._timer: asyncio.TimerHandle | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kisnb-loop-lag", daemon=True)

    def start(self) -> None:
        """Begin to watch. Call it in the loop's own thread."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """End the watch. Its thread ends within a beat."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        now, where = time.monotonic(), self._where
        # The line is read and cleared in one step, because the thread may set a new one at once.
        lag, self._beaten, self._where = now - self._beaten, now, ""
        if where:
            self._on_over(where, lag)
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def _watch(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            # Between cells the kernel may not run this loop at all. So the loop counts as blocked
            # only when a cell's frame is on the stack.
            if self._where or time.monotonic() - self._beaten < LAG_SECONDS:
                continue
            # Python has no other way to the frames of another thread.
            frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001
            where = cell_line(frame, self._is_cell)
            if where:
                self._where = where
                self._on_blocked(where)


def cell_line(frame: FrameType | None, is_cell: Callable[[str], bool]) -> str:
    """Return the innermost line of cell code on the stack of ``frame``: ``"line 2: f()"``.

    Empty when no code of a cell is on the stack.
    """
    while frame is not None:
        name = frame.f_code.co_filename
        if is_cell(name):
            text = as_typed(linecache.getline(name, frame.f_lineno).strip())
            return f"line {frame.f_lineno}: {text}"
        frame = frame.f_back
    return ""
