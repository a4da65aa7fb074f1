"""The tape of ``kisnb sim --record``: the market's events, written as they happen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from kisnb.clock import Ns, clock_text
from kisnb.errors import BadInput, ConfigError
from kisnb.events import Event
from kisnb.history.tape.blocks import TapeLabel, is_tape
from kisnb.history.tape.closing import close_tape
from kisnb.history.tape.writer import Collector, TapeWriter, gap_block

BLOCK_BYTES = 256 * 1024
"""When this number of bytes was collected, they are written as one block."""
WIRE = (".jsonl", ".ndjson")
"""Endings of files that record KIS's messages. A file with another ending becomes a tape."""


class DayTape:
    """A new tape at ``path``. ``begin`` makes the file; events from before it wait in memory.

    Raises ConfigError if the file exists and is no tape.
    """

    def __init__(self, path: Path, source: str, day: date) -> None:
        self.path = path
        self._collector = Collector()
        self._missing: Ns = 0
        """The moment since which the disk refuses writes. 0: it refuses none."""
        self._why = ""
        self._label = TapeLabel(source, day.isoformat())
        self._writer: TapeWriter | None = None
        if path.is_file() and path.stat().st_size and not is_tape(path):
            raise ConfigError(
                f"{path} is not a recording and would be lost", "name another file for --record"
            )

    def begin(self) -> None:
        """Make the file, which replaces an older tape. Raises ConfigError when that fails."""
        try:
            self.path.unlink(missing_ok=True)
            self._writer = TapeWriter(self.path, self._label)
        except OSError as e:
            raise ConfigError(
                f"{self.path} cannot be written: {e.strerror}", "name another file for --record"
            ) from e

    def add(self, now: Ns, events: Sequence[Event]) -> None:
        """Add the events of a moment to the tape."""
        self._collector.add(now, events)
        if self._writer is not None and self._collector.bytes >= BLOCK_BYTES:
            self._write(self._writer)

    def close(self) -> None:
        """Write the last events, and rewrite the tape in its final form."""
        if self._writer is None:
            return
        self._write(self._writer)
        self._writer.close()
        try:
            close_tape(self.path)
        except (OSError, BadInput) as e:
            # The tape stays in the form in which it was written, which can be read too.
            print(f"the tape {self.path} could not be packed: {e}", file=sys.stderr)

    def _write(self, writer: TapeWriter) -> None:
        block = self._collector.take()
        if block is None:
            return
        try:
            if self._missing:
                writer.write(gap_block(self._missing, block.first, self._why))
                self._missing = 0
            writer.write(block)
        except OSError as e:
            # The market goes on, because its clients are more important than its tape.
            if not self._missing:
                self._missing, self._why = block.first, f"the tape could not be written: {e}"
                print(
                    f"{self.path} cannot be written from {clock_text(block.first)} on: "
                    f"{e.strerror}. Make room on the disk.",
                    file=sys.stderr,
                )
