"""Reads one row of a reply. A required field that is missing is an error, and is never read as 0.

KIS writes every value as a text, and an empty text means that there is no value (workbook). For
some fields that is a proper reply: an order that revises no other has no original order. For others
it is not: an order without its leaves is not an order with 0 leaves. So each message declares its
fields once, beside its reader:

| the field is                | ``stated`` | ``present`` | neither |
|-----------------------------|------------|-------------|---------|
| not in the row              | FieldError | FieldError  | 0 or "" |
| empty                       | FieldError | 0 or ""     | 0 or "" |
| there, and cannot be read   | FieldError | FieldError  | FieldError |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from kisnb.errors import FieldError, FrameError
from kisnb.kis.wire_text import whole

T = TypeVar("T")
SHOWN = 20
"""Letters of a value that an error shows."""
PLAIN = 18
"""A number of at most this many digits always fits into 64 bits."""


class Message(msgspec.Struct, frozen=True):
    """One message of KIS, with its required fields."""

    call: str
    """Name of the call, for people: ``inquire_price``."""
    stated: frozenset[str] = frozenset()
    """Fields that must have a value."""
    present: frozenset[str] = frozenset()
    """Fields that must be in the row. An empty text means none."""

    def fields(self, row: Mapping[str, str]) -> RowFields:
        """Return a reader of the fields of one row."""
        return RowFields(self, row)

    def read_each(
        self, rows: Iterable[Mapping[str, str]], read: Callable[[RowFields], T]
    ) -> tuple[tuple[T, ...], tuple[str, ...]]:
        """Read all rows. Return the values, and a sentence about each row that cannot be read.

        Two kinds of rows are left out: a row whose fields are all empty, which is padding, and a
        row that is equal to an earlier one. ``read`` makes a value of a row, and raises FieldError.
        """
        good, bad = [], []
        seen: set[frozenset[tuple[str, str]]] = set()
        for n, row in enumerate(rows, start=1):
            said = frozenset(row.items())
            # KIS has listed the same holding twice, and a client sold twice the shares.
            if said in seen or not any(value.strip() for value in row.values()):
                continue
            seen.add(said)
            try:
                good.append(read(self.fields(row)))
            except FieldError as e:
                bad.append(f"row {n}: {e.text[:1].lower()}{e.text[1:]}")
        return tuple(good), tuple(bad)


class RowFields:
    """The fields of one row. Each method raises FieldError, which names call and field."""

    __slots__ = ("_message", "_row")

    def __init__(self, message: Message, row: Mapping[str, str]) -> None:
        self._message = message
        self._row = row

    def text(self, field: str) -> str:
        """Return the text of a field without blanks around it."""
        given = self._row.get(field)
        message = self._message
        if given is None and (field in message.present or field in message.stated):
            raise self.error(field, "is missing")
        text = (given or "").strip()
        if not text and field in message.stated:
            raise self.error(field, "is empty")
        return text

    def number(self, field: str) -> int:
        """Return a field as won or shares."""
        text = self._row.get(field)
        # Plain digits, as almost all fields have them. A list has a dozen of them in each row.
        if text and len(text) <= PLAIN and text.isdecimal():
            return int(text)
        return self.read(field, whole)

    def read(self, field: str, read: Callable[[str], T]) -> T:
        """Return the result of ``read`` for a field's text. ``read`` may raise FrameError."""
        text = self.text(field)
        try:
            return read(text)
        except FrameError:
            raise self.error(field, f"is {text[:SHOWN]!r}, which cannot be read") from None

    def error(self, field: str, what: str) -> FieldError:
        """Return the error of a field. ``what`` ends its sentence, such as ``"is missing"``."""
        call = self._message.call
        return FieldError(
            f"the field {field} of {call} {what}",
            "ask again; if it stays so, KIS has changed its reply: report this line",
            call=call,
            field=field,
        )
