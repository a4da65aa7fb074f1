"""Writes rows into a parquet or CSV file for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.errors import BadInput

if TYPE_CHECKING:
    import polars as pl


def write_file(rows: pl.DataFrame, path: Path) -> None:
    """Write a DataFrame to a parquet or CSV file, completely or not at all. Raises BadInput.

    CSV is UTF-8 without a byte order mark. Days are written as 2026-11-20, and times with a zone.
    """
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise BadInput(f"{path} is neither parquet nor CSV", "name it .parquet or .csv")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if kind == ".parquet":
            rows.write_parquet(fresh)
        else:
            rows.write_csv(fresh, datetime_format="%Y-%m-%dT%H:%M:%S%.6f%:z")
        fresh.replace(path)
    except OSError as e:
        raise BadInput(
            f"{path} cannot be written: {e.strerror or e}",
            "make room on the disk, or choose another folder",
        ) from e
    finally:
        # The temporary file is still there only when the write failed.
        fresh.unlink(missing_ok=True)
