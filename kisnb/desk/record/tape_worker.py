"""The thread of a desk's tape: writes blocks, closes days, and deletes old tapes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from kisnb.clock import Ns, clock_text
from kisnb.errors import KisnbError
from kisnb.events import LinkDown
from kisnb.history.tape.blocks import TapeLabel
from kisnb.history.tape.closing import is_open
from kisnb.history.tape.columns import encode_batch, rows_of
from kisnb.history.tape.folder import make_room, sweep, tapes_in
from kisnb.history.tape.writer import TapeBlock, TapeWriter, gap_block

CHECK_BYTES = 16 * 1024 * 1024
"""After this growth of the tape, the size of the folder is checked again."""
QUIET_SECONDS = 30.0
"""Wall time after a desk's start at which the tapes of earlier days are closed.

During its start the desk needs the machine itself.
"""
NO_RUN = "the desk did not run"

log = logging.getLogger(__name__)


class TapeLimits(NamedTuple):
    """The most bytes and days of all tapes of a desk together."""

    most_bytes: int
    most_days: int


class NewBlock(NamedTuple):
    """A request in the worker's queue: write these events to a day's tape."""

    path: Path
    label: TapeLabel
    block: TapeBlock


class AllWritten(NamedTuple):
    """A request in the worker's queue: complete ``done`` once all earlier requests are on disk."""

    done: asyncio.Future[None]


class DayOver(NamedTuple):
    """A request in the worker's queue: rewrite a day's tape in its final form."""

    path: Path


CloseTapes: TypeAlias = Callable[[Sequence[Path], bool], object]
"""Rewrites tapes in their final form, in another process.

If the second argument is True, it returns only when that is done.
"""
TapeWork: TypeAlias = NewBlock | AllWritten | DayOver | None


class TapeWorker:
    """Carries out the requests of its queue in its own thread."""

    def __init__(
        self,
        work: queue.SimpleQueue[TapeWork],
        limits: TapeLimits,
        on_written: Callable[[int], None],
        on_trouble: Callable[[str], None],
        close_tapes: CloseTapes,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._work = work
        self._limits = limits
        self._on_written = on_written
        self._on_trouble = on_trouble
        self._close_tapes = close_tapes
        self._loop = loop
        self._writer: TapeWriter | None = None
        self._checked = 0
        """Size of the tape at the last check of the folder's size."""
        self._missing: tuple[Ns, str] | None = None
        """Since when no event could be written, and why. None: the tape can be written."""
        self._seen: set[Path] = set()
        """The tapes that this desk has written to."""
        self._full: Path | None = None
        """The tape that has reached the limit and gets no more events. None: no tape has."""

    def run(self, today: Path) -> None:
        """Carry out requests until None comes. ``today`` is the path of today's tape."""
        sweep(today.parent)
        due = time.monotonic() + QUIET_SECONDS
        is_waiting = True
        while True:
            try:
                work = self._work.get(timeout=QUIET_SECONDS if is_waiting else None)
            except queue.Empty:
                pass
            else:
                if work is None:
                    break
                self._do(work)
            if is_waiting and time.monotonic() >= due:
                is_waiting = False
                # If the desk died or the machine was switched off, the day's tape was not closed.
                self._close([path for path in tapes_in(today.parent) if path != today])
        self._end_writer()

    def _do(self, work: NewBlock | AllWritten | DayOver) -> None:
        match work:
            case NewBlock():
                self._write(work)
                self._tell(self._on_written, len(work.block.raw))
            case AllWritten(done=done):
                self._tell(_settle, done)
            case DayOver(path=path):
                self._end_writer()
                self._close([path], wait=True)

    def _write(self, work: NewBlock) -> None:
        pending = work.block
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

    def _writer_of(self, work: NewBlock) -> TapeWriter:
        """Return the writer of a tape, opened if necessary. Raises OSError, BadInput."""
        if self._writer is not None and self._writer.path == work.path:
            return self._writer
        self._end_writer()
        work.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        writer = self._writer = TapeWriter(work.path, work.label)
        if writer.cut:
            self._trouble(writer.cut)
        is_new_here = work.path not in self._seen
        self._seen.add(work.path)
        if is_new_here and 0 < writer.last < work.block.first:
            # The LinkUp of this desk ends the gap.
            down = LinkDown(writer.last, NO_RUN)
            at = work.block.first
            writer.write(TapeBlock(rows_of([encode_batch(at, [down])], 1), at, at, 1))
        self._make_room(writer)
        return writer

    def _make_room(self, writer: TapeWriter) -> None:
        """Remove the oldest tapes. If the current tape alone is too large, end it.

        Raises OSError.
        """
        self._checked = writer.size
        make_room(writer.path.parent, writer.path, *self._limits)
        if writer.size > self._limits.most_bytes:
            self._full = writer.path
            self._trouble(
                f"today's tape has {writer.size // 1_000_000:,} MB and ends here; for a longer one "
                "raise tape_max_mb: %kis config tape_max_mb NEW, then kisnb desk restart"
            )

    def _close(self, paths: Sequence[Path], *, wait: bool = False) -> None:
        opened = [path for path in paths if is_open(path)]
        if not opened:
            return
        try:
            self._close_tapes(opened, wait)
        except OSError as e:
            # The tapes stay in the form in which they were written, which can be read too.
            log.warning("tapes could not be closed: %s", e)

    def _end_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _trouble(self, text: str) -> None:
        log.warning("%s", text)
        self._tell(self._on_trouble, text)

    def _tell(self, call: Callable[..., None], *values: object) -> None:
        # The loop has ended, so nobody can be told.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *values)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
