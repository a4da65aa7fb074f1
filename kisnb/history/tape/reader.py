"""Reads the events of a tape in the order of time, all or some of them.

A tape may be read while a desk writes it. The reader sees the blocks that were complete when it
opened the tape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO

import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import (
    Event,
    ExternalFound,
    HaltSet,
    IntentTaken,
    LinkDown,
    LinkUp,
    Tick,
    is_order_fact,
)
from kisnb.history.tape import blocks, columns
from kisnb.history.tape.blocks import Batch, TapeEvent


class TapeGap(msgspec.Struct, frozen=True):
    """A time in which the desk received no market events, after ``since`` and up to ``until``."""

    since: Ns
    until: Ns | None
    """End of the gap. None: the gap lasts to the end of the tape."""
    why: str


class TapeFile:
    """Reads one tape. Opening raises BadInput for a missing file, or one that is not a tape."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                found = blocks.scan(path, file)
        except OSError as e:
            raise BadInput(
                f"the tape {path} cannot be read: {e.strerror}",
                "name the file of kisnb sim --record, or of a desk",
            ) from e
        self.label = found.label
        self.heads = found.heads
        """The heads of the blocks with events."""
        self.torn = found.torn
        """Number of bytes after the last complete block. They are not read."""

    @property
    def day(self) -> date:
        """The Korean day of the tape."""
        return date.fromisoformat(self.label.day)

    @property
    def first(self) -> Ns | None:
        """The moment of the first event; None for a tape without events."""
        return self.heads[0].first if self.heads else None

    @property
    def last(self) -> Ns | None:
        """The moment of the newest event; None for a tape without events."""
        return self.heads[-1].last if self.heads else None

    @property
    def events(self) -> int:
        """Number of events."""
        return sum(head.events for head in self.heads)

    def batches(
        self,
        codes: Collection[str] | None = None,
        first: Ns | None = None,
        last: Ns | None = None,
        *,
        orders: bool = False,
        trades_only: bool = False,
    ) -> Iterator[Batch]:
        """Yield batches (moment, events that were received together), in the order of time.

        ``codes`` selects the events of these stocks, and those that belong to no stock. None
        selects all. ``first`` and ``last`` are inclusive. ``orders`` adds the events of orders.
        ``trades_only`` yields only ticks, and is faster.
        """
        keep = _Filter(codes, orders=orders, trades_only=trades_only)
        with self.path.open("rb") as file:
            for head in self.heads:
                if (first is not None and head.last < first) or (
                    last is not None and head.first > last
                ):
                    continue
                for at, events in self._decoded(file, head, codes, trades_only=trades_only):
                    if (first is not None and at < first) or (last is not None and at > last):
                        continue
                    kept = keep.of(events)
                    if kept:
                        yield at, kept

    def gaps(self) -> list[TapeGap]:
        """Return the times in which no market events were received, oldest first."""
        found: list[TapeGap] = []
        for at, events in self.batches(codes=()):
            for event in events:
                if isinstance(event, LinkDown) and (not found or found[-1].until is not None):
                    found.append(TapeGap(min(event.t, at), None, event.text))
                elif isinstance(event, LinkUp) and found and found[-1].until is None:
                    found[-1] = msgspec.structs.replace(found[-1], until=at)
        return found

    def _decoded(
        self,
        file: BinaryIO,
        head: blocks.BlockHead,
        codes: Collection[str] | None,
        *,
        trades_only: bool,
    ) -> list[Batch]:
        raw = blocks.read_block(self.path, file, head)
        try:
            if head.kind == blocks.COLUMNS:
                return columns.decode_columns(raw, codes, trades_only=trades_only)
            return columns.decode_ticks(raw, codes) if trades_only else columns.decode_rows(raw)
        except msgspec.MsgspecError as e:
            raise BadInput(
                f"the tape {self.path} holds what this kisnb cannot read ({e})",
                "use the kisnb that wrote it",
            ) from e


class _Filter:
    """Selects the events of a batch that a reader wants."""

    def __init__(self, codes: Collection[str] | None, *, orders: bool, trades_only: bool) -> None:
        self._codes = None if codes is None else frozenset(codes)
        self._orders = orders
        self._trades_only = trades_only
        self._keys: set[str] = set()
        """Keys of the orders of the wanted stocks. A fact names its order only by the key."""

    def of(self, events: list[TapeEvent]) -> list[TapeEvent]:
        """Return the events that the reader wants, in order."""
        if self._trades_only:
            codes = self._codes
            return [e for e in events if type(e) is Tick and (codes is None or e.code in codes)]
        if self._codes is None and self._orders:
            return events
        return [event for event in events if self._is_kept(event)]

    def _is_kept(self, event: TapeEvent) -> bool:
        if is_order_fact(event):
            return self._orders and (self._codes is None or self._is_of_stock(event))
        if isinstance(event, HaltSet):
            return self._orders
        code = getattr(event, "code", "")
        return self._codes is None or not code or code in self._codes

    def _is_of_stock(self, event: Event) -> bool:
        if isinstance(event, IntentTaken | ExternalFound):
            if self._codes is not None and event.intent.code not in self._codes:
                return False
            self._keys.add(event.intent.key)
            return True
        return getattr(event, "key", "") in self._keys


def read_tape(
    path: Path | str,
    codes: Collection[str] | None = None,
    first: Ns | None = None,
    last: Ns | None = None,
    *,
    trades_only: bool = False,
) -> Iterator[Event]:
    """Yield the market's events of a tape, in the order in which they were received.

    They are ticks, depth, expected matches, operations, program trades, quotes, facts of stocks,
    phases and gaps. Events of the desk's own orders are left out. ``codes`` selects the events of
    these stocks, and those that belong to no stock; None selects all. ``first`` and ``last`` are
    moments of receipt (UTC nanoseconds, inclusive). ``trades_only`` yields only ticks, and is much
    faster. Raises BadInput for a file that is not a tape.
    """
    for _, events in TapeFile(Path(path)).batches(codes, first, last, trades_only=trades_only):
        yield from events
