"""Downloads what the store lacks. Each page is stored as it comes, so a new start goes on there.

the days that are asked for
  │ without those that KIS was asked for before
  ▼
missing days ──► page ──► bars that contradict themselves are left out ──► store
  ▲                                                                          │
  └──────────── the days of the page are entered as asked for ◄──────────────┘
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import Ns, kst, kst_day
from kisnb.history.bar_source import BarSource
from kisnb.history.series import BarKind, Basis, Series
from kisnb.history.store import Asked, Store, bad_bars, day_of
from kisnb.market.calendar import is_trading_day
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

DAY_OVER = 20 * 3600
"""Seconds after Korean midnight at which both venues have closed: Nextrade's last trade is before
20:00 (``market.session_table``)."""
MINUTES_REACH = timedelta(days=365)
"""KIS gives the minutes of one year (workbook: inquire-time-dailychartprice)."""
NO_BAR = "KIS has no bar: the stock did not trade that day, or was not listed yet"
NOT_ASKED = "it was not downloaded yet; ask for it again, or see %kis download"
TOO_OLD = "KIS gives minutes of the last year only"
CONTRADICTION = "KIS's bar contradicts itself and was left out"
Progress = Callable[[int, int], object]
"""Gets the days that are done and the days in all, after each page."""


class MissingDay(NamedTuple):
    """A trading day without a bar, and the reason."""

    day: date
    reason: str


def newest_whole_day(now: Ns) -> date:
    """Return the newest day whose bars do not change any more at ``now``."""
    today = kst_day(now)
    return today if now >= kst(today, DAY_OVER) else today - timedelta(days=1)


class Download:
    """Brings bars of past days into a store. Only whole days are stored.

    ``keeps_today`` False keeps the present day out even when it has ended: a simulated day may be
    played again, with other trades.
    """

    def __init__(
        self, store: Store, source: BarSource, now: Callable[[], Ns], *, keeps_today: bool
    ) -> None:
        self.store = store
        self._source = source
        self._now = now
        self._keeps_today = keeps_today

    def newest_day(self) -> date:
        """Return the newest day that the store can have."""
        today = kst_day(self._now())
        newest = newest_whole_day(self._now())
        return newest if self._keeps_today or newest < today else today - timedelta(days=1)

    async def days(
        self, code: str, venue: Venue, basis: Basis, first: date, last: date,
        progress: Progress = lambda _done, _all: None,
    ) -> None:  # fmt: skip
        """Bring the daily bars from ``first`` to ``last`` into the store. Raises KisnbError."""
        series = Series(BarKind.DAY, venue, basis)
        missing = self._not_asked(series, code, first, last)
        total = len(missing)
        while missing:
            end = missing[-1]
            begin = max(missing[0], end - timedelta(days=self._source.window_days - 1))
            rows = await self._source.days(code, venue, basis, begin, end)
            self._keep(series, code, rows, begin, end)
            missing = [day for day in missing if day < begin]
            progress(total - len(missing), total)

    def missing(self, series: Series, code: str, first: date, last: date) -> list[MissingDay]:
        """Return the trading days that have no bar in the store, with the reason."""
        last = min(last, self.newest_day())
        rows = self.store.read(series, first, last, [code])
        there = set(rows.select(day_of(series).unique()).to_series())
        covered = self.store.manifest.covered(series.name, code)
        reasons = self.store.manifest.gaps(series.name, code)
        return [
            MissingDay(
                day,
                reasons.get(day)
                or (NO_BAR if any(a <= day <= b for a, b in covered) else NOT_ASKED),
            )
            for day in trading_days(first, last)
            if day not in there
        ]

    def _not_asked(self, series: Series, code: str, first: date, last: date) -> list[date]:
        """Return the trading days of a range that KIS was not asked for, oldest first."""
        covered = self.store.manifest.covered(series.name, code)
        days = trading_days(first, min(last, self.newest_day()))
        return [day for day in days if not any(a <= day <= b for a, b in covered)]

    def _keep(self, series: Series, code: str, rows: pl.DataFrame, first: date, last: date) -> None:
        """Store a page. Days whose bar contradicts itself get that reason instead."""
        rows = rows.filter(day_of(series).is_between(first, last))
        wrong = bad_bars(rows).fill_null(value=True)
        days = rows.filter(wrong).select(day_of(series).unique()).to_series()
        asked = Asked(code, first, last, dict.fromkeys(days, CONTRADICTION))
        self.store.upsert(series, rows.filter(~wrong), [asked])


def trading_days(first: date, last: date) -> list[date]:
    """Return the trading days from ``first`` to ``last``, oldest first.

    Raises ConfigError for a year whose holidays are not known.
    """
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if is_trading_day(day)]
