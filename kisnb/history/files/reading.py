"""Reads a parquet or CSV file without conversion. Errors name the file, the row and the cure.

Row numbers begin with 1. The header is not counted.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.errors import BadInput

if TYPE_CHECKING:
    import polars as pl

ROW = "row"
"""Name of the column with the number of the row in the file."""
SEPARATORS = ",;\t|"
WHOLE = "get the file again: it was cut off, or it is of another kind"


def read_file(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Read a file. Return its rows with their numbers in ``ROW``, and notes about the file.

    All columns of a CSV file are String, so a code keeps its zeros. Raises BadInput.
    """
    kind = path.suffix.lower()
    if not path.is_file():
        raise BadInput(f"there is no file {path}", "correct the path")
    if kind == ".parquet":
        frame, notes = _parquet(path), list[str]()
    elif kind in (".csv", ".tsv", ".txt"):
        frame, notes = _csv(path)
    else:
        raise BadInput(f"{path} is neither parquet nor CSV", "name it .parquet or .csv")
    if frame.is_empty():
        raise BadInput(f"{path} has no row", WHOLE)
    return frame.drop(ROW, strict=False).with_row_index(ROW, offset=1), notes


def failure(path: Path, row: int, what: str, cure: str) -> BadInput:
    """Return an error about one row of a file. The caller raises it."""
    return BadInput(f"row {row} of {path.name} {what}", cure)


def _parquet(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as e:
        reason = str(e).splitlines()[0]
        raise BadInput(f"{path} cannot be read as parquet: {reason}", WHOLE) from e


def _csv(path: Path) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    text, notes = _decoded(path)
    header_line = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header_line.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        table = [row for row in rows if row]
    except csv.Error as e:
        raise BadInput(f"line {rows.line_num} of {path.name} cannot be read: {e}", WHOLE) from e
    if not table:
        raise BadInput(f"{path} is empty", WHOLE)
    header, *body = table
    names = [name.strip() for name in header]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{path.name} has two columns {name!r}", "rename or remove one")
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise failure(
                path, number, f"has {len(row)} fields, and the header has {len(header)}", WHOLE
            )
    if not text.endswith("\n"):
        notes.append("Its last line does not end: see that the file is whole.")
    columns = {
        name: pl.Series([row[n].strip() or None for row in body], dtype=pl.String)
        for n, name in enumerate(names)
    }
    return pl.DataFrame(columns), notes


def _decoded(path: Path) -> tuple[str, list[str]]:
    """Return the text of a file without its byte order mark, and no notes. Raises BadInput."""
    try:
        content = path.read_bytes()
    except OSError as e:
        raise BadInput(f"{path} cannot be read: {e.strerror}", "see that it is yours") from e
    # Excel writes a byte order mark. Some Korean programs still write the older encoding.
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return content.decode(encoding), []
        except UnicodeDecodeError:
            continue
    raise BadInput(f"{path} is no text in UTF-8 or CP949", "save it as CSV in UTF-8")
