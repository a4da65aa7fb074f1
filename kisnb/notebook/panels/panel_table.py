"""One table of a panel: its columns with their widths, and its rows as cells."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Generic

from kisnb.columns import Column, S
from kisnb.notebook.panels.row_deltas import Cells, PanelCell, PanelColumn, Rows


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
    actions: Callable[[S], str]
    """The labels of the row's buttons, which name what they do. Empty: no button."""
    tips: Mapping[str, str]
    """The text that people read when the pointer rests on a button, by its label."""
    widest: str
    """The labels that take the most room of all that a row has at once."""
    subjects: Callable[[], Iterable[S]]
    """The subjects of the rows, in their order."""
    height: int = 10
    """Rows that are in sight at most. The others are reached by scrolling."""
    curve: Callable[[S], PanelCell] | None = None
    """The curve of a row's newest values. None: the table shows none."""
    version: Callable[[S], Hashable] | None = None
    """Differs when a row has to be made anew. None: every row is made each time."""
    _made: dict[str, tuple[Hashable, Cells]] = field(default_factory=dict)

    @property
    def columns(self) -> list[Column[S]]:
        """The columns without the button."""
        return [shown.column for shown in self.shown]

    @property
    def panel_columns(self) -> list[PanelColumn]:
        """The columns as the front end draws them. The curve and the buttons come last."""
        return [
            *(PanelColumn(s.column.head, s.column.kind, {}, s.width, s.extra) for s in self.shown),
            *(
                [PanelColumn("day", "spark", width=SPARK_WIDTH, extra=1)]
                if self.curve is not None
                else []
            ),
            PanelColumn("", "action", self.tips, self._action_width),
        ]

    @property
    def _action_width(self) -> int:
        """Letters that the buttons need beside one another."""
        return ceil(sum(len(name) + BUTTON_ROOM for name in self.widest.split())) or ACTION_WIDTH

    def rows(self) -> Rows:
        """Return one row per subject, by its key."""
        if self.version is None:
            return {self.key(subject): self._cells(subject) for subject in self.subjects()}
        made: dict[str, tuple[Hashable, Cells]] = {}
        for subject in self.subjects():
            key, version = self.key(subject), self.version(subject)
            known = self._made.get(key)
            same = known is not None and known[0] == version
            made[key] = known if known is not None and same else (version, self._cells(subject))
        # Rows that are not shown any more are forgotten.
        self._made.clear()
        self._made.update(made)
        return {key: cells for key, (_, cells) in made.items()}

    def _cells(self, subject: S) -> Cells:
        """Return the cells of a row. The last one names what its buttons do."""
        shown = ((s.column.text(subject), s.column.tone(subject)) for s in self.shown)
        # Most cells have no tone, and travel as text alone.
        return (
            *((text, tone) if tone else text for text, tone in shown),
            *([self.curve(subject)] if self.curve is not None else []),
            self.actions(subject),
        )


ACTION_WIDTH = 3
SPARK_WIDTH = 9
"""Letters that a curve has room for."""
BUTTON_ROOM = 2.5
"""Letters that the edges of a button take."""
