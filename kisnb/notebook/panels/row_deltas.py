"""The changes between two states of a panel, as small messages.

A table is an ordered mapping from row key to cells. ``PanelFeed`` remembers the state that the
pages have, and sends only the changes: removed rows, rows inserted at a place, single cells. When
rows change their order, the whole table is sent. That is rare, because rows stay in the order in
which they came. Of other parts, such as the depth, the changed values are sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from kisnb.columns import Kind, Tone

PanelCell: TypeAlias = str | tuple[str, Tone]
"""A cell: a text, or a text and its tone."""
Cells: TypeAlias = tuple[PanelCell, ...]
Rows: TypeAlias = Mapping[str, Cells]
View: TypeAlias = dict[str, object]
"""The values of a part that is not a table, by name."""


class PanelColumn(msgspec.Struct, frozen=True):
    """A column's heading, with how the front end draws its cells."""

    name: str
    kind: Kind | Literal["action", "spark"] = "text"
    """``action``: each cell has the labels of its buttons, separated by blanks. Empty: no button.

    ``spark``: each cell is a curve, with one letter of 0 to z for each of its values.
    """
    tips: Mapping[str, str] = {}
    """By label of a button: the text that is shown when the pointer rests on it."""
    width: int = 0
    """Width of the column in letters. 0: it shares the width that other columns leave."""
    extra: int = 0
    """0: always shown. 2: left out in a narrow panel. 1: left out only in a very narrow panel."""


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """The changes from one state of a table to the next. Apply them in the order of the fields."""

    rows: list[tuple[str, Cells]] | None = None
    """The whole table, which replaces the old one. None: the table stays."""
    drop: list[str] = []
    add: list[tuple[int, str, Cells]] = []
    """The new rows: (index, key, cells), by rising index."""
    set: dict[str, dict[str, PanelCell]] = {}
    """The changed cells, by row key and column number."""


def difference(before: Rows, after: Rows) -> Delta | None:
    """Return the changes that turn ``before`` into ``after``. None when nothing changed."""
    # Inserting and removing rows does not change the order of the others. A move does, and
    # ``Delta`` has no field for moves.
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
    """Makes the messages for the pages of one panel: a snapshot on request, then numbered changes.

    Every message has a number ``seq``. A page that misses a number asks for a snapshot, so it is
    correct again after a lost message.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[PanelColumn]], views: Sequence[str] = ()
    ) -> None:
        """Begin with an empty panel of these tables and other parts.

        ``columns`` are the columns of each table. ``views`` are the names of the other parts.
        """
        self.columns = columns
        self._shown: dict[str, dict[str, Cells]] = {name: {} for name in columns}
        self._views: dict[str, View] = {name: {} for name in views}
        self._header: View = {}
        self.seq = 0
        """The number of the newest message."""

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state after the last call of ``changes``, with its ``seq``."""
        return {
            "kind": "snapshot",
            # This is the number of the last change, not a new one. Other pages with this panel get
            # the snapshot as well, and must not conclude that they missed a change.
            "seq": self.seq,
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
        """Return the message that brings every page to this state.

        None when nothing has changed.
        """
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
        # The number grows only with a message, so that pages see no gap in the numbers.
        self.seq += 1
        self._header.update(changed_header)
        for name, new in changed_views.items():
            self._views[name].update(new)
        for name in deltas:
            # A copy, because the caller's mapping may change before the next comparison.
            self._shown[name] = dict(tables[name])
        return {
            "kind": "delta",
            "seq": self.seq,
            "header": changed_header,
            "tables": msgspec.to_builtins(deltas),
            "views": changed_views,
        }


def _new(before: Mapping[str, object], after: Mapping[str, object]) -> View:
    """Return those values of ``after`` that are new or differ from ``before``."""
    return {key: value for key, value in after.items() if key not in before or before[key] != value}
