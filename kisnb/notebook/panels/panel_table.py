"""One table of a panel: its columns with their widths, and its rows as cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

from kisnb.columns import Column, S
from kisnb.notebook.panels.row_deltas import Cells, PanelColumn, Rows


@dataclass(frozen=True)
class Shown(Generic[S]):
    """A column in a panel."""

    column: Column[S]
    width: int = 0
    """Letters that the column has room for. 0: it shares the room that the others leave."""
    extra: int = 0
    """0: it is always shown. 2: a narrow panel leaves it out. 1: only a very narrow one does."""


@dataclass(frozen=True)
class PanelTable(Generic[S]):
    """One table: its title, its columns, and how a subject becomes a row."""

    title: str
    empty: str
    """The sentence in place of rows."""
    shown: Sequence[Shown[S]]
    key: Callable[[S], str]
    action: Callable[[S], str]
    """The label of the row's button, which names what it does. Empty: no button."""
    tip: str
    """The text that people read when the pointer rests on the button."""
    subjects: Callable[[], Iterable[S]]
    """The subjects of the rows, in their order."""

    @property
    def columns(self) -> list[Column[S]]:
        """The columns without the button."""
        return [shown.column for shown in self.shown]

    @property
    def panel_columns(self) -> list[PanelColumn]:
        """The columns as the front end draws them. The column of the button is the last one."""
        return [
            *(PanelColumn(s.column.head, s.column.kind, "", s.width, s.extra) for s in self.shown),
            PanelColumn("", "action", self.tip, ACTION_WIDTH),
        ]

    def rows(self) -> Rows:
        """Return one row per subject, by its key."""
        return {self.key(subject): self._cells(subject) for subject in self.subjects()}

    def _cells(self, subject: S) -> Cells:
        """Return the cells of a row. The last one names what its button does; empty: no button."""
        shown = ((s.column.text(subject), s.column.tone(subject)) for s in self.shown)
        # Most cells have no tone, and travel as text alone.
        return (
            *((text, tone) if tone else text for text, tone in shown),
            self.action(subject),
        )


ACTION_WIDTH = 7
"""Letters that the column of the buttons has room for."""
