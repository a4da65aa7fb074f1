"""The desk's tape beside the desk: full and slow disks, new days, new desks. Row H12."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from kisnb.clock import SECOND, Ns, kst
from kisnb.desk.record import desk_tape, tape_worker
from kisnb.desk.record.desk_tape import DeskTape
from kisnb.desk.record.tape_worker import TapeLimits
from kisnb.events import Event, LinkUp, Tick
from kisnb.history.tape import blocks
from kisnb.history.tape.closing import main
from kisnb.history.tape.folder import tapes_in
from kisnb.history.tape.reader import TapeFile, TapeGap
from kisnb.history.tape.writer import Collector, TapeWriter
from kisnb.orders import OrderState
from kisnb.paths import private_dir, state_dir
from kisnb.session.session import Session
from kisnb.terms import Side, Venue
from tests.session.opening import traded
from tests.waiting import until

DAY = date(2026, 11, 20)
OPEN = kst(DAY, 9 * 3600)
MUCH = TapeLimits(10**9, 30)


def tick(n: int, t: Ns = OPEN) -> Tick:
    return Tick(t, "005930", Venue.KRX, 70_000, 1, Side.BUY, n + 1, 70_000, 0, 0, t + n)


class Desk:
    """One life of a desk, as its tape sees it."""

    def __init__(self, folder: Path, limits: TapeLimits = MUCH, now: Ns = OPEN) -> None:
        self.troubles: list[str] = []
        self.closed: list[Path] = []
        self.tape = DeskTape(folder, "live", now, limits, self.troubles.append, self._close)

    def _close(self, paths: Sequence[Path], _wait: bool) -> None:
        self.closed += paths
        assert main([str(path) for path in paths]) == 0


def on_loop(work: Callable[[], Awaitable[Any]]) -> None:
    async def run() -> None:
        await asyncio.wait_for(work(), 60)

    asyncio.run(run())


def events(path: Path) -> list[Event]:
    return [event for _, of_batch in TapeFile(path).batches(orders=True) for event in of_batch]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow any more."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_h12_a_full_disk_is_told_once_and_leaves_a_gap_that_the_tape_names(tmp_path: Path) -> None:
    async def work() -> None:
        desk = Desk(tmp_path)
        desk.tape.add(OPEN, [tick(0)])
        path = await desk.tape.written()
        with full_disk():
            for n in range(1, 4):
                desk.tape.add(OPEN + n * SECOND, [tick(n)])
                await desk.tape.written()
        (told,) = desk.troubles
        assert told == (
            "the tape cannot be written (File too large); trading goes on without it; "
            "make room on the disk"
        )
        desk.tape.add(OPEN + 9 * SECOND, [tick(9)])
        await desk.tape.written()
        assert desk.troubles[1:] == [
            "the tape is written again; it has a gap from 09:00:01 to 09:00:09"
        ]
        assert [e for e in events(path) if isinstance(e, Tick)] == [tick(0), tick(9)]
        why = "the tape could not be written: File too large"
        assert TapeFile(path).gaps() == [TapeGap(OPEN + SECOND, OPEN + 9 * SECOND, why)]
        desk.tape.close(OPEN + 10 * SECOND)

    on_loop(work)


def test_h12_a_slow_disk_holds_nothing_up_and_the_tape_names_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    write = TapeWriter.write

    def slow(writer: TapeWriter, block: Any) -> None:
        goes_on.wait(30)
        write(writer, block)

    monkeypatch.setattr(TapeWriter, "write", slow)
    monkeypatch.setattr(desk_tape, "MOST_COLLECTED", 0)
    monkeypatch.setattr(desk_tape, "MOST_WAITING", 300)

    async def work() -> None:
        desk = Desk(tmp_path)
        for n in range(20):
            desk.tape.add(OPEN + n * SECOND, [tick(n)])
        assert desk.troubles == [
            "the disk is too slow for the tape, which has a gap; trading goes on"
        ]
        goes_on.set()
        path = await desk.tape.written()
        desk.tape.add(OPEN + 30 * SECOND, [tick(30)])
        await desk.tape.written()
        (gap,) = TapeFile(path).gaps()
        ticks = [e for e in events(path) if isinstance(e, Tick)]
        taken = len(ticks) - 1
        assert 1 < taken < 20
        assert ticks == [*(tick(n) for n in range(taken)), tick(30)]
        until_, since = OPEN + 30 * SECOND, OPEN + taken * SECOND
        assert gap == TapeGap(since, until_, "the disk was too slow")
        desk.tape.close(OPEN)

    on_loop(work)


def test_h12_each_day_has_a_tape_and_the_day_that_is_over_is_closed(tmp_path: Path) -> None:
    async def work() -> None:
        desk = Desk(tmp_path)
        late, tomorrow = kst(DAY, 20 * 3600 + 120), kst(DAY + timedelta(days=3), 9 * 3600)
        for at in (OPEN, late, tomorrow):
            desk.tape.add(at, [tick(0, at)])
        path = await desk.tape.written()
        first, second = tapes_in(tmp_path)
        assert (first.name, second.name) == ("2026-11-20.tape", "2026-11-23.tape")
        assert path == second
        # It is closed after the last session, goes on, and is closed again when the day ends.
        assert desk.closed == [first, first]
        assert [head.kind for head in TapeFile(first).heads] == [blocks.COLUMNS]
        assert events(first) == [tick(0, OPEN), tick(0, late)]
        assert events(second) == [tick(0, tomorrow)]
        desk.tape.close(tomorrow)

    on_loop(work)


def test_h12_between_two_desks_of_a_day_the_tape_has_a_gap(tmp_path: Path) -> None:
    async def work() -> None:
        for life in range(2):
            desk = Desk(tmp_path)
            at = OPEN + life * 60 * SECOND
            desk.tape.add(at, [LinkUp(at), tick(life, at)])
            path = await desk.tape.written()
            desk.tape.close(at + SECOND)
            assert desk.troubles == []
        gaps = TapeFile(path).gaps()
        assert gaps == [
            TapeGap(OPEN + SECOND, OPEN + 60 * SECOND, "the desk stopped"),
            TapeGap(OPEN + 61 * SECOND, None, "the desk stopped"),
        ]

    on_loop(work)


def test_h12_the_next_desk_cuts_a_torn_end_off_and_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        desk = Desk(tmp_path)
        for n in range(2):
            desk.tape.add(OPEN + n * SECOND, [tick(n)])
            path = await desk.tape.written()
        # As after a crash: no end, and half a block.
        path.write_bytes(path.read_bytes()[:-9])
        after = Desk(tmp_path)
        assert desk.tape._thread.is_alive()
        desk.tape._work.put(None)
        at = OPEN + 60 * SECOND
        after.tape.add(at, [LinkUp(at), tick(60)])
        await after.tape.written()
        (told,) = after.troubles
        assert told.startswith("the end of the tape 2026-11-20.tape was torn: ")
        assert [e for e in events(path) if isinstance(e, Tick)] == [tick(0), tick(60)]
        assert TapeFile(path).gaps() == [TapeGap(OPEN, at, "the desk did not run")]
        after.tape.close(at)

    on_loop(work)


def test_h12_old_tapes_go_and_a_day_that_is_too_large_ends(tmp_path: Path) -> None:
    async def work() -> None:
        for day in (17, 18, 19):
            at = kst(date(2026, 11, day), 9 * 3600)
            desk = Desk(tmp_path, TapeLimits(10**9, 2), at)
            desk.tape.add(at, [tick(0, at)])
            await desk.tape.written()
            desk.tape.close(at)
        assert [p.name[:10] for p in tapes_in(tmp_path)] == ["2026-11-18", "2026-11-19"]
        desk = Desk(tmp_path, TapeLimits(10, 30))
        for n in range(3):
            desk.tape.add(OPEN + n * SECOND, [tick(n)])
            path = await desk.tape.written()
        assert tapes_in(tmp_path) == [path]
        (told,) = desk.troubles
        assert "ends here" in told
        assert "%kis config tape_max_mb" in told
        assert events(path) == [tick(0)]
        desk.tape.close(OPEN)

    on_loop(work)


def test_h12_two_writers_never_write_one_tape_at_once(tmp_path: Path) -> None:
    label = blocks.TapeLabel("live", str(DAY))
    path = tmp_path / "2026-11-20.tape"
    first = TapeWriter(path, label)
    second: list[TapeWriter] = []
    waits = threading.Thread(target=lambda: second.append(TapeWriter(path, label)))
    waits.start()
    waits.join(0.3)
    assert not second
    first.close()
    waits.join(20)
    assert len(second) == 1
    second[0].close()


def test_h12_orders_pass_when_no_tape_can_be_written() -> None:
    # A file in the place of the folder: nothing can be written below it.
    (private_dir(state_dir() / "sim") / "tapes").write_text("in the way")

    async def work(session: Session) -> None:
        order = await session.buy("005930", 1)
        await session.until("10:01")
        assert order.state is OrderState.FILLED
        await until(lambda: bool(session.troubles))
        await session.until("10:02")
        told = [text for text in session.troubles if "the tape cannot be written" in text]
        assert len(told) == 1
        assert "trading goes on without it" in told[0]

    traded(work)


def test_h12_tapes_that_a_dead_desk_left_are_closed_when_the_next_one_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape_worker, "QUIET_SECONDS", 0.1)
    old = tmp_path / "2026-11-18.tape"
    writer = TapeWriter(old, blocks.TapeLabel("live", "2026-11-18"))
    collector = Collector()
    collector.add(OPEN, [tick(0)])
    block = collector.take()
    assert block is not None
    writer.write(block)
    writer.close()
    (tmp_path / ".2026-11-17.tape.4711").write_bytes(b"half of a tape")

    async def work() -> None:
        desk = Desk(tmp_path)
        await until(lambda: desk.closed == [old])
        desk.tape.add(OPEN, [tick(1)])
        await desk.tape.written()
        desk.tape.close(OPEN)

    on_loop(work)
    assert [head.kind for head in TapeFile(old).heads] == [blocks.COLUMNS]
    assert events(old) == [tick(0)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2026-11-18.tape", "2026-11-20.tape"]
