"""The store keeps bars whole: written twice, by two processes, or cut in the middle. Row H01."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from kisnb.errors import BadInput, ConfigError, FolderError
from kisnb.history.manifest import Manifest, Writing
from kisnb.history.series import Basis
from kisnb.history.store import Asked, Store
from tests.history.bars import DAYS, after_a_power_cut, day_bars

FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
OCTOBER = [date(2026, 10, day) for day in range(1, 31)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "history")) as opened:
        yield opened


def closes(store: Store, code: str = "005930") -> list[int]:
    return store.read(DAYS, FIRST, LAST, [code])["close"].to_list()


def test_h01_bars_come_back_as_they_were_stored(store: Store) -> None:
    bars = pl.concat([day_bars("005930", OCTOBER), day_bars("000660", OCTOBER)])
    assert store.upsert(DAYS, bars) == 60
    assert store.read(DAYS, FIRST, LAST).equals(bars.sort("code", "date"))
    assert store.read(DAYS, OCTOBER[3], OCTOBER[4], ["000660"])["date"].to_list() == OCTOBER[3:5]


def test_h01_the_same_bars_again_change_nothing(store: Store) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER))
    files = sorted(store.folder.rglob("*.parquet"))
    assert store.upsert(DAYS, day_bars("005930", OCTOBER)) == 0
    assert sorted(store.folder.rglob("*.parquet")) == files
    assert len(store.manifest.writes(DAYS.name)) == 1


def test_h01_a_changed_bar_replaces_the_old_one_and_the_old_hash_stays(store: Store) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER))
    (before,) = store.manifest.writes(DAYS.name)
    assert store.upsert(DAYS, day_bars("005930", OCTOBER[:1], close=90_000)) == 1
    assert closes(store) == [90_000] + [70_000] * 29
    assert store.manifest.writes(DAYS.name)[0] == before
    assert len({file.hash for file in store.manifest.writes(DAYS.name)}) == 2
    store.settle()
    assert len(list(store.folder.rglob("*.parquet"))) == 1


def test_h01_a_power_cut_loses_whole_writes_and_the_bars_before_them_are_there(
    store: Store,
) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER))
    store.settle()
    for close in range(90_000, 90_005):
        store.upsert(DAYS, day_bars("005930", OCTOBER, close=close))
    with closing(after_a_power_cut(store.folder)) as after:
        assert closes(after) in ([70_000] * 30, [90_004] * 30)
        assert after.damaged_files(DAYS) == []
        after.upsert(DAYS, day_bars("005930", OCTOBER, close=80_000))
        assert closes(after) == [80_000] * 30


def test_h01_what_was_settled_survives_a_power_cut(store: Store) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER, close=90_000))
    store.settle()
    with closing(after_a_power_cut(store.folder)) as after:
        assert closes(after) == [90_000] * 30


def test_h01_files_that_were_replaced_do_not_pile_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kisnb.history.store.MOST_OLD_FILES", 3)
    for close in range(90_000, 90_010):
        store.upsert(DAYS, day_bars("005930", OCTOBER, close=close))
        assert len(list(store.folder.rglob("*.parquet"))) <= 4
    store.close()
    assert len(list(store.folder.rglob("*.parquet"))) == 1


def test_h01_a_new_day_gets_a_file_of_its_own_and_many_are_joined(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kisnb.history.store.MOST_DAY_FILES", 5)
    store.upsert(DAYS, day_bars("005930", OCTOBER[:20]))
    for n, day in enumerate(OCTOBER[20:25], start=2):
        store.upsert(DAYS, day_bars("005930", [day]))
        assert len(store.manifest.files(DAYS.name, FIRST, LAST)) == n
    for day in OCTOBER[25:]:
        store.upsert(DAYS, day_bars("005930", [day]))
        assert len(store.manifest.files(DAYS.name, FIRST, LAST)) < 6
    assert closes(store) == [70_000] * 30


def test_h01_raw_and_adjusted_bars_are_kept_apart(store: Store) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER))
    raw = DAYS._replace(basis=Basis.RAW)
    store.upsert(raw, day_bars("005930", OCTOBER, close=350_000))
    assert closes(store) == [70_000] * 30
    assert set(store.read(raw, FIRST, LAST)["close"]) == {350_000}


def test_h01_a_write_that_dies_leaves_the_store_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER[:5]))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kisnb.history.store.os.fsync", dies)
        with pytest.raises(KeyboardInterrupt):
            store.upsert(DAYS, day_bars("005930", OCTOBER, close=80_000))
    assert closes(store) == [70_000] * 5
    assert store.damaged_files(DAYS) == []
    assert [path.suffix for path in store.folder.rglob("2026*")] == ["", ".parquet"]
    store.upsert(DAYS, day_bars("005930", OCTOBER, close=80_000))
    assert closes(store) == [80_000] * 30


def test_h01_a_cut_file_is_named_with_its_cure(store: Store) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER))
    (path,) = store.folder.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    assert store.damaged_files(DAYS) == [path]
    with pytest.raises(ConfigError, match=f"{path} cannot be read.*downloaded again"):
        store.read(DAYS, FIRST, LAST)


def test_h01_bars_that_contradict_themselves_are_refused(store: Store) -> None:
    bars = day_bars("005930", OCTOBER)
    with pytest.raises(BadInput, match="of 005930 at 2026-10-01 contradicts itself"):
        store.upsert(DAYS, bars.with_columns(high=pl.lit(1)))
    with pytest.raises(BadInput, match="comes twice"):
        store.upsert(DAYS, pl.concat([bars, bars]))
    with pytest.raises(BadInput, match="lack the columns value"):
        store.upsert(DAYS, bars.drop("value"))
    assert closes(store) == []


def test_h01_the_days_that_were_asked_for_join(store: Store) -> None:
    for first, last in ((1, 5), (11, 20), (6, 10), (25, 30)):
        span = Asked("005930", OCTOBER[first - 1], OCTOBER[last - 1])
        store.upsert(DAYS, day_bars("005930", []), [span])
    assert store.manifest.covered(DAYS.name, "005930") == [
        (OCTOBER[0], OCTOBER[19]),
        (OCTOBER[24], OCTOBER[29]),
    ]


def test_h01_a_full_disk_is_named_with_its_cure_and_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER[:5]))

    def is_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("kisnb.history.store.os.fsync", is_full)
        with pytest.raises(FolderError, match=r"cannot be written.*Make room on the disk"):
            store.upsert(DAYS, day_bars("005930", OCTOBER))
    assert closes(store) == [70_000] * 5
    assert store.damaged_files(DAYS) == []
    assert len(list(store.folder.rglob("*.parquet"))) == 1


NO_ROOM = """
import resource, signal, sys
from datetime import date, timedelta
from pathlib import Path
from kisnb.errors import FolderError
from kisnb.history.store import Store
from tests.history.bars import DAYS, after_a_power_cut, day_bars

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store, room = Store(Path(sys.argv[1])), int(sys.argv[2])
store.read(DAYS, date(2026, 1, 1), date(2026, 12, 31))
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
days = [date(2024, 1, 1) + timedelta(days=n) for n in range(1_000)]
try:
    store.upsert(DAYS, day_bars("005930", days, 80_000))
except FolderError as e:
    print(e)
"""


@pytest.mark.parametrize("room", [1_000, 3_000, 8_000])
def test_h01_a_write_of_three_years_that_finds_no_room_leaves_the_store_as_it_was(
    store: Store, room: int
) -> None:
    """The disk takes no file above ``room`` bytes, so the write breaks off at another place."""
    store.upsert(DAYS, day_bars("005930", OCTOBER))
    store.close()
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(store.folder), str(room)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ake room on the disk" in done.stdout, done
    assert closes(store) == [70_000] * 30
    assert store.read(DAYS, date(2024, 1, 1), LAST).height == 30
    assert store.damaged_files(DAYS) == []
    assert len(list(store.folder.rglob("*.parquet"))) == 1
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(1_000)]
    assert store.upsert(DAYS, day_bars("005930", days, 80_000)) == 1_000


def test_h01_an_interrupt_after_the_write_was_entered_takes_no_file_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = Manifest.writing

    @contextmanager
    def interrupted(self: Manifest) -> Iterator[Writing]:
        with writing(self) as entered:
            yield entered
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "writing", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.upsert(DAYS, day_bars("005930", OCTOBER))
    assert closes(store) == [70_000] * 30
    assert store.damaged_files(DAYS) == []


def test_h01_a_reader_in_another_thread_never_sees_half_of_a_write(store: Store) -> None:
    """A day lies in one file or in another. A reader sees all of its rows, old or new."""
    codes = [f"{n:06d}" for n in range(200)]
    days = [
        pl.concat([day_bars(code, [OCTOBER[0]], close) for code in codes])
        for close in (9_000, 8_000)
    ]
    store.upsert(DAYS, days[0])
    done = threading.Event()

    def write() -> None:
        for n in range(1, 40):
            store.upsert(DAYS, days[n % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        closes = store.read(DAYS, FIRST, LAST)["close"]
        assert len(closes) == 200
        assert closes.n_unique() == 1
        seen.add(closes[0])
    writer.join()
    assert seen == {8_000, 9_000}


def test_h01_a_store_of_a_newer_kisnb_is_left_alone(store: Store) -> None:
    store.upsert(DAYS, day_bars("005930", OCTOBER))
    store.close()
    with closing(sqlite3.connect(store.manifest.path)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="is of version 99, and this kisnb knows 1"):
        store.upsert(DAYS, day_bars("005930", OCTOBER))


WRITER = """
import sys
from datetime import date
from pathlib import Path
from kisnb.history.store import Asked, Store
from tests.history.bars import DAYS, after_a_power_cut, day_bars

store, code = Store(Path(sys.argv[1])), sys.argv[2]
for day in [date(2026, month, day) for month in (3, 4) for day in range(1, 11)]:
    store.upsert(DAYS, day_bars(code, [day]), [Asked(code, day, day)])
    assert store.read(DAYS, day, day, [code]).height == 1
    print(day, flush=True)
"""


def writer(store: Store, code: str) -> subprocess.Popen[bytes]:
    """A process that stores the days of a stock one after the other, and prints each."""
    command = [sys.executable, "-c", WRITER, str(store.folder), code]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_h01_processes_write_the_same_days_at_once_and_one_of_them_is_killed(store: Store) -> None:
    with writer(store, "005930") as one, writer(store, "000660") as two:
        with writer(store, "035420") as killed:
            assert killed.stdout is not None
            days = [killed.stdout.readline() for _ in range(3)]
            killed.kill()
        assert (one.wait(), two.wait()) == (0, 0)
    assert store.damaged_files(DAYS) == []
    for code in ("005930", "000660"):
        assert store.read(DAYS, FIRST, LAST, [code]).height == 20
        assert store.manifest.covered(DAYS.name, code) == [
            (date(2026, 3, 1), date(2026, 3, 10)),
            (date(2026, 4, 1), date(2026, 4, 10)),
        ]
    kept = store.read(DAYS, FIRST, LAST, ["035420"])["date"].to_list()
    assert [f"{day}\n".encode() for day in kept[:3]] == days
    # Bars and the days that were asked for are entered together.
    ranges = store.manifest.covered(DAYS.name, "035420")
    assert all(any(first <= day <= last for first, last in ranges) for day in kept)
    assert sum((last - first).days + 1 for first, last in ranges) == len(kept)
    # The next process removes what the killed one left behind.
    left = store.folder / DAYS.name / "2026" / "2026.999.parquet"
    left.touch()
    with closing(Store(store.folder)) as other:
        other.upsert(DAYS, day_bars("005930", OCTOBER))
    files = {file.file_name for file in store.manifest.files(DAYS.name, FIRST, LAST)}
    found = (store.folder / DAYS.name).rglob("*.parquet")
    assert {str(path.relative_to(store.folder / DAYS.name)) for path in found} == files
