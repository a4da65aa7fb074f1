"""The drawing of the orders' states in ``kisnb.orders`` is their table: each arrow is followed with
the finger."""

from __future__ import annotations

import re
from collections.abc import Iterator

import kisnb.orders
from kisnb.orders import TRANSITIONS, OrderState

assert kisnb.orders.__doc__ is not None
LINES = [line.ljust(120) for line in kisnb.orders.__doc__.split("A notice may")[0].splitlines()]
WORDS = {
    (row, column): found[0]
    for row, line in enumerate(LINES)
    for found in re.finditer(r"[A-Z]{3,}", line)
    for column in range(found.start(), found.end())
}
"""The word that stands in each cell of the drawing."""


def right(row: int, column: int) -> list[str]:
    """The words behind an arrow that goes right from this cell."""
    arrow = re.match(r"─*► (?P<ends>[A-Z]+(?: \| [A-Z]+)*)", LINES[row][column:])
    return arrow["ends"].split(" | ") if arrow else []


def down(row: int, column: int) -> list[str]:
    """The words that the line through this cell leads to, from above."""
    if (row, column) in WORDS:
        return [WORDS[row, column]]
    match LINES[row][column]:
        case "│" | "▼":
            return down(row + 1, column)
        case "├":
            return right(row, column + 1) + down(row + 1, column)
        case "└":
            return right(row, column + 1)
        case "┘":
            end = LINES[row].rindex("◄", 0, column)
            assert set(LINES[row][end + 1 : column]) <= {"─"}
            return [WORDS[row, end - 2]]
        case other:
            raise AssertionError(f"the line breaks off at {other!r}, row {row}, column {column}")


def arrows() -> Iterator[tuple[OrderState, OrderState]]:
    for (row, column), word in WORDS.items():
        ends = right(row, column + 2) if (row, column + 1) not in WORDS else []
        if LINES[row + 1][column] in "│├└▼":
            ends += down(row + 1, column)
        for end in ends:
            yield OrderState[word], OrderState[end]


def test_the_drawing_is_the_table():
    table = {(a, b) for a, following in TRANSITIONS.items() for b in following}
    assert set(arrows()) == table
    assert set(TRANSITIONS) == set(OrderState)
