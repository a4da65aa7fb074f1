"""The journal (row O01): synced before append returns, and readable after kill -9."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kisnb.desk.journal import Journal
from kisnb.errors import ConfigError
from kisnb.events import Denied, IntentTaken
from kisnb.trading.state import State
from tests.trading.desk import NOON, intent

WRITER = """
import sys
from pathlib import Path
from kisnb.desk.journal import Journal
from kisnb.events import IntentTaken
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


def test_o01_what_append_has_returned_for_survives_kill_9(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
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


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="version 99"):
        Journal(path)
