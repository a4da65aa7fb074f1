"""The desk's tape: all that the desk publishes about the market and orders, written beside it.

The desk's loop only collects. A thread packs and writes, so a slow disk delays no order, and a full
one stops none:

    loop      add() ─► Collector ──every half second──► queue
    thread                                               queue ─► TapeWriter ─► disk
    loop      report() ◄──────────── what went wrong, once

What could not be written is a gap of the tape, which the tape itself names.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypeAlias

from kisnb.clock import SECOND, Ns, clock_text, kst, kst_day
from kisnb.errors import KisnbError
from kisnb.events import Event, LinkDown
from kisnb.history.tape.blocks import TapeLabel
from kisnb.history.tape.columns import encode_batch, rows_of
from kisnb.history.tape.folder import make_room, tape_path, tapes_in
from kisnb.history.tape.writer import (
    Collector,
    TapeBlock,
    TapeWriter,
    close_tape,
    gap_block,
)
from kisnb.market import sessions

FLUSH_SECONDS = 0.5
"""Wall time that an event waits in memory at most. So much is lost when the process dies."""
MOST_COLLECTED = 1024 * 1024
"""Bytes after which events are written at once."""
MOST_WAITING = 64 * 1024 * 1024
"""Bytes that may wait for a slow disk. What comes then is left out, and named as a gap."""
CLOSE_SECONDS = 2.0
"""Wall time that the desk's end waits for the last blocks at most."""
CHECK_BYTES = 16 * 1024 * 1024
"""The folder's size is looked at each time the tape has grown by so much."""
AFTER_CLOSE: Ns = 60 * SECOND
"""Time after the last market session of a day at which its tape is closed."""
NO_RUN = "the desk did not run"

log = logging.getLogger(__name__)


class TapeLimits(NamedTuple):
    """The disk that the tapes of a desk may take."""

    most_bytes: int
    most_days: int


class _Block(NamedTuple):
    path: Path
    label: TapeLabel
    pending: TapeBlock


class _Written(NamedTuple):
    """A wish to be told when all that came before is written."""

    done: asyncio.Future[None]


class _DayOver(NamedTuple):
    path: Path


_Work: TypeAlias = _Block | _Written | _DayOver | None


class DeskTape:
    """Tapes what the desk publishes, a file a day below ``folder``.

    ``name`` tells two simulated days of one date apart. ``hide`` takes secrets out of a text.
    ``report`` gets a sentence for people when the tape has trouble: once until it is well again.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        now: Ns,
        limits: TapeLimits,
        report: Callable[[str], None],
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
        """The moment of the first event that was left out because too much waited; 0: none."""
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._begin_day(now)
        worker = _Worker(self._work, limits, self._on_written, self._on_trouble, self._loop)
        # A daemon: a disk that hangs must not keep the process from its end.
        self._thread = threading.Thread(
            target=worker.run, args=(self.path,), name="tape", daemon=True
        )
        self._thread.start()

    def add(self, now: Ns, events: Sequence[Event]) -> None:
        """Take what was published at ``now``."""
        if now >= self._due:
            self._pass_due(now)
        self._collector.add(now, events)
        if self._collector.bytes > MOST_COLLECTED:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._hand_over)

    async def written(self) -> Path:
        """Wait until all that was taken is on the disk, and return today's tape.

        The file is missing when the disk took nothing.
        """
        self._hand_over()
        done: asyncio.Future[None] = self._loop.create_future()
        self._work.put(_Written(done))
        await done
        return self.path

    def close(self) -> None:
        """Write what is left. A disk that takes nothing is waited for only a little."""
        self._hand_over()
        self._work.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _begin_day(self, now: Ns) -> None:
        day = kst_day(now)
        self.path = tape_path(self._folder, day, self._name)
        """Today's tape."""
        self._label = TapeLabel(self._source, day.isoformat())
        self._midnight = kst(day + timedelta(days=1), 0)
        over = max(sessions.boundaries(day), default=self._midnight) + AFTER_CLOSE
        self._due = over if now < over else self._midnight
        """When the day's tape is to be closed, and then when the next day begins."""

    def _pass_due(self, now: Ns) -> None:
        self._hand_over()
        self._work.put(_DayOver(self.path))
        if now >= self._midnight:
            self._begin_day(now)
        else:
            self._due = self._midnight

    def _hand_over(self) -> None:
        """Give the thread what was collected."""
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
            # The gap goes before what comes after it.
            self._put(gap_block(self._dropped, pending.first, "the disk was too slow"))
            self._dropped = 0
        self._put(pending)

    def _put(self, pending: TapeBlock) -> None:
        self._waiting += len(pending.raw)
        self._work.put(_Block(self.path, self._label, pending))

    # from the thread, in the loop

    def _on_written(self, size: int) -> None:
        self._waiting -= size

    def _on_trouble(self, text: str) -> None:
        self._report(text)


class _Worker:
    """Writes in a thread of its own."""

    def __init__(
        self,
        work: queue.SimpleQueue[_Work],
        limits: TapeLimits,
        on_written: Callable[[int], None],
        on_trouble: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._work = work
        self._limits = limits
        self._on_written = on_written
        self._on_trouble = on_trouble
        self._loop = loop
        self._writer: TapeWriter | None = None
        self._checked = 0
        """Size of the tape when the folder was last looked at."""
        self._missing: tuple[Ns, str] | None = None
        """Since when nothing could be written, and why. None: the tape is well."""
        self._full: Path | None = None
        """The tape that has reached the limit, and gets nothing more."""

    def run(self, today: Path) -> None:
        """Work until None comes."""
        for path in tapes_in(today.parent):
            # A desk that died, or whose machine was switched off, did not close its day.
            if path != today:
                self._close_tape(path)
        while (work := self._work.get()) is not None:
            match work:
                case _Block():
                    self._write(work)
                    self._tell(self._on_written, len(work.pending.raw))
                case _Written(done=done):
                    self._tell(_settle, done)
                case _DayOver(path=path):
                    self._end_writer()
                    self._close_tape(path)
        self._end_writer()

    def _write(self, work: _Block) -> None:
        pending = work.pending
        if work.path == self._full:
            return
        try:
            writer = self._writer_of(work)
            if self._missing is not None:
                since, why = self._missing
                writer.write(gap_block(since, pending.first, why))
                self._trouble(
                    f"the tape is written again; it has a gap from {clock_text(since)} to "
                    f"{clock_text(pending.first)}"
                )
                self._missing = None
            writer.write(pending)
            if writer.size > self._checked + CHECK_BYTES:
                self._make_room(writer)
        except (OSError, KisnbError) as e:
            self._end_writer()
            if self._missing is None:
                why = e.text if isinstance(e, KisnbError) else e.strerror or str(e)
                cure = e.cure if isinstance(e, KisnbError) else "make room on the disk"
                self._missing = pending.first, f"the tape could not be written: {why}"
                self._trouble(
                    f"the tape cannot be written ({why}); trading goes on without it; {cure}"
                )

    def _writer_of(self, work: _Block) -> TapeWriter:
        """Return the writer of a tape. Raises OSError, BadInput."""
        if self._writer is not None and self._writer.path == work.path:
            return self._writer
        self._end_writer()
        work.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        writer = self._writer = TapeWriter(work.path, work.label)
        if writer.cut:
            self._trouble(writer.cut)
        if writer.last and self._missing is None and writer.last < work.pending.first:
            # The LinkUp of this desk ends the gap.
            down = LinkDown(writer.last, NO_RUN)
            at = work.pending.first
            writer.write(TapeBlock(rows_of([encode_batch(at, [down])], 1), at, at, 1))
        self._make_room(writer)
        return writer

    def _make_room(self, writer: TapeWriter) -> None:
        """Remove the oldest tapes. End the tape when it alone is too large. Raises OSError."""
        self._checked = writer.size
        make_room(writer.path.parent, writer.path, *self._limits)
        if writer.size > self._limits.most_bytes:
            self._full = writer.path
            self._trouble(
                f"today's tape has {writer.size // 1_000_000:,} MB and ends here; for a longer one "
                "raise tape_max_mb: %kis config tape_max_mb NEW, then kisnb desk restart"
            )

    def _close_tape(self, path: Path) -> None:
        try:
            close_tape(path)
        except (OSError, KisnbError) as e:
            # It stays as it was written, which can be read too.
            log.warning("the tape %s could not be closed: %s", path, e)

    def _end_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _trouble(self, text: str) -> None:
        log.warning("%s", text)
        self._tell(self._on_trouble, text)

    def _tell(self, call: Callable[..., None], *values: object) -> None:
        # A loop that has ended has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *values)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
