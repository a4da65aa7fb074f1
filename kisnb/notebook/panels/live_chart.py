"""A live candle chart of one stock: the numbers that the page draws, and their changes.

The bars are read once from ``session.bars``. After that, the trades that the session receives
change the newest bar, so an update needs no DataFrame. Prices in won. Times are the start of a bar
in seconds of UTC.
"""

from __future__ import annotations

import asyncio
import copy
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from kisnb.clock import DAY, SECOND, Ns
from kisnb.errors import KisnbError
from kisnb.market import indicators, sessions
from kisnb.market.bars import span_of
from kisnb.missing import why_missing
from kisnb.notebook.panels.depth_view import VENUES
from kisnb.terms import SessionId, Side

if TYPE_CHECKING:
    import polars as pl

    from kisnb.orders import Order
    from kisnb.session.feed.market_data import RecentTrade
    from kisnb.session.session import Session

LENGTHS = ("1m", "5m", "1h", "1d", "1w")
AVERAGES = (5, 20, 60)
"""Lengths of the moving averages in bars, as Korean charts have them."""
_KST = 9 * 3_600
Row: TypeAlias = list[int | float | None]
"""time, open, high, low, close, volume, the averages, VWAP, and 1 outside KRX's regular session."""


class LiveBar(msgspec.Struct):
    """One bar, which may be unfinished. Won and shares; ``t`` in seconds of UTC."""

    t: int
    open: int
    high: int
    low: int
    close: int
    volume: int

    def add(self, price: int, qty: int) -> None:
        """Add a trade to the bar."""
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.close = price
        self.volume += qty


class Lines:
    """Computes the averages and the VWAP of a chart. Bars are added in the order of time."""

    def __init__(self, *, intraday: bool) -> None:
        self._averages = [indicators.Sma(n) for n in AVERAGES]
        self._vwap = indicators.Vwap() if intraday else None
        self._day = 0

    def add(self, bar: LiveBar) -> list[float | None]:
        """Add a closed bar, and return the values at it. Won."""
        values = [average.update(bar.close) for average in self._averages]
        if self._vwap is None:
            return [*values, None]
        day = (bar.t + _KST) // 86_400
        if day != self._day:
            self._day = day
            self._vwap.reset()
        vwap = self._vwap.update((bar.high + bar.low + bar.close) / 3, bar.volume)
        return [*values, vwap]

    def at(self, bar: LiveBar) -> list[float | None]:
        """Return the values at a bar that is not closed, without adding it."""
        return copy.deepcopy(self).add(bar)


class Candles:
    """The bars of one chart with their averages and VWAP."""

    def __init__(self, span: Ns, bars: Iterable[LiveBar]) -> None:
        """Begin with ``bars``, oldest first. ``span`` is the length of a bar in nanoseconds.

        In a chart of days or weeks, all new trades belong to the newest bar.
        """
        self._span = span
        self._intraday = span < DAY
        self._lines = Lines(intraday=self._intraday)
        self.rows: list[Row] = []
        self._last: LiveBar | None = None
        for bar in bars:
            self._begin(bar)
        self._finish()

    def add(self, trades: Iterable[RecentTrade]) -> int:
        """Add trades to the bars. Return the index of the first row that changed."""
        first = max(len(self.rows) - 1, 0)
        for trade in trades:
            t = self._start(trade.t)
            if self._last is None or t > self._last.t:
                self._begin(
                    LiveBar(t, trade.price, trade.price, trade.price, trade.price, trade.qty)
                )
            else:
                # A trade of an earlier bar is rare. It is added to the newest bar.
                self._last.add(trade.price, trade.qty)
        self._finish()
        return first

    def _begin(self, bar: LiveBar) -> None:
        if self._last is not None:
            self.rows[-1] = self._row(self._last, self._lines.add(self._last))
        self._last = bar
        self.rows.append([])

    def _finish(self) -> None:
        if self._last is not None:
            self.rows[-1] = self._row(self._last, self._lines.at(self._last))

    def _row(self, bar: LiveBar, lines: list[float | None]) -> Row:
        values = [None if value is None else round(value, 1) for value in lines]
        return [
            bar.t,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            *values,
            self._shade(bar),
        ]

    def _shade(self, bar: LiveBar) -> int:
        if not self._intraday:
            return 0
        return int(sessions.session_id(bar.t * SECOND) is not SessionId.KRX_REG)

    def _start(self, t: Ns) -> int:
        if not self._intraday and self._last is not None:
            return self._last.t
        return t // self._span * self._span // SECOND


class LiveChart:
    """The chart of one panel. Used in the notebook's loop only."""

    def __init__(self, session: Session, send: Callable[[dict[str, Any]], None]) -> None:
        """Begin without a stock. ``send`` sends a message to the pages that show the panel."""
        self.every = "1m"
        self.code = ""
        self._session = session
        self._send = send
        self._candles = Candles(span_of("1m"), ())
        self._why = "Choose one in the ticket."
        self._seen: dict[str, int] = {}
        self._filled = 0
        self._loading: asyncio.Task[None] | None = None
        self._number = 0
        self._marks: list[list[object]] = []
        self._orders: list[list[object]] = []

    def show(self, code: str, every: str = "") -> None:
        """Load the bars of a stock, unless the chart shows them already."""
        every = every if every in LENGTHS else self.every
        if (code, every) == (self.code, self.every):
            return
        self.code, self.every = code, every
        self._reload()
        # Other candles must not stand there until these have come.
        self._candles, self._why = Candles(span_of("1m"), ()), "loading"
        self.tell()

    def receive(self, content: dict[str, Any], code: str) -> None:
        """Do what a page asked for: the whole chart anew, or bars of another length of ``code``."""
        match content:
            case {"kind": "candles"}:
                self.tell()
            case {"kind": "chart", "every": str(every)}:
                self.show(code, every)

    def _reload(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
        self._loading = asyncio.get_running_loop().create_task(self._load(), name="chart")

    async def _load(self) -> None:
        session, code, every = self._session, self.code, self.every
        bars: list[LiveBar] = []
        self._why = "loading"
        try:
            if code:
                frame = await session.bars(code, every)
                self._why = why_missing(frame)
                if every not in ("1d", "1w"):
                    # This adds the unfinished bar. No trade can come between this line and the
                    # counts below.
                    frame = session.heard_bars(code, every, running=True)
                bars = _live_bars(frame)
        except KisnbError as error:
            self._why = str(error)
        data = session.data
        self._seen = {venue: data.count(code, venue) for venue in VENUES}
        self._filled = self._gaps_filled()
        span = DAY if every in ("1d", "1w") else span_of(every)
        self._candles = Candles(span, bars)
        self.tell()

    def tell(self) -> None:
        """Send the whole chart, for example to a page that has just opened."""
        self._marks, self._orders = self._own()
        self._number += 1
        self._send(self._message(list(self._candles.rows), reset=True))

    def refresh(self) -> None:
        """Send what has changed since the last message. Send nothing when nothing has changed."""
        if not self.code or (self._loading is not None and not self._loading.done()):
            return
        if self._gaps_filled() != self._filled:
            # Minutes from KIS have replaced ours, so earlier bars may have changed.
            self._reload()
            return
        trades = self._new_trades()
        own = self._own()
        rows: list[Row] = []
        if trades:
            self._why = ""
            rows = self._candles.rows[self._candles.add(trades) :]
        if rows or own != (self._marks, self._orders):
            self._marks, self._orders = own
            self._number += 1
            self._send(self._message(rows, reset=False))

    def close(self) -> None:
        """Cancel a load of bars that still runs."""
        if self._loading is not None:
            self._loading.cancel()

    def _new_trades(self) -> list[RecentTrade]:
        data, code = self._session.data, self.code
        found: list[RecentTrade] = []
        for venue in VENUES:
            new = data.trades_since(code, venue, self._seen.get(venue, 0))
            self._seen[venue] = self._seen.get(venue, 0) + len(new)
            found += [trade for trade in new if sessions.gives_price(venue, trade.t)]
        return sorted(found, key=lambda trade: trade.t)

    def _gaps_filled(self) -> int:
        gaps = self._session.data.gaps
        return sum(1 for gap in gaps if gap.filled and gap.code == self.code)

    def _message(self, rows: list[Row], *, reset: bool) -> dict[str, Any]:
        return {
            "kind": "candles",
            "number": self._number,
            "reset": reset,
            "code": self.code,
            "every": self.every,
            "title": f"{self.code} {self._session.universe.name(self.code)}" if self.code else "",
            "why": self._why if not self._candles.rows else "",
            "rows": rows,
            "marks": self._marks,
            "orders": self._orders,
        }

    def _own(self) -> tuple[list[list[object]], list[list[object]]]:
        """Return our fills, one mark for each bar and side, and the prices of our open orders."""
        book, code = self._session.book, self.code
        mine = [order for order in book.orders.values() if order.code == code]
        times = [int(row[0] or 0) for row in self._candles.rows]
        open_orders = [
            [o.intent.price, str(o.side), f"{o.side} {o.leaves:,}"]
            for o in book.open_orders
            if o.code == code and o.intent.price is not None
        ]
        return marks_of(mine, times), open_orders


def marks_of(orders: Iterable[Order], times: list[int]) -> list[list[object]]:
    """Return the marks of fills, in the order of time: bar time, side, shares, text.

    ``times`` are the times of the bars. All fills of one side in one bar share a mark, with texts
    such as ``"30"`` and ``"buy 30 in 3"``, because longer texts of neighbouring marks would
    overlap.
    """
    sums: dict[tuple[int, Side], list[int]] = {}
    for order in orders:
        for fill in order.fills:
            at = bisect_right(times, fill.t // SECOND) - 1
            if at >= 0:
                sums.setdefault((times[at], order.side), []).append(fill.qty)
    return [
        [
            t,
            str(side),
            f"{sum(q):,}",
            f"{side} {sum(q):,}" + (f" in {len(q)}" if len(q) > 1 else ""),
        ]
        for (t, side), q in sorted(sums.items())
    ]


def _live_bars(frame: pl.DataFrame) -> list[LiveBar]:
    rows = frame.select("t", "open", "high", "low", "close", "volume").iter_rows()
    return [LiveBar(int(t.timestamp()), *bar) for t, *bar in rows]
