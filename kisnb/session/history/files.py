"""The calls of ``session.history`` about files: import, export, and the store's own folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.clock import Ns
from kisnb.errors import BadInput, UnknownInstrument
from kisnb.history.download import trading_days
from kisnb.history.files.export import write_file
from kisnb.history.files.importing import Imported, Reading, read_rows
from kisnb.history.files.times import korean_text
from kisnb.history.frames import as_shown
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.history.store import Asked, day_of
from kisnb.market.calendar import FIRST_YEAR
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.session.feed.state import SessionState
from kisnb.session.history.past_days import PastDays
from kisnb.session.history.spans import read_days
from kisnb.session.typed_orders.pending import pending
from kisnb.terms import Venue
from kisnb.values import one_of

if TYPE_CHECKING:
    import polars as pl


class HistoryFiles:
    """Imports files into the store, and exports rows to files. A base class of ``History``."""

    def __init__(self, past: PastDays, state: SessionState, universe: Universe) -> None:
        self._past = past
        self._state = state
        self._universe = universe

    @property
    def folder(self) -> Path:
        """The folder of the store: parquet files by kind, venue, basis and year."""
        return self._past.folder

    @pending
    async def import_file(
        self,
        path: Path | str,
        every: str = "1d",
        *,
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
        columns: Mapping[str, str] | None = None,
        code: str | None = None,
        day: date | None = None,
        time_zone: str | None = None,
        leave_out: bool = False,
        replace: bool = False,
    ) -> pl.DataFrame:
        """Check a parquet or CSV file of past days, and store all of its rows, or none.

        ``every`` says what its rows are: ``"1d"``, ``"1m"``, ``"tick"``, ``"depth"``, ``"flow"`` or
        ``"index"``. ``adjusted`` applies to daily bars only. Columns are found by their usual
        names, English or Korean; ``columns={"close": "내 종가"}`` names others. If the file has no
        column for the stock or the day, ``code`` and ``day`` give it for all rows. ``time_zone``
        applies to times that state no zone.

        A row that contradicts itself ends the import; with ``leave_out`` such rows are left out. A
        row for which the store has other numbers also ends the import; with ``replace`` the file's
        numbers replace the store's.

        Columns of the result: code, rows, first, last (days), zero_volume (rows without a trade),
        missing (trading days between first and last without a row). Printed lines say what was
        changed. Raises BadInput with file, row and cure.
        """
        kind = one_of(every, tuple(SeriesKind), "kind of rows")
        basis = Basis.ADJUSTED if adjusted and kind is SeriesKind.DAY else Basis.RAW
        series = Series(kind, self._venue(venue), basis)
        how = Reading(columns or {}, code, day, time_zone, leave_out)
        file = _absolute(path)
        # A large file takes seconds. The loop, and with it the agents, goes on meanwhile.
        found = await asyncio.to_thread(
            read_rows, file, series, how, self._past.download.newest_day(), self._item
        )
        missing, explained = _gaps(series, found, file.name)
        changed = await asyncio.to_thread(
            self._store, file, series, found, explained, replace=replace
        )
        for note in found.notes:
            self._say(f"{file.name}: {note}")
        self._say(f"{file.name}: {len(found.rows):,} rows were read, and {changed:,} are new.")
        return found.codes.with_columns(missing)

    @pending
    async def export(
        self,
        path: Path | str,
        every: str = "1d",
        codes: str | Iterable[str] = (),
        start: date | str | None = None,
        end: date | str | None = None,
        *,
        venue: Venue | str = Venue.KRX,
        adjusted: bool = True,
    ) -> Path:
        """Write rows of the store into a parquet or CSV file, and return its path.

        Nothing is downloaded. ``every`` and ``adjusted`` are those of ``import_file``, which can
        read the file again. ``codes`` are codes, or one text of them; without ``codes`` all stocks
        of the store are written. Without ``start`` the last year is written. The columns are those
        that ``session.history`` returns; ``value`` is the value of that minute's trades only.
        Raises BadInput.
        """
        kind = one_of(every, tuple(SeriesKind), "kind of rows")
        basis = Basis.ADJUSTED if adjusted and kind is SeriesKind.DAY else Basis.RAW
        series = Series(kind, self._venue(venue), basis)
        names = codes.replace(",", " ").split() if isinstance(codes, str) else list(codes)
        if kind is not SeriesKind.INDEX:
            names = [self._universe.spell(name) for name in names]
        first, last = read_days(self._state.now, start, end)
        rows = await self._past.download.read(series, first, last, names)
        if series.basis is Basis.ADJUSTED:
            rows = self._of_one_adjustment(series, rows)
        if rows.is_empty():
            raise BadInput(
                f"the store has no {series.name} from {first} to {last}",
                "download it first, or name another span",
            )
        file = _absolute(path)
        await asyncio.to_thread(write_file, _exported(series, rows), file)
        self._say(f"{file.name}: {len(rows):,} rows were written.")
        return file

    def _store(
        self, path: Path, series: Series, found: Imported,
        explained: Mapping[str, Mapping[date, str]], *, replace: bool,
    ) -> int:  # fmt: skip
        """Store checked rows, and return the result of ``Store.upsert``.

        Raises BadInput when the store has other numbers for them and ``replace`` is False.
        """
        import polars as pl

        store = self._past.download.store
        first, last = found.codes["first"].min(), found.codes["last"].max()
        assert isinstance(first, date)
        assert isinstance(last, date)
        if not replace:
            stored = store.read(series, first, last, found.codes["code"].to_list())
            numbers = [name for name in series.schema() if name not in series.keys]
            both = found.rows.join(stored, on=series.keys, suffix="_stored")
            differs = pl.any_horizontal(
                pl.col(name).ne_missing(pl.col(f"{name}_stored")) for name in numbers
            )
            other = both.filter(differs)
            for row in other.head(1).iter_rows(named=True):
                at = row[series.time]
                when = f"{korean_text(at)} KST" if isinstance(at, datetime) else at
                raise BadInput(
                    f"{path.name} and the store differ in {len(other):,} rows, the first of"
                    f" {row['code']} at {when}",
                    "the file's count with replace=True; otherwise remove them from it",
                )
        asked = [
            Asked(code, begin, end)
            for code, begin, end in found.codes.select("code", "first", "last").iter_rows()
        ]
        changed = store.upsert(series, found.rows, asked if series.is_by_day else [], explained)
        # These rows cannot be downloaded again, so they are synced to the disk.
        store.settle()
        return changed

    def _of_one_adjustment(self, series: Series, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the adjusted rows without those that are out of date.

        Rows that were stored before a split are out of date until they are downloaded again.
        """
        import polars as pl

        manifest, parts = self._past.download.store.manifest, [rows.clear()]
        for (code,), of_code in rows.partition_by("code", as_dict=True).items():
            covered = manifest.covered(series.name, str(code))
            is_current = [pl.col("date").is_between(first, last) for first, last in covered]
            parts.append(of_code.filter(pl.any_horizontal(is_current)) if covered else of_code[:0])
        return pl.concat(parts)

    def _item(self, code: str) -> Instrument | None:
        try:
            return self._universe.get(code)
        except UnknownInstrument:
            return None

    def _venue(self, venue: Venue | str) -> Venue:
        return one_of(venue, tuple(Venue), "venue")

    @property
    def _now(self) -> Ns:
        return self._state.now

    def _say(self, text: str) -> None:
        print(f"{self._state.mode.badge}{text}")


def _absolute(path: Path | str) -> Path:
    return Path(path).expanduser().absolute()


def _gaps(
    series: Series, found: Imported, file: str
) -> tuple[pl.Series, dict[str, dict[date, str]]]:
    """Return by code how many trading days have no row, with the reason of each day."""
    import polars as pl

    have = found.rows.select("code", day=day_of(series)).unique()
    by_code: dict[str, set[date]] = {}
    for code, day in have.iter_rows():
        by_code.setdefault(code, set()).add(day)
    explained: dict[str, dict[date, str]] = {}
    for code, first, last in found.codes.select("code", "first", "last").iter_rows():
        # Older holidays are not known.
        begin = max(first, date(FIRST_YEAR, 1, 1))
        lacking = [day for day in trading_days(begin, last) if day not in by_code[code]]
        explained[code] = dict.fromkeys(lacking, f"The imported file {file} has none")
    numbers = [len(explained[code]) for code in found.codes["code"]]
    return pl.Series("missing", numbers, pl.Int64), explained


def _exported(series: Series, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the columns of people.

    A minute's ``value`` becomes that of its own trades.
    """
    import polars as pl

    if series.kind is SeriesKind.MINUTE:
        before = pl.col("value").shift(1, fill_value=0).over("code", day_of(series))
        rows = rows.with_columns(value=pl.col("value") - before)
    return as_shown(series, rows)
