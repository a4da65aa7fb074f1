"""Finds lost trades: a jump of the accumulated volume shows the number of missing shares.

Every trade states the volume of its venue's day, its own shares included (ACML_VOL, workbook). KIS
itself reports no gaps. The time before the first trade is not checked, and missing trades are never
made up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias

from kisnb.clock import DAY, KST_SHIFT
from kisnb.events import Event, GapFound, Tick
from kisnb.terms import Venue

Followed: TypeAlias = tuple[Venue, str]
"""Venue of the channel and code."""


class VolumeWatch:
    """Finds gaps. It remembers the last trade of each stock and channel, also after a reconnect."""

    def __init__(self) -> None:
        self._last: dict[Venue, dict[str, Tick]] = {venue: {} for venue in Venue}

    def keep(self, followed: Collection[Followed]) -> None:
        """Forget all channels except ``followed``. No gap is reported on an unwanted channel."""
        for venue, last in self._last.items():
            for code in [code for code in last if (venue, code) not in followed]:
                del last[code]

    def check(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the facts of one frame, with a GapFound in front of each trade after a gap."""
        if not events or not isinstance(events[0], Tick):
            return events
        gaps: list[tuple[int, GapFound]] = []
        # A frame is of one channel, so of one venue. To look an enum up for each trade would take
        # half the time.
        last = self._last[events[0].venue]
        for i, tick in enumerate(events):
            assert isinstance(tick, Tick)
            code = tick.code
            if code in last:
                before = last[code]
                # The trade's own shares are in its volume already, so they are taken off.
                missing = tick.volume - tick.qty - before.volume
                if missing and _same_day(before, tick):
                    if missing < 0:
                        # The trade came late or twice. The next one is compared with the newest
                        # trade.
                        continue
                    gaps.append((i, GapFound(tick.t, code, before.t, missing, tick.venue)))
            last[code] = tick
        return _merged(events, gaps) if gaps else events


def _same_day(one: Tick, other: Tick) -> bool:
    """Return True for two trades of one Korean day: the volume begins at 0 each day."""
    return (one.t + KST_SHIFT) // DAY == (other.t + KST_SHIFT) // DAY


def _merged(events: Sequence[Event], gaps: Sequence[tuple[int, GapFound]]) -> list[Event]:
    """Return the events with each gap before the event of its index."""
    merged = list(events)
    # Gaps are inserted from the back, so that the indices of earlier gaps stay right.
    for i, gap in reversed(gaps):
        merged.insert(i, gap)
    return merged
