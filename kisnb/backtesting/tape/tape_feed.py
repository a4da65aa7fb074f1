"""The batches of a recorded day: the trades of a moment, and the depth after them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeGuard

from kisnb.clock import Ns
from kisnb.events import CancelStarted, Depth, IntentTaken, SendStarted, Tick
from kisnb.history.tape.blocks import is_tape
from kisnb.history.tape.reader import TapeFile
from kisnb.kis.recording.recorded_tape import (
    MarketEvents,
    OrderCame,
    holds_orders,
    recorded_market,
)
from kisnb.terms import Venue

Batch: TypeAlias = tuple[Ns, list[Tick], list[Depth], OrderCame | None]
"""The moment, its trades, and the depth after them. Or the moment at which an order arrived."""


class TapeFeed(NamedTuple):
    """A recorded day, as batches."""

    has_orders: bool
    """True when the recorded market contained orders of the recording desk."""
    market: Iterator[tuple[Ns, MarketEvents]]

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the day."""
        return batches(self.market)


def is_recording(data: object) -> TypeGuard[str | Path]:
    """Return whether ``data`` names a tape, or a recording of KIS's messages."""
    if not isinstance(data, str | Path):
        return False
    path = Path(data)
    return path.suffix in (".jsonl", ".tape") or (path.is_file() and is_tape(path))


def read_tape_feed(path: Path) -> TapeFeed:
    """Read a tape, or a recording of KIS's messages. Raises BadInput for any other file."""
    if not is_tape(path):
        return TapeFeed(holds_orders(path), recorded_market(path))
    tape = TapeFile(path)
    has_orders = any(
        isinstance(event, SendStarted)
        for _, events in tape.batches(orders=True)
        for event in events
    )
    return TapeFeed(has_orders, _market_of(tape))


def _market_of(tape: TapeFile) -> Iterator[tuple[Ns, MarketEvents]]:
    revises: set[str] = set()
    for t, events in tape.batches(orders=True):
        # A batch has the events that were received together: trades, depth, and the desk's own
        # orders.
        for kind, group in itertools.groupby(events, type):
            same = list(group)
            if kind is Tick:
                yield t, [event for event in same if isinstance(event, Tick)]
            elif kind is Depth:
                yield t, [event for event in same if isinstance(event, Depth)]
            for event in same:
                if isinstance(event, IntentTaken) and event.intent.supersedes is not None:
                    revises.add(event.intent.key)
                elif isinstance(event, SendStarted):
                    yield t, OrderCame(event.key not in revises)
                elif isinstance(event, CancelStarted):
                    yield t, OrderCame(is_new=False)


def batches(frames: Iterable[tuple[Ns, MarketEvents]]) -> Iterator[Batch]:
    """Yield the batches of a tape: the trades of a moment, and the depth after them.

    A new batch begins in three places: where an order arrived, after a depth when a trade follows,
    and when the same channel of a stock comes again.
    """
    t, ticks, depths = 0, list[Tick](), list[Depth]()
    seen: set[tuple[bool, str, Venue]] = set()
    for at, events in frames:
        came = isinstance(events, OrderCame)
        is_depth = not isinstance(events, OrderCame) and isinstance(events[0], Depth)
        names = (
            set()
            if isinstance(events, OrderCame)
            else {(is_depth, event.code, event.venue) for event in events}
        )
        is_new = at != t or came or bool(names & seen) or (bool(depths) and not is_depth)
        if is_new and (ticks or depths):
            yield t, ticks, depths, None
            ticks, depths = [], []
        if is_new:
            seen = set()
        t = at
        if isinstance(events, OrderCame):
            yield at, [], [], events
            continue
        seen |= names
        for event in events:
            if isinstance(event, Depth):
                depths.append(event)
            else:
                ticks.append(event)
    if ticks or depths:
        yield t, ticks, depths, None


__all__ = ["Batch", "TapeFeed", "batches", "is_recording", "read_tape_feed"]
