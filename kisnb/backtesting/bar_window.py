"""The newest bars of a stock for an agent, as a view of columns. Making one takes constant time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from kisnb.backtesting.bar_feed import BarColumns
from kisnb.events import Bar
from kisnb.market.bars import Bars


class BarWindow(Bars):
    """Closed bars, oldest first. ``window.close`` and the other columns are plain sequences.

    It has no bar that closes after the agent's moment.
    """

    __slots__ = ("_column", "_start", "_stop")

    def __init__(self, column: BarColumns, start: int, stop: int) -> None:
        self._column, self._start, self._stop = column, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, index: int) -> Bar: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Bar]: ...
    def __getitem__(self, index: int | slice) -> Bar | Sequence[Bar]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        length = self._stop - self._start
        at = index + length if index < 0 else index
        # An agent that looks into the future asks for a bar that is not here. It gets an error and
        # no price.
        if not 0 <= at < length:
            raise IndexError(
                f"bar {index} of {length}: an agent sees the bars that have closed, no later one"
            )
        return self._column.bar(self._start + at)

    @property
    def open(self) -> Sequence[int]:
        """The opens, won."""
        return self._column.open[self._start : self._stop]

    @property
    def high(self) -> Sequence[int]:
        """The highs, won."""
        return self._column.high[self._start : self._stop]

    @property
    def low(self) -> Sequence[int]:
        """The lows, won."""
        return self._column.low[self._start : self._stop]

    @property
    def close(self) -> Sequence[int]:
        """The closes, won."""
        return self._column.close[self._start : self._stop]

    @property
    def volume(self) -> Sequence[int]:
        """The volumes, shares."""
        return self._column.volume[self._start : self._stop]

    def __repr__(self) -> str:
        return f"<BarWindow of {len(self)} bars of {self._column.code}>"
