"""The journal: one SQLite file (WAL) to which rows are appended. Each append returns once synced.

Journals of past days are moved to the archive, never deleted. A file that cannot be read is refused
and left as it is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

from kisnb.clock import kst_day
from kisnb.errors import ConfigError, DeskError
from kisnb.trading.ports.journal_rows import (
    DESK_ONLY,
    Row,
    array_of,
    decode_rows,
    encode_row,
    row_key,
)

JOURNAL = "journal.sqlite"
SCHEMA_VERSION = 2
APPLICATION_ID = 0x6B69736E
"""``kisn`` in ASCII. It distinguishes a journal from other SQLite files."""
MAGIC = b"SQLite format 3\0"
PUBLISHED = f"name NOT IN ({', '.join(repr(kind.__name__) for kind in DESK_ONLY)})"
"""The SQL condition for rows that sessions receive."""
ROWS = """CREATE TABLE rows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, name TEXT NOT NULL,
    key TEXT NOT NULL, body BLOB NOT NULL
)"""
FACTS = "CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"


class JournalLost(DeskError):
    """A row could not be written. From then on nothing may be sent."""


class Journal:
    """A journal file: it appends rows, and reads them in the order in which they were written.

    Opening raises ConfigError for a file that cannot be used, JournalLost while the disk does not
    let it be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists() and next_path(path).exists():
            # The machine stopped after the old file was moved away.
            next_path(path).rename(path)
        _check_kind(path)
        try:
            self._db = _open(path)
            self._before = self._fact("before")
            self._whole_from = self._fact("whole_from")
            """Number of the published row from which on no row is missing in this file."""
            counted = self._db.execute(f"SELECT count(*) FROM rows WHERE {PUBLISHED}")  # noqa: S608
            self.published: int = self._before + counted.fetchone()[0]
            """Number of the newest published row. It counts the rows of archived files too."""
        except (sqlite3.Error, OSError) as e:
            if _is_damage(e):
                cure = (
                    "move it away; the desk begins a new one and reads orders and account from KIS"
                )
                raise ConfigError(f"the journal {path} cannot be used: {e}", cure) from e
            raise JournalLost(f"the journal {path} cannot be opened ({e})", _cure(e)) from e
        path.chmod(0o600)
        self._inode = path.stat().st_ino

    def append(self, rows: Sequence[Row]) -> None:
        """Write all rows or no row, and sync them to the disk. Raises JournalLost."""
        encoded = [(r.t, type(r).__name__, row_key(r), encode_row(r)) for r in rows]
        try:
            self._check_place()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT INTO rows (t, name, key, body) VALUES (?, ?, ?, ?)", encoded
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as e:
            raise JournalLost(f"the journal cannot be written ({e})", _cure(e)) from e
        self.published += sum(not isinstance(r, DESK_ONLY) for r in rows)

    def check(self) -> None:
        """Write a test value. Raises JournalLost while rows cannot be written."""
        try:
            self._check_place()
            # This really writes a changed value. Nothing less shows whether the disk is full or
            # read-only.
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('checked', abs(random()))")
        except (sqlite3.Error, OSError) as e:
            raise JournalLost(f"the journal cannot be written ({e})", _cure(e)) from e

    def rows(self) -> list[Row]:
        """Return all rows, oldest first."""
        return decode_rows(
            array_of(body for (body,) in self._db.execute("SELECT body FROM rows ORDER BY seq"))
        )

    def published_after(self, number: int) -> tuple[int, bytes]:
        """Return the published rows after row ``number``, and the number of the row before them.

        The rows are one JSON array. If this file does not have the row after ``number``, the array
        has all published rows of the file. Raises JournalLost.
        """
        count = self.published - number
        # Of the rows before ``whole_from`` only those that still count were copied, and they have
        # no numbers. A new session gets all rows. A session that returns sees by the number of the
        # first row that it cannot continue.
        if number < self._whole_from or count < 0:
            number, count = self._before, self.published - self._before
        sql = f"SELECT body FROM rows WHERE {PUBLISHED} ORDER BY seq DESC LIMIT ?"  # noqa: S608
        try:
            # The numbers are counted from the end, because rows that only the desk needs are in
            # between and have no number.
            newest = self._db.execute(sql, (count,)).fetchall()
        except sqlite3.Error as e:
            raise JournalLost(f"the journal cannot be read ({e})", _cure(e)) from e
        return number, array_of(body for (body,) in reversed(newest))

    def follows(self, moved: Journal) -> bool:
        """Return whether this file was begun when the journal ``moved`` was moved away."""
        return self._whole_from > 0 and self._whole_from == moved.published

    def own_rows(self) -> list[Row]:
        """Return the rows written to this file, without the rows copied from the previous file."""
        # All rows that were copied into this file are published rows.
        return self.rows()[self._whole_from - self._before :]

    @property
    def day(self) -> date | None:
        """The Korean day of the newest row. None: the file has no row."""
        (t,) = self._db.execute("SELECT max(t) FROM rows").fetchone()
        return kst_day(t) if t is not None else None

    def count_on(self, published: int) -> None:
        """Continue the row numbers of a file that was moved away.

        ``published`` is the number of its newest published row.
        """
        before = published - (self.published - self._before)
        self._db.execute(
            "INSERT OR REPLACE INTO facts VALUES ('before', ?), ('whole_from', ?)",
            (before, published),
        )
        self._before, self._whole_from, self.published = before, published, published

    def move_to(self, folder: Path, stem: str) -> Path | None:
        """Close the journal with all rows in one file, move that file, and return its new path.

        None: another process is reading it. Then the journal is closed and not moved.
        """
        # The newest rows may be in SQLite's side file (-wal), which a rename would leave behind.
        # The checkpoint writes them into the file itself.
        busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        self.close()
        if busy:
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
        target = _free_name(folder, stem)
        self.path.rename(target)
        return target

    def close(self) -> None:
        """Close the file. Afterwards all rows are in this one file."""
        self._db.close()

    def _check_place(self) -> None:
        """Raise FileNotFoundError if the file was removed or replaced. Its rows would be lost."""
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.path} was removed") from None
        if inode != self._inode:
            raise FileNotFoundError(f"{self.path} was replaced")

    def _fact(self, name: str) -> int:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0


def read_journal(path: Path) -> Iterator[tuple[int, Row]]:
    """Return the rows of a journal with their numbers, also while a desk writes it.

    Raises ConfigError.
    """
    _check_kind(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT seq, body FROM rows ORDER BY seq").fetchall()
    except sqlite3.Error as e:
        raise ConfigError(f"the journal {path} cannot be read: {e}", "name another file") from e
    return zip(
        (seq for seq, _ in found), decode_rows(array_of(body for _, body in found)), strict=True
    )


def _check_kind(path: Path) -> None:
    """Raise ConfigError for a file that is not an SQLite file, before SQLite changes it.

    A file with a damaged header is refused too. Otherwise it would become a new, empty journal.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except FileNotFoundError:
        return
    except OSError as e:
        raise ConfigError(
            f"the journal {path} cannot be read: {e.strerror}", "give it back to its owner"
        ) from e
    if head not in (b"", MAGIC):
        raise ConfigError(
            f"{path} is not a journal",
            "move it away; the desk begins a new one and reads orders and account from KIS",
        )


def _open(path: Path) -> sqlite3.Connection:
    # SQLite gives its side files the mode of the main file.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        # WAL lets others read the file while the desk writes. In WAL mode only FULL syncs each
        # commit (SQLite's documentation of PRAGMA synchronous): with NORMAL a power cut could lose
        # the row of an order that was sent.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = {
            name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
        if not tables:
            _begin(db)
        elif "rows" not in tables:
            raise ConfigError(
                f"{path} is not a journal",
                "move it away; the desk begins a new one and reads orders and account from KIS",
            )
        elif version not in _MIGRATIONS and version != SCHEMA_VERSION:
            cure = (
                "open it with the kisnb that wrote it"
                if version > SCHEMA_VERSION
                else "move it away"
            )
            raise ConfigError(
                f"the journal {path} is of version {version}, this kisnb knows {SCHEMA_VERSION}",
                cure,
            )
        elif version != SCHEMA_VERSION:
            _migrate(db, path, version)
        # A damaged page is found now, and not later when the row of an order must be written.
        (sound,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if sound != "ok":
            raise sqlite3.DatabaseError(" ".join(sound.split()))
    except BaseException:
        db.close()
        raise
    return db


def _begin(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.execute(ROWS)
    db.execute(FACTS)
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    db.execute("COMMIT")


def _migrate(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Bring a file of an older version up to date in one transaction. A copy stays beside it."""
    # The copy comes first, so that an older kisnb can still be used with it.
    with closing(sqlite3.connect(path.with_name(f"{path.name}.v{version}"))) as copy:
        db.backup(copy)
    db.execute("BEGIN IMMEDIATE")
    for old in range(version, SCHEMA_VERSION):
        for statement in _MIGRATIONS[old]:
            db.execute(statement)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    db.execute("COMMIT")


_MIGRATIONS: dict[int, tuple[str, ...]] = {1: (FACTS, f"PRAGMA application_id={APPLICATION_ID}")}
"""SQL statements that migrate a file to the next version, by its version."""


def next_path(path: Path) -> Path:
    """Return the path at which the next journal file is written before it is renamed."""
    return path.with_name(f"{path.name}.next")


def _free_name(folder: Path, stem: str) -> Path:
    path, n = folder / f"{stem}.sqlite", 1
    while path.exists():
        n += 1
        path = folder / f"{stem}-{n}.sqlite"
    return path


def _is_damage(error: Exception) -> bool:
    """Return whether the error says that the file is damaged.

    Otherwise the file is whole, and the cause may go away: a full disk, or another process that
    uses the file.
    """
    code = (
        getattr(error, "sqlite_errorcode", None)
        if isinstance(error, sqlite3.Error)
        else sqlite3.SQLITE_FULL
    )
    # SQLite's extended codes carry the primary one in their lowest byte (SQLite: Result and Error
    # Codes).
    return code is None or code & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
    )


def _cure(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "put the state folder back, or: kisnb desk stop; then ask KIS for the open orders"
    return "make room on the disk; the desk then goes on without a restart"
