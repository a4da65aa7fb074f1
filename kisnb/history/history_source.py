"""The interfaces to the sources of past days. The session implements them."""

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
    """A function that runs slow work. ``asyncio.to_thread`` is one: it does not block the loop."""

    def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Run ``work(*args, **kwargs)`` and return its result."""
        ...


class HistorySource(Protocol):
    """A source of pages of rows. Each call is one request to KIS, and raises KisnbError.

    Rows have the columns of ``Series.schema``.
    """

    def window_days(self, kind: SeriesKind) -> int:
        """Return the number of calendar days that always fit into one page of a daily series."""
        ...

    async def days(self, series: Series, code: str, first: date, last: date) -> pl.DataFrame:
        """Read the rows from ``first`` to ``last``, which are at most ``window_days``."""
        ...

    async def minutes(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Read the newest minutes up to ``until``. The page may also have minutes of earlier days.

        The result is empty when there is no minute up to ``until``. Raises NotOffered where KIS
        gives no minutes of past days (paper).
        """
        ...

    async def minutes_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Read the newest minutes of today up to ``until``."""
        ...

    async def trades_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Read the newest trades of today up to the second of ``until``. Their side is null."""
        ...


class StreamRecord(Protocol):
    """A record of trades and depths that came over the stream. Reading it asks KIS for nothing.

    ``since`` and ``until`` are inclusive. Rows have the columns of ``Series.schema``.
    """

    def ticks(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:
        """Return the recorded trades of a stock and venue."""
        ...

    def depths(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:
        """Return the recorded depths of a stock and venue."""
        ...
