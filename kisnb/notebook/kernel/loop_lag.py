"""Sees a cell that blocks the notebook's loop, and names its line: while it blocks, agents stand still.

A thread of its own looks at a beat of the loop. The desk goes on meanwhile: protective exits, the kill switch and all
orders that are out live there. Nothing is interrupted.
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

LAG_SECONDS = 0.4
"""A loop that has not turned for so long is blocked."""
BEAT_SECONDS = 0.05
Blocked = Callable[[str], None]


class LoopLagWatch:
    """Calls ``on_blocked`` from its thread once per block, and ``on_over`` in the loop with the seconds it took."""

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
        self._thread_id = threading.get_ident()
        self._beaten = time.monotonic()
        self._where = ""
        self._timer: asyncio.TimerHandle | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kisnb-loop-lag", daemon=True)

    def start(self) -> None:
        """Begin; to be called in the loop's own thread."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """End; the thread goes within a beat."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        now, where = time.monotonic(), self._where
        lag, self._beaten, self._where = now - self._beaten, now, ""
        if where:
            self._on_over(where, lag)
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def _watch(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            # The pump of the kernel rests between cells without turning this loop; only a cell's frame is a block.
            if self._where or time.monotonic() - self._beaten < LAG_SECONDS:
                continue
            frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the one door to another thread's frames
            where = cell_line(frame, self._is_cell)
            if where:
                self._where = where
                self._on_blocked(where)


def cell_line(frame: FrameType | None, is_cell: Callable[[str], bool]) -> str:
    """``"line 2: time.sleep(9)"``: the innermost line of a cell under ``frame``; empty when there is none."""
    while frame is not None:
        name = frame.f_code.co_filename
        if is_cell(name):
            text = as_typed(linecache.getline(name, frame.f_lineno).strip())
            return f"line {frame.f_lineno}: {text}"
        frame = frame.f_back
    return ""
