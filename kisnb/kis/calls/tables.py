"""Rows of a reply as polars DataFrames, with the column types of the catalogue.

A blank number is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kisnb.errors import FrameError
from kisnb.kis.catalogue import Block, FieldKind

if TYPE_CHECKING:
    import polars as pl


def typed_frame(block: Block, rows: Sequence[dict[str, str]]) -> pl.DataFrame:
    """Return the rows of a block as a DataFrame, one column for each documented field.

    Fields that KIS sent besides follow as text. Names are in lower case. Raises FrameError when a
    column of numbers holds a text that is not a number.
    """
    import polars as pl

    kinds: dict[str, FieldKind] = {field.name.lower(): field.kind for field in block.fields}
    # A field that KIS adds is kept as text until the catalogue has it.
    more = dict.fromkeys(name for row in rows for name in row if name not in kinds)
    columns = [
        typed_column(name, kind, [row.get(name, "") for row in rows])
        for name, kind in kinds.items()
    ]
    return pl.DataFrame(
        [
            *columns,
            *(pl.Series(name, [row.get(name, "") for row in rows], pl.String) for name in more),
        ]
    )


def typed_column(name: str, kind: FieldKind, texts: Sequence[str]) -> pl.Series:
    """Return the texts as a column: text (``t``), whole numbers (``n``) or decimals (``d``).

    Raises FrameError.
    """
    import polars as pl

    if kind == "t":
        return pl.Series(name, [text.strip() for text in texts], pl.String)
    if kind == "n":
        return pl.Series(name, [_whole(name, text) for text in texts], pl.Int64)
    return pl.Series(name, [_decimal(name, text) for text in texts], pl.Float64)


def _whole(name: str, text: str) -> int | None:
    """Return the whole number in ``text``; None for a blank. ``name`` is the field, for errors.

    It may be signed, padded, or have decimals, which are rounded. Raises FrameError.
    """
    value = _decimal(name, text)
    if value is None:
        return None
    plain = text.strip().lstrip("+")
    # A float has 53 bits, and the accumulated won of a market need more.
    number = int(plain) if plain.lstrip("-").isdecimal() else round(value)
    if abs(number) >= 1 << 63:
        raise FrameError(f"the field {name} is {text[:20]!r} and should be a number", "ask again")
    return number


def _decimal(name: str, text: str) -> float | None:
    text = text.strip().replace(",", "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    # Only a value that is not a number differs from itself. Python reads ``nan`` and ``inf`` as
    # floats, and a column of prices must not hold them.
    if value != value or value in (float("inf"), float("-inf")):
        raise FrameError(f"the field {name} is {text[:20]!r} and should be a number", "ask again")
    return value
