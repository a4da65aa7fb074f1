"""The calls of a session about past days: bars, downloads, and the days that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.errors import ApiError, BadInput, FrameError, NotOffered
from kisnb.history.download import Progress, trading_days
from kisnb.history.frames import bars_of_days, bars_of_minutes
from kisnb.history.series import BarKind, Basis, Series
from kisnb.market.bars import span_of
from kisnb.market.calendar import is_trading_day
from kisnb.missing import why_missing, with_reason
from kisnb.session.bars.past_bars import ProgressBar, missing_text
from kisnb.session.parts import SessionCalls
from kisnb.session.typed_orders.pending import pending
from kisnb.terms import Venue
from kisnb.values import one_of

if TYPE_CHECKING:
    import polars as pl

YEAR = timedelta(days=365)
"""The days of a question that names no start."""


class HistoryCalls(SessionCalls):
    """Calls of a session about past days. Prices in won, quantities in shares."""

    @pending
    async def history(
        self,
        code: str,
        every: str = "1d",
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
    ) -> pl.DataFrame:
        """Return the bars of past days, from the store; what it lacks is downloaded first.

        ``every`` is ``"1d"``, ``"1m"``, ``"5m"`` or another number of minutes or hours. ``start``
        and ``end`` are dates or ISO texts, both inclusive. Without them days go back a year from
        today, and minutes are those of today. A day is over at 20:00 KST. Of today the days have
        the part that is over, with False in the column ``whole``; the minutes have the bars that
        have ended. ``adjusted`` counts for days: their prices are KIS's
        at the time of the download. Minutes are kept as KIS gives them. A line says which trading
        days have no bar, and why.

        Columns: date for days, t (start, KST) for minutes; code, venue, open, high, low, close
        (won), volume (shares), value (won). Raises BadInput, NotOffered (paper has no minutes of
        past days), ConfigError (a year whose holidays are not known), KisError.
        """
        code = self._parts.code(code)
        if every == BarKind.DAY:
            first, last = self._days(start, end, YEAR)
            series = self._series(every, venue, adjusted=adjusted)
            return await self._past_days(series, code, first, last)
        span = span_of(every)
        if span % MINUTE:
            raise BadInput(f"there are no past bars of {every!r}", "ask for 1d, 1m, 5m or 1h")
        first, last = self._days(start, end, timedelta(0))
        series = self._series(BarKind.MINUTE, venue, adjusted=False)
        return await self._past_minutes(series, code, span, first, last)

    @pending
    async def download(
        self,
        codes: str | Iterable[str],
        every: str = "1d",
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
    ) -> pl.DataFrame:
        """Bring bars of several stocks into the store, and return how many are there.

        ``codes`` are codes, or one text with blanks or commas between them. ``every`` is ``"1d"``
        or ``"1m"``; minutes are those of past days. What is stored already is not asked for again.
        A stock whose download fails does not end those of the others.

        Columns: code; bars (days, or minutes, in the store); missing (trading days without a bar);
        reason (of the first missing day; null without one). Raises what ``history`` raises.
        """
        series = self._series(every, venue, adjusted=adjusted)
        first, last = self._days(start, end, YEAR)
        names = codes.replace(",", " ").split() if isinstance(codes, str) else list(codes)
        if not names:
            raise BadInput("no stock is named", "write their codes: 005930 000660")
        # All are read before anything is downloaded, so that a wrong one leaves nothing behind.
        wanted = list(dict.fromkeys(self._parts.code(name) for name in names))
        failed: dict[str, str] = {}
        bar = ProgressBar("download", " stocks")
        try:
            for n, code in enumerate(wanted, start=1):
                try:
                    await self._bring(series, code, first, last)
                # When the connection is lost, the next stock would fail as well.
                except (ApiError, FrameError) as e:
                    failed[code] = str(e)
                bar.show(n, len(wanted))
        finally:
            bar.close()
        return self._stored(series, wanted, first, last, failed)

    def missing_days(
        self,
        code: str,
        every: str = "1d",
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
    ) -> pl.DataFrame:
        """Return the trading days that lack bars in the store, with the reason.

        Nothing is downloaded. Columns: code, venue, day, reason. Raises BadInput.
        """
        import polars as pl

        series = self._series(every, venue, adjusted=adjusted)
        code, (first, last) = self._parts.code(code), self._days(start, end, YEAR)
        missing = self._parts.past.download.missing(series, code, first, last)
        rows = [(code, str(series.venue), *gap) for gap in missing]
        names = {"code": pl.String, "venue": pl.String, "day": pl.Date, "reason": pl.String}
        return pl.DataFrame(rows, schema=names, orient="row")

    @property
    def history_folder(self) -> Path:
        """The folder of the store: parquet files by kind, venue, basis and year."""
        return self._parts.past.folder

    def _series(self, every: str, venue: Venue | str, *, adjusted: bool) -> Series:
        """Return the series that a call names. Raises BadInput."""
        kind = one_of(every, tuple(BarKind), "kind of stored bars")
        # KIS does not say that minutes are adjusted, so they count as they came.
        is_adjusted = adjusted and kind is BarKind.DAY
        where = one_of(venue, tuple(Venue), "venue")
        return Series(kind, where, Basis.ADJUSTED if is_adjusted else Basis.RAW)

    async def _bring(
        self, series: Series, code: str, first: date, last: date,
        show: Progress = lambda _done, _all: None,
    ) -> None:  # fmt: skip
        """Bring the bars of a stock into the store."""
        download = self._parts.past.download
        if series.kind is BarKind.DAY:
            await download.days(code, series.venue, series.basis, first, last, show)
        else:
            await download.minutes(code, series.venue, first, last, show)

    def _stored(
        self, series: Series, codes: list[str], first: date, last: date, failed: dict[str, str]
    ) -> pl.DataFrame:
        """Return what the store has of some stocks."""
        import polars as pl

        download = self._parts.past.download
        rows = []
        for code in codes:
            missing = download.missing(series, code, first, last)
            reason = failed.get(code) or next((gap.reason for gap in missing), None)
            bars = len(download.store.read(series, first, last, [code]))
            rows.append((code, bars, len(missing), reason))
        names = {"code": pl.String, "bars": pl.Int64, "missing": pl.Int64, "reason": pl.String}
        return pl.DataFrame(rows, schema=names, orient="row")

    async def _past_days(self, series: Series, code: str, first: date, last: date) -> pl.DataFrame:
        rows = await self._parts.past.days(self._parts.link, series, code, first, last)
        why = why_missing(rows)
        if why:
            self._say(f"{code}: {why}")
        return with_reason(bars_of_days(rows, series.venue), why)

    async def _past_minutes(
        self, series: Series, code: str, span: Ns, first: date, last: date
    ) -> pl.DataFrame:
        import polars as pl

        download, bar = self._parts.past.download, ProgressBar(code)
        today = kst_day(self._parts.state.now)
        last_past = min(last, today - timedelta(days=1))
        refused = None
        try:
            await self._bring(series, code, first, last_past, bar.show)
        except NotOffered as e:
            refused = e
        finally:
            bar.close()
        rows = download.store.read(series, first, last_past, [code])
        if first <= today <= last and is_trading_day(today):
            rows = pl.concat([rows, await download.minutes_of_today(code, series.venue)])
        if refused is not None and rows.is_empty():
            raise refused
        why = missing_text(download.missing(series, code, first, last_past), refused)
        if rows.is_empty() and not why:
            why = _why_no_minute(series.venue, first, last, today)
        if why:
            self._say(f"{code}: {why}")
        return with_reason(bars_of_minutes(rows, series.venue, span, self._parts.state.now), why)

    def _days(
        self, start: date | str | None, end: date | str | None, back: timedelta
    ) -> tuple[date, date]:
        """Return the first and the last day that a call names. Raises BadInput."""
        today = kst_day(self._parts.state.now)
        last = today if end is None else _day(end, "end")
        first = last - back if start is None else _day(start, "start")
        if first > last:
            raise BadInput(f"{first} comes after {last}", "give the first day first")
        return first, last

    def _say(self, text: str) -> None:
        print(f"{self._parts.state.mode.badge}{text}")


def _why_no_minute(venue: Venue, first: date, last: date, today: date) -> str:
    """Return why there is no minute of some days, when none of them lacks a download."""
    if not trading_days(first, last):
        return f"There is no trading day from {first} to {last}."
    if first > today:
        return f"No day from {first} to {last} has come yet."
    return f"{venue} has no minute of today that has ended."


def _day(value: date | str, what: str) -> date:
    """Return a day that a call names. Raises BadInput."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadInput(f"{what}={value!r} is not a date", "write it as YYYY-MM-DD") from None
