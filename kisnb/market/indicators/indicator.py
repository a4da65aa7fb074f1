"""Base classes of the indicators, the rule for missing inputs, checks of parameters.

An object is fed input by input. An expression computes the same over columns. Both skip a missing
input: the objects with ``finite``, the expressions with ``KnownRows``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

from kisnb import values
from kisnb.errors import BadInput

if TYPE_CHECKING:
    import polars as pl

V = TypeVar("V")
L = TypeVar("L")
Column: TypeAlias = "str | pl.Expr"
"""A column's name, or an expression such as ``pl.col("close") / 2``. Its values are numbers."""


class Bands(NamedTuple, Generic[L]):
    """The three lines of a band around a price, as floats or as polars expressions."""

    upper: L
    middle: L
    lower: L


class Indicator(ABC, Generic[V]):
    """Base class of all indicators. ``update`` adds an input and returns the new value."""

    value: V | None
    """The value that the newest ``update`` returned; None before the first ``update``."""
    warm_up: int
    """Number of inputs after which the first value can be there. Missing ones do not count."""

    def __init__(self, warm_up: int, *parameters: float) -> None:
        self.value = None
        self.warm_up = warm_up
        self._parameters = parameters

    def __repr__(self) -> str:
        parameters = ", ".join(f"{number:g}" for number in self._parameters)
        return f"<{type(self).__name__}({parameters}): {self.value}>"


class PriceIndicator(Indicator[V]):
    """Base class of the indicators whose input is one number, such as a price in won."""

    def update(self, price: float | None) -> V | None:
        """Add the next price and return the new value; None while the indicator warms up.

        A missing price (None, NaN, infinite) gives None and changes nothing else. Raises BadInput
        for a value that is no number.
        """
        known = finite(price)
        self.value = None if known is None else self._next(known)
        return self.value

    @abstractmethod
    def _next(self, price: float) -> V | None:
        """Add a price that is not missing, and return the new value."""


def finite(value: float | None) -> float | None:
    """Return a number as a float; None when it is missing: None, NaN or infinite.

    Raises BadInput for a value that is no number.
    """
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as e:
        cure = "give a number, or None when it is missing"
        raise BadInput(f"{values.shown(value)} is not a number", cure) from e
    return number if math.isfinite(number) else None


def all_finite(*inputs: float | None) -> tuple[float, ...] | None:
    """Return the parts of one bar as floats; None when one of them is missing. Raises BadInput."""
    numbers = tuple(number for part in inputs if (number := finite(part)) is not None)
    return numbers if len(numbers) == len(inputs) else None


def length_of(length: object, least: int = 1, what: str = "the length") -> int:
    """Return ``length`` as an int. Raises BadInput unless it is whole and ``least`` or more."""
    number = values.whole(length, what)
    if number < least:
        raise BadInput(f"{what} {number:,} is too small", f"give {least} or more")
    return number


class KnownRows:
    """The rows in which no column is missing, with the fields that are computed from them.

    This is the rule of ``update`` for columns: a missing input is skipped, and the next one counts
    as if the missing one had not been there. Each step adds fields. Its expressions read the fields
    of earlier steps as ``pl.field("name")``: the columns as Float64, and ``row``, which counts from
    0.
    """

    def __init__(self, **columns: Column) -> None:
        import polars as pl

        inputs = {
            name: (pl.col(column) if isinstance(column, str) else column).cast(pl.Float64)
            for name, column in columns.items()
        }
        finite_in_all = pl.all_horizontal(column.is_finite() for column in inputs.values())
        known = finite_in_all.fill_null(value=False)
        fields = [column.filter(known).alias(name) for name, column in inputs.items()]
        row = pl.int_range(fields[0].len()).alias("row")
        # A struct, because polars computes its fields once. An expression that names another
        # expression twice would make polars compute it twice, and a MACD would take ten times as
        # long.
        self._fields = pl.struct(*fields, row)
        # A missing row gets a number that no known row has, and so a null.
        self._number = pl.when(known).then(known.cum_sum() - 1).otherwise(pl.len())

    def then(self, **fields: pl.Expr) -> KnownRows:
        """Add fields, and return the same object."""
        self._fields = self._fields.struct.with_fields(**fields)
        return self

    def line(self, field: str, name: str) -> pl.Expr:
        """Return a field as an expression over all rows, named ``name``; null in skipped rows."""
        line = self._fields.struct.field(field).gather(self._number, null_on_oob=True)
        return line.alias(name)
