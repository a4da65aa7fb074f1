"""Reads one record of a market channel: where its fields lie, and its numbers and times.

Trades and depths are the hot path. A frame is split once. Where its fields lie is remembered by its
number of fields and of records, and each record's numbers are read in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from operator import itemgetter
from typing import Generic, TypeAlias, TypeVar

import msgspec

from kisnb.clock import DAY, KST_SHIFT, SECOND, Ns, kst
from kisnb.errors import FrameError
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.kis.feed.columns import COLUMNS
from kisnb.kis.feed.frames import malformed, read_count, record_width
from kisnb.kis.wire_text import read_day, seconds_of
from kisnb.terms import Venue

MarketFact: TypeAlias = Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades
F = TypeVar("F", bound=MarketFact)
Pick: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
Layout: TypeAlias = tuple[tuple[Pick, Pick], ...]
"""For each record of a frame, or for all of them: one picks the texts, one the numbers."""

KEPT = 256
"""Layouts and times that are remembered before all are forgotten; a quiet day needs a handful."""

read_list = msgspec.json.Decoder(list[int]).decode
"""Whole numbers from a JSON list. Raises MsgspecError."""
known_moments: dict[tuple[str, str], Ns] = {}
"""Moments by YYYYMMDD and HHMMSS, as ``moment`` has found them."""
_seconds: dict[str, Ns] = {}


class Channel(Generic[F]):
    """The decoder of one TR id: its frames become facts.

    A subclass says which columns it reads, and makes a fact of each record in ``read``.
    """

    texts: tuple[str, ...]
    """Names of the columns that are read as text."""
    numbers: tuple[str, ...]
    """Names of the columns that are read as whole numbers."""

    def __init__(self, tr_id: str, venue: Venue) -> None:
        self.tr_id = tr_id
        self.venue = venue
        self._layouts: dict[tuple[int, str], Layout] = {}
        names = COLUMNS[tr_id]
        self._text_at = [names.index(name) for name in self.texts]
        self._number_at = [names.index(name) for name in self.numbers]

    def decode(self, fields: Sequence[str], count: str, received: Ns) -> list[F]:
        """Return the facts of all records of a payload. Raises FrameError, then none counts."""
        layout = self._layouts.get((len(fields), count)) or self._lay_out(len(fields), count)
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

    def _lay_out(self, fields: int, count: str) -> Layout:
        # KIS appends columns (KIS notice of 2026-09-09), so the width is found by division.
        records = read_count(count)
        layout = self._arranged(range(0, fields, record_width(self.tr_id, fields, records)))
        if len(self._layouts) >= KEPT:
            self._layouts.clear()
        self._layouts[fields, count] = layout
        return layout


def _picking(indices: Sequence[int], start: int) -> Pick:
    """Return what picks these fields of the record that begins at ``start``.

    Neighbours are cut out as one slice.
    """
    if not indices:
        # ``itemgetter`` needs an argument. An empty slice picks nothing.
        return itemgetter(slice(0))
    first, last = indices[0] + start, indices[-1] + start
    # A single field comes this way, too. ``itemgetter`` with one index would give its text instead
    # of a list of one.
    if last - first == len(indices) - 1:
        return itemgetter(slice(first, last + 1))
    return itemgetter(*(start + i for i in indices))


def read_numbers(texts: Sequence[str]) -> list[int]:
    """Return whole numbers; empty is 0. Raises ValueError.

    They are read as one JSON list, which takes a third of the time of ``int`` on each.
    """
    try:
        numbers = read_list(f"[{','.join(texts)}]")
    except msgspec.MsgspecError:
        numbers = []
    return numbers if len(numbers) == len(texts) else read_each(texts)


def read_stated(texts: Sequence[str]) -> list[int]:
    """Return whole numbers of which none may be empty. Raises ValueError."""
    return read_each(texts, (True,))


def read_each(texts: Sequence[str], needed: Sequence[bool] = (False,)) -> list[int]:
    """Return whole numbers that JSON does not know: padded, signed, or empty. Raises ValueError.

    ``needed`` says of each text whether it may not be empty. It covers one record, and begins again
    with the next one. An empty text that is not needed is 0.
    """
    return [int(text) if need else int(text or 0) for text, need in zip(texts, cycle(needed))]


def moment(day: str, at: str) -> Ns:
    """Return the moment of YYYYMMDD and HHMMSS (KST). Raises FrameError."""
    if len(known_moments) >= KEPT:
        known_moments.clear()
    t = known_moments[day, at] = kst(read_day(day), seconds_of(at))
    return t


def today(received: Ns, at: str) -> Ns:
    """Return the moment of HHMMSS on the Korean day of ``received``. Raises FrameError."""
    seconds = _seconds.get(at)
    if seconds is None:
        if len(_seconds) >= KEPT:
            _seconds.clear()
        seconds = _seconds[at] = seconds_of(at) * SECOND
    # Arithmetic instead of dates: this runs for each depth. Korea has no summer time.
    return received - (received + KST_SHIFT) % DAY + seconds
