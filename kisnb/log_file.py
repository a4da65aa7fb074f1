"""The log file of a process that no person watches: of bounded size, with the output of crashes."""

from __future__ import annotations

import faulthandler
import logging
import os
from collections.abc import Sequence
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

BYTES = 2_000_000
"""Most bytes of a log file. A file that would become larger is renamed, to ``.1`` to ``.3``."""
KEPT = 3
"""Number of renamed files that are kept. Older ones are deleted."""


class LogFile(RotatingFileHandler):
    """A rotating log file that also gets the standard output and error of this process.

    A crash of the interpreter, and a traceback that no code catches, do not go through ``logging``.
    They go to the descriptors of standard output and error. So at each rotation these descriptors
    are pointed at the new file.
    """

    def __init__(self, path: Path, descriptors: Sequence[int] = (1, 2)) -> None:
        """Open ``path``, and point ``descriptors`` at it now and after each rotation.

        Raises OSError.
        """
        self._descriptors = descriptors
        super().__init__(path, maxBytes=BYTES, backupCount=KEPT, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        # The handler calls this at its start and after each rotation. Without the copy, the output
        # of a crash would still go to the renamed file.
        stream = super()._open()
        for descriptor in self._descriptors:
            os.dup2(stream.fileno(), descriptor)
        return stream


def begin_log(path: Path, level: int = logging.INFO, descriptors: Sequence[int] = (1, 2)) -> None:
    """Send all log records, warnings and crashes of this process to ``path``. Raises OSError."""
    logging.basicConfig(
        level=level,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
        handlers=[LogFile(path, descriptors)],
    )
    # Python writes warnings to standard error without a time. As log records they have one.
    logging.captureWarnings(capture=True)
    # The file also gets the stacks of a crash in C, which are written to descriptor 2.
    faulthandler.enable()
