"""One table of a panel: its columns with their widths, and its rows as cells."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Generic

import msgspec

from kisnb.columns import Column, S
from kisnb.notebook.panels.row_deltas import Cells, PanelCell, PanelColumn, Rows


@dataclass(frozen=True)
class Shown(Generic[S]):
    """A column as a panel shows it."""

    column: Column[S]
    width: int = 0
    """Width of the column in letters. 0: it shares the width that other columns leave."""
    extra: int = 0
    """0: always shown. 2: left out in a narrow panel. 1: left out only in a very narrow panel."""


class FormField(msgspec.Struct, frozen=True):
    """A field of the form that a button opens over its row. Arrows beside it change its text."""

    name: str
    lead: str
    """The text before the field."""
    column: str
    """Heading of the column whose text stands in the field at first."""


class RowForm(msgspec.Struct, frozen=True):
    """The form that a button opens over its row: fields, then the buttons that do something."""

    fields: Sequence[FormField]
    buttons: Sequence[tuple[str, str, str]]
    """The name of the action, the label and the tip of each button."""


@dataclass(frozen=True)
class PanelTable(Generic[S]):
    """One table: its title, its columns, and how the cells of a row are made from a subject."""

    title: str
    empty: str
    """The sentence that is shown when there are no rows."""
    shown: Sequence[Shown[S]]
    key: Callable[[S], str]
    actions: Callable[[S], str]
    """Returns the labels of a row's buttons, separated by blanks. Empty: no button."""
    tips: Mapping[str, str]
    """By label of a button: the text that is shown when the pointer rests on it."""
    widest: str
    """The widest set of button labels that one row can have at once."""
    subjects: Callable[[], Iterable[S]]
    """Returns the subjects of the rows, in the order of the rows."""
    height: int = 10
    """Most rows in sight. The others are reached by scrolling."""
    forms: Mapping[str, RowForm] = field(default_factory=dict)
    """By label of a button: the form that it opens. A button without a form acts at once."""
    curve: Callable[[S], PanelCell] | None = None
    """Returns the curve of a row's newest values. None: the table has no curves."""
    version: Callable[[S], Hashable] | None = None
    """Returns a value that changes whenever the row's cells change.

    None: every row is made each time.
    """
    _made: dict[str, tuple[Hashable, Cells]] = field(default_factory=dict)

    @property
    def columns(self) -> list[Column[S]]:
        """The columns without the curve and the buttons."""
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
        """Width of the widest set of buttons, in letters."""
        return ceil(sum(len(name) + BUTTON_ROOM for name in self.widest.split())) or ACTION_WIDTH

    def rows(self) -> Rows:
        """Return the cells of each row, by the key of its subject."""
        if self.version is None:
            return {self.key(subject): self._cells(subject) for subject in self.subjects()}
        made: dict[str, tuple[Hashable, Cells]] = {}
        for subject in self.subjects():
            key, version = self.key(subject), self.version(subject)
            known = self._made.get(key)
            same = known is not None and known[0] == version
            made[key] = known if known is not None and same else (version, self._cells(subject))
        # Rows that are no longer shown are dropped from the cache.
        self._made.clear()
        self._made.update(made)
        return {key: cells for key, (_, cells) in made.items()}

    def _cells(self, subject: S) -> Cells:
        """Return the cells of a row. The last cell has the labels of its buttons."""
        shown = ((s.column.text(subject), s.column.tone(subject)) for s in self.shown)
        # Most cells have no tone. They are sent as a text alone.
        return (
            *((text, tone) if tone else text for text, tone in shown),
            *([self.curve(subject)] if self.curve is not None else []),
            self.actions(subject),
        )


ACTION_WIDTH = 3
SPARK_WIDTH = 9
"""Width of a curve in letters."""
BUTTON_ROOM = 2.5
"""Width of a button's two edges together, in letters."""
