"""Reads one record of a market channel: the places of its fields, its numbers and its times.

Trades and depths are by far the most frequent. So each frame is split once. The places of its
fields are remembered by its number of fields and of records, and each record's numbers are read
together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from operator import itemgetter
from typing import Generic, TypeAlias, TypeVar

import msgspec

from kisnb.clock import Ns, kst
from kisnb.errors import FrameError
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.kis.feed.columns import COLUMNS
from kisnb.kis.feed.frames import PLAIN, malformed, read_count, record_width
from kisnb.kis.wire_text import read_day, seconds_of
from kisnb.terms import Venue

MarketFact: TypeAlias = Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades
F = TypeVar("F", bound=MarketFact)
Pick: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
Layout: TypeAlias = tuple[tuple[Pick, Pick], ...]
"""Pairs of functions that pick the texts and the numbers: a pair for each record, or for all."""

Head: TypeAlias = tuple[str, int, Layout]
"""(first field, number of fields, layout) of the newest frame with this head.

The head is the part of a frame before its first caret. It has flag, TR id, number of records, and
the first field.
"""
KEPT = 256
"""Number of layouts and times that are remembered. With one more, all of them are forgotten.

A quiet day needs only a few.
"""
KEPT_HEADS = 4096
"""Number of heads that each channel remembers. With one more, all heads are forgotten.

A stock has one head for each number of records.
"""
LONGEST_HEAD = 40
"""Letters of the longest head that is remembered. No stock's head is longer."""

read_list = msgspec.json.Decoder(list[int]).decode
"""Whole numbers from a JSON list. Raises MsgspecError."""
_moments: dict[tuple[str, str], Ns] = {}
"""Moments by YYYYMMDD and HHMMSS, as ``moment`` has found them."""


class Channel(Generic[F]):
    """Base class of the decoders. An object decodes the frames of one TR id into facts.

    A subclass lists the columns that it reads, and makes a fact of each record in ``read``.
    """

    texts: tuple[str, ...]
    """Names of the columns that are read as text."""
    numbers: tuple[str, ...]
    """Names of the columns that are read as whole numbers."""

    def __init__(self, tr_id: str, venue: Venue) -> None:
        self.tr_id = tr_id
        self.venue = venue
        self._heads: dict[str, Head] = {}
        self._layouts: dict[tuple[int, str], Layout] = {}
        names = COLUMNS[tr_id]
        self._text_at = [names.index(name) for name in self.texts]
        self._number_at = [names.index(name) for name in self.numbers]

    def decode(self, text: str, received: Ns) -> list[F]:
        """Return the facts of all records of a frame, in order.

        Raises FrameError for a record that cannot be read: then no record of the frame counts.
        """
        fields = text.split("^")
        layout = self._layout(fields)
        read = self.read
        try:
            return [read(texts(fields), numbers(fields), received) for texts, numbers in layout]
        except (ValueError, FrameError):
            raise self._wrong() from None

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> F:
        """Return one record as a fact. Raises FrameError, ValueError."""
        raise NotImplementedError

    def _wrong(self) -> FrameError:
        return malformed(f"{self.tr_id}: a number, a date or a time is none")

    def _arranged(self, starts: Sequence[int]) -> Layout:
        """Return the layout of records that begin at the fields ``starts``."""
        return tuple(
            (_picking(self._text_at, start), _picking(self._number_at, start)) for start in starts
        )

    def _layout(self, fields: list[str]) -> Layout:
        """Return the layout: the places of the fields of a frame's records. Raises FrameError.

        The first of ``fields`` holds the frame's head. It becomes the first field of the payload.
        """
        # A busy stock sends the same head thousands of times a day. One look-up then replaces its
        # splitting and its checks.
        start = fields[0]
        fields[0], width, layout = self._heads.get(start) or self._learn_head(start, len(fields))
        # KIS appends columns (KIS notice of 2026-09-09).
        if width != len(fields):
            layout = self._learn_head(start, len(fields))[2]
        return layout

    def _learn_head(self, start: str, fields: int) -> Head:
        parts = start.split("|", 3)
        if len(parts) != 4 or parts[:2] != [PLAIN, self.tr_id]:
            raise malformed(f"{start[:40]!r} begins no frame of {self.tr_id}")
        count, first = parts[2:]
        if not first.strip():
            raise malformed(f"{self.tr_id}: a record without the code of its stock")
        layout = self._layouts.get((fields, count)) or self._lay_out(fields, count)
        head = first, fields, layout
        if len(self._heads) >= KEPT_HEADS:
            self._heads.clear()
        # A meaningless frame may have a head of any length, and must not fill the memory.
        if len(start) <= LONGEST_HEAD:
            self._heads[start] = head
        return head

    def _lay_out(self, fields: int, count: str) -> Layout:
        # KIS appends columns, so the width is found by division.
        records = read_count(count)
        layout = self._arranged(range(0, fields, record_width(self.tr_id, fields, records)))
        if len(self._layouts) >= KEPT:
            self._layouts.clear()
        self._layouts[fields, count] = layout
        return layout


def _picking(indices: Sequence[int], start: int) -> Pick:
    """Return a function that picks these fields of the record that begins at ``start``.

    Neighbours are cut out as one slice.
    """
    if not indices:
        # ``itemgetter`` needs an argument. An empty slice picks nothing.
        return itemgetter(slice(0))
    first, last = indices[0] + start, indices[-1] + start
    # This is used for a single field too, because ``itemgetter`` with one index would return its
    # text instead of a list.
    if last - first == len(indices) - 1:
        return itemgetter(slice(first, last + 1))
    return itemgetter(*(start + i for i in indices))


def read_numbers(texts: Sequence[str]) -> list[int]:
    """Return the whole numbers in ``texts``; 0 for an empty text. Raises ValueError.

    They are read as one JSON list, which takes a third of the time of ``int`` on each.
    """
    try:
        numbers = read_list(f"[{','.join(texts)}]")
    except msgspec.MsgspecError:
        numbers = []
    return numbers if len(numbers) == len(texts) else read_each(texts)


def read_stated(texts: Sequence[str]) -> list[int]:
    """Return the whole numbers in ``texts``. Raises ValueError, also for an empty text."""
    return read_each(texts, (True,))


def read_each(texts: Sequence[str], needed: Sequence[bool] = (False,)) -> list[int]:
    """Return the whole numbers in ``texts``, also padded, signed or empty ones. Raises ValueError.

    ``needed`` is True for each text that must not be empty. It covers one record, and begins again
    with the next one. Another empty text is 0.
    """
    return [int(text) if need else int(text or 0) for text, need in zip(texts, cycle(needed))]


def moment(day: str, at: str) -> Ns:
    """Return the moment of YYYYMMDD and HHMMSS (KST). Raises FrameError."""
    t = _moments.get((day, at))
    if t is None:
        if len(_moments) >= KEPT:
            _moments.clear()
        t = _moments[day, at] = kst(read_day(day), seconds_of(at))
    return t
