"""The interface through which a download gets bars. The session implements it with KIS's calls."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Protocol

from kisnb.clock import Ns
from kisnb.history.series import Basis
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl


class BarSource(Protocol):
    """Gives pages of bars. Each call is one request to KIS, and raises KisnbError.

    Rows have the columns of ``Series.schema``.
    """

    window_days: int
    """Calendar days of one page of daily bars."""

    async def days(
        self, code: str, venue: Venue, basis: Basis, first: date, last: date
    ) -> pl.DataFrame:
        """Return the daily bars of a window of at most ``window_days``."""
        ...

    async def minutes(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return the newest minutes up to ``until``, also of the days before.

        Empty when there are none at ``until`` or before it. Raises NotOffered where KIS gives no
        minutes of past days (paper).
        """
        ...

    async def minutes_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return the newest minutes of this day up to ``until``."""
        ...
