"""Bars from ticks. A bar closes with the first trade of a later span, so that no late trade is ever missed and no
future price is ever seen; spans without a trade are bars of volume 0 at the last close."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence

from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.errors import BadInput
from kisnb.events import Bar, Tick

_UNITS = {"s": SECOND, "m": MINUTE, "h": 60 * MINUTE}
MAX_SILENT = 4 * 60 * 60
"""A silence of more spans than this is not filled with bars (a night, a week-end)."""


def span_of(every: str) -> Ns:
    """``"20s"``, ``"1m"`` or ``"1h"`` as nanoseconds; raises BadInput otherwise."""
    match = re.fullmatch(r"(\d{1,4})([smh])", every)
    if match is None or not int(match[1]):
        raise BadInput(f"{every!r} is no bar length", "write it as 20s, 1m, 5m or 1h")
    return int(match[1]) * _UNITS[match[2]]


class BarBuilder:
    """Builds the bars of one stock and one span, in shares and won."""

    __slots__ = ("_close", "_count", "_high", "_low", "_open", "_start", "_volume", "code", "span")

    def __init__(self, code: str, span: Ns) -> None:
        self.code = code
        self.span = span
        self._start: Ns | None = None
        self._open = self._high = self._low = self._close = self._volume = self._count = 0

    def add(self, tick: Tick) -> Sequence[Bar]:
        """The bars that this trade closes, oldest first; usually none. A late trade counts into the open bar."""
        start = tick.t - tick.t % self.span
        closed: Sequence[Bar] = ()
        if self._start is None:
            self._begin(start, tick.price)
        elif start > self._start:
            closed = tuple(self._roll(start))
            self._begin(start, tick.price)
        self._high = max(self._high, tick.price)
        self._low = min(self._low, tick.price)
        self._close = tick.price
        self._volume += tick.qty
        self._count += 1
        return closed

    def current(self) -> Bar | None:
        """The bar that is being built."""
        if self._start is None:
            return None
        return Bar(
            self._start,
            self.code,
            self.span,
            self._open,
            self._high,
            self._low,
            self._close,
            self._volume,
            self._count,
        )

    def _begin(self, start: Ns, price: int) -> None:
        self._start = start
        self._open = self._high = self._low = self._close = price
        self._volume = self._count = 0

    def _roll(self, until: Ns) -> Iterator[Bar]:
        bar = self.current()
        assert bar is not None
        yield bar
        close, start = bar.close, bar.t + self.span
        if (until - start) // self.span > MAX_SILENT:
            return
        while start < until:
            yield Bar(start, self.code, self.span, close, close, close, close, 0, 0)
            start += self.span


class BarSeries:
    """The newest closed bars of one stock and one span."""

    def __init__(self, code: str, span: Ns, keep: int = 5_000) -> None:
        self._builder = BarBuilder(code, span)
        self.bars: deque[Bar] = deque(maxlen=keep)

    def add(self, tick: Tick) -> Sequence[Bar]:
        closed = self._builder.add(tick)
        if closed:
            self.bars.extend(closed)
        return closed

    def newest(self, n: int) -> list[Bar]:
        """The newest ``n`` closed bars, oldest first; fewer when there are fewer."""
        bars = self.bars
        return [bars[i] for i in range(max(0, len(bars) - n), len(bars))]

    @property
    def current(self) -> Bar | None:
        return self._builder.current()
