"""One statistic of a back-test: its value, its unit, and its definition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from kisnb.columns import Tone, number, signed, tone_of

if TYPE_CHECKING:
    import polars as pl

Unit: TypeAlias = Literal["change", "share", "won", "gain", "days", "count", "ratio"]
"""The unit of a value. ``change`` and ``share``: fractions (0.01 = 1 %).

``gain``: won with a sign.
"""
Value: TypeAlias = int | float | None


class Statistic(msgspec.Struct, frozen=True):
    """One statistic of a run."""

    group: str
    name: str
    value: Value
    """The value. None when it is not defined."""
    unit: Unit
    definition: str
    note: str = ""
    """The date or the dates to which the value belongs. Empty: it belongs to no date."""

    @property
    def text(self) -> str:
        """The value for people, with its unit. ``"–"`` when it is not defined."""
        value = self.value
        if value is None:
            return "–"
        match self.unit:
            case "change":
                return f"{signed(100 * value, 2)} %"
            case "share":
                return f"{number(100 * value, 2)} %"
            case "gain":
                return f"{signed(value)} won"
            case "won":
                return f"{number(value)} won"
            case "days":
                digits = 1 if isinstance(value, float) else 0
                return f"{number(value, digits)} day{'' if value == 1 else 's'}"
            case "count":
                return number(value)
            case "ratio":
                return number(value, 2)

    def __repr__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.name} {self.text}{note}: {self.definition}"

    @property
    def tone(self) -> Tone:
        """The tone of a gain or a loss. Empty for other units."""
        return tone_of(self.value) if self.unit in ("change", "gain") else ""


def statistics_frame(known: Iterable[Statistic]) -> pl.DataFrame:
    """Return a DataFrame with one row per statistic.

    Columns: name; value (Float64; null: not defined; won are whole numbers); unit; text (for
    people); definition.
    """
    import polars as pl

    rows = [
        (s.name, s.value, s.unit, f"{s.text} ({s.note})" if s.note else s.text, s.definition)
        for s in known
    ]
    schema = {
        "name": pl.String(), "value": pl.Float64(), "unit": pl.String(), "text": pl.String(),
        "definition": pl.String(),
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
