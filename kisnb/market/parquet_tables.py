"""Reads a parquet file as a table with checked columns, written by polars or by pandas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

from kisnb.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

Content: TypeAlias = Literal["text", "date", "number", "whole"]
"""The content of a column. ``number``: a finite number.

``whole``: a number, rounded to an integer.
"""


def read_table(
    path: Path, columns: Mapping[str, Content], key: tuple[str, ...], cure: str
) -> pl.DataFrame:
    """Read a parquet file, and return its columns ``columns``.

    Other columns, such as pandas' index, are dropped. Raises ConfigError for a file that is missing
    or cannot be read, a column of another type, an empty cell, and two rows with the same ``key``.
    Rows are counted from 1. ``cure`` is the cure for the whole file.
    """
    import polars as pl

    if not path.is_file():
        raise ConfigError(f"{path} is missing", f"put it there, or {cure}")
    try:
        frame = pl.read_parquet(path, columns=list(columns)).select(*columns)
    except (pl.exceptions.PolarsError, OSError) as e:
        reason = str(e).splitlines()[0]
        raise ConfigError(f"{path} cannot be read: {reason}", f"fetch it again, or {cure}") from e
    typed = frame.with_columns(_typed(path, frame[name], columns[name]) for name in columns)
    for name in columns:
        for row in typed[name].is_null().arg_true().head(1):
            raise ConfigError(
                f"row {row + 1} of {path} has no {name} that can be read",
                "write the value, or drop the row",
            )
    for row in typed.select(key).is_duplicated().arg_true().tail(1):
        named = " ".join(str(typed[name][row]) for name in key)
        raise ConfigError(f"row {row + 1} of {path} has {named} again", "keep one row of the two")
    return typed


def _typed(path: Path, column: pl.Series, content: Content) -> pl.Series:
    import polars as pl

    dtype = column.dtype
    if content == "text":
        if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
            return column.cast(pl.String)
        _refuse(path, column, "text", ': "005930" and not 5930')
    if content == "date":
        # pandas has no dates of its own: it writes midnights.
        if isinstance(dtype, pl.Datetime):
            local = column if dtype.time_zone is None else column.dt.convert_time_zone("Asia/Seoul")
            return local.dt.date()
        if isinstance(dtype, pl.Date):
            return column
        _refuse(path, column, "dates")
    if not dtype.is_numeric():
        _refuse(path, column, "numbers")
    if dtype.is_float():
        # pandas writes NaN for a missing number, and turns the whole column into floats.
        column = pl.select(pl.when(column.is_finite()).then(column)).to_series().alias(column.name)
        return column.round().cast(pl.Int64) if content == "whole" else column
    return column.cast(pl.Int64)


def _refuse(path: Path, column: pl.Series, needed: str, more: str = "") -> NoReturn:
    raise ConfigError(
        f"the column {column.name} of {path} has values of type {column.dtype}",
        f"store {needed}{more}",
    )
