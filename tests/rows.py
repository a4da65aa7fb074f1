"""The table of requirement rows: which tests show which row.

``python -m tests.rows`` writes ROWS.md anew.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = TESTS / "ROWS.md"
_NAMED = re.compile(r"^\s*(?:async )?def test_((?:[a-z]\d\d_)+)", re.MULTILINE)
_ROW = re.compile(r"^\| ([A-Z]\d\d) \| ([^|]+) \|([^|]*)\|$", re.MULTILINE)


def named() -> dict[str, set[str]]:
    """The rows that names of tests begin with, and the test files of each."""
    found = defaultdict[str, set[str]](set)
    for path in sorted(TESTS.rglob("test_*.py")):
        for rows in _NAMED.findall(path.read_text("utf-8")):
            for row in rows.rstrip("_").split("_"):
                found[row.upper()].add(path.relative_to(TESTS).as_posix())
    return found


def listed() -> Iterator[tuple[str, str, set[str]]]:
    """The rows of ROWS.md: id, subject, test files."""
    for row, subject, files in _ROW.findall(TABLE.read_text("utf-8")):
        yield (
            row,
            subject.strip(),
            {name for name in files.replace("`", "").replace(",", " ").split() if name != "–"},
        )


def rewritten(text: str) -> str:
    """The table with the test files as they are now."""
    found = named()

    def line(match: re.Match[str]) -> str:
        files = ", ".join(f"`{name}`" for name in sorted(found.get(match[1], ()))) or "–"
        return f"| {match[1]} | {match[2].strip()} | {files} |"

    return _ROW.sub(line, text)


if __name__ == "__main__":
    TABLE.write_text(rewritten(TABLE.read_text("utf-8")), "utf-8")
