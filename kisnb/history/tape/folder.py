"""The folder of a desk's tapes: one file a day. The oldest tapes are removed first.

<folder>/2026-11-19.tape    closed
<folder>/2026-11-20.tape    the day that is being written
"""

from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path

ENDING = ".tape"


def tape_path(folder: Path, day: date, name: str = "") -> Path:
    """Return the path of a day's tape. ``name`` distinguishes simulated days of one date."""
    return folder / f"{day}{f'-{name}' if name else ''}{ENDING}"


def day_of_tape(path: Path) -> date | None:
    """Return the day in a tape's name; None for a file with another name."""
    try:
        return date.fromisoformat(path.name[: len("2026-11-20")])
    except ValueError:
        return None


def tapes_in(folder: Path) -> list[Path]:
    """Return the tapes of a folder, sorted by day, then by time of the last write."""
    found = [path for path in folder.glob(f"*{ENDING}") if day_of_tape(path) is not None]
    return sorted(found, key=lambda path: (path.name[: len("2026-11-20")], _written(path)))


def make_room(folder: Path, keep: Path, most_bytes: int, most_days: int) -> list[Path]:
    """Remove the oldest tapes down to ``most_days`` and ``most_bytes``. Return the removed ones.

    ``keep`` is the tape that is being written. It is not removed. Raises OSError.
    """
    tapes = [path for path in tapes_in(folder) if path != keep]
    sizes = {path: path.stat().st_size for path in tapes}
    total = sum(sizes.values()) + (keep.stat().st_size if keep.exists() else 0)
    days = sorted({day_of_tape(path) for path in tapes} | {day_of_tape(keep)}, key=str)
    old = set(days[: max(0, len(days) - most_days)])
    removed = []
    for path in tapes:
        if day_of_tape(path) not in old and total <= most_bytes:
            continue
        path.unlink(missing_ok=True)
        total -= sizes[path]
        removed.append(path)
    return removed


def sweep(folder: Path) -> None:
    """Remove the temporary files of processes that died while they closed a tape."""
    for path in folder.glob(f".*{ENDING}.*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _written(path: Path) -> int:
    """Return when a file was last written, nanoseconds; 0 when it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
