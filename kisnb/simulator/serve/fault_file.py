"""Reads a fault file. The message of an error names the line of the mistake."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import msgspec

from kisnb.errors import ConfigError
from kisnb.simulator.host.faults import Fault, Faults

CURE = (
    "a fault has on and what, and of msg_cd, status, done, seconds, tr_id, code, nth, times,"
    " probability, since, until"
)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    fault: list[Fault] = []
    seed: int = 1


def read_faults(path: Path, day: date) -> Faults:
    """Return the faults of a TOML file for one day.

    Raises ConfigError with the line of a mistake.
    """
    try:
        text = path.read_text("utf-8")
        file = msgspec.convert(tomllib.loads(text), _File)
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be read: {e.strerror}", "name a TOML file for --faults"
        ) from e
    except UnicodeError as e:
        raise ConfigError(f"{path} is not text", "name a TOML file for --faults") from e
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path} is not TOML: {e}", "a fault begins with a line [[fault]]") from e
    except msgspec.ValidationError as e:
        problem, _, where = str(e).partition(" - at ")
        raise ConfigError(f"{path}{_line(text, where)}: {problem}", CURE) from e
    return Faults(day, file.fault, seed=file.seed)


def _line(text: str, where: str) -> str:
    """Return the line of ``$.fault[1].what``, or of its table, as ``", line 7"``."""
    # msgspec names the place of an error as a path; people need a line.
    found = re.match(r"`\$\.fault\[(\d+)\](?:\.(\w+))?", where)
    if found is None:
        return ""
    lines = text.splitlines()
    tables = [
        n for n, line in enumerate(lines, start=1) if re.match(r"\s*\[\[\s*fault\s*\]\]", line)
    ]
    if int(found[1]) >= len(tables):
        return ""
    first = tables[int(found[1])]
    for n in range(first + 1, len(lines) + 1):
        if lines[n - 1].lstrip().startswith("["):
            break
        if found[2] and re.match(rf"\s*{found[2]}\s*=", lines[n - 1]):
            return f", line {n}"
    return f", line {first}"
