"""What changed between two states of a table, as small messages for a panel.

A table is an ordered mapping from row key to cells. ``TableFeed`` remembers what the front end shows and says what to
change: rows dropped, rows inserted at a place, single cells set. When rows change places among themselves the whole
table is sent, which is rare: rows keep the order in which they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

Cells: TypeAlias = tuple[str, ...]
Rows: TypeAlias = Mapping[str, Cells]


class Column(msgspec.Struct, frozen=True):
    """A column's heading and how its cells are drawn."""

    name: str
    kind: Literal["text", "number", "signed", "side", "state", "note"] = "text"


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """Steps from one state to the next, to be done in this order: ``rows``, ``drop``, ``add``, ``set``."""

    rows: list[tuple[str, Cells]] | None = None
    """The whole table, in place of what was there."""
    drop: list[str] = []
    add: list[tuple[int, str, Cells]] = []
    """(index, key, cells), by rising index."""
    set: dict[str, dict[str, str]] = {}
    """Row key → column number → cell."""


def difference(before: Rows, after: Rows) -> Delta | None:
    """The steps that turn ``before`` into ``after``; None when nothing changed."""
    kept = [key for key in after if key in before]
    if kept != [key for key in before if key in after]:
        return Delta(rows=list(after.items()))
    drop = [key for key in before if key not in after]
    add = [(i, key, cells) for i, (key, cells) in enumerate(after.items()) if key not in before]
    changed = {
        key: _changed_cells(before[key], after[key]) for key in kept if before[key] != after[key]
    }
    return Delta(drop=drop, add=add, set=changed) if drop or add or changed else None


def _changed_cells(before: Cells, after: Cells) -> dict[str, str]:
    return {
        str(i): new for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new
    }


class TableFeed:
    """Feeds the views of one panel: a snapshot for whoever asks, then numbered changes.

    Every message carries ``seq``; a view that misses a number asks for a snapshot, so a lost message heals itself.
    """

    def __init__(self, columns: Mapping[str, Sequence[Column]]) -> None:
        self.columns = columns
        self._shown: dict[str, dict[str, Cells]] = {name: {} for name in columns}
        self._header: dict[str, object] = {}
        self._seq = 0

    def snapshot(self) -> dict[str, Any]:
        """The whole state as of the last ``changes``, under its ``seq``."""
        return {
            "kind": "snapshot",
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
        """The message that brings every view to this state; None when nothing changed."""
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
        self._seq += 1
        self._header.update(changed_header)
        for name in deltas:
            self._shown[name] = dict(tables[name])
        return {
            "kind": "delta",
            "seq": self._seq,
            "header": changed_header,
            "tables": msgspec.to_builtins(deltas),
        }
