"""The store of past days: parquet files, read lazily, with a manifest beside them.

    <folder>/manifest.sqlite
    <folder>/1d/KRX/adjusted/2026/2026.12.parquet          the days of a year, by code and day
    <folder>/1d/KRX/adjusted/2026/2026-11-20.17.parquet    a day that came after them
    <folder>/1m/KRX/raw/2026/2026-11-20.31.parquet         the minutes of a day, by code and time

Each day is in one file only. Files are never changed: a write makes new files, enters them in the
manifest, and later removes the files that they replace. A file that the manifest does not name does
not belong to the store: it is left over from a write that broke off, and nobody reads it. A file
has the rows of all stocks. With a file for each stock, a day of the whole market would open
thousands of files.

After a power cut the newest writes may be lost, but never a part of one write:

    upsert    syncs the new file. Then the manifest names it, in a log that is not synced.
    settle    syncs the log, and then removes the files that the manifest no longer names.

A lost download is asked for again. An import calls ``settle`` before it reports its end.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import reduce
from operator import or_
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, NamedTuple

from kisnb.errors import ConfigError, KisnbError
from kisnb.history.checks import checked
from kisnb.history.manifest import Manifest, StoredFile, Writing
from kisnb.history.series import Series
from kisnb.paths import refusal_of

if TYPE_CHECKING:
    import polars as pl

MOST_DAY_FILES = 20
"""The most days of a year with their own file.

Above it, the next write merges them into the year.
"""
MOST_OLD_FILES = 20
"""The most files that the manifest no longer names. Above it, the next write removes them."""
# Measured with 2,500 stocks and 10 years: with smaller blocks, reading a day of the whole market is
# slow. With one block for all, reading a month of one stock is slow.
ROW_GROUP = 131_072
"""Number of rows in a block of a file. A query of one stock reads the blocks with its code."""
_TRIES = 10


class Asked(NamedTuple):
    """The days of one stock for which KIS was asked."""

    code: str
    first: date
    last: date
    """The last day, inclusive."""


class Store:
    """Reads and writes the rows in one folder. Processes and threads may share it.

    Raises FolderError when the folder cannot be read or written, and ConfigError for a damaged
    file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = Manifest(folder)
        self._swept: set[str] = set()
        """Series whose folder was searched for files of writes that broke off."""
        self._old: list[Path] = []
        """Files that the manifest no longer names. After a power cut it may name them again."""

    def read(
        self, series: Series, first: date, last: date, codes: Sequence[str] = ()
    ) -> pl.DataFrame:
        """Return the rows from ``first`` to ``last`` of these codes; of all if ``codes`` is empty.

        Both days are inclusive. Rows are sorted by key. The columns are those of ``Series.schema``.
        """
        import polars as pl

        for left in reversed(range(_TRIES)):
            files = self.manifest.files(series.name, first, last)
            paths = [self._path(series, file) for file in files]
            if not paths:
                return pl.DataFrame(schema=series.schema())
            rows = pl.scan_parquet(paths).filter(day_of(series).is_between(first, last))
            if codes:
                rows = rows.filter(pl.col("code").is_in(list(codes)))
            try:
                return rows.collect().sort(series.keys)
            except (OSError, pl.exceptions.PolarsError) as e:
                # Another process may have replaced a file since the list was read. Then the
                # manifest names the new file.
                if left and self.manifest.files(series.name, first, last) != files:
                    continue
                raise self._damaged(paths, e) from e
        raise AssertionError("unreachable")

    def upsert(
        self,
        series: Series,
        rows: pl.DataFrame,
        asked: Sequence[Asked] = (),
        explained: Mapping[str, Mapping[date, str]] = MappingProxyType({}),
    ) -> int:
        """Store rows: add new ones and replace changed ones. Return how many rows have changed.

        Either all rows are stored, or none. Storing the same rows again changes nothing. ``asked``
        (the days for which KIS was asked) and ``explained`` (by stock, why days lack rows) are
        entered together with the rows. Raises BadInput for rows that contradict themselves.
        """
        fresh = checked(series, rows)
        changed, replaced, made = 0, list[StoredFile](), list[Path]()
        try:
            with self.manifest.writing() as writing:
                self._sweep(writing, series)
                for write in _file_writes(writing, series, fresh):
                    changed += self._merge(writing, series, write, replaced, made)
                for code, first, last in asked:
                    writing.cover(series.name, code, first, last)
                for code, reasons in explained.items():
                    writing.explain(series.name, code, reasons)
        except BaseException:
            self._discard(series, made)
            raise
        self._old += [self._path(series, file) for file in replaced]
        if len(self._old) > MOST_OLD_FILES:
            self._settle_later()
        return changed

    def settle(self) -> None:
        """Sync the newest writes, and remove the files that they replaced. Raises KisnbError."""
        # Until the manifest is synced, a power cut may bring back an older one that names these
        # files.
        if self.manifest.sync():
            old, self._old = self._old, []
            for path in old:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Settle, and close the manifest. The next call opens it again."""
        if self._old:
            self._settle_later()
        self.manifest.close()

    def _settle_later(self) -> None:
        """Settle if the disk allows it. If not, no harm is done, because the rows are stored."""
        with suppress(KisnbError):
            self.settle()

    def uncover(self, series: Series, code: str) -> None:
        """Remove the record of days for which KIS was asked, so that all are asked for again."""
        with self.manifest.writing() as writing:
            writing.uncover(series.name, code)

    def damaged_files(self, series: Series) -> list[Path]:
        """Return the paths of files that are missing, or whose hash differs from the manifest's."""
        files = self.manifest.files(series.name, date.min, date.max)
        return [
            path
            for file in files
            if not (path := self._path(series, file)).is_file()
            or hashlib.sha256(path.read_bytes()).hexdigest() != file.hash
        ]

    def _merge(
        self, writing: Writing, series: Series, write: _FileWrite,
        replaced: list[StoredFile], made: list[Path],
    ) -> int:  # fmt: skip
        """Merge new rows with the rows of their files into one new file.

        Return how many rows changed. Adds the old files to ``replaced``, and the path of the new
        file to ``made``.
        """

        rows, changed = write.rows, len(write.rows)
        if write.files:
            old = self._stored(series, write.files)
            rows, changed = _merged(series, old, rows)
        if not changed:
            return 0
        is_one_day = len(write.part) == len("2026-11-20")
        buffer = io.BytesIO()
        # The file of one day is soon merged with others, so speed matters more than size.
        is_brief = is_one_day and series.is_by_day
        rows.write_parquet(
            buffer,
            compression="uncompressed" if is_brief else "zstd",
            # Statistics help a query to skip blocks. A file of one block needs none.
            statistics=not is_brief,
            row_group_size=ROW_GROUP,
        )
        content = buffer.getvalue()
        if is_one_day:
            days = (date.fromisoformat(write.part),) * 2
        else:
            days = rows.select(first=day_of(series).min(), last=day_of(series).max()).row(0)
        digest = hashlib.sha256(content).hexdigest()
        for file in write.files:
            writing.remove_file(series.name, file.part)
        file = writing.add_file(series.name, write.part, digest, len(rows), *days)
        path = self._path(series, file)
        made.append(path)
        _write_synced(path, content)
        replaced += write.files
        return changed

    def _discard(self, series: Series, made: Sequence[Path]) -> None:
        """Remove the new files of an interrupted write, because the disk may be full."""
        try:
            # An interrupt may come after the write was committed. Then its files stay.
            files = self.manifest.files(series.name, date.min, date.max)
        except KisnbError:
            # The next process removes them.
            return
        named = {self._path(series, file) for file in files}
        for path in made:
            if path not in named:
                path.unlink(missing_ok=True)

    def _sweep(self, writing: Writing, series: Series) -> None:
        """Note the files that a dead process left in a series.

        Later calls for the series do nothing.
        """
        if series.name in self._swept:
            return
        # No other process writes while we hold the lock, so a file that the manifest does not name
        # is old.
        files = writing.files(series.name, date.min, date.max)
        named = {self._path(series, file) for file in files}
        found = (self.folder / series.name).glob("*/*")
        self._old += [path for path in found if path not in named]
        self._swept.add(series.name)

    def _stored(self, series: Series, files: Sequence[StoredFile]) -> pl.DataFrame:
        """Read all rows of these files."""
        import polars as pl

        paths = [self._path(series, file) for file in files]
        if not paths:
            return pl.DataFrame(schema=series.schema())
        try:
            return pl.concat([pl.read_parquet(path) for path in paths])
        except (OSError, pl.exceptions.PolarsError) as e:
            raise self._damaged(paths, e) from e

    def _path(self, series: Series, file: StoredFile) -> Path:
        return self.folder / series.name / file.file_name

    def _damaged(self, paths: Sequence[Path], error: Exception) -> ConfigError:
        import polars as pl

        bad = next((path for path in paths if not _is_readable(path, pl)), paths[0])
        return ConfigError(
            f"the history file {bad} cannot be read: {str(error).splitlines()[0]}",
            f"move the folder {self.folder} away; the bars are downloaded again",
        )


class _FileWrite(NamedTuple):
    """One file to write: the new rows, and the old files with which they are merged."""

    part: str
    rows: pl.DataFrame
    files: tuple[StoredFile, ...]


def _file_writes(writing: Writing, series: Series, rows: pl.DataFrame) -> Iterator[_FileWrite]:
    """Yield the files that must be written to store these rows."""
    import polars as pl

    day, days = day_of(series), _days_in(series, rows)
    for year in sorted({each.year for each in days}):
        own = [each for each in days if each.year == year]
        stored = writing.files(series.name, date(year, 1, 1), date(year, 12, 31))
        files = {file.part: file for file in stored}
        alone = _alone(series, files, own)
        for single in sorted(alone):
            part = single.isoformat()
            # A query of polars takes 0.2 ms, and most writes have one day only.
            of_day = rows if len(days) == 1 else rows.filter(day == single)
            yield _FileWrite(part, of_day, (files[part],) if part in files else ())
        rest = (
            rows.clear()
            if len(alone) == len(own)
            else rows.filter(
                day.dt.year() == year, ~day.is_in(pl.Series(sorted(alone), dtype=pl.Date).implode())
            )
        )
        if not rest.is_empty():
            # Many files of single days make a year slow to read, so the next write merges them.
            merged = stored if len(files) > MOST_DAY_FILES else stored[:0]
            whole = files.get(str(year))
            yield _FileWrite(str(year), rest, tuple(merged or ([whole] if whole else [])))


def _days_in(series: Series, rows: pl.DataFrame) -> list[date]:
    """Return the days that occur in rows, oldest first."""
    days = rows["date"] if series.is_by_day else rows.select(day_of(series)).to_series()
    # Most writes have one day, and comparing two dates is faster than sorting.
    first = days.min()
    if isinstance(first, date) and first == days.max():
        return [first]
    found: list[date] = days.unique().sort().to_list()
    return found


def _alone(series: Series, files: Mapping[str, StoredFile], days: Sequence[date]) -> set[date]:
    """Return the days that have, or will get, their own file. ``days`` are of one year."""
    if not series.is_by_day:
        return set(days)
    whole = files.get(str(days[0].year))
    if len(files) > MOST_DAY_FILES:
        return set()
    alone = {day for day in days if day.isoformat() in files}
    new = [day for day in days if day not in alone]
    # A day after all others gets its own file, so that the year's file need not be rewritten.
    if len(new) == 1 and whole is not None and new[0] > whole.last:
        alone.add(new[0])
    return alone


def day_of(series: Series) -> pl.Expr:
    """Return an expression for the Korean day of a row."""
    import polars as pl

    if series.is_by_day:
        return pl.col("date")
    return pl.col("t").dt.convert_time_zone("Asia/Seoul").dt.date()


def _is_readable(path: Path, pl: ModuleType) -> bool:
    try:
        pl.read_parquet(path)
    except Exception:
        return False
    return True


def _merged(series: Series, old: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the old rows updated by the new ones, and how many rows have changed."""
    import polars as pl

    if all(old[key].equals(new[key]) for key in series.keys):
        # The same rows again, or other numbers of a whole file: no join is needed.
        if old.equals(new):
            return old, 0
        differs = [_differs(old[n], new[n]) for n in new.columns if n not in series.keys]
        return new, int(reduce(or_, differs).sum())
    changed = new.join(old, on=old.columns, how="anti", nulls_equal=True)
    if changed.is_empty():
        return old, 0
    kept = old.join(changed, on=series.keys, how="anti")
    return pl.concat([kept, changed]).sort(series.keys), len(changed)


def _differs(old: pl.Series, new: pl.Series) -> pl.Series:
    """Return True for each value that changed. Two missing values count as equal."""
    # Without missing values the plain operator is five times as fast.
    return old.ne_missing(new) if old.null_count() or new.null_count() else old != new


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents, and sync their names to the disk."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_synced(path: Path, content: bytes) -> None:
    """Write a file and sync it to the disk. Raises FolderError."""
    try:
        _make_folder(path.parent)
        with path.open("wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        # The new name is on the disk only after its folder is synced.
        _sync_folder(path.parent)
    except OSError as e:
        raise refusal_of(e, path) from e
