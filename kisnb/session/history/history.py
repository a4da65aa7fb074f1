"""``session.history``: past days, and this day's trades. From the store, and from KIS."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kisnb.clock import DAY, MINUTE, Ns, kst, kst_day
from kisnb.errors import BadInput, NotOffered
from kisnb.history import trades
from kisnb.history.download import at
from kisnb.history.frames import as_shown, bars_of_minutes, longer_days
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.history.store import day_of
from kisnb.market.bars import span_of
from kisnb.market.calendar import is_trading_day
from kisnb.missing import why_missing, with_reason
from kisnb.session.history import sentences
from kisnb.session.history.downloads import HistoryDownloads, index_name
from kisnb.session.history.past_days import ProgressBar
from kisnb.session.history.spans import YEAR, Moment, read_days, read_moments
from kisnb.session.typed_orders.pending import Pending, pending
from kisnb.terms import Venue
from kisnb.values import one_of

if TYPE_CHECKING:
    import polars as pl

DAYS = ("1d", "1w", "1mo")
"""The lengths of bars that are made of daily bars."""
SESSION = "session"
"""The value of ``every`` for one bar per span of the day, such as the opening auction."""


class History(HistoryDownloads):
    """Past days, and this day's trades. Prices in won, quantities in shares.

    ``await session.history("005930")`` returns daily bars; ``"1m"``, ``"5m"`` or ``"tick"`` as the
    second argument returns minutes or trades. ``daily``, ``minutes``, ``ticks``, ``depths``,
    ``flows`` and ``index`` are separate calls for each kind. Each call first downloads the rows
    that the store lacks, then reads the store. It prints a line that says which rows are missing,
    and why; ``kisnb.why_missing(frame)`` returns that text. ``import_file`` and ``export`` move
    rows between files and the store.

    ``start`` and ``end`` are Korean dates, and both are included. A day is over at 20:00.
    """

    def __call__(
        self,
        code: str,
        every: str = "1d",
        start: Moment = None,
        end: Moment = None,
        *,
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
    ) -> Pending[pl.DataFrame]:
        """Return bars or trades of a stock, as ``daily``, ``minutes`` or ``ticks`` returns them.

        ``every`` chooses the rows. Days: ``"1d"``, ``"1w"``, ``"1mo"``. Minutes: ``"1m"``, ``"5m"``
        or another number of minutes or hours, or ``"session"``. Trades: ``"tick"``. ``adjusted``
        applies to bars of days, weeks and months.
        """
        if every == SeriesKind.TICK:
            return self.ticks(code, start, end, venue=venue)
        if every in DAYS:
            return self.daily(
                code,
                start,  # type: ignore[arg-type]
                end,  # type: ignore[arg-type]
                every=every,
                venue=venue,
                adjusted=adjusted,
            )
        return self.minutes(code, every, start, end, venue=venue)  # type: ignore[arg-type]

    @pending
    async def daily(
        self,
        code: str,
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        every: str = "1d",
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
    ) -> pl.DataFrame:
        """Return daily bars, by default those of a year up to today.

        ``every`` also takes ``"1w"`` and ``"1mo"``: bars of weeks and months, made of the days. The
        date of such a bar is its first trading day. Today's bar covers the day so far, and its
        column ``whole`` is False.

        ``adjusted`` prices are KIS's at the time of the newest download. A split changes the
        adjusted prices of all days before it; then all of them are downloaded again. With
        ``adjusted=False`` prices are as they were traded. On a day on which the stock was halted,
        all prices are the close, and the volume is 0.

        Columns: date, code, venue, open, high, low, close (won), volume (shares), value (won; null:
        an imported file did not state it), whole (False for a day that is not over, and for a bar
        with such a day). Raises BadInput, ConfigError (a year whose holidays are not known),
        KisError.
        """
        span = one_of(every, DAYS, "span of days")
        series = self._series("1d", venue, adjusted=adjusted)
        bars = await self._by_day(series, self._universe.spell(code), start, end)
        return bars if span == "1d" else with_reason(longer_days(bars, span), why_missing(bars))

    @pending
    async def minutes(
        self,
        code: str,
        every: str = "1m",
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        venue: Venue | str = Venue.KRX,
    ) -> pl.DataFrame:
        """Return bars of minutes or hours, by default today's that have ended.

        ``every`` also takes ``"session"``: one bar for each span of the venue's day, such as the
        opening auction, the regular session and the closing auction. Prices are as KIS gives them.
        A bar never goes over the end of a market session, and a time without a trade has no bar.

        Columns: t (start, KST), code, venue, open, high, low, close (won), volume (shares), value
        (won). Raises BadInput, NotOffered (paper has no minutes of past days), ConfigError,
        KisError.
        """
        # A bar ends at the latest with its span of the day. So bars with the length of a day are
        # one for each span.
        code, span = self._universe.spell(code), DAY if every == SESSION else span_of(every)
        if span % MINUTE:
            raise BadInput(f"there are no past bars of {every!r}", "ask for 1d, 1m, 5m or 1h")
        first, last = read_days(self._now, start, end, timedelta(0))
        series = self._series("1m", venue)
        return await self._past_minutes(series, code, span, first, last)

    @pending
    async def ticks(
        self, code: str, start: Moment = None, end: Moment = None, *, venue: Venue | str = Venue.KRX
    ) -> pl.DataFrame:
        """Return trades, by default those of the last ten minutes.

        ``start`` and ``end`` are times of today (``"09:30"``), days, or both (``"2026-11-20
        09:30"``). KIS gives only the trades of today, thirty a call: ten minutes of a busy stock
        may take a hundred calls. Trades that this session received, that the desk taped, or that
        the store has are not fetched from KIS.

        Columns: t (KST, whole seconds), code, venue, price (won), qty (shares), side (buy, sell;
        null: not known), volume (shares of the day so far, this trade included). Raises BadInput,
        KisError.
        """
        series = trades.trades_of(self._venue(venue))
        code, (since, until) = self._universe.spell(code), read_moments(self._now, start, end)
        found = await self._kept(series, code, since, until)
        today = kst_day(self._now)
        if kst_day(until) == today and is_trading_day(today):
            found = await self._with_trades_of_today(series, code, since, until, found)
        return self._explained(code, as_shown(series, found), _missing_trades(series, found))

    @pending
    async def depths(
        self, code: str, start: Moment = None, end: Moment = None, *, venue: Venue | str = Venue.KRX
    ) -> pl.DataFrame:
        """Return past bids and asks that the desk taped, or that were imported.

        KIS gives no past bids and asks. ``t`` is the time of receipt. ``start`` and ``end`` take
        the values that ``ticks`` takes.

        Columns: t (KST), code, venue, ask1, ask_qty1, bid1, bid_qty1, and so on to 10 (won, shares;
        null: no such level). Raises BadInput.
        """
        series = trades.depths_of(self._venue(venue))
        code, (since, until) = self._universe.spell(code), read_moments(self._now, start, end)
        found = await self._kept(series, code, since, until)
        why = (
            "No depth of that time was recorded, and KIS gives none of the past."
            if found.is_empty()
            else ""
        )
        return self._explained(code, as_shown(series, found), why)

    @pending
    async def flows(
        self,
        code: str,
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        venue: Venue | str = Venue.KRX,
    ) -> pl.DataFrame:
        """Return the net purchases of investor groups by day, by default of the last year.

        Columns: date, code, venue, volume (shares); individual, foreign, institution (net purchase,
        shares) and individual_value, foreign_value, institution_value (won; KIS gives whole
        millions). Raises BadInput, NotOffered (paper), ConfigError, KisError.
        """
        series = self._series("flow", venue)
        return await self._by_day(series, self._universe.spell(code), start, end)

    @pending
    async def index(
        self, name: str = "KOSPI", start: date | str | None = None, end: date | str | None = None
    ) -> pl.DataFrame:
        """Return daily bars of an index, by default those of a year up to today.

        ``name`` is ``"KOSPI"``, ``"KOSDAQ"``, ``"KOSPI200"``, or KIS's four digits of a sector
        (업종코드).

        Columns: date, code (the name), venue, open, high, low, close (points), volume (shares, as
        KIS counts them), value (won). Raises BadInput, ConfigError, KisError.
        """
        return await self._by_day(self._series("index"), index_name(name), start, end)

    async def _by_day(
        self, series: Series, code: str, start: date | str | None, end: date | str | None
    ) -> pl.DataFrame:
        """Download the missing rows of a series by day, and return all rows of the range."""
        first, last = read_days(self._now, start, end, YEAR)
        found = await self._past.days(series, code, first, last)
        if found.was_adjusted:
            self._say(f"{code}: {sentences.split_text(len(found.rows))}")
        if series.kind is SeriesKind.DAY:
            self._say_odd_days(series, code, found.rows)
        return self._explained(code, as_shown(series, found.rows), found.why_missing)

    def _say_odd_days(self, series: Series, code: str, rows: pl.DataFrame) -> None:
        """Print the days without a trade, and the days with prices beyond the daily limit."""
        import polars as pl

        if untraded := rows.filter(pl.col("volume") == 0)["date"].to_list():
            self._say(f"{code}: {sentences.untraded_text(untraded)}")
        if series.basis is Basis.RAW:
            multiple = self._universe.get(code).multiple
            if parted := sentences.jumps(rows, multiple):
                self._say(f"{code}: {sentences.jump_text(parted)}")

    async def _past_minutes(
        self, series: Series, code: str, span: Ns, first: date, last: date
    ) -> pl.DataFrame:
        import polars as pl

        download, bar = self._past.download, ProgressBar(code)
        today = kst_day(self._now)
        last_past = min(last, today - timedelta(days=1))
        refused = None
        try:
            await self._bring(series, code, first, last_past, bar.show)
        except NotOffered as e:
            refused = e
        finally:
            bar.close()
        rows = past = await download.read(series, first, last_past, [code])
        if first <= today <= last and is_trading_day(today):
            rows = pl.concat([rows, await download.minutes_of_today(code, series.venue)])
        if refused is not None and rows.is_empty():
            raise refused
        missing = download.missing(series, code, first, last_past, past)
        why = sentences.missing_text(series, missing, refused)
        if rows.is_empty() and not why:
            why = sentences.no_minute_text(series.venue, first, last, today)
        return self._explained(code, bars_of_minutes(rows, series.venue, span, self._now), why)

    async def _kept(self, series: Series, code: str, since: Ns, until: Ns) -> pl.DataFrame:
        """Return a span's rows from the three sources on this machine: session, tapes and store."""
        import polars as pl

        first, last = kst_day(since), kst_day(until)
        tapes = await self._past.tapes(first, last)
        # The session's trades may change in the event loop, so they are read here. A tape is a file
        # and may be long, so a thread reads it.
        received = trades.recorded(self._past.records, series, code, since, until)
        taped = await asyncio.to_thread(trades.recorded, tapes, series, code, since, until)
        stored = await self._past.download.read(series, first, last, [code])
        stored = stored.filter(pl.col("t").is_between(at(since), at(until)))
        return trades.joined(series, received, taped, stored)

    async def _with_trades_of_today(
        self, series: Series, code: str, since: Ns, until: Ns, found: pl.DataFrame
    ) -> pl.DataFrame:
        """Ask KIS for today's trades that ``found`` lacks, and return the trades of both."""
        import polars as pl

        morning = kst(kst_day(until), 0)
        before = found.filter(pl.col("t") < at(morning))
        bar = ProgressBar(code, " seconds")
        try:
            today = await trades.trades_from_kis(
                self._past.source, code, series.venue, max(since, morning), until,
                found.filter(pl.col("t") >= at(morning)), progress=bar.show,
            )  # fmt: skip
        finally:
            bar.close()
        if self._past.download.keeps_today:
            await self._past.download.keep(series, today)
        return pl.concat([before, today])

    def _explained(self, code: str, frame: pl.DataFrame, why: str) -> pl.DataFrame:
        """Print why a DataFrame lacks rows, and return it with that reason for ``why_missing``."""
        if why:
            self._say(f"{code}: {why}")
        return with_reason(frame, why)


def _missing_trades(series: Series, found: pl.DataFrame) -> str:
    """Return sentences that say the trades of how many shares are missing in ``found``.

    Empty when no trade is missing.
    """
    if found.is_empty():
        return (
            f"There is no trade on {series.venue} in that time. KIS gives those of today only; of"
            " earlier days there are those that were recorded or imported."
        )
    days = found.with_columns(day=day_of(series)).partition_by("day", maintain_order=True)
    return " ".join(
        f"{shares:,} shares of {of_day['day'][0]} are missing. KIS gives no more than thirty trades"
        " of one second, and those of today only."
        for of_day in days
        if (shares := trades.missing_shares(of_day))
    )
