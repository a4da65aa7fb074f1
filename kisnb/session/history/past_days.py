"""The past days of a session: the store of its market, the download, and what was received."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.clock import Ns
from kisnb.history.download import Download, at
from kisnb.history.history_source import StreamRecord
from kisnb.history.series import Series
from kisnb.history.store import Store
from kisnb.history.trades import depths_of, trades_of
from kisnb.paths import data_dir, state_dir
from kisnb.session.feed.link import Link
from kisnb.session.feed.market_data import MarketData
from kisnb.session.feed.state import SessionState
from kisnb.session.history.kis_source import KisSource
from kisnb.terms import Mode, Venue

if TYPE_CHECKING:
    import polars as pl
    from tqdm import tqdm

FOLDER = "history"
"""Name of the folder in the state folder."""

BAR_SECONDS = 3.0
"""Wall time before a download shows its progress."""


class PastDays:
    """The store and the download of one session, made with the first question."""

    def __init__(self, link: Link, state: SessionState, label: str) -> None:
        self._state = state
        self._label = label
        self.source = KisSource(link)
        self.records: list[StreamRecord] = [ReceivedStream(state.data)]
        """What was received of the stream. The first one counts where two have the same row."""

    @cached_property
    def download(self) -> Download:
        """The download into this market's store."""
        return Download(
            Store(self.folder),
            self.source,
            lambda: self._state.now,
            keeps_today=self._state.mode is not Mode.SIM,
        )

    def close(self) -> None:
        """Close the store, when it was used."""
        if "download" in self.__dict__:
            self.download.store.close()

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
        """Return none: a session keeps the newest depth of a stock only."""
        import polars as pl

        return pl.DataFrame(schema=depths_of(venue).schema())


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
        """Show that ``done`` of ``total`` are there."""
        if self._bar is None and done < total:
            from tqdm import tqdm

            # Most questions are over soon. A bar for them would only flicker.
            self._bar = tqdm(
                total=total, unit=self._unit, desc=self._what, leave=False, delay=BAR_SECONDS
            )
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
