"""The series that the store keeps, with their keys and columns.

All rows of a series are of one kind.

| kind    | one row is                   | its key           | from |
|---------|------------------------------|-------------------|------|
| `1d`    | a day of a stock             | code, date        | KIS, or a file |
| `1m`    | a minute of a stock          | code, t           | KIS, or a file |
| `tick`  | a trade of a stock           | code, t, volume   | KIS (today), a record, a file |
| `depth` | bids and asks at one moment  | code, t           | a record of the stream, or a file |
| `flow`  | a day of a stock's investors | code, date        | KIS, or a file |
| `index` | a day of an index            | code (its name), date | KIS, or a file |
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl


PRICES = ("open", "high", "low", "close")
NUMBERS = (*PRICES, "volume", "value")
"""The number columns of every bar: prices in won, volume in shares, value in won."""
GROUPS = ("individual", "foreign", "institution")
"""The groups of investors. Each has two columns: net purchase in shares, and in won (``_value``).

"""
FLOWS = ("volume", *(name for group in GROUPS for name in (group, f"{group}_value")))
"""The number columns of a row of flows."""
LEVELS = tuple(
    f"{name}{level}" for level in range(1, 11) for name in ("ask", "ask_qty", "bid", "bid_qty")
)
"""The columns of a depth: price (won) and shares of ten levels, best first. Null: no such level."""
TRADE = ("price", "qty", "side", "volume")
"""The columns of a trade: price (won), shares, side (buy, sell or null), and volume.

Volume is the shares of the day up to this trade.
"""


class SeriesKind(StrEnum):
    """The kinds of rows that the store keeps. Longer bars are made from ``1d`` and ``1m``."""

    DAY = "1d"
    MINUTE = "1m"
    TICK = "tick"
    DEPTH = "depth"
    FLOW = "flow"
    INDEX = "index"


BY_DAY = frozenset({SeriesKind.DAY, SeriesKind.FLOW, SeriesKind.INDEX})
"""Kinds with one row a day. Other kinds have many rows a day, each with a time ``t``."""
BARS = frozenset({SeriesKind.DAY, SeriesKind.MINUTE, SeriesKind.INDEX})
"""Kinds with open, high, low and close."""


class Basis(StrEnum):
    """The basis of a series' prices: as traded (raw), or adjusted for splits and rights."""

    RAW = "raw"
    ADJUSTED = "adjusted"


class Series(NamedTuple):
    """One kind of row of one venue on one basis. Series never share a file."""

    kind: SeriesKind
    venue: Venue
    basis: Basis

    @property
    def name(self) -> str:
        """The key in the manifest, which is also the folder in the store: ``"1d/KRX/adjusted"``."""
        return f"{self.kind}/{self.venue}/{self.basis}"

    @property
    def is_by_day(self) -> bool:
        """True if the series has one row a day."""
        return self.kind in BY_DAY

    @property
    def time(self) -> str:
        """Name of the column with the time of a row: ``"date"`` (a day) or ``"t"`` (a moment)."""
        return "date" if self.is_by_day else "t"

    @property
    def keys(self) -> list[str]:
        """The columns that identify a row. Rows are sorted by them."""
        # Several trades may have one time, because KIS states whole seconds. The day's shares
        # distinguish them.
        return ["code", self.time, *(["volume"] if self.kind is SeriesKind.TICK else [])]

    def schema(self) -> pl.Schema:
        """Return the columns of a file of this series.

        code; date (Date), or t (Datetime ns UTC; of a minute its start); then

        1d, 1m: open, high, low, close (won), volume (shares), value (won), all Int64. ``value`` of
        a minute is the won traded from the begin of the day to the minute's end, because KIS states
        that sum. It is null where a file had no value.
        index: the same columns, with prices in points as Float64.
        flow: volume (shares); for individual, foreign and institution the net purchase in shares,
        and with ``_value`` in won; all Int64.
        tick: price (won), qty (shares), side (buy, sell; null: not stated), volume (the day's
        shares up to this trade).
        depth: ask1, ask_qty1, bid1, bid_qty1, and so on to 10 (won, shares; null: no such level).
        """
        import polars as pl

        whole = pl.Int64()
        match self.kind:
            case SeriesKind.DAY | SeriesKind.MINUTE:
                numbers: dict[str, pl.DataType] = dict.fromkeys(NUMBERS, whole)
            case SeriesKind.INDEX:
                numbers = dict.fromkeys(NUMBERS, whole) | dict.fromkeys(PRICES, pl.Float64())
            case SeriesKind.FLOW:
                numbers = dict.fromkeys(FLOWS, whole)
            case SeriesKind.TICK:
                numbers = dict.fromkeys(TRADE, whole) | {"side": pl.String()}
            case SeriesKind.DEPTH:
                numbers = dict.fromkeys(LEVELS, whole)
        when = pl.Date() if self.is_by_day else pl.Datetime("ns", "UTC")
        return pl.Schema({"code": pl.String(), self.time: when, **numbers})
