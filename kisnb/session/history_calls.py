"""The calls of a session about past days: bars, downloads, and the days that are missing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from kisnb.clock import kst_day
from kisnb.errors import BadInput
from kisnb.history.frames import bars_of_days
from kisnb.history.series import BarKind, Basis, Series
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

        ``start`` and ``end`` are dates or ISO texts, both inclusive; else the year up to today. A
        day counts once it is over, at 20:00 KST. ``adjusted`` prices are those of KIS at the time
        of the download. A line says which trading days have no bar, and why.

        Columns: date, code, venue, open, high, low, close (won), volume (shares), value (won).
        Raises BadInput, NotOffered, ConfigError (a year whose holidays are not known), KisError.
        """
        code, where = self._parts.code(code), one_of(venue, tuple(Venue), "venue")
        first, last = self._days(start, end)
        if every != BarKind.DAY:
            raise BadInput(f"there are no past bars of {every!r}", "ask for 1d")
        basis = Basis.ADJUSTED if adjusted else Basis.RAW
        download, bar = self._parts.past.download, ProgressBar(code)
        try:
            await download.days(code, where, basis, first, last, bar.show)
        finally:
            bar.close()
        series = Series(BarKind.DAY, where, basis)
        self._say_missing(series, code, first, last)
        newest = min(last, download.newest_day())
        return bars_of_days(download.store.read(series, first, newest, [code]), where)

    def _days(self, start: date | str | None, end: date | str | None) -> tuple[date, date]:
        """Return the first and the last day that a call names. Raises BadInput."""
        today = kst_day(self._parts.state.now)
        last = today if end is None else _day(end, "end")
        first = last - YEAR if start is None else _day(start, "start")
        if first > last:
            raise BadInput(f"{first} comes after {last}", "give the first day first")
        return first, last

    def _say_missing(self, series: Series, code: str, first: date, last: date) -> None:
        """Print which trading days have no bar, and why."""
        download = self._parts.past.download
        missing = download.missing(series, code, first, last)
        if first > download.newest_day():
            self._say(f"{code}: no day from {first} to {last} is over yet.")
        elif missing:
            days = ", ".join(str(gap.day) for gap in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            reasons = "; ".join(dict.fromkeys(gap.reason for gap in missing))
            self._say(f"{code}: no bar of {days}{more}. {reasons}.")

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
