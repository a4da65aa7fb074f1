"""The calls of ``session.history`` that download past days, and that list missing days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from kisnb.errors import ApiError, BadInput, FrameError
from kisnb.history.download import Progress
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.kis.calls.index_messages import CODES
from kisnb.session.history.files import HistoryFiles
from kisnb.session.history.past_days import ProgressBar
from kisnb.session.history.spans import read_days
from kisnb.session.typed_orders.pending import pending
from kisnb.terms import Venue
from kisnb.values import one_of

if TYPE_CHECKING:
    import polars as pl

DOWNLOADED = (SeriesKind.DAY, SeriesKind.MINUTE, SeriesKind.FLOW, SeriesKind.INDEX)
"""The kinds of series that KIS gives for past days."""


class HistoryDownloads(HistoryFiles):
    """Downloads past days from KIS into the store. A base class of ``History``."""

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
        """Download rows of several stocks into the store, and return how many rows it has of each.

        ``codes`` are codes, or one text with blanks or commas between them. ``every`` is ``"1d"``,
        ``"1m"``, ``"flow"`` or ``"index"``; minutes are those of past days. Rows that the store has
        already are not downloaded again. If the download of one stock fails, the other stocks are
        downloaded all the same. ``adjusted`` chooses the adjusted prices of daily bars.

        Columns: code; bars (rows in the store); missing (trading days without a row); reason (for
        the first missing day; null when none is missing). Raises the errors of ``daily`` and
        ``minutes``.
        """
        series = self._series(every, venue, adjusted=adjusted)
        first, last = read_days(self._now, start, end)
        names = codes.replace(",", " ").split() if isinstance(codes, str) else list(codes)
        if not names:
            raise BadInput("no stock is named", "write their codes: 005930 000660")
        # All arguments are checked before anything is downloaded, so that a wrong one has no
        # effect.
        read = index_name if series.kind is SeriesKind.INDEX else self._universe.spell
        wanted = list(dict.fromkeys(read(name) for name in names))
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
        return await self._counted(series, wanted, first, last, failed)

    def missing(
        self,
        code: str,
        every: str = "1d",
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
    ) -> pl.DataFrame:
        """Return the trading days of which the store has no row, with the reason.

        Nothing is downloaded. ``every`` and ``adjusted`` are those of ``download``. Columns: code,
        venue, day, reason. Raises BadInput.
        """
        import polars as pl

        series = self._series(every, venue, adjusted=adjusted)
        code = index_name(code) if series.kind is SeriesKind.INDEX else self._universe.spell(code)
        missing = self._past.download.missing(series, code, *read_days(self._now, start, end))
        rows = [(code, str(series.venue), *gap) for gap in missing]
        names = {"code": pl.String, "venue": pl.String, "day": pl.Date, "reason": pl.String}
        return pl.DataFrame(rows, schema=names, orient="row")

    def _series(
        self, every: str, venue: Venue | str = Venue.KRX, *, adjusted: bool = False
    ) -> Series:
        """Return the series of past days that a call names. Raises BadInput."""
        kind = one_of(every, DOWNLOADED, "kind of past days")
        # KIS does not say whether minutes are adjusted, so they are stored as raw ones.
        is_adjusted = adjusted and kind is SeriesKind.DAY
        return Series(kind, self._venue(venue), Basis.ADJUSTED if is_adjusted else Basis.RAW)

    async def _bring(
        self, series: Series, code: str, first: date, last: date,
        show: Progress = lambda _done, _all: None,
    ) -> bool:  # fmt: skip
        """Download rows into the store.

        Return True when all adjusted prices were downloaded again.
        """
        if series.is_by_day:
            return await self._past.download.days(series, code, first, last, show)
        await self._past.download.minutes(code, series.venue, first, last, show)
        return False

    async def _counted(
        self, series: Series, codes: list[str], first: date, last: date, failed: dict[str, str]
    ) -> pl.DataFrame:
        """Return the DataFrame of ``download``: how many rows the store has of each stock."""
        import polars as pl

        rows = []
        for code in codes:
            bars = await self._past.download.read(series, first, last, [code])
            missing = self._past.download.missing(series, code, first, last, bars)
            reason = failed.get(code) or next((gap.reason for gap in missing), None)
            rows.append((code, len(bars), len(missing), reason))
        names = {"code": pl.String, "bars": pl.Int64, "missing": pl.Int64, "reason": pl.String}
        return pl.DataFrame(rows, schema=names, orient="row")


def index_name(name: str) -> str:
    """Return the name under which an index is stored. Raises BadInput."""
    spelt = name.strip().upper()
    by_code = {code: known for known, code in CODES.items()}
    if spelt in CODES or (len(spelt) == 4 and spelt.isascii() and spelt.isdecimal()):
        return by_code.get(spelt, spelt)
    raise BadInput(
        f"there is no index {name!r}", f"write {', '.join(CODES)}, or four digits of a sector"
    )
