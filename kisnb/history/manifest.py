"""The manifest of a store: the files of each series, and the days for which KIS was asked.

It is one SQLite file beside the parquet files. A file counts only when the manifest names it. So a
reader never sees the file of a write that was not completed.

    writes    every file that was ever written, with its hash. Rows are only added.
    files     the newest write of each part of a series
    covered   the days of each stock for which KIS was asked
    gaps      the reasons why days have no bar
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

from kisnb.errors import ConfigError, FolderError
from kisnb.paths import cure_of

MANIFEST = "manifest.sqlite"
SCHEMA_VERSION = 1
WAIT_SECONDS = 60
"""The longest wait for another process that writes into the same store."""
_TABLES = (
    """CREATE TABLE writes (
        n INTEGER PRIMARY KEY AUTOINCREMENT, series TEXT NOT NULL, part TEXT NOT NULL,
        hash TEXT NOT NULL, rows INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL
    )""",
    """CREATE TABLE files (
        series TEXT NOT NULL, part TEXT NOT NULL, n INTEGER NOT NULL REFERENCES writes,
        PRIMARY KEY (series, part)
    ) WITHOUT ROWID""",
    """CREATE TABLE covered (
        series TEXT NOT NULL, code TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (series, code, first)
    ) WITHOUT ROWID""",
    """CREATE TABLE gaps (
        series TEXT NOT NULL, code TEXT NOT NULL, day INTEGER NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (series, code, day)
    ) WITHOUT ROWID""",
)
_FILE = "SELECT w.n, w.part, w.hash, w.rows, w.first, w.last"


class StoredFile(NamedTuple):
    """One file of a series: a year, or a day."""

    n: int
    """The number of the write. Each write has a new number, and so a new file name."""
    part: str
    """The year or the day of its rows: ``"2026"``, ``"2026-11-20"``."""
    hash: str
    """SHA-256 of the file's bytes."""
    rows: int
    first: date
    """Day of its first row."""
    last: date
    """Day of its last row."""

    @property
    def file_name(self) -> str:
        """The file's name within the folder of the series: ``"2026/2026-11-20.17.parquet"``."""
        return f"{self.part[:4]}/{self.part}.{self.n}.parquet"


class Manifest:
    """The manifest of one store. Processes and threads may share it.

    Raises ConfigError for a file that is damaged or of a newer version. Raises FolderError when the
    file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MANIFEST
        # A read must not see the rows of a write that has not ended, so reads and writes have
        # separate connections. With WAL both can run at the same time.
        self._reads: sqlite3.Connection | None = None
        self._writes: sqlite3.Connection | None = None
        self._opening = threading.Lock()
        self._write_lock = threading.Lock()

    def close(self) -> None:
        """Wait for the end of a running write, then close the file.

        The next call opens it again.
        """
        with self._write_lock, self._opening:
            for db in (self._reads, self._writes):
                if db is not None:
                    db.close()
            self._reads = self._writes = None

    def files(self, series: str, first: date, last: date) -> list[StoredFile]:
        """Return the files that may hold rows from ``first`` to ``last``, oldest first."""
        with self._reading() as db:
            return _files(db, series, first, last)

    def writes(self, series: str) -> list[StoredFile]:
        """Return all files that were ever written for a series, oldest write first.

        Replaced files are no longer on the disk, but their hashes stay here.
        """
        with self._reading() as db:
            rows = db.execute(f"{_FILE} FROM writes w WHERE series = ? ORDER BY n", (series,))
            return [_stored(row) for row in rows]

    def covered(self, series: str, code: str) -> list[tuple[date, date]]:
        """Return the ranges of days for which KIS was asked, oldest first, both ends inclusive."""
        with self._reading() as db:
            return _ranges(db, series, code)

    def gaps(self, series: str, code: str) -> dict[date, str]:
        """Return the known reasons why days have no bar, by day."""
        with self._reading() as db:
            found = db.execute(
                "SELECT day, reason FROM gaps WHERE series = ? AND code = ?", (series, code)
            )
            return {date.fromordinal(day): reason for day, reason in found}

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Hold the store's lock during one write, and commit the entries of the write at its end.

        An exception inside the block undoes all entries. Only one process writes at a time.
        """
        with self._write_lock, self._named_errors():
            self._writes = db = self._opened(self._writes)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield Writing(db)
                db.execute("COMMIT")
            except BaseException:
                # A failed commit may have ended the transaction already.
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def sync(self) -> bool:
        """Sync every entry to the disk. Return False when a reader prevented that."""
        with self._write_lock, self._named_errors():
            self._writes = db = self._opened(self._writes)
            busy, entered, written = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return not busy and entered == written

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._named_errors():
            with self._opening:
                self._reads = self._opened(self._reads)
            yield self._reads

    def _opened(self, db: sqlite3.Connection | None) -> sqlite3.Connection:
        """Return ``db`` if it is still usable, or else a new connection.

        A connection that stays open saves two syncs in each write.
        """
        if db is not None and self.path.exists():
            return db
        if db is not None:
            db.close()
        return _open(self.path)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn errors of SQLite and of the disk into errors of kisnb with a cure."""
        try:
            yield
        except sqlite3.DatabaseError as e:
            if isinstance(e, sqlite3.OperationalError):
                raise FolderError(
                    f"the history in {self.path.parent} cannot be used: {e}",
                    "make room on the disk, and see that the folder is yours",
                ) from e
            raise ConfigError(
                f"the list of the history {self.path} is damaged: {e}",
                f"move the folder {self.path.parent} away; the bars are downloaded again",
            ) from e
        except OSError as e:
            text = f"the folder {self.path.parent} cannot be used: {e.strerror}"
            raise FolderError(text, cure_of(e)) from e


class Writing:
    """The entries of one write to the manifest, under the store's lock."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def files(self, series: str, first: date, last: date) -> list[StoredFile]:
        """Return the files that may hold bars from ``first`` to ``last``, oldest first."""
        return _files(self._db, series, first, last)

    def add_file(
        self, series: str, part: str, digest: str, rows: int, first: date, last: date
    ) -> StoredFile:
        """Enter a new file as the newest of its part. Return its entry with its new number.

        The number is part of the file's name.
        """
        row = (series, part, digest, rows, first.toordinal(), last.toordinal())
        entered = self._db.execute(
            "INSERT INTO writes (series, part, hash, rows, first, last) VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )
        number = entered.lastrowid
        assert number is not None
        self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (series, part, number))
        return StoredFile(number, part, digest, rows, first, last)

    def remove_file(self, series: str, part: str) -> None:
        """Remove a part from the series. Its row in ``writes`` stays."""
        self._db.execute("DELETE FROM files WHERE series = ? AND part = ?", (series, part))

    def cover(self, series: str, code: str, first: date, last: date) -> None:
        """Enter the days of a stock for which KIS was asked, both ends inclusive."""
        ranges = [*_ranges(self._db, series, code), (first, last)]
        self._db.execute("DELETE FROM covered WHERE series = ? AND code = ?", (series, code))
        self._db.executemany(
            "INSERT INTO covered VALUES (?, ?, ?, ?)",
            [(series, code, a.toordinal(), b.toordinal()) for a, b in joined(ranges)],
        )

    def uncover(self, series: str, code: str) -> None:
        """Remove the record of days for which KIS was asked, so that all are asked for again."""
        self._db.execute("DELETE FROM covered WHERE series = ? AND code = ?", (series, code))

    def explain(self, series: str, code: str, reasons: Mapping[date, str]) -> None:
        """Enter the reasons why days of a stock lack bars."""
        self._db.executemany(
            "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)",
            [(series, code, day.toordinal(), reason) for day, reason in reasons.items()],
        )


def joined(ranges: list[tuple[date, date]]) -> list[tuple[date, date]]:
    """Merge ranges of days that overlap or touch. Return them oldest first. Ends are inclusive."""
    found: list[tuple[date, date]] = []
    for first, last in sorted(ranges):
        if found and first.toordinal() <= found[-1][1].toordinal() + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _ranges(db: sqlite3.Connection, series: str, code: str) -> list[tuple[date, date]]:
    found = db.execute(
        "SELECT first, last FROM covered WHERE series = ? AND code = ? ORDER BY first",
        (series, code),
    )
    return [(date.fromordinal(first), date.fromordinal(last)) for first, last in found]


def _files(db: sqlite3.Connection, series: str, first: date, last: date) -> list[StoredFile]:
    rows = db.execute(
        f"{_FILE} FROM files f JOIN writes w ON w.n = f.n"
        " WHERE f.series = ? AND w.last >= ? AND w.first <= ? ORDER BY w.first",
        (series, first.toordinal(), last.toordinal()),
    )
    return [_stored(row) for row in rows]


def _stored(row: tuple[int, str, str, int, int, int]) -> StoredFile:
    n, part, digest, rows, first, last = row
    return StoredFile(n, part, digest, rows, date.fromordinal(first), date.fromordinal(last))


def _open(path: Path) -> sqlite3.Connection:
    """Open the file and return its connection. Create the file if it is missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        # SQLite does not wait for another process that creates the same file: ``journal_mode``
        # raises SQLITE_BUSY at once. So only one process at a time opens it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        db = sqlite3.connect(
            path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Create the tables of a new file. Raises ConfigError for a file of another version."""
    # NORMAL syncs only at a checkpoint, because a sync takes longer than all else in a write. A
    # power cut can lose the newest entries. So the files that these entries replaced stay until
    # ``Manifest.sync``.
    db.execute("PRAGMA synchronous=NORMAL")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    if version:
        raise ConfigError(
            f"the history {path} is of version {version}, and this kisnb knows {SCHEMA_VERSION}",
            f"use a newer kisnb, or move the folder {path.parent} away",
        )
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("BEGIN IMMEDIATE")
    for table in _TABLES:
        db.execute(table)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    db.execute("COMMIT")
