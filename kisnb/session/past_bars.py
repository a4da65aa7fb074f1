"""The bars of past days for a session: the store of its market, and the download into it."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.history.download import Download
from kisnb.history.store import Store
from kisnb.paths import data_dir, state_dir
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.kis_bars import KisBars
from kisnb.terms import Mode

if TYPE_CHECKING:
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
    def download(self) -> Download:
        """The download into this market's store."""
        return Download(
            Store(self.folder),
            KisBars(self._link),
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
