"""Downloads rows that the store lacks. Each page is stored at once, so a restart continues there.

the days of the request
  │ without those for which KIS was asked before
  ▼
missing days ──► page ──► bars that contradict themselves are left out ──► store
  ▲                                                                          │
  └──────────── the days of the page are entered as asked for ◄──────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import MINUTE, SECOND, Ns, kst, kst_day
from kisnb.errors import NotOffered
from kisnb.history.checks import bad_rows
from kisnb.history.history_source import Beside, HistorySource
from kisnb.history.series import PRICES, Basis, Series, SeriesKind
from kisnb.history.store import Asked, Store, day_of
from kisnb.market.calendar import is_trading_day, next_trading_day, previous_trading_day
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

DAY_OVER = 20 * 3600
"""Seconds after Korean midnight at which both venues have closed.

Nextrade's last trade is before 20:00 (``market.session_table``).
"""
MINUTES_REACH = timedelta(days=365)
"""How far back KIS gives minutes: one year (workbook: inquire-time-dailychartprice)."""
EMPTY_DAYS = 5
"""After this number of empty days in a row, earlier days are not asked for."""
NO_ROW = "KIS has none: the stock did not trade that day, or was not listed"
NOT_LISTED = (
    "KIS has none before the first one here: the stock was not listed yet, or did not trade"
)
NO_MORE = "KIS has none after the last one here: the stock was delisted, or did not trade"
NOT_ASKED = "It was not downloaded yet; ask for it again, or see %kis download"
PART = "Only the minutes up to the last question of that day are there"
TOO_OLD = "KIS gives minutes of the last year only"
CONTRADICTION = "KIS's row contradicts itself and was left out"
Progress = Callable[[int, int], object]
"""Called after each page with the number of days that are done, and the number of all days."""


class MissingDay(NamedTuple):
    """A trading day that lacks bars, and the reason."""

    day: date
    reason: str


def newest_whole_day(now: Ns) -> date:
    """Return the newest day whose bars are final at ``now``."""
    today = kst_day(now)
    return today if now >= kst(today, DAY_OVER) else today - timedelta(days=1)


class Download:
    """Downloads rows of past days into a store. Only whole days are stored.

    ``keeps_today`` False: the present day is never stored, even after its end, because a simulated
    day may be played again with other trades. ``beside`` runs the store's work in a thread, because
    it may take long.
    """

    def __init__(
        self, store: Store, source: HistorySource, now: Callable[[], Ns], *, keeps_today: bool,
        beside: Beside = asyncio.to_thread,
    ) -> None:  # fmt: skip
        self.store = store
        self.keeps_today = keeps_today
        self._beside = beside
        self._source = source
        self._now = now

    def newest_day(self) -> date:
        """Return the newest day that may be stored now."""
        today = kst_day(self._now())
        newest = newest_whole_day(self._now())
        return newest if self.keeps_today or newest < today else today - timedelta(days=1)

    async def days(
        self, series: Series, code: str, first: date, last: date,
        progress: Progress = lambda _done, _all: None,
    ) -> bool:  # fmt: skip
        """Download and store the missing rows of a series by day from ``first`` to ``last``.

        Return True when KIS gives other adjusted prices than before, so that all stored days were
        downloaded again. Raises KisnbError.
        """
        missing = self._not_asked(series, code, first, last)
        total, has_restarted = len(missing), False
        # Only prices from before this download can be out of date.
        stored = self.store.manifest.covered(series.name, code)
        must_compare = bool(missing and stored and series.basis is Basis.ADJUSTED)
        while missing:
            begin, low, high = self._window(series, code, missing)
            rows = await self._source.days(series, code, low, high)
            rows = rows.filter(day_of(series).is_between(low, high))
            if must_compare:
                is_same = await self._is_as_stored(series, code, rows, stored)
                must_compare = is_same is None
                if is_same is False:
                    # A split or a rights issue has changed all earlier prices since they were
                    # downloaded. So all stored days are downloaded again, and the store has one
                    # adjustment.
                    await self._beside(self.store.uncover, series, code)
                    wanted = [*stored, (first, last)]
                    low, high = min(day for day, _ in wanted), max(day for _, day in wanted)
                    missing = [
                        day
                        for day in self._not_asked(series, code, low, high)
                        if is_in(wanted, day)
                    ]
                    has_restarted, total = True, len(missing)
                    continue
            await self._keep(series, rows, Asked(code, low, high))
            missing = [day for day in missing if day < begin]
            progress(total - len(missing), total)
        return has_restarted

    def _window(
        self, series: Series, code: str, missing: Sequence[date]
    ) -> tuple[date, date, date]:
        """Return the first new day of the next page, and the first and the last day to ask for.

        The page also covers stored days next to it, so that adjusted prices can be compared.
        """
        covered = self.store.manifest.covered(series.name, code)
        reach = timedelta(days=self._source.window_days(series.kind) - 1)
        high = beside if is_in(covered, beside := next_trading_day(missing[-1])) else missing[-1]
        begin = max(missing[0], high - reach)
        beside = previous_trading_day(begin)
        low = beside if is_in(covered, beside) and beside >= high - reach else begin
        return begin, low, high

    async def _is_as_stored(
        self, series: Series, code: str, page: pl.DataFrame, covered: Sequence[tuple[date, date]]
    ) -> bool | None:
        """Return whether KIS gives the same adjusted prices as the store.

        ``covered`` are the ranges of days for which KIS was asked. None: the store has no day. If
        the page has a stored day, the two are compared. Otherwise KIS is asked for the oldest
        stored day, because a split changes the prices of all days before it.
        """
        stored = await self.read(series, covered[0][0], covered[-1][1], [code])
        if stored.is_empty():
            return None
        if page.join(stored, on=series.keys, how="semi").is_empty():
            oldest = stored["date"][0]
            page = await self._source.days(series, code, oldest, oldest)
        both = page.join(stored, on=series.keys, suffix="_stored")
        if both.is_empty():
            # KIS no longer has a bar of that day.
            return False
        return all(both[name].equals(both[f"{name}_stored"]) for name in PRICES)

    async def read(
        self, series: Series, first: date, last: date, codes: Sequence[str] = ()
    ) -> pl.DataFrame:
        """Return stored rows as ``Store.read`` does, without blocking the loop."""
        return await self._beside(self.store.read, series, first, last, codes)

    async def minutes(
        self, code: str, venue: Venue, first: date, last: date,
        progress: Progress = lambda _done, _all: None,
    ) -> None:  # fmt: skip
        """Download and store the missing minutes of past days.

        Raises NotOffered where KIS gives no past minutes (paper), and KisnbError.
        """
        series = minutes_of(venue)
        today = kst_day(self._now())
        # The year before 1 March of a leap year has 366 days. So one day less is asked for.
        first = max(first, today - MINUTES_REACH)
        missing = self._not_asked(series, code, first, min(last, today - timedelta(days=1)))
        total, until, empty = len(missing), 0, 0
        while missing:
            day = missing[-1]
            # A page may cover the end of the day before. The next page continues where this one
            # began.
            until = until if kst_day(until) == day else kst(day, DAY_OVER - 1)
            rows = await self._source.minutes(code, venue, until)
            oldest = None if rows.is_empty() else to_ns(rows["t"].min())
            # An empty page means that the day has no more rows. A stock may be halted for a day, so
            # earlier days are asked for too. After some empty days the stock was not listed yet.
            empty = empty + 1 if oldest is None else 0
            done = missing if empty > EMPTY_DAYS else missing[-1:]
            if oldest is not None and oldest <= until:
                # The oldest day of a page may continue in the next page.
                done = [gap for gap in missing if gap > kst_day(oldest)]
                until = oldest - 1
            whole = rows.filter(day_of(series) <= self.newest_day())
            await self._keep(series, whole, Asked(code, done[0], day) if done else None)
            missing = missing[: len(missing) - len(done)]
            progress(total - len(missing), total)

    async def day_so_far(self, series: Series, code: str) -> pl.DataFrame:
        """Ask KIS for today's daily bar up to now.

        Return one row, or no row before the first trade. It is not stored. The columns are those of
        ``Series.schema``. Raises KisnbError.
        """
        import polars as pl

        today = kst_day(self._now())
        rows = await self._source.days(series, code, today, today)
        rows = rows.filter(pl.col("date") == today, pl.col("volume") > 0)
        return rows.filter(~bad_rows(series, rows))

    async def minutes_of_today(self, code: str, venue: Venue) -> pl.DataFrame:
        """Ask KIS for today's minutes that have ended, and return them.

        With ``keeps_today`` they are stored too. The columns are those of ``Series.schema``. Raises
        KisnbError.
        """
        import polars as pl

        series = minutes_of(venue)
        now = self._now()
        today, until, pages = kst_day(now), now, list[pl.DataFrame]()
        ask, reached = self._source.minutes, False
        while not reached:
            try:
                page = await ask(code, venue, until)
            except NotOffered:
                # Paper has only the small pages, which cover only this day.
                ask = self._source.minutes_of_today
                continue
            reached = page.is_empty() or kst_day(to_ns(page["t"].min())) < today
            # For a future time KIS gives a row of the current minute, which has not ended
            # (workbook).
            page = page.filter(day_of(series) == today, pl.col("t") <= at(until))
            if page.is_empty() and not pages and ask == self._source.minutes:
                # A server whose large pages end with yesterday still has small pages of today.
                ask, reached = self._source.minutes_of_today, False
                continue
            pages.append(page)
            if page.is_empty():
                break
            until = to_ns(page["t"].min()) - 1
        rows = pl.concat(pages).filter(pl.col("t") <= at(now - MINUTE)).sort("t")
        rows = rows.filter(~bad_rows(series, rows))
        if self.keeps_today:
            # All pages are stored together, because a day with a hole in the middle would look
            # complete.
            await self.keep(series, rows)
        return rows

    def missing(
        self, series: Series, code: str, first: date, last: date, rows: pl.DataFrame | None = None
    ) -> list[MissingDay]:
        """Return the trading days from ``first`` to ``last`` that lack rows, with the reason.

        ``rows`` are the stored rows of these days. None: they are read here.
        """
        last = min(last, self.newest_day())
        rows = self.store.read(series, first, last, [code]) if rows is None else rows
        there = set(rows.select(day_of(series).unique()).to_series())
        not_asked = set(self._not_asked(series, code, first, last))
        reasons = self.store.manifest.gaps(series.name, code)
        is_minutes = series.kind is SeriesKind.MINUTE
        reach = kst_day(self._now()) - MINUTES_REACH
        listed, traded = min(there, default=None), max(there, default=None)

        def reason(day: date) -> str:
            """Return why a day lacks rows. Empty when no row is missing."""
            # A part of a day's minutes may be stored.
            if day in there:
                part = PART if day in not_asked else reasons.get(day, "")
                return part if is_minutes else ""
            if day not in not_asked:
                if day in reasons or listed is None or traded is None:
                    return reasons.get(day, NO_ROW)
                return NOT_LISTED if day < listed else NO_MORE if day > traded else NO_ROW
            return TOO_OLD if is_minutes and day < reach else NOT_ASKED

        gaps = (MissingDay(day, reason(day)) for day in trading_days(first, last))
        return [gap for gap in gaps if gap.reason]

    def _not_asked(self, series: Series, code: str, first: date, last: date) -> list[date]:
        """Return the trading days of a range for which KIS was not asked yet, oldest first."""
        covered = self.store.manifest.covered(series.name, code)
        days = trading_days(first, min(last, self.newest_day()))
        return [day for day in days if not is_in(covered, day)]

    async def keep(self, series: Series, rows: pl.DataFrame) -> None:
        """Store rows without blocking the loop. Raises BadInput, FolderError."""
        await self._beside(self.store.upsert, series, rows)

    async def _keep(self, series: Series, rows: pl.DataFrame, asked: Asked | None) -> None:
        """Store good rows, the days of ``asked``, and the reason for days with contradictions."""
        wrong = bad_rows(series, rows)
        days = rows.filter(wrong).select(day_of(series).unique()).to_series()
        explained = {rows["code"][0]: dict.fromkeys(days, CONTRADICTION)} if len(days) else {}
        asked_for = [] if asked is None else [asked]
        # A write may rewrite the file of a whole year. It runs in a thread, so that the loop and
        # the agents go on.
        await self._beside(self.store.upsert, series, rows.filter(~wrong), asked_for, explained)


def is_in(ranges: Sequence[tuple[date, date]], day: date) -> bool:
    """Return whether a day lies in one of the ranges. Both ends of a range are inclusive."""
    return any(first <= day <= last for first, last in ranges)


def to_ns(moment: object) -> Ns:
    """Return a value of a DataFrame's column ``t`` as UTC nanoseconds."""
    assert isinstance(moment, datetime)
    return int(moment.timestamp()) * SECOND


def at(t: Ns) -> pl.Expr:
    """Return a moment as an expression that can be compared with the column ``t``."""
    import polars as pl

    return pl.lit(t).cast(pl.Datetime("ns", "UTC"))


def minutes_of(venue: Venue) -> Series:
    """Return the series of a venue's minutes. Their prices are raw, as KIS gives them."""
    return Series(SeriesKind.MINUTE, venue, Basis.RAW)


def trading_days(first: date, last: date) -> list[date]:
    """Return the trading days from ``first`` to ``last``, oldest first.

    Raises ConfigError for a year whose holidays are not known.
    """
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if is_trading_day(day)]
