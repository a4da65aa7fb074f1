"""The past days of a session: its store, its downloads, and the trades that it received."""

from __future__ import annotations

import re
from datetime import date
from functools import cached_property
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.events import Depth
from kisnb.history.download import Download, at, newest_whole_day
from kisnb.history.history_source import StreamRecord
from kisnb.history.series import Series, SeriesKind
from kisnb.history.store import Store
from kisnb.history.tape.folder import day_of_tape, tapes_in
from kisnb.history.tape.frames import tick_frame
from kisnb.history.tape.reader import TapeFile
from kisnb.history.trades import depths_of, trades_of
from kisnb.market.calendar import is_trading_day
from kisnb.paths import data_dir, state_dir
from kisnb.session.asking import Asking, beside
from kisnb.session.feed.link import Link
from kisnb.session.feed.market_data import MarketData
from kisnb.session.feed.state import SessionState
from kisnb.session.history import sentences
from kisnb.session.history.kis_source import KisSource
from kisnb.terms import Mode, Venue
from kisnb.trading.ports.queries import TapeOf

if TYPE_CHECKING:
    import polars as pl
    from tqdm import tqdm

FOLDER = "history"
"""Name of the folder in the state folder."""

BAR_SECONDS = 3.0
"""Wall time after which a download shows its progress."""


class PastRows(NamedTuple):
    """The daily rows of one series that were read, and sentences about them."""

    rows: pl.DataFrame
    """The rows, with the columns of ``Series.schema``.

    Daily bars also have ``whole``, which is False for a day that is not over.
    """
    was_adjusted: bool
    """True when KIS's adjusted prices have changed, so that all of them were downloaded again."""
    why_missing: str
    """The reason why days have no row, as sentences. Empty when no day is missing."""


class PastDays:
    """The store and the download of one session. They are made when they are first used."""

    def __init__(self, link: Link, state: SessionState, label: str) -> None:
        self._state = state
        self._label = label
        self._link = link
        self.source = KisSource(link)
        self.records: list[StreamRecord] = [ReceivedStream(state.data)]
        """The sources of received rows.

        If two sources have the same row, the earlier source counts.
        """

    async def tapes(
        self, first: date, last: date, desk: Asking | None = None
    ) -> list[StreamRecord]:
        """Return this desk's tapes of the days in a range. Empty when the desk writes no tape."""
        desk = desk or self._link
        today = Path((await desk.ask(TapeOf())).path)
        if today == Path():
            return []
        # The names of other simulated days' tapes end differently.
        end = today.name[len("2026-11-20") :]
        return [
            TapeRecord(path)
            for path in await beside(desk)(tapes_in, today.parent)
            if path.name[len("2026-11-20") :] == end
            and first <= (day_of_tape(path) or first) <= last
        ]

    @cached_property
    def store(self) -> Store:
        """The store of this market."""
        return Store(self.folder)

    @cached_property
    def download(self) -> Download:
        """The download into this market's store."""
        return self._download_over(self._link)

    def _download_over(self, desk: Asking) -> Download:
        """Return a download that asks KIS through ``desk``, which awaits or blocks."""
        return Download(
            self.store,
            KisSource(desk),
            lambda: self._state.now,
            keeps_today=self._state.mode is not Mode.SIM,
            beside=beside(desk),
        )

    async def days(
        self, series: Series, code: str, first: date, last: date, desk: Asking | None = None
    ) -> PastRows:
        """Download the daily rows that the store lacks, and return all rows of the range.

        Today's daily bar covers the day so far. Raises KisnbError.
        """
        import polars as pl

        download = self.download if desk is None else self._download_over(desk)
        bar = ProgressBar(code)
        try:
            was_adjusted = await download.days(series, code, first, last, bar.show)
        finally:
            bar.close()
        newest = download.newest_day()
        stored = rows = await download.read(series, first, min(last, newest), [code])
        now = self._state.now
        today = kst_day(now)
        if series.kind is SeriesKind.DAY:
            rows = rows.with_columns(whole=pl.lit(value=True))
            if first <= today <= last and today > newest and is_trading_day(today):
                part = await download.day_so_far(series, code)
                is_over = newest_whole_day(now) >= today
                rows = pl.concat([rows, part.with_columns(whole=pl.lit(is_over))])
        missing = download.missing(series, code, first, last, stored)
        why = sentences.missing_text(series, missing)
        if not why and rows.is_empty():
            why = sentences.no_day_text(series, first, last, today)
        return PastRows(rows, was_adjusted, why)

    def close(self) -> None:
        """Close the store if it was opened."""
        if "store" in self.__dict__:
            self.store.close()

    @cached_property
    def folder(self) -> Path:
        """The folder of this market's past days.

        Paper and live show the same market, so they share a folder. Each simulated market has its
        own folder, named by date, seed and prices.
        """
        if self._state.mode is not Mode.SIM:
            return state_dir() / FOLDER / "kis"
        name = re.sub(r"[^\w-]+", "-", self._label)
        return state_dir() / FOLDER / (name if data_dir() is None else f"{name}-real-prices")


class ReceivedStream:
    """The trades that this session has received of watched stocks. It keeps no past depths."""

    def __init__(self, data: MarketData) -> None:
        self._data = data

    def ticks(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:
        """Return the trades that were received. Columns: those of the store."""
        import polars as pl

        series = trades_of(venue)
        trades = self._data.ticks(code, venue).with_columns(
            pl.col("t").dt.convert_time_zone("UTC").dt.cast_time_unit("ns"), code=pl.lit(code)
        )
        return _cut(series, trades, since, until)

    def depths(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:  # noqa: ARG002
        """Return an empty DataFrame: a session keeps only the newest depth of a stock."""
        import polars as pl

        return pl.DataFrame(schema=depths_of(venue).schema())


class TapeRecord:
    """The trades and depths of one tape of the desk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ticks(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:
        """Return the trades of a span. Columns: those of the store. Raises BadInput."""
        import polars as pl

        # A tape is sorted by the time of receipt, which is a little later than the time of the
        # trade.
        frame = tick_frame(self.path, [code], venue, since, until + MINUTE)
        trades = frame.with_columns(pl.col("t").dt.convert_time_zone("UTC"))
        return _cut(trades_of(venue), trades, since, until)

    def depths(self, code: str, venue: Venue, since: Ns, until: Ns) -> pl.DataFrame:
        """Return the depths that were received in a span, at the time of receipt.

        Columns: those of the store. Raises BadInput.
        """
        import polars as pl

        series = depths_of(venue)
        rows = {
            at: depth_row(code, at, event)
            for at, events in TapeFile(self.path).batches([code], since, until)
            for event in events
            if isinstance(event, Depth) and event.code == code and event.venue is venue
        }
        return pl.DataFrame(list(rows.values()), schema=series.schema(), orient="row")


def depth_row(code: str, at: Ns, depth: Depth) -> tuple[object, ...]:
    """Return a depth as a row of the store."""
    levels: list[int | None] = []
    for ask, bid in islice(zip_longest(depth.asks, depth.bids, fillvalue=(None, None)), 10):
        levels += [*ask, *bid]
    return (code, at, *levels, *[None] * (40 - len(levels)))


def _cut(series: Series, rows: pl.DataFrame, since: Ns, until: Ns) -> pl.DataFrame:
    import polars as pl

    kept = rows.filter(pl.col("t").is_between(at(since), at(until)))
    return kept.select(series.schema().names()).cast(series.schema())


class ProgressBar:
    """Shows how much of a download is done, once it has taken ``BAR_SECONDS``."""

    def __init__(self, what: str, unit: str = " days") -> None:
        self._what = what
        self._unit = unit
        self._bar: tqdm[None] | None = None

    def show(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` parts have come."""
        if self._bar is None and done < total:
            from tqdm import tqdm

            # Most downloads end soon. A progress bar would only flicker.
            self._bar = tqdm(
                total=total, unit=self._unit, desc=self._what, leave=False, delay=BAR_SECONDS
            )
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Remove the progress bar from the output."""
        if self._bar is not None:
            self._bar.close()
