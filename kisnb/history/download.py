"""Downloads what the store lacks. Each page is stored as it comes, so a new start goes on there.

the days that are asked for
  │ without those that KIS was asked for before
  ▼
missing days ──► page ──► bars that contradict themselves are left out ──► store
  ▲                                                                          │
  └──────────── the days of the page are entered as asked for ◄──────────────┘
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import MINUTE, SECOND, Ns, kst, kst_day
from kisnb.errors import NotOffered
from kisnb.history.bar_source import BarSource
from kisnb.history.checks import bad_bars
from kisnb.history.series import BarKind, Basis, Series
from kisnb.history.store import Asked, Store, day_of
from kisnb.market.calendar import is_trading_day, next_trading_day, previous_trading_day
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

DAY_OVER = 20 * 3600
"""Seconds after Korean midnight at which both venues have closed: Nextrade's last trade is before
20:00 (``market.session_table``)."""
MINUTES_REACH = timedelta(days=365)
"""KIS gives the minutes of one year (workbook: inquire-time-dailychartprice)."""
EMPTY_DAYS = 5
"""How many days without a minute end the questions: the days before them are not asked for."""
NO_BAR = "KIS has no bar: the stock did not trade that day, or was not listed yet"
NOT_ASKED = "It was not downloaded yet; ask for it again, or see %kis download"
PART = "Only the minutes up to the last question of that day are there"
TOO_OLD = "KIS gives minutes of the last year only"
CONTRADICTION = "KIS's bar contradicts itself and was left out"
Progress = Callable[[int, int], object]
"""Gets the days that are done and the days in all, after each page."""


class MissingDay(NamedTuple):
    """A trading day that lacks bars, and the reason."""

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
        total, has_restarted = len(missing), False
        while missing:
            begin, low, high = self._window(series, code, missing)
            rows = await self._source.days(code, venue, basis, low, high)
            rows = rows.filter(day_of(series).is_between(low, high))
            if basis is Basis.ADJUSTED and not has_restarted and self._differs(series, code, rows):
                # A split or a right has changed all earlier prices since they were downloaded.
                self.store.uncover(series, code)
                missing, has_restarted = self._not_asked(series, code, first, last), True
                total = len(missing)
                continue
            self._keep(series, rows, Asked(code, low, high))
            missing = [day for day in missing if day < begin]
            progress(total - len(missing), total)

    def _window(
        self, series: Series, code: str, missing: Sequence[date]
    ) -> tuple[date, date, date]:
        """Return the first new day of the next page, and the first and the last day to ask for.

        The page overlaps with stored days beside it, so that adjusted prices can be compared.
        """
        covered = self.store.manifest.covered(series.name, code)
        reach = timedelta(days=self._source.window_days - 1)
        high = beside if _is_in(covered, beside := next_trading_day(missing[-1])) else missing[-1]
        begin = max(missing[0], high - reach)
        beside = previous_trading_day(begin)
        low = beside if _is_in(covered, beside) and beside >= high - reach else begin
        return begin, low, high

    def _differs(self, series: Series, code: str, rows: pl.DataFrame) -> bool:
        """Return whether KIS gives other prices for stored days than it did before."""
        import polars as pl

        if rows.is_empty():
            return False
        first, last = rows["date"].min(), rows["date"].max()
        assert isinstance(first, date)
        assert isinstance(last, date)
        stored = self.store.read(series, first, last, [code])
        both = rows.join(stored, on=["code", "date"], suffix="_stored")
        return not both.filter(pl.col("close") != pl.col("close_stored")).is_empty()

    async def minutes(
        self, code: str, venue: Venue, first: date, last: date,
        progress: Progress = lambda _done, _all: None,
    ) -> None:  # fmt: skip
        """Bring the minutes of past days into the store.

        Raises NotOffered where KIS gives none, and KisnbError.
        """
        series = Series(BarKind.MINUTE, venue, Basis.RAW)
        today = kst_day(self._now())
        # A year before 1 March of a leap year has 366 days. One day less is asked for.
        first = max(first, today - MINUTES_REACH)
        missing = self._not_asked(series, code, first, min(last, today - timedelta(days=1)))
        total, until, empty = len(missing), 0, 0
        while missing:
            day = missing[-1]
            # Pages reach back over the end of a day. The next one goes on before the last one.
            until = until if kst_day(until) == day else kst(day, DAY_OVER - 1)
            rows = await self._source.minutes(code, venue, until)
            oldest = None if rows.is_empty() else to_ns(rows["t"].min())
            # Without a row the day has no more. A stock may be halted for a day, so the days before
            # are asked for too. After some empty days it was not listed yet.
            empty = empty + 1 if oldest is None else 0
            done = missing if empty > EMPTY_DAYS else missing[-1:]
            if oldest is not None and oldest <= until:
                # The oldest day of a page may go on in the next page.
                done = [gap for gap in missing if gap > kst_day(oldest)]
                until = oldest - 1
            whole = rows.filter(day_of(series) <= self.newest_day())
            self._keep(series, whole, Asked(code, done[0], day) if done else None)
            missing = missing[: len(missing) - len(done)]
            progress(total - len(missing), total)

    async def day_so_far(self, code: str, venue: Venue, basis: Basis) -> pl.DataFrame:
        """Return the bar of this day up to now; no row before its first trade. It is not stored.

        Columns: those of ``Series.schema``. Raises KisnbError.
        """
        import polars as pl

        today = kst_day(self._now())
        rows = await self._source.days(code, venue, basis, today, today)
        rows = rows.filter(pl.col("date") == today, pl.col("volume") > 0)
        return rows.filter(~bad_bars(rows).fill_null(value=True))

    async def minutes_of_today(self, code: str, venue: Venue) -> pl.DataFrame:
        """Return the minutes of this day that have ended. At paper and live they are stored too.

        Columns: those of ``Series.schema``. Raises KisnbError.
        """
        import polars as pl

        series = Series(BarKind.MINUTE, venue, Basis.RAW)
        now = self._now()
        today, until, pages = kst_day(now), now, list[pl.DataFrame]()
        ask, reached = self._source.minutes, False
        while not reached:
            try:
                page = await ask(code, venue, until)
            except NotOffered:
                # Paper has the smaller pages alone, which hold this day alone.
                ask = self._source.minutes_of_today
                continue
            reached = page.is_empty() or kst_day(to_ns(page["t"].min())) < today
            # KIS answers a time to come with a row of now, whose minute has not ended (workbook).
            page = page.filter(day_of(series) == today, pl.col("t") <= at(until))
            if page.is_empty() and not pages and ask == self._source.minutes:
                # A host whose large pages end with yesterday still has small ones of today.
                ask, reached = self._source.minutes_of_today, False
                continue
            pages.append(page)
            if page.is_empty():
                break
            until = to_ns(page["t"].min()) - 1
        rows = pl.concat(pages).filter(pl.col("t") <= at(now - MINUTE)).sort("t")
        rows = rows.filter(~bad_bars(rows).fill_null(value=True))
        if self._keeps_today:
            # All pages are stored together. A day with a hole in the middle would look whole.
            self.store.upsert(series, rows)
        return rows

    def missing(self, series: Series, code: str, first: date, last: date) -> list[MissingDay]:
        """Return the trading days that lack bars in the store, with the reason."""
        last = min(last, self.newest_day())
        rows = self.store.read(series, first, last, [code])
        there = set(rows.select(day_of(series).unique()).to_series())
        not_asked = set(self._not_asked(series, code, first, last))
        reasons = self.store.manifest.gaps(series.name, code)
        is_minutes = series.kind is BarKind.MINUTE
        reach = kst_day(self._now()) - MINUTES_REACH

        def reason(day: date) -> str:
            """Return why a day lacks bars; empty when it lacks none."""
            # A day of minutes may be there in part.
            if day in there:
                part = PART if day in not_asked else reasons.get(day, "")
                return part if is_minutes else ""
            if day not in not_asked:
                return reasons.get(day, NO_BAR)
            return TOO_OLD if is_minutes and day < reach else NOT_ASKED

        gaps = (MissingDay(day, reason(day)) for day in trading_days(first, last))
        return [gap for gap in gaps if gap.reason]

    def _not_asked(self, series: Series, code: str, first: date, last: date) -> list[date]:
        """Return the trading days of a range that KIS was not asked for, oldest first."""
        covered = self.store.manifest.covered(series.name, code)
        days = trading_days(first, min(last, self.newest_day()))
        return [day for day in days if not _is_in(covered, day)]

    def _keep(self, series: Series, rows: pl.DataFrame, asked: Asked | None) -> None:
        """Store bars. Days whose bar contradicts itself get that reason instead."""
        wrong = bad_bars(rows).fill_null(value=True)
        days = rows.filter(wrong).select(day_of(series).unique()).to_series()
        explained = {rows["code"][0]: dict.fromkeys(days, CONTRADICTION)} if len(days) else {}
        asked_for = [] if asked is None else [asked]
        self.store.upsert(series, rows.filter(~wrong), asked_for, explained)


def _is_in(ranges: Sequence[tuple[date, date]], day: date) -> bool:
    return any(first <= day <= last for first, last in ranges)


def to_ns(moment: object) -> Ns:
    """Return the moment of a frame's column ``t`` as UTC nanoseconds."""
    assert isinstance(moment, datetime)
    return int(moment.timestamp()) * SECOND


def at(t: Ns) -> pl.Expr:
    """Return a moment as an expression that column ``t`` can be compared with."""
    import polars as pl

    return pl.lit(t).cast(pl.Datetime("ns", "UTC"))


def trading_days(first: date, last: date) -> list[date]:
    """Return the trading days from ``first`` to ``last``, oldest first.

    Raises ConfigError for a year whose holidays are not known.
    """
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if is_trading_day(day)]
