"""Builds bars from ticks.

A bar closes with the first trade after its end. So a late trade still counts, and a closed bar
contains no later price. A bar without trades has volume 0 and repeats the last close.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from kisnb.clock import DAY, KST_SHIFT, MINUTE, SECOND, Ns, kst_day
from kisnb.errors import BadInput
from kisnb.events import Bar, Tick
from kisnb.market import sessions
from kisnb.terms import Venue

_UNITS = {"s": SECOND, "m": MINUTE, "h": 60 * MINUTE}
MAX_SILENT = 4 * 60 * 60
"""Most bars without trades that are made in a row. In a longer silence, no bar is made."""


def span_of(every: str) -> Ns:
    """Return the length of a bar, ``"20s"``, ``"1m"`` or ``"1h"``, in nanoseconds.

    Raises BadInput for any other text.
    """
    match = re.fullmatch(r"(\d{1,4})([smh])", every)
    if match is None or not int(match[1]):
        raise BadInput(f"{every!r} is not a valid bar length", "write it as 20s, 1m, 5m or 1h")
    return int(match[1]) * _UNITS[match[2]]


def length_of(every: str) -> Ns:
    """Return the length of an agent's bars in nanoseconds.

    ``every`` is a text that ``span_of`` accepts, or ``"1d"``. Raises BadInput for any other text.
    """
    if every == "1d":
        return DAY
    try:
        return span_of(every)
    except BadInput as e:
        raise BadInput(e.text, "write it as 20s, 1m, 5m, 1h or 1d") from None


def _begin_of(t: Ns, span: Ns) -> Ns:
    """Return the start of the bar that contains ``t``. A daily bar starts at 0:00 KST."""
    # Spans of seconds, minutes and whole hours begin at the same moments in Korea and in UTC.
    return t - (t + KST_SHIFT) % span if span == DAY else t - t % span


def is_of_day(tick: Tick) -> bool:
    """Return True for a trade that counts in the daily bar: one of KRX's regular session."""
    # KRX's daily prices leave its after-hours sessions and Nextrade out. The closing auction trades
    # at the very moment of the close.
    if tick.venue is not Venue.KRX:
        return False
    day = kst_day(tick.t)
    return sessions.regular_open(day) <= tick.t <= sessions.regular_close(day) + SECOND


class Bars(Sequence[Bar]):
    """Closed bars, oldest first, as an agent gets them. Its columns are plain sequences."""

    __slots__ = ()

    @property
    def open(self) -> Sequence[int]:
        """The opens, won."""
        return [bar.open for bar in self]

    @property
    def high(self) -> Sequence[int]:
        """The highs, won."""
        return [bar.high for bar in self]

    @property
    def low(self) -> Sequence[int]:
        """The lows, won."""
        return [bar.low for bar in self]

    @property
    def close(self) -> Sequence[int]:
        """The closes, won."""
        return [bar.close for bar in self]

    @property
    def volume(self) -> Sequence[int]:
        """The volumes, shares."""
        return [bar.volume for bar in self]


class BarList(list[Bar], Bars):
    """Bars in a list."""

    __slots__ = ()


class BarBuilder:
    """Builds the bars of one stock and one length. Prices in won, volumes in shares."""

    __slots__ = (
        "_before",
        "_close",
        "_count",
        "_high",
        "_low",
        "_open",
        "_start",
        "_volume",
        "code",
        "span",
    )

    def __init__(self, code: str, span: Ns) -> None:
        self.code = code
        self.span = span
        self._start: Ns | None = None
        self._before: Bar | None = None
        """The bar that ``close`` closed last; None before one. Used while no bar is being built."""
        self._open = self._high = self._low = self._close = self._volume = 0
        self._count: int | None = 0

    def add(self, tick: Tick) -> Sequence[Bar]:
        """Add a trade. Return the bars that it closes, oldest first; usually none.

        A late trade, which belongs to a closed bar, counts in the bar that is being built. A daily
        bar counts only KRX's trades from the open to the official close.
        """
        closed: Sequence[Bar] = ()
        if self.span == DAY and not is_of_day(tick):
            return closed
        start = _begin_of(tick.t, self.span)
        if self._start is None:
            if self._before is not None:
                # A late trade of a bar that is closed counts into the next one.
                start = max(start, self._before.end)
                closed = tuple(self._silent(self._before, start))
            self._begin(start, tick.price)
        elif start > self._start:
            # The silent bars are made now, as a tuple, because ``_begin`` overwrites the bar that
            # the generator reads.
            closed = tuple(self._roll(start))
            self._begin(start, tick.price)
        self._high = max(self._high, tick.price)
        self._low = min(self._low, tick.price)
        self._close = tick.price
        self._volume += tick.qty
        # KIS gave a part of this bar, and not the number of its trades.
        self._count = None if self._count is None else self._count + 1
        return closed

    def follow(self, bar: Bar) -> Sequence[Bar]:
        """Make ``bar`` the bar that is being built; return the bars that this closes."""
        closed = () if self._start is None else tuple(self._roll(bar.t))
        self._start = bar.t
        self._open, self._high, self._low, self._close = bar.open, bar.high, bar.low, bar.close
        self._volume, self._count = bar.volume, bar.count
        return closed

    def close(self) -> Sequence[Bar]:
        """Close the bar that is being built, and return it in a tuple; empty when there is none."""
        bar = self.current()
        self._start, self._before = None, bar or self._before
        return () if bar is None else (bar,)

    def current(self) -> Bar | None:
        """Return the bar that is being built; None before the first trade."""
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
        yield from self._silent(bar, until)

    def _silent(self, bar: Bar, until: Ns) -> Iterator[Bar]:
        """Yield the bars without trades between a bar and ``until``."""
        close, start = bar.close, bar.end
        # A night of one-second bars would be tens of thousands of bars without a trade. A day
        # without trades is a holiday, or has no daily bar at KRX either.
        if self.span == DAY or (until - start) // self.span > MAX_SILENT:
            return
        while start < until:
            yield Bar(start, self.code, self.span, close, close, close, close, 0, 0)
            start += self.span


class BarSeries:
    """The newest closed bars of one stock and one length; at most ``keep`` of them."""

    def __init__(self, code: str, span: Ns, keep: int = 5_000) -> None:
        self._builder = BarBuilder(code, span)
        self.bars: deque[Bar] = deque(maxlen=keep)
        """Closed bars, oldest first."""

    @property
    def span(self) -> Ns:
        """The length of the bars, nanoseconds."""
        return self._builder.span

    def add(self, tick: Tick) -> Sequence[Bar]:
        """Add a trade. Return the bars that it closes, oldest first; usually none."""
        closed = self._builder.add(tick)
        if closed:
            self.bars.extend(closed)
        return closed

    def append(self, bar: Bar) -> None:
        """Add a closed bar that this series has not built itself."""
        self.bars.append(bar)

    def begin(self, closed: Iterable[Bar], running: Bar | None) -> None:
        """Replace all bars by ``closed``, oldest first, and continue with ``running``.

        ``running`` is the bar that is being built; None: there is none. For times without trades,
        bars with volume 0 are added, as ``add`` would have made them.
        """
        self.bars.clear()
        self._builder = BarBuilder(self._builder.code, self._builder.span)
        for bar in closed:
            self.bars.extend(self._builder.follow(bar))
        self.bars.extend(self._builder.follow(running) if running else self._builder.close())

    def newest(self, n: int) -> BarList:
        """Return the newest ``n`` closed bars, oldest first; fewer when there are fewer."""
        # A deque cannot be sliced.
        bars = self.bars
        return BarList(bars[i] for i in range(max(0, len(bars) - n), len(bars)))

    @property
    def current(self) -> Bar | None:
        """The bar that is being built; None before the first trade."""
        return self._builder.current()
