"""One desk for each state folder, account and appkey (rows O14, K12)."""

from __future__ import annotations

import asyncio
import errno
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

import kisnb
from kisnb.cli import main
from kisnb.desk.address import find_desk
from kisnb.desk.life.launch import stop_desk
from kisnb.desk.locks import CustomerLocks, Lock, holder, is_held
from kisnb.errors import DeskBusy
from kisnb.kis.credentials import Credentials
from kisnb.session.session import Session
from kisnb.simulator.host.keys import made_up
from kisnb.terms import Mode
from tests.session.opening import begun_for_live, stop_sim_desk, traded


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
            Lock(path, "the sim account").close()
    finally:
        ended.set()
        for looker in lookers:
            looker.join()


def test_a_lock_that_is_kept_is_refused_and_names_its_holder(tmp_path: Path):
    path = tmp_path / "lock"
    lock = Lock(path, "the sim account")
    with pytest.raises(DeskBusy, match=f"process {holder(path)}. holds the sim account"):
        Lock(path, "the sim account")
    assert is_held(path)
    lock.close()
    assert not is_held(path)


def test_k12_two_state_folders_have_no_two_desks_on_one_appkey(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trading_hours: None
):
    # The simulator's minutes pass quickly: it gives one token a minute.
    monkeypatch.setenv("KISNB_SIM_SPEED", "300")
    keys = begun_for_live(state)
    monkeypatch.setenv("KISNB_CREDENTIALS", str(keys))
    stop_sim_desk()
    other = tmp_path / "other state"

    async def work() -> None:
        async with await kisnb.connect("live") as session:
            desk = find_desk(Mode.LIVE)
            assert desk is not None
            monkeypatch.setenv("KISNB_STATE", str(other))
            with pytest.raises(DeskBusy) as busy:
                await kisnb.connect("live")
            assert str(busy.value) == (
                f"Another desk (process {desk.pid}) with the state folder {state} holds this "
                f"appkey. Attach to it "
                f"with KISNB_STATE={state}, or stop it with: KISNB_STATE={state} kisnb desk stop "
                f"--mode live."
            )
            # Each folder stops its own desk, and no other one.
            assert await asyncio.to_thread(stop_desk, Mode.LIVE) is False
            assert (await session.quote("005930")).price
            monkeypatch.setenv("KISNB_STATE", str(state))
            assert await asyncio.to_thread(stop_desk, Mode.LIVE) is True
        monkeypatch.setenv("KISNB_STATE", str(other))
        CustomerLocks(Mode.LIVE, Credentials.from_yaml(keys, paper=False)).close()

    try:
        asyncio.run(work())
    finally:
        for folder in (other, state):
            monkeypatch.setenv("KISNB_STATE", str(folder))
            stop_desk(Mode.LIVE)


def test_k12_one_account_with_two_appkeys_has_one_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = made_up()
    locks = CustomerLocks(Mode.LIVE, first)
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / "other"))
    second = msgspec.structs.replace(first, appkey=made_up().appkey)
    with pytest.raises(DeskBusy, match="holds this live account"):
        CustomerLocks(Mode.LIVE, second)
    locks.close()
    CustomerLocks(Mode.LIVE, second).close()


def test_k12_simulators_side_by_side_do_not_lock_one_another_out(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def both(first: Session) -> None:
        monkeypatch.setenv("KISNB_STATE", str(tmp_path / "other"))
        async with await kisnb.connect("sim", seed=8) as second:
            assert second.status.run != first.status.run
            assert (await second.quote("005930")).price
            assert (await first.quote("005930")).price
        await asyncio.to_thread(main, ["desk", "stop"])
        monkeypatch.setenv("KISNB_STATE", str(state))

    traded(both)


def test_k12_a_user_without_a_home_folder_has_locks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "user").write_text("a file where the user's state folder would be")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    keys = made_up()
    locks = CustomerLocks(Mode.PAPER, keys)
    assert {lock.path.parent.parent.parent for lock in locks.locks} == {tmp_path}
    with pytest.raises(DeskBusy):
        CustomerLocks(Mode.PAPER, keys)
    locks.close()


def test_k12_no_lock_is_taken_elsewhere_while_the_disk_is_full(monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fcntl.flock", full)
    with pytest.raises(OSError, match="No space left"):
        CustomerLocks(Mode.LIVE, made_up())


def test_o14_a_lock_file_that_is_removed_as_it_is_taken_is_not_taken_for_a_lock(tmp_path: Path):
    """Two that take and remove a lock at once: never do both hold it."""
    path, inside, seen_at_once = tmp_path / "lock", [0], []

    def work() -> None:
        for _ in range(100):
            with suppress(DeskBusy):
                lock = Lock(path, "this appkey")
                inside[0] += 1
                seen_at_once.append(inside[0])
                inside[0] -= 1
                lock.close(remove=True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen_at_once) == {1}
