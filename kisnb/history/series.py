"""The keys and columns of stored bars. A series is one kind of bar of one venue on one basis."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl


NUMBERS = ("open", "high", "low", "close", "volume", "value")
"""The columns of every bar that are numbers: prices in won, shares, and won."""


class BarKind(StrEnum):
    """The bars that the store keeps. Longer ones are made from these."""

    DAY = "1d"
    MINUTE = "1m"


class Basis(StrEnum):
    """The prices of a series: as they were traded, or adjusted for splits and rights."""

    RAW = "raw"
    ADJUSTED = "adjusted"


class Series(NamedTuple):
    """One kind of bar of one venue on one basis. Series never share a file."""

    kind: BarKind
    venue: Venue
    basis: Basis

    @property
    def name(self) -> str:
        """Its key in the manifest, and its folder in the store: ``"1d/KRX/adjusted"``."""
        return f"{self.kind}/{self.venue}/{self.basis}"

    @property
    def time(self) -> str:
        """The column with the time of a bar: ``"date"`` of days, ``"t"`` of minutes."""
        return "date" if self.kind is BarKind.DAY else "t"

    def schema(self) -> pl.Schema:
        """Return the columns of a file of this series.

        code; date (Date), or t (start of the minute, Datetime ns UTC); open, high, low, close
        (won), volume (shares) and value (won), all Int64. ``value`` of a minute is the won of the
        whole day up to the minute's end, as KIS states it.
        """
        import polars as pl

        when = pl.Date() if self.kind is BarKind.DAY else pl.Datetime("ns", "UTC")
        return pl.Schema(
            {"code": pl.String(), self.time: when, **dict.fromkeys(NUMBERS, pl.Int64())}
        )
