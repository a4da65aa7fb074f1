"""Writes a report as one HTML file, and shows where it is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from markupsafe import Markup

from kisnb.drawing.tables import badge_html, badge_text
from kisnb.errors import ConfigError
from kisnb.terms import Mode


class Report:
    """A report that was written: its file, and the hash of its numbers."""

    def __init__(self, path: Path, size: int, content_hash: str, mode: Mode | None) -> None:
        self.path = path
        self.size = size
        """Size of the file in bytes."""
        self.mode = mode
        """The mode of the session. None for a report of a back-test, which has no mode."""
        self.content_hash = content_hash
        """The hash of the numbers: the same numbers give the same hash."""

    def __repr__(self) -> str:
        size = f"{self.size / 1e6:.1f} MB"
        return f"{badge_text(self.mode)}{self.path}, {size}, content {self.content_hash}"

    def _repr_html_(self) -> str:
        html = Markup(
            '{}Report: <a href="{}" target="_blank">{}</a>, {:.1f} MB, content <code>{}</code>'
        ).format(badge_html(self.mode), self.path, self.path, self.size / 1e6, self.content_hash)
        return str(html)


def write_report_file(
    path: str | Path, page: str, content_hash: str, mode: Mode | None, cure: str
) -> Report:
    """Write a page to ``path`` and return its report. Raises ConfigError with ``cure``."""
    path, content = Path(path), page.encode()
    # The process id keeps two notebooks apart that write the same report.
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A reader sees the old file or the new one, and never half of one.
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise ConfigError(f"{path} cannot be written: {error.strerror}", cure) from error
    return Report(path, len(content), content_hash, mode)
