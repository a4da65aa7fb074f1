"""The interfaces through which past days come. The session implements them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from kisnb.clock import Ns
from kisnb.history.series import Series, SeriesKind
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

P = ParamSpec("P")
T = TypeVar("T")


class Beside(Protocol):
    """Does slow work and gives its result. ``asyncio.to_thread`` lets the loop go on meanwhile."""

    def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Return what ``work(*args, **kwargs)`` returns."""
        ...


class HistorySource(Protocol):
    """Gives pages of rows. Each call is one request to KIS, and raises KisnbError.

    Rows have the columns of ``Series.schema``.
    """

    def window_days(self, kind: SeriesKind) -> int:
        """Return the calendar days that one page of a series by day holds for certain."""
        ...

    async def days(self, series: Series, code: str, first: date, last: date) -> pl.DataFrame:
        """Return the rows of a window of at most ``window_days``."""
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

    async def trades_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return the newest trades of this day up to the second of ``until``. Side is null."""
        ...


class StreamRecord(Protocol):
    """A record of the stream: trades and depths that were received. Nothing is asked of KIS.

    ``since`` and ``until`` are inclusive. Rows have the columns of ``Series.schema``.
    """

    def ticks(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:
        """Return the trades that were received."""
        ...

    def depths(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:
        """Return the depths that were received."""
        ...
