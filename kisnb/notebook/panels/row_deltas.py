"""The changes between two states of a panel, as small messages.

A table is an ordered mapping from row key to cells. ``PanelFeed`` remembers what the front end
shows and sends what to change: rows dropped, rows inserted at a place, single cells set. When rows
change places among themselves, the whole table is sent. That is rare, because rows keep the order
in which they came. Of the other parts, such as the depth, the values that changed are sent.
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
View: TypeAlias = dict[str, object]
"""The values of a part that is no table, by name."""


class PanelColumn(msgspec.Struct, frozen=True):
    """A column's heading, and how the front end draws its cells."""

    name: str
    kind: Kind | Literal["action", "spark"] = "text"
    """``action``: each cell names what its buttons do, separated by blanks. Empty: no button.
    ``spark``: each cell is a curve, a letter of 0 to z for each of its values."""
    tips: Mapping[str, str] = {}
    """What people read when the pointer rests on a button, by its name."""
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


class PanelFeed:
    """Feeds the pages that show one panel: a snapshot for one that asks, then numbered changes.

    Every message carries ``seq``. A page that misses a number asks for a snapshot. So it is right
    again after a lost message.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[PanelColumn]], views: Sequence[str] = ()
    ) -> None:
        """``columns`` are those of each table, ``views`` the names of the other parts."""
        self.columns = columns
        self._shown: dict[str, dict[str, Cells]] = {name: {} for name in columns}
        self._views: dict[str, View] = {name: {} for name in views}
        self._header: View = {}
        self._seq = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as of the last ``changes``, under its ``seq``."""
        return {
            "kind": "snapshot",
            # The number of the last change, and not a new one: other pages with this panel see the
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
            "views": {name: dict(view) for name, view in self._views.items()},
        }

    def changes(
        self,
        header: Mapping[str, object],
        tables: Mapping[str, Rows],
        views: Mapping[str, Mapping[str, object]] | None = None,
    ) -> dict[str, Any] | None:
        """Return the message that brings every page to this state. None when nothing changed."""
        changed_header = _new(self._header, header)
        deltas = {
            name: delta
            for name, rows in tables.items()
            if (delta := difference(self._shown[name], rows))
        }
        changed_views = {
            name: new
            for name, view in (views or {}).items()
            if (new := _new(self._views[name], view))
        }
        if not changed_header and not deltas and not changed_views:
            return None
        # A message without a change has no number, so pages that compare numbers see no gap.
        self._seq += 1
        self._header.update(changed_header)
        for name, new in changed_views.items():
            self._views[name].update(new)
        for name in deltas:
            # A copy, because the caller's mapping may change before the next comparison.
            self._shown[name] = dict(tables[name])
        return {
            "kind": "delta",
            "seq": self._seq,
            "header": changed_header,
            "tables": msgspec.to_builtins(deltas),
            "views": changed_views,
        }


def _new(before: Mapping[str, object], after: Mapping[str, object]) -> View:
    """Return the values of ``after`` that ``before`` lacks or has otherwise."""
    return {key: value for key, value in after.items() if key not in before or before[key] != value}
