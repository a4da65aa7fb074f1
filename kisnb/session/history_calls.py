"""The calls of a session about past days: bars, downloads, and the days that are missing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.errors import BadInput, NotOffered
from kisnb.history.frames import bars_of_days, bars_of_minutes
from kisnb.history.series import BarKind, Basis, Series
from kisnb.market.bars import span_of
from kisnb.market.calendar import is_trading_day
from kisnb.session.parts import SessionCalls
from kisnb.session.past_bars import ProgressBar
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
        today, and minutes are those of today. A day bar is there once its day is over, at 20:00
        KST; minutes of today once they have ended. ``adjusted`` counts for days: their prices are
        KIS's at the time of the download. Minutes are kept as KIS gives them. A line says which
        trading days have no bar, and why.

        Columns: date for days, t (start, KST) for minutes; code, venue, open, high, low, close
        (won), volume (shares), value (won). Raises BadInput, NotOffered (paper has no minutes of
        past days), ConfigError (a year whose holidays are not known), KisError.
        """
        code, where = self._parts.code(code), one_of(venue, tuple(Venue), "venue")
        if every == BarKind.DAY:
            basis = Basis.ADJUSTED if adjusted else Basis.RAW
            first, last = self._days(start, end, YEAR)
            return await self._past_days(Series(BarKind.DAY, where, basis), code, first, last)
        span = span_of(every)
        if span % MINUTE:
            raise BadInput(f"there are no past bars of {every!r}", "ask for 1d, 1m, 5m or 1h")
        first, last = self._days(start, end, timedelta(0))
        return await self._past_minutes(code, where, span, first, last)

    async def _past_days(self, series: Series, code: str, first: date, last: date) -> pl.DataFrame:
        download, bar = self._parts.past.download, ProgressBar(code)
        try:
            await download.days(code, series.venue, series.basis, first, last, bar.show)
        finally:
            bar.close()
        self._say_missing(series, code, first, last)
        newest = min(last, download.newest_day())
        return bars_of_days(download.store.read(series, first, newest, [code]), series.venue)

    async def _past_minutes(
        self, code: str, venue: Venue, span: Ns, first: date, last: date
    ) -> pl.DataFrame:
        import polars as pl

        series = Series(BarKind.MINUTE, venue, Basis.RAW)
        download, bar = self._parts.past.download, ProgressBar(code)
        today = kst_day(self._parts.state.now)
        yesterday = today - timedelta(days=1)
        refused = None
        try:
            await download.minutes(code, venue, first, min(last, yesterday), bar.show)
        except NotOffered as e:
            refused = e
        finally:
            bar.close()
        rows = download.store.read(series, first, min(last, yesterday), [code])
        if last >= today and is_trading_day(today):
            rows = pl.concat([rows, await download.minutes_of_today(code, venue)])
        if refused is not None and rows.is_empty():
            raise refused
        self._say_missing(series, code, first, min(last, yesterday), refused)
        if rows.is_empty() and last >= today:
            self._say(f"{code}: {venue} has no minute of today that has ended.")
        return bars_of_minutes(rows, venue, span)

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

    def _say_missing(
        self, series: Series, code: str, first: date, last: date, refused: NotOffered | None = None
    ) -> None:
        """Print which trading days have no bar, and why."""
        download = self._parts.past.download
        missing = download.missing(series, code, first, last)
        if series.kind is BarKind.DAY and first > download.newest_day():
            self._say(f"{code}: no day from {first} to {last} is over yet.")
        elif missing:
            days = ", ".join(str(gap.day) for gap in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            reasons = str(refused or "; ".join(dict.fromkeys(gap.reason for gap in missing)) + ".")
            self._say(f"{code}: no bar of {days}{more}. {reasons}")

    def _say(self, text: str) -> None:
        print(f"{self._parts.mode.badge}{text}")


def _day(value: date | str, what: str) -> date:
    """Return a day that a call names. Raises BadInput."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadInput(f"{what}={value!r} is not a date", "write it as YYYY-MM-DD") from None
