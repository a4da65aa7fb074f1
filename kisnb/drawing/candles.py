"""The data of a candle chart: bars, and the fills that fell into them.

Prices in won, times in KST.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from kisnb.clock import kst_datetime
from kisnb.orders import Order
from kisnb.terms import Side

if TYPE_CHECKING:
    import polars as pl


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One bar. ``t`` is its start."""

    t: datetime
    open: int
    high: int
    low: int
    close: int
    volume: int

    @property
    def rises(self) -> bool:
        """True when the bar closes at its open or above."""
        return self.close >= self.open


class Mark(msgspec.Struct, frozen=True, gc=False):
    """One fill on the chart."""

    t: datetime
    side: Side
    qty: int
    price: int

    def text(self, *, dated: bool = False) -> str:
        """Return ``"buy 10 at 71,000, 09:10:03"``. With ``dated``, the date precedes the time."""
        # ``isoformat`` takes a third of the time of ``strftime``.
        moment = self.t.replace(tzinfo=None).isoformat(" ", "seconds")
        return f"{self.side} {self.qty:,} at {self.price:,}, {moment if dated else moment[11:]}"


def candles(bars: pl.DataFrame) -> list[Candle]:
    """Return the rows of a DataFrame as candles, in its order.

    It has the columns t, open, high, low, close, volume.
    """
    # polars asks the table of time zones about each time, which takes longer than all the rest. The
    # offset of Korea is fixed.
    times = map(kst_datetime, bars["t"].dt.epoch("ns").to_list())
    prices = (bars[name].to_list() for name in ("open", "high", "low", "close", "volume"))
    return list(map(Candle, times, *prices))


def marks(orders: Iterable[Order]) -> list[Mark]:
    """Return the fills of orders, in the order of time."""
    found = [Mark(kst_datetime(f.t), o.side, f.qty, f.price) for o in orders for f in o.fills]
    # Orders come in the order in which they were sent, and an older order may fill later.
    return sorted(found, key=attrgetter("t"))


def merged(rows: Sequence[Candle], at_most: int) -> list[Candle]:
    """Return at most ``at_most`` candles, made by joining neighbours.

    A joined candle has the first open, the last close, and the highest and lowest prices.
    """
    size = -(-len(rows) // at_most)
    if size <= 1:
        return list(rows)
    return [_joined(rows[i : i + size]) for i in range(0, len(rows), size)]


def candle_at(rows: Sequence[Candle], t: datetime) -> int | None:
    """Return the index of the candle that contains ``t``. None before the first one."""
    # The last candle that begins at `t` or before. Minutes without a trade have no candle, so a
    # fill in a gap is drawn at the candle before it.
    index = bisect_right(rows, t, key=attrgetter("t")) - 1
    return index if index >= 0 else None


def are_days(rows: Sequence[Candle]) -> bool:
    """Return whether each candle is a day or more."""
    return bool(rows) and all((c.t.hour, c.t.minute, c.t.second) == (0, 0, 0) for c in rows)


def summary(title: str, rows: Sequence[Candle], fills: Sequence[Mark], why_none: str = "") -> str:
    """Return one line: span, the four prices, volume, number of fills.

    ``why_none`` says why there is no bar.
    """
    if not rows:
        return f"{title}: {why_none or 'no bars yet'}"
    whole = _joined(rows)
    form = moment_format(rows)
    return (
        f"{title}: {len(rows)} bars {rows[0].t:{form}} to {rows[-1].t:{form}}, "
        f"open {whole.open:,} high {whole.high:,} low {whole.low:,} close {whole.close:,}, "
        f"volume {whole.volume:,}, fills {len(fills)}"
    )


def spans_days(rows: Sequence[Candle]) -> bool:
    """Return whether the bars are of more than one day, so that a time needs its date."""
    return bool(rows) and rows[0].t.date() != rows[-1].t.date()


def moment_format(rows: Sequence[Candle]) -> str:
    """Return the format of a candle's moment: its day, its time, or both."""
    if are_days(rows):
        return "%Y-%m-%d"
    return "%m-%d %H:%M" if spans_days(rows) else "%H:%M"


def _joined(part: Sequence[Candle]) -> Candle:
    return Candle(
        t=part[0].t,
        open=part[0].open,
        high=max([c.high for c in part]),
        low=min([c.low for c in part]),
        close=part[-1].close,
        volume=sum([c.volume for c in part]),
    )
