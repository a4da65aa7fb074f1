"""Writes a tape: ``Collector`` collects events in memory, ``TapeWriter`` writes complete blocks.

They are two classes, because a desk collects in its event loop and writes in another thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kisnb.clock import Ns, clock_text
from kisnb.events import (
    Depth,
    Event,
    ExpectedMatch,
    IntentTaken,
    LinkDown,
    LinkUp,
    ProgramTrades,
    Tick,
)
from kisnb.history.tape import blocks, columns
from kisnb.history.tape.blocks import TapeEvent, TapeLabel, is_taped

LIVE_LEVEL = 1
"""zlib's level while a tape grows. A closed tape is compressed better."""

_PRICES: frozenset[type] = frozenset({Tick, Depth, ExpectedMatch, ProgramTrades})
"""Types of events that have no text except the code of a stock."""


class TapeBlock(NamedTuple):
    """Encoded events that will be written as one block."""

    raw: bytes
    first: Ns
    last: Ns
    events: int


class Collector:
    """Collects events in memory until ``take`` returns them for writing.

    ``hide`` returns a text without secrets, such as the account number.
    """

    def __init__(self, hide: Callable[[str], str] = str) -> None:
        self.bytes = 0
        """Number of collected bytes."""
        self._hide = hide
        self._batches: list[bytes] = []
        self._events = 0
        self._first: Ns = 0
        self._last: Ns = 0

    def add(self, at: Ns, events: Sequence[Event]) -> None:
        """Collect events that were received at ``at``. Events that are not taped are left out."""
        # Moments on a tape never go back, so that it can be read by time. But a clock may be set
        # back.
        at = max(at, self._last)
        for event in events:
            # Nearly all events that a desk publishes are prices. They have no text that could be a
            # secret.
            if type(event) not in _PRICES:
                self._add_checked(at, events)
                return
        self._add_encoded(at, columns.encode_batch(at, events), len(events))

    def take(self) -> TapeBlock | None:
        """Remove and return the collected events. None when there are none."""
        if not self._batches:
            return None
        batches, self._batches = self._batches, []
        events, self._events, self.bytes = self._events, 0, 0
        raw = columns.rows_of(batches, len(batches))
        return TapeBlock(raw, self._first, self._last, events)

    def _add_checked(self, at: Ns, events: Sequence[Event]) -> None:
        kept = [_public(event) for event in events if is_taped(event)]
        if not kept:
            return
        masked = self._masked(msgspec.msgpack.decode(columns.encode_batch(at, kept)))
        self._add_encoded(at, msgspec.msgpack.encode(masked), len(kept))

    def _add_encoded(self, at: Ns, encoded: bytes, events: int) -> None:
        if not self._batches:
            self._first = at
        self._last = at
        self._events += events
        self._batches.append(encoded)
        self.bytes += len(encoded)

    def _masked(self, value: Any) -> Any:
        """Return decoded MessagePack without secrets in its texts."""
        if isinstance(value, str):
            return self._hide(value)
        if isinstance(value, dict):
            return {name: self._masked(item) for name, item in value.items()}
        return [self._masked(item) for item in value] if isinstance(value, list) else value


class TapeWriter:
    """Appends blocks to one tape. It creates the file, or continues an existing one.

    ``cut`` is a sentence about an incomplete end that was cut off; empty when the tape was
    complete. Raises BadInput for a file that is not a tape, and OSError when the disk refuses.
    After an OSError the file ends with its last complete block, and the writer may be used again.
    """

    def __init__(self, path: Path, label: TapeLabel) -> None:
        self.path = path
        self.cut = ""
        self.last: Ns = 0
        """The moment of the newest event on the tape; 0 when there is none."""
        # Mode 0600: a tape shows what a person trades.
        self._file = _open(path)
        try:
            self._end = self._begin(label)
        except BaseException:
            self._file.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of the tape."""
        return self._end

    def write(self, pending: TapeBlock) -> None:
        """Append one block of rows to the file."""
        self._append(blocks.block(blocks.ROWS, *pending, LIVE_LEVEL))
        self.last = pending.last

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _begin(self, label: TapeLabel) -> int:
        """Begin a new tape or check an existing one. Return the position for the next block."""
        size = os.fstat(self._file.fileno()).st_size
        # A process that died at the very beginning leaves a file without its first block.
        if size > len(blocks.HEAD):
            found = blocks.scan(self.path, self._file)
            self._end = found.end
            if found.heads:
                self.last = found.heads[-1].last
            if found.torn:
                self._file.truncate(found.end)
                self.cut = (
                    f"the end of the tape {self.path.name} was torn: {found.torn:,} bytes after "
                    f"{clock_text(self.last)} were cut off"
                )
            return found.end
        self._end = 0
        self._file.truncate(0)
        self._append(
            blocks.HEAD + blocks.block(blocks.LABEL, msgspec.msgpack.encode(label), 0, 0, 0, 1)
        )
        return self._end

    def _append(self, data: bytes) -> None:
        try:
            self._file.seek(self._end)
            # A disk that is nearly full writes a part, and the returned number shows it.
            written = self._file.write(data)
            while written is not None and written < len(data):
                data = data[written:]
                written = self._file.write(data)
        except OSError:
            # The bytes after the last complete block are cut off, so that the next block begins
            # there.
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end = self._file.tell()


def _open(path: Path) -> FileIO:
    """Open the file and lock it for this writer. Waits while another process holds the lock.

    Raises OSError.
    """
    while True:
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            blocks.lock(file.fileno(), wait=True)
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        except BaseException:
            file.close()
            raise
        # The tape was closed meanwhile: a new file has replaced it.
        file.close()


def gap_block(since: Ns, until: Ns, why: str) -> TapeBlock:
    """Return a block that marks a gap of the tape, because nothing was written after ``since``."""
    batch = columns.encode_batch(until, [LinkDown(since, why), LinkUp(until)])
    return TapeBlock(columns.rows_of([batch], 1), until, until, 2)


def _public(event: TapeEvent) -> TapeEvent:
    """Return an event without its naming, which contains a person's notebook and code."""
    # The naming of an order contains the path of a notebook and the text of a cell.
    if type(event) is IntentTaken and event.naming is not None:
        return IntentTaken(event.t, event.intent)
    return event
