"""The bars of past days for a session: the store of its market, and the download into it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.clock import kst_day
from kisnb.errors import NotOffered
from kisnb.history.download import (
    NOT_ASKED,
    Download,
    MissingDay,
    newest_whole_day,
    trading_days,
)
from kisnb.history.series import Series
from kisnb.history.store import Store
from kisnb.market.calendar import is_trading_day
from kisnb.missing import with_reason
from kisnb.paths import data_dir, state_dir
from kisnb.session.bars.asking import Asking
from kisnb.session.bars.kis_bars import KisBars
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.terms import Mode

if TYPE_CHECKING:
    import polars as pl
    from tqdm import tqdm

FOLDER = "history"
"""Name of the folder in the state folder."""


class PastBars:
    """The store and the download of one session, made with the first question."""

    def __init__(self, link: Link, state: SessionState, label: str) -> None:
        self._link = link
        self._state = state
        self._label = label

    @cached_property
    def store(self) -> Store:
        """The store of this market."""
        return Store(self.folder)

    @cached_property
    def download(self) -> Download:
        """The download into the store."""
        return self.download_over(self._link)

    def download_over(self, desk: Asking) -> Download:
        """Return a download that asks the desk in its own way."""
        return Download(
            self.store,
            KisBars(desk),
            lambda: self._state.now,
            keeps_today=self._state.mode is not Mode.SIM,
        )

    def close(self) -> None:
        """Close the store, when it was used."""
        if "store" in self.__dict__:
            self.store.close()

    async def days(
        self, desk: Asking, series: Series, code: str, first: date, last: date
    ) -> pl.DataFrame:
        """Return daily bars, and of this day the part that is over; the store lacks nothing then.

        Columns: those of ``Series.schema``, and ``whole``: False for a day that is not over.
        ``why_missing`` of the frame says which days have no bar, and why. Raises KisnbError.
        """
        import polars as pl

        download, bar = self.download_over(desk), ProgressBar(code)
        try:
            await download.days(code, series.venue, series.basis, first, last, bar.show)
        finally:
            bar.close()
        newest = min(last, download.newest_day())
        rows = self.store.read(series, first, newest, [code]).with_columns(whole=pl.lit(True))
        today, now = kst_day(self._state.now), self._state.now
        if first <= today <= last and today > newest and is_trading_day(today):
            is_over = newest_whole_day(now) >= today
            part = await download.day_so_far(code, series.venue, series.basis)
            rows = pl.concat([rows, part.with_columns(whole=pl.lit(is_over))])
        return with_reason(rows, self._why_missing(series, code, first, last, rows))

    def _why_missing(
        self, series: Series, code: str, first: date, last: date, rows: pl.DataFrame
    ) -> str:
        missing = missing_text(self.download.missing(series, code, first, last))
        if missing or not rows.is_empty():
            return missing
        days = trading_days(first, last)
        if not days:
            return f"There is no trading day from {first} to {last}."
        if days[0] > kst_day(self._state.now):
            return f"No day from {first} to {last} has come yet."
        return f"{days[-1]}: it has not traded at {series.venue} today yet."

    @cached_property
    def folder(self) -> Path:
        """The folder of this market's bars.

        Paper and live show one market, so they share it. A simulated market has its own, by date,
        seed and prices.
        """
        if self._state.mode is not Mode.SIM:
            return state_dir() / FOLDER / "kis"
        name = re.sub(r"[^\w-]+", "-", self._label)
        return state_dir() / FOLDER / (name if data_dir() is None else f"{name}-real-prices")


def missing_text(missing: Sequence[MissingDay], refused: NotOffered | None = None) -> str:
    """Return which days lack bars, and why, as sentences; empty when none does.

    ``refused`` is the host's reason for days that were not asked for.
    """
    if not missing:
        return ""
    days = ", ".join(str(gap.day) for gap in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    why = [
        str(refused) if refused and gap.reason == NOT_ASKED else f"{gap.reason}." for gap in missing
    ]
    return f"Bars are missing of {days}{more}. {' '.join(dict.fromkeys(why))}"


class ProgressBar:
    """Shows how much of a download is done, from the second page on."""

    def __init__(self, what: str, unit: str = " days") -> None:
        self._what = what
        self._unit = unit
        self._bar: tqdm[None] | None = None

    def show(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are there."""
        # Most questions need one page. A bar for them would only flicker.
        if self._bar is None and done < total:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=self._unit, desc=self._what, leave=False)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
