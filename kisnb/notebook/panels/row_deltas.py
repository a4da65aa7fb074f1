"""The changes between two states of a table, as small messages for a panel.

A table is an ordered mapping from row key to cells. ``TableFeed`` remembers what the front end
shows and sends what to change: rows dropped, rows inserted at a place, single cells set. When rows
change places among themselves, the whole table is sent. That is rare, because rows keep the order
in which they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from kisnb.columns import Kind, Tone

PanelCell: TypeAlias = str | tuple[str, Tone]
"""A text, or a text and its tone."""
Cells: TypeAlias = tuple[PanelCell, ...]
Rows: TypeAlias = Mapping[str, Cells]


class PanelColumn(msgspec.Struct, frozen=True):
    """A column's heading, and how the front end draws its cells."""

    name: str
    kind: Kind | Literal["action"] = "text"
    """``action``: each cell is the label of a button, and names what it does. Empty: no button."""
    tip: str = ""
    """The text that people read when the pointer rests on the button."""
    width: int = 0
    """Letters that the column has room for. 0: it shares the room that the others leave."""
    extra: int = 0
    """0: it is always shown. 2: a narrow panel leaves it out. 1: only a very narrow one does."""


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """The changes from one state of a table to the next. Apply them in the order of the fields."""

    rows: list[tuple[str, Cells]] | None = None
    """The whole table, in place of what was there. None: the table stays."""
    drop: list[str] = []
    add: list[tuple[int, str, Cells]] = []
    """The new rows: (index, key, cells), by rising index."""
    set: dict[str, dict[str, PanelCell]] = {}
    """The changed cells, by row key and column number."""


def difference(before: Rows, after: Rows) -> Delta | None:
    """Return the changes that turn ``before`` into ``after``. None when nothing changed."""
    # Insertions and removals do not change the order of the others. Only a true move does, and it
    # has no step of its own.
    kept = [key for key in after if key in before]
    if kept != [key for key in before if key in after]:
        return Delta(rows=list(after.items()))
    drop = [key for key in before if key not in after]
    add = [(i, key, cells) for i, (key, cells) in enumerate(after.items()) if key not in before]
    changed = {
        key: _changed_cells(before[key], after[key]) for key in kept if before[key] != after[key]
    }
    return Delta(drop=drop, add=add, set=changed) if drop or add or changed else None


def _changed_cells(before: Cells, after: Cells) -> dict[str, PanelCell]:
    return {
        # JSON has only texts as keys.
        str(i): new
        for i, (old, new) in enumerate(zip(before, after, strict=True))
        if old != new
    }


class TableFeed:
    """Feeds the views of one panel: a snapshot for a view that asks, then numbered changes.

    Every message carries ``seq``. A view that misses a number asks for a snapshot. So it is right
    again after a lost message.
    """

    def __init__(self, columns: Mapping[str, Sequence[PanelColumn]]) -> None:
        self.columns = columns
        self._shown: dict[str, dict[str, Cells]] = {name: {} for name in columns}
        self._header: dict[str, object] = {}
        self._seq = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as of the last ``changes``, under its ``seq``."""
        return {
            "kind": "snapshot",
            # The number of the last change, and not a new one: other views of the panel see this
            # snapshot as well, and must not believe that they missed a change.
            "seq": self._seq,
            "header": dict(self._header),
            "tables": {
                name: {
                    "columns": msgspec.to_builtins(list(columns)),
                    "rows": list(self._shown[name].items()),
                }
                for name, columns in self.columns.items()
            },
        }

    def changes(
        self, header: Mapping[str, object], tables: Mapping[str, Rows]
    ) -> dict[str, Any] | None:
        """Return the message that brings every view to this state. None when nothing changed."""
        changed_header = {
            key: value for key, value in header.items() if self._header.get(key) != value
        }
        deltas = {
            name: delta
            for name, rows in tables.items()
            if (delta := difference(self._shown[name], rows))
        }
        if not changed_header and not deltas:
            return None
        # A message without a change has no number, so views that compare numbers see no gap.
        self._seq += 1
        self._header.update(changed_header)
        for name in deltas:
            # A copy, because the caller's mapping may change before the next comparison.
            self._shown[name] = dict(tables[name])
        return {
            "kind": "delta",
            "seq": self._seq,
            "header": changed_header,
            "tables": msgspec.to_builtins(deltas),
        }
