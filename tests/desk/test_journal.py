"""The journal (row O01): synced before append returns, and readable after kill -9."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kisnb.desk.record.journal import SCHEMA_VERSION, Journal, JournalLost
from kisnb.desk.record.journal_frame import journal_frame, write_frame
from kisnb.errors import BadInput, ConfigError
from kisnb.events import Denied, HaltSet, IntentTaken, SendStarted
from kisnb.orders import Naming, Place, Route, Wish
from kisnb.terms import OrderKind, Venue
from kisnb.trading.ports.journal_rows import array_of, decode_row, decode_rows, encode_row
from kisnb.trading.state import State
from tests.trading.desk import NOON, intent, notice

WRITER = """
import sys
from pathlib import Path
from kisnb.desk.record.journal import Journal
from kisnb.events import HaltSet, IntentTaken
from tests.trading.desk import NOON, intent
journal = Journal(Path(sys.argv[1]))
n = 0
while True:
    journal.append([IntentTaken(NOON, intent(f"k{n}"))])
    print(n, flush=True)
    n += 1
"""


def test_rows_come_back_as_they_were_written(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    rows = [IntentTaken(NOON, intent("가")), Denied(NOON, "가", "reason", "cure")]
    journal = Journal(path)
    journal.append(rows)
    journal.close()
    again = Journal(path)
    assert list(again.rows()) == rows
    assert path.stat().st_mode & 0o777 == 0o600
    assert State.fold(again.rows()).books.orders["가"].text == "reason; cure"


def test_o11_the_journal_calls_the_ordinal_number_as_older_journals_do():
    row = IntentTaken(NOON, intent("k"), Naming(Wish("005930"), Place("kernel", 1), ordinal=3))
    written = encode_row(row)
    assert b'"number":3' in written
    assert b"ordinal" not in written
    assert decode_row(written) == row


def test_o01_what_append_has_returned_for_survives_kill_9(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [int(child.stdout.readline()) for _ in range(20)]
    os.kill(child.pid, signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().split()]
    child.wait()
    keys = [r.intent.key for r in Journal(path).rows() if isinstance(r, IntentTaken)]
    assert len(keys) >= said[-1] + 1
    assert keys == [f"k{n}" for n in range(len(keys))]


def test_all_rows_of_an_append_or_none(tmp_path: Path):
    journal = Journal(tmp_path / "journal.sqlite")
    with pytest.raises(AttributeError):
        journal.append([IntentTaken(NOON, intent("a")), object()])  # type: ignore[list-item]
    assert list(journal.rows()) == []


def test_a_file_that_is_no_journal_is_refused_with_the_cure(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    path.write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(ConfigError, match="Move it away"):
        Journal(path)


V1 = (
    "CREATE TABLE rows (seq INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, name TEXT NOT "
    "NULL, key TEXT NOT "
    "NULL, body BLOB NOT NULL)"
)


def test_a_journal_of_version_1_is_migrated_and_a_copy_of_it_stays(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    rows = [IntentTaken(NOON, intent("k")), Denied(NOON, "k", "reason", "cure")]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(V1)
        for row in rows:
            values = (row.t, type(row).__name__, "k", encode_row(row))
            db.execute("INSERT INTO rows (t, name, key, body) VALUES (?, ?, ?, ?)", values)
        db.execute("PRAGMA user_version=1")
    journal = Journal(path)
    assert journal.rows() == rows
    assert journal.published == 2
    journal.append([IntentTaken(NOON, intent("l"))])
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite.v1")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM rows").fetchone() == (2,)


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(ConfigError, match=r"not a journal.*Move it away"):
        Journal(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("recipes",)]


def filled_journal(path: Path, count: int = 400) -> bytes:
    journal = Journal(path)
    journal.append([IntentTaken(NOON, intent(f"k{n}")) for n in range(count)])
    journal.close()
    return path.read_bytes()


@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_a_truncated_journal_is_refused_and_left_as_it_is(tmp_path: Path, part: float):
    path = tmp_path / "journal.sqlite"
    whole = filled_journal(path)
    cut = whole[: int(len(whole) * part)]
    path.write_bytes(cut)
    with pytest.raises(ConfigError, match=r"cannot be used.*[Mm]ove it away"):
        Journal(path)
    assert path.read_bytes() == cut


def test_a_journal_with_a_damaged_page_is_refused(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    whole = bytearray(filled_journal(path))
    whole[len(whole) // 2 : len(whole) // 2 + 4096] = bytes(4096)
    path.write_bytes(whole)
    with pytest.raises(ConfigError, match=r"cannot be used.*[Mm]ove it away"):
        Journal(path)


def test_a_row_that_this_version_does_not_know_is_refused_with_the_cure(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    filled_journal(path, 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        body = b'["OfTheFuture",1,"k"]'
        db.execute(
            "INSERT INTO rows (t, name, key, body) VALUES (1, 'OfTheFuture', 'k', ?)", (body,)
        )
    journal = Journal(path)
    with pytest.raises(ConfigError, match=r"OfTheFuture.*Use the version that wrote it"):
        journal.rows()
    journal.close()


def test_a_torn_end_of_the_write_ahead_file_costs_only_what_was_never_synced(tmp_path: Path):
    path, copy = tmp_path / "journal.sqlite", tmp_path / "copy"
    journal = Journal(path)
    for n in range(5):
        journal.append([IntentTaken(NOON, intent(f"k{n}"))])
    wal = path.with_name("journal.sqlite-wal").read_bytes()
    copy.mkdir()
    # As after a power failure in the middle of the sixth append.
    (copy / "journal.sqlite").write_bytes(path.read_bytes())
    journal.append([IntentTaken(NOON, intent("k5"))])
    torn = path.with_name("journal.sqlite-wal").read_bytes()
    (copy / "journal.sqlite-wal").write_bytes(torn[: len(wal) + 1000])
    journal.close()
    found = Journal(copy / "journal.sqlite")
    assert [r.intent.key for r in found.rows() if isinstance(r, IntentTaken)] == [
        f"k{n}" for n in range(5)
    ]
    found.close()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_and_the_journal_goes_on_when_there_is_room(tmp_path: Path):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append([IntentTaken(NOON, intent("a"))])
    with full_disk():
        with pytest.raises(JournalLost, match=r"cannot be written.*[Mm]ake room"):
            journal.append([IntentTaken(NOON, intent("b"))])
        with pytest.raises(JournalLost):
            journal.check()
    journal.check()
    journal.append([IntentTaken(NOON, intent("c"))])
    assert [r.intent.key for r in journal.rows() if isinstance(r, IntentTaken)] == ["a", "c"]
    assert journal.published == 2
    journal.close()


def test_a_journal_that_a_full_disk_keeps_from_being_opened_is_not_to_be_moved_away(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with full_disk(), pytest.raises(JournalLost, match=r"cannot be opened.*[Mm]ake room"):
        Journal(path)
    assert Journal(path).rows() == []


@pytest.mark.parametrize("again", [False, True], ids=["removed", "replaced"])
def test_a_journal_that_was_removed_takes_no_row_that_nobody_would_ever_read(
    tmp_path: Path, again: bool
):
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    journal.append([IntentTaken(NOON, intent("a"))])
    path.unlink()
    if again:
        path.with_name("journal.sqlite-wal").unlink()
        Journal(path).close()
    with pytest.raises(JournalLost, match=r"was removed|was replaced"):
        journal.append([IntentTaken(NOON, intent("b"))])
    journal.close()


def test_the_journal_is_exported_while_the_desk_writes_it(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    route = Route(Venue.KRX, OrderKind.LIMIT, "cheapest")
    journal.append([IntentTaken(NOON, intent("k", agent="a")), SendStarted(NOON, "k", route)])
    journal.append([notice("filled"), Denied(NOON, "k", "why", "cure")])
    frame = journal_frame(path)
    assert frame["fact"].to_list() == ["IntentTaken", "SendStarted", "Notice", "Denied"]
    assert frame["code"].to_list() == ["005930"] * 4
    assert frame["agent"].to_list() == ["a", "a", None, "a"]
    assert frame["qty"].to_list() == [10, None, 10, None]
    assert frame["venue"].to_list() == [None, "KRX", "KRX", None]
    assert frame["time"].dtype.time_zone == "Asia/Seoul"  # type: ignore[attr-defined]
    assert decode_rows(array_of(body.encode() for body in frame["body"])) == journal.rows()
    import polars as pl

    write_frame(frame, tmp_path / "day.parquet")
    assert pl.read_parquet(tmp_path / "day.parquet").equals(frame)
    with pytest.raises(BadInput, match="no format"):
        write_frame(frame, tmp_path / "day.xls")
    journal.close()


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "＝", "\t", "\r"])
def test_no_text_of_an_exported_csv_is_a_formula_of_a_spreadsheet(tmp_path: Path, begin: str):
    import polars as pl

    text = f'{begin}HYPERLINK("http://example.com"; "click")'
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    journal.append([HaltSet(NOON, "halted", text), HaltSet(NOON, "active", "a = b")])
    frame = journal_frame(path)
    journal.close()
    write_frame(frame, tmp_path / "day.csv")
    assert pl.read_csv(tmp_path / "day.csv")["text"].to_list() == [f"'{text}", "a = b"]
    write_frame(frame, tmp_path / "day.parquet")
    write_frame(frame, tmp_path / "day.ndjson")
    for exact in (
        pl.read_parquet(tmp_path / "day.parquet"),
        pl.read_ndjson(tmp_path / "day.ndjson"),
    ):
        assert exact["text"].to_list() == [text, "a = b"]


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="version 99"):
        Journal(path)
