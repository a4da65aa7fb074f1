"""The table of requirement rows says what the tests show."""

from __future__ import annotations

from tests.rows import TABLE, listed, named, rewritten


def test_every_row_that_a_test_names_stands_in_the_table():
    assert named().keys() <= {row for row, _, _ in listed()}


def test_the_table_names_the_test_files_of_each_row():
    found = named()
    assert {row: files for row, _, files in listed()} == {
        row: found.get(row, set()) for row, _, _ in listed()
    }
    assert rewritten(TABLE.read_text("utf-8")) == TABLE.read_text("utf-8"), (
        "python -m tests.rows writes it anew"
    )


def test_each_row_stands_once_and_has_a_subject():
    rows = [row for row, _, _ in listed()]
    assert len(rows) == len(set(rows))
    assert all(subject for _, subject, _ in listed())
