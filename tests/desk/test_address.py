"""The lock that says whether a desk runs. Row O14."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kisnb.desk.address import holder, is_held, lock_or_fail
from kisnb.errors import DeskBusy


def test_o14_a_lock_is_taken_while_notebooks_look_whether_it_is_held(tmp_path: Path):
    path, ended = tmp_path / "lock", threading.Event()
    path.touch()

    def look() -> None:
        while not ended.is_set():
            is_held(path)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(50):
            lock_or_fail(path, "the sim account").close()
    finally:
        ended.set()
        for looker in lookers:
            looker.join()


def test_a_lock_that_is_kept_is_refused_and_names_its_holder(tmp_path: Path):
    path = tmp_path / "lock"
    with lock_or_fail(path, "the sim account"):
        with pytest.raises(DeskBusy, match=f"process {holder(path)}. holds the sim account"):
            lock_or_fail(path, "the sim account")
        assert is_held(path)
    assert not is_held(path)
