"""Columns of a table about a subject, such as an order: values for DataFrames, text for people.

One table of columns says how each value is read and how it is shown. ``OrderBook.frame()``, outputs
of a notebook, panels and the report use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from kisnb.clock import Ns, clock_text, kst_datetime

if TYPE_CHECKING:
    import polars as pl

S = TypeVar("S")
Tone: TypeAlias = Literal["", "up", "down", "bad", "unsure"]
"""The meaning of a colour: none, rising or buying, falling or selling, refused, not known."""
Kind: TypeAlias = Literal["text", "number", "signed", "side", "state", "note"]
"""The form in which a view draws a column.

``number`` and ``signed`` are right-aligned. ``note`` may be long.
"""
Type: TypeAlias = Literal["String", "Int64", "Float64", "Datetime"]
"""The polars type of a column. ``Datetime`` is KST, in microseconds."""


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands separators, such as ``"71,000"``; empty for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 0) -> str:
    """Return a number with its sign: ``"+500"``, ``"-500"`` or ``"0"``; empty for None."""
    if value is None:
        return ""
    # A value that is rounded to 0 has no sign: "-0" or "+0" would confuse a person.
    return f"{value:+,.{digits}f}" if round(value, digits) else "0"


def tone_of(value: float | None) -> Tone:
    """Return the tone of a change or a profit: up or down; empty for None and 0."""
    if not value:
        return ""
    return "up" if value > 0 else "down"


@dataclass(frozen=True)
class Column(Generic[S]):
    """One column of a table: its name, and functions that read value and text from a subject."""

    name: str
    """The column's name in a DataFrame."""
    type: Type
    value: Callable[[S], object]
    """Returns a subject's value for a DataFrame."""
    text: Callable[[S], str]
    """Returns the text of a subject that people see."""
    kind: Kind = "text"
    tone: Callable[[S], Tone] = lambda _: ""
    heading: str = ""
    """Heading for people. Empty: the heading is ``name``."""

    @property
    def head(self) -> str:
        """Heading of the column for people."""
        return self.heading or self.name

    @property
    def is_left(self) -> bool:
        """True when the column's cells are aligned to the left."""
        return self.kind not in ("number", "signed")


def text_column(
    name: str, read: Callable[[S], str], *, kind: Kind = "text", heading: str = "",
    tone: Callable[[S], Tone] = lambda _: "",
) -> Column[S]:  # fmt: skip
    """Return a column of text. DataFrames and people get the same text, which ``read`` returns."""
    return Column(name, "String", read, read, kind, tone, heading)


def number_column(name: str, read: Callable[[S], float | None], type_: Type = "Int64") -> Column[S]:
    """Return a column of shares, won or counts. None is shown as an empty cell."""
    return Column(name, type_, read, lambda s: number(read(s)), "number")


def signed_column(name: str, read: Callable[[S], int | None]) -> Column[S]:
    """Return a column of won with a sign and a colour. None is shown as an empty cell."""
    return Column(
        name, "Int64", read, lambda s: signed(read(s)), "signed", lambda s: tone_of(read(s))
    )


def time_column(name: str, read: Callable[[S], Ns]) -> Column[S]:
    """Return a column of times of day, KST. People see an empty cell for the moment 0."""

    def text(subject: S) -> str:
        t = read(subject)
        return clock_text(t) if t else ""

    return Column(name, "Datetime", lambda s: kst_datetime(read(s)), text, "number")


def picked(columns: Sequence[Column[S]], names: str) -> tuple[Column[S], ...]:
    """Return the columns that ``names`` lists, in that order. Blanks separate the names."""
    by_name = {column.name: column for column in columns}
    return tuple(by_name[name] for name in names.split())


def frame(columns: Sequence[Column[S]], subjects: Iterable[S]) -> pl.DataFrame:
    """Return a DataFrame of the subjects, one row each."""
    # Imported with the first table, because polars takes about 145 ms.
    import polars as pl

    # polars cannot guess the types here: a table without rows has none, and a column whose first
    # rows are None would get the wrong one.
    types = {
        "String": pl.String(),
        "Int64": pl.Int64(),
        "Float64": pl.Float64(),
        "Datetime": pl.Datetime("us", "Asia/Seoul"),
    }
    schema = {column.name: types[column.type] for column in columns}
    rows = [tuple(column.value(subject) for column in columns) for subject in subjects]
    return pl.DataFrame(rows, schema=schema, orient="row")
