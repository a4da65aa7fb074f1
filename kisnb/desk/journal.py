"""The journal: one SQLite file (WAL), append only, every append synced before it returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from kisnb.errors import ConfigError
from kisnb.trading.journal_rows import SCHEMA_VERSION, Row, decode_row, encode_row, row_key


class Journal:
    """Rows in the order in which they were written. Raises ConfigError for a file that cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS rows "
                "(seq INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, "
                "body BLOB NOT NULL)"
            )
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA_VERSION):
                raise ConfigError(f"the journal {path} is of version {version}", "open it with the kisnb that wrote it")
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except sqlite3.Error as e:
            raise ConfigError(f"the journal {path} cannot be used: {e}", "move it away; a new one will be begun") from e
        path.chmod(0o600)

    def append(self, rows: Sequence[Row]) -> None:
        """Write all rows or none; they are on the disk when this returns."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO rows (t, name, key, body) VALUES (?, ?, ?, ?)",
                [(r.t, type(r).__name__, row_key(r), encode_row(r)) for r in rows],
            )
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def rows(self) -> Iterator[Row]:
        """All rows, oldest first."""
        for (body,) in self._db.execute("SELECT body FROM rows ORDER BY seq"):
            yield decode_row(body)

    def close(self) -> None:
        self._db.close()
