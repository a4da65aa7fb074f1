"""The bars that a person asks for: of this day, or of years."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kisnb.clock import kst_day
from kisnb.errors import BadInput
from kisnb.history.frames import as_shown, longer_days
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.market.bars import span_of
from kisnb.market.universe import Universe
from kisnb.missing import why_missing, with_reason
from kisnb.session.asking import Asking
from kisnb.session.bars.day_bars import DayBars
from kisnb.session.feed.state import SessionState
from kisnb.session.history.past_days import PastDays
from kisnb.terms import Venue
from kisnb.values import one_of

if TYPE_CHECKING:
    import polars as pl

REACH = {"1d": timedelta(days=3 * 365), "1w": timedelta(days=5 * 365)}
"""How far back bars of days and of weeks go. KIS needs three calls for a year, once."""
LENGTHS = "20s, 1m, 5m, 1h, 1d or 1w"


class ShownBars:
    """Returns the bars for ``session.bars``, ``%kis bars`` and ``%kis chart``."""

    def __init__(
        self, state: SessionState, day: DayBars, past: PastDays, universe: Universe
    ) -> None:
        self._state = state
        self._day = day
        self._past = past
        self._universe = universe

    async def frame(
        self, desk: Asking, code: str, every: str = "1m", venue: Venue | str | None = None
    ) -> pl.DataFrame:
        """Fetch the bars that are missing, and return all of them. Raises BadInput, KisError.

        Columns: t (start, KST), open, high, low, close (won), volume (shares).
        """
        code = self._universe.spell(code)
        where = None if venue is None else one_of(venue, tuple(Venue), "venue")
        if every in REACH:
            return await self._days(desk, code, every, where)
        try:
            span_of(every)
        except BadInput as e:
            raise BadInput(e.text, f"write it as {LENGTHS}") from None
        return await self._day.frame(desk, code, every, where)

    def say_missing(self, code: str, frame: pl.DataFrame) -> None:
        """Print why a DataFrame is empty or lacks bars. Print nothing when no bar is missing."""
        if why := why_missing(frame):
            print(f"{self._state.mode.badge}{code}: {why}")

    async def _days(self, desk: Asking, code: str, every: str, venue: Venue | None) -> pl.DataFrame:
        import polars as pl

        # Daily bars are KRX's unless a venue is named, because KRX's close is the official one.
        series = Series(SeriesKind.DAY, venue or Venue.KRX, Basis.ADJUSTED)
        today = kst_day(self._state.now)
        first = today - REACH[every]
        if every == "1w":
            # The first week shown is a whole one.
            first -= timedelta(days=first.weekday())
        found = await self._past.days(series, code, first, today, desk)
        days = as_shown(series, found.rows)
        if every == "1w":
            days = longer_days(days, "1w").with_columns(pl.col("date").dt.truncate("1w"))
        bars = days.select(
            # Korea has no summer time, so midnight has the same UTC offset all year.
            pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Seoul").alias("t"),
            *("open", "high", "low", "close", "volume"),
        )
        return with_reason(bars, found.why_missing if bars.is_empty() else "")
