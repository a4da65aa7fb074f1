"""Closes tapes: rewrites them in their final form.

Run as a program, it closes the tapes it is given. A desk runs it as another process, because
packing a large tape takes many seconds. A thread would slow the desk's event loop.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from kisnb.clock import Ns
from kisnb.errors import KisnbError
from kisnb.history.tape import blocks, columns
from kisnb.history.tape.blocks import Batch, locked
from kisnb.history.tape.reader import TapeFile

# Measured on a simulated day: level 6 makes the file a third smaller than level 1 and takes three
# times as long. Level 9 makes it no smaller.
LEVEL = 6
CLOSED_EVENTS = 20_000
"""Number of events in a block of a closed tape.

Larger blocks save little and are slower to read.
"""


def main(arguments: Sequence[str]) -> int:
    """Close the tapes at these paths. Return 0, or 1 when one of them could not be closed."""
    status = 0
    for path in arguments:
        try:
            close_tape(Path(path))
        except (OSError, KisnbError) as e:
            print(f"the tape {path} could not be closed: {e}", file=sys.stderr)
            status = 1
    return status


def close_tape(path: Path) -> None:
    """Rewrite a tape in its final form: large blocks, trades in columns, better compressed.

    The new file replaces the old one in one step. A tape that has this form is not changed. Raises
    BadInput for a file that is not a tape. Raises OSError when the disk refuses, and while another
    process writes the tape. Then the tape is unchanged.
    """
    if not _needs_closing(TapeFile(path)):
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    # A writer that opens the tape meanwhile waits for the lock, and then gets the new file.
    with path.open("rb") as old, locked(old.fileno(), wait=False):
        try:
            _write_closed(TapeFile(path), fresh)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def _write_closed(tape: TapeFile, fresh: Path) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        label = msgspec.msgpack.encode(tape.label)
        file.write(blocks.HEAD + blocks.block(blocks.LABEL, label, 0, 0, 0, 1))
        for first, last, count, batches in _regrouped(tape):
            raw = columns.encode_columns(batches)
            file.write(blocks.block(blocks.COLUMNS, raw, first, last, count, LEVEL))
        file.flush()
        os.fsync(file.fileno())


def is_open(path: Path) -> bool:
    """Return whether a tape is not in its final form yet. False for an unreadable file."""
    try:
        return _needs_closing(TapeFile(path))
    except KisnbError:
        return False


def _needs_closing(tape: TapeFile) -> bool:
    return bool(tape.torn) or any(head.kind != blocks.COLUMNS for head in tape.heads)


def _regrouped(tape: TapeFile) -> Iterator[tuple[Ns, Ns, int, list[Batch]]]:
    """Yield (first, last, events, batches) for each block of the final form."""
    batches: list[Batch] = []
    count = 0
    for batch in tape.batches(orders=True):
        batches.append(batch)
        count += len(batch[1])
        if count >= CLOSED_EVENTS:
            yield batches[0][0], batches[-1][0], count, batches
            batches, count = [], 0
    if batches:
        yield batches[0][0], batches[-1][0], count, batches


if __name__ == "__main__":
    # This process gets a low priority, because trading on this machine comes first. Windows has no
    # such call.
    with contextlib.suppress(AttributeError, OSError):
        os.nice(10)
    sys.exit(main(sys.argv[1:]))
