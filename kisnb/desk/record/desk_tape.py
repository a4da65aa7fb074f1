"""Writes the desk's tape: all that the desk publishes about the market and orders.

The desk's event loop only collects. A thread packs and writes, so a slow disk delays no order, and
a full disk stops no order:

    loop      add() ─► Collector ──every half second──► queue
    thread                                               queue ─► TapeWriter ─► disk
    loop      report() ◄──────────── what went wrong, once

If events could not be written, the tape has a gap, and the tape itself says so.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from kisnb.clock import SECOND, Ns, kst, kst_day
from kisnb.desk.record.tape_worker import (
    AllWritten,
    CloseTapes,
    DayOver,
    NewBlock,
    TapeLimits,
    TapeWork,
    TapeWorker,
)
from kisnb.events import Event, LinkDown
from kisnb.history.tape.blocks import TapeLabel
from kisnb.history.tape.folder import tape_path
from kisnb.history.tape.writer import Collector, TapeBlock, gap_block
from kisnb.market import sessions

FLUSH_SECONDS = 0.5
"""The longest wall time for which an event is only in memory. If the process dies, it is lost."""
MOST_COLLECTED = 1024 * 1024
"""With more collected bytes than this, events are written at once."""
MOST_WAITING = 64 * 1024 * 1024
"""The most bytes that wait for a slow disk. Later events are left out, and a gap is written."""
CLOSE_SECONDS = 2.0
"""The longest wall time for which the end of the desk waits for the last blocks."""
AFTER_CLOSE: Ns = 60 * SECOND
"""Time after the last market session of a day at which its tape is closed."""
STOPPED = "the desk stopped"


class DeskTape:
    """Writes the events that the desk publishes to a tape, one file a day in ``folder``.

    ``name`` distinguishes two simulated days of one date. ``hide`` removes secrets from a text.
    ``report`` gets a sentence for people when the tape has trouble, once for each trouble.
    ``close_tapes`` rewrites tapes in their final form, in another process.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        now: Ns,
        limits: TapeLimits,
        report: Callable[[str], None],
        close_tapes: CloseTapes,
        hide: Callable[[str], str] = str,
        name: str = "",
    ) -> None:
        self._folder = folder
        self._source = source
        self._name = name
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._collector = Collector(hide)
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0
        """Bytes that the thread has not written yet."""
        self._dropped: Ns = 0
        """The moment of the first event that was left out. 0: no event was left out."""
        self._work: queue.SimpleQueue[TapeWork] = queue.SimpleQueue()
        self._begin_day(now)
        worker = TapeWorker(
            self._work, limits, self._on_written, self._on_trouble, close_tapes, self._loop
        )
        # The thread is a daemon, so that a disk that hangs does not stop the process from ending.
        self._thread = threading.Thread(
            target=worker.run, args=(self.path,), name="tape", daemon=True
        )
        self._thread.start()

    def add(self, now: Ns, events: Sequence[Event]) -> None:
        """Collect events that were published at ``now``."""
        if now >= self._due:
            self._pass_due(now)
        self._collector.add(now, events)
        if self._collector.bytes > MOST_COLLECTED:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._hand_over)

    async def written(self) -> Path:
        """Wait until all collected events are on the disk. Return the path of today's tape.

        The file does not exist when nothing could be written.
        """
        self._hand_over()
        done: asyncio.Future[None] = self._loop.create_future()
        self._work.put(AllWritten(done))
        await done
        return self.path

    def close(self, now: Ns) -> None:
        """Write the last events, and wait up to 2 seconds for the disk."""
        self._collector.add(now, [LinkDown(now, STOPPED)])
        self._hand_over()
        self._work.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _begin_day(self, now: Ns) -> None:
        day = kst_day(now)
        self.path = tape_path(self._folder, day, self._name)
        """The path of today's tape."""
        self._label = TapeLabel(self._source, day.isoformat())
        self._midnight = kst(day + timedelta(days=1), 0)
        over = max(sessions.boundaries(day), default=self._midnight) + AFTER_CLOSE
        self._due = over if now < over else self._midnight
        """When the day's tape must be closed. Once it is closed: when the next day begins."""

    def _pass_due(self, now: Ns) -> None:
        self._hand_over()
        self._work.put(DayOver(self.path))
        if now >= self._midnight:
            self._begin_day(now)
        else:
            self._due = self._midnight

    def _hand_over(self) -> None:
        """Give the collected events to the thread. Drop them if too many bytes wait already."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending = self._collector.take()
        if pending is None:
            return
        if self._waiting + len(pending.raw) > MOST_WAITING:
            if not self._dropped:
                self._dropped = pending.first
                self._report("the disk is too slow for the tape, which has a gap; trading goes on")
            return
        if self._dropped:
            # The gap is written before the events that come after it.
            self._put(gap_block(self._dropped, pending.first, "the disk was too slow"))
            self._dropped = 0
        self._put(pending)

    def _put(self, pending: TapeBlock) -> None:
        self._waiting += len(pending.raw)
        self._work.put(NewBlock(self.path, self._label, pending))

    # called by the thread, run in the loop

    def _on_written(self, size: int) -> None:
        self._waiting -= size

    def _on_trouble(self, text: str) -> None:
        self._report(text)
