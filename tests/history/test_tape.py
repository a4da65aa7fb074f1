"""The form of a tape: what comes back, what a crash leaves, what is refused. Row H12."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from kisnb.clock import SECOND, Ns, kst
from kisnb.errors import BadInput
from kisnb.events import (
    Depth,
    Event,
    Filled,
    GapFound,
    HaltSet,
    IntentTaken,
    LinkDown,
    LinkUp,
    PhaseChanged,
    StockDay,
    Tick,
    Trouble,
)
from kisnb.history.tape import blocks
from kisnb.history.tape.blocks import TapeLabel
from kisnb.history.tape.closing import close_tape
from kisnb.history.tape.folder import make_room, tape_path, tapes_in
from kisnb.history.tape.frames import tick_frame
from kisnb.history.tape.reader import TapeFile, read_tape
from kisnb.history.tape.writer import Collector, TapeWriter
from kisnb.orders import Intent, Naming, Place, Wish
from kisnb.terms import OrderKind, Side, Venue

DAY = date(2026, 11, 20)
OPEN = kst(DAY, 9 * 3600)
LABEL = TapeLabel("sim 2026-11-20 seed 7", str(DAY))
CODE, OTHER = "005930", "000660"


def tick(n: int, code: str = CODE, venue: Venue = Venue.KRX) -> Tick:
    """The trade number ``n`` (from 0) of a stock: ten shares, a second apart."""
    side = (None, Side.BUY, Side.SELL)[n % 3]
    price = 70_000 + n % 7 * 100
    t = OPEN + n * SECOND
    ask = price + 100 if n % 5 else 0
    return Tick(t, code, venue, price, 10, side, 10 * (n + 1), 700_000 * (n + 1), ask, price, t + 7)


def depth(n: int) -> Depth:
    levels = tuple((70_100 + 100 * i, 10 + n) for i in range(n % 11))
    return Depth(OPEN + n * SECOND, CODE, Venue.NXT, levels, levels[:1], OPEN + n * SECOND)


def write(path: Path, batches: list[tuple[Ns, list[Event]]], per_block: int = 10) -> Path:
    writer = TapeWriter(path, LABEL)
    collector = Collector()
    for n, (at, events) in enumerate(batches, 1):
        collector.add(at, events)
        if n % per_block == 0 or n == len(batches):
            block = collector.take()
            assert block is not None
            writer.write(block)
    writer.close()
    return path


def day(count: int = 100) -> list[tuple[Ns, list[Event]]]:
    """Batches with all kinds of events in them."""
    batches: list[tuple[Ns, list[Event]]] = []
    for n in range(count):
        events: list[Event] = [tick(n), depth(n)] if n % 2 else [depth(n), tick(n, OTHER)]
        if n == 3:
            events.insert(0, PhaseChanged(OPEN, "KRX_REG", Venue.KRX, "continuous"))
        if n == 5:
            events.append(StockDay(OPEN, CODE, 70_000, (49_000, 91_000), 70_100, False, False, 9))
        if n == 7:
            events += [LinkDown(OPEN + 7 * SECOND, "broke"), LinkUp(OPEN + 7 * SECOND)]
            events += [GapFound(OPEN, CODE, OPEN, 10), HaltSet(OPEN, "halted", "why")]
        if n == 9:
            intent = Intent("key-1", "", CODE, Side.BUY, 1, OrderKind.LIMIT, 70_000)
            events += [
                IntentTaken(OPEN, intent),
                Filled(OPEN, "key-1", 1, 70_000, 10, 0, Venue.KRX),
            ]
        batches.append((OPEN + n * SECOND, events))
    return batches


def read(path: Path) -> list[tuple[Ns, list[Event]]]:
    return [(at, list(events)) for at, events in TapeFile(path).batches(orders=True)]


@pytest.mark.parametrize("closed", [False, True])
def test_h12_what_is_taped_comes_back_field_by_field(tmp_path: Path, *, closed: bool) -> None:
    path = write(tmp_path / "day.tape", day())
    if closed:
        close_tape(path)
    assert read(path) == day()
    tape = TapeFile(path)
    assert (tape.first, tape.last, tape.label, tape.torn) == (OPEN, day()[-1][0], LABEL, 0)
    assert tape.events == sum(len(events) for _, events in day())
    assert path.stat().st_mode & 0o777 == 0o600


def test_h12_a_closed_tape_is_smaller_and_is_closed_once(tmp_path: Path) -> None:
    path = write(tmp_path / "day.tape", day(2_000))
    before = path.stat().st_size
    close_tape(path)
    content = path.read_bytes()
    assert len(content) < before / 2
    close_tape(path)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["day.tape"]


def test_h12_a_closed_tape_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "day.tape", day()[:60])
    close_tape(path)
    write(path, day()[60:])
    assert read(path) == day()
    close_tape(path)
    assert read(path) == day()


@pytest.mark.parametrize("closed", [False, True])
def test_h12_a_part_is_read_by_stock_moment_and_kind(tmp_path: Path, *, closed: bool) -> None:
    path = write(tmp_path / "day.tape", day())
    if closed:
        close_tape(path)
    first, last = OPEN + 20 * SECOND, OPEN + 41 * SECOND
    part = list(read_tape(path, [OTHER], first, last))
    assert part == [tick(n, OTHER) for n in range(20, 42, 2)]
    for code, numbers in ((CODE, range(1, 100, 2)), (OTHER, range(0, 100, 2))):
        assert list(read_tape(path, [code], trades_only=True)) == [tick(n, code) for n in numbers]
    both = [tick(n, CODE if n % 2 else OTHER) for n in range(100)]
    assert list(read_tape(path, trades_only=True)) == both
    everything = list(read_tape(path))
    assert not any(isinstance(event, IntentTaken | Filled | HaltSet) for event in everything)
    with_orders = [e for _, es in TapeFile(path).batches([OTHER], orders=True) for e in es]
    assert not any(isinstance(event, IntentTaken | Filled) for event in with_orders)


@pytest.mark.parametrize("lost", [1, 5, 40, 41])
def test_h12_a_torn_end_is_cut_off_and_said_and_the_tape_goes_on(tmp_path: Path, lost: int) -> None:
    path = write(tmp_path / "day.tape", day()[:60])
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    # The reader of a torn tape reads what is whole.
    assert read(path) == day()[:50]
    assert TapeFile(path).torn > 0
    writer = TapeWriter(path, LABEL)
    writer.close()
    assert writer.cut.startswith("the end of the tape day.tape was torn: ")
    assert writer.cut.endswith("bytes after 09:00:49 were cut off")
    write(path, day()[50:])
    assert read(path) == day()


def test_h12_zeros_that_a_power_cut_left_are_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "day.tape", day()[:20])
    whole = path.read_bytes()
    # The length reached the disk, and the bytes of the last block did not.
    path.write_bytes(whole[:-200] + bytes(200) + bytes(500))
    assert read(path) == day()[:10]
    writer = TapeWriter(path, LABEL)
    writer.close()
    assert "was torn" in writer.cut


def test_h12_a_file_that_never_got_its_first_block_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "day.tape"
    path.write_bytes(blocks.HEAD[:5])
    assert read(write(path, day()[:3])) == day()[:3]


def test_h12_a_damaged_block_is_named_by_its_time_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "day.tape", day())
    content = bytearray(path.read_bytes())
    head = TapeFile(path).heads[4]
    content[head.at + 10] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"is damaged between 09:00:40 and 09:00:49\. Read the part"):
        read(path)
    later = list(read_tape(path, first=OPEN + 50 * SECOND))
    assert later == [e for _, events in day()[50:] for e in events]


def test_h12_a_tape_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "day.tape", day()[:3])
    path.write_bytes(path.read_bytes().replace(b"kisnb tape 1\n", b"kisnb tape 2\n", 1))
    with pytest.raises(BadInput, match=r"is of version 2, this kisnb reads 1\. Use the kisnb"):
        TapeFile(path)
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        TapeFile(tmp_path / "none.tape")


def test_h12_a_clock_that_is_set_back_does_not_turn_a_tape_round(tmp_path: Path) -> None:
    batches: list[tuple[Ns, list[Event]]] = [(OPEN, [tick(0)]), (OPEN - SECOND, [tick(1)])]
    assert [at for at, _ in read(write(tmp_path / "day.tape", batches))] == [OPEN, OPEN]


def test_h12_neither_secret_nor_place_of_an_order_is_taped(tmp_path: Path) -> None:
    place = Place("kernel", 1, notebook="/home/kim/my notebook.ipynb")
    wish = Wish(CODE, Side.BUY, 1)
    intent = Intent("key-1", "Dip 50012345", CODE, Side.BUY, 1, OrderKind.MARKET)
    collector = Collector(lambda text: text.replace("50012345", "***"))
    collector.add(OPEN, [IntentTaken(OPEN, intent, Naming(wish, place))])
    collector.add(OPEN, [HaltSet(OPEN, "halted", "account 50012345-01 is closed")])
    collector.add(OPEN, [Trouble(OPEN, "a person reads this")])
    block = collector.take()
    assert block is not None
    assert (block.events, b"50012345" in block.raw, b"notebook" in block.raw) == (2, False, False)
    writer = TapeWriter(tmp_path / "day.tape", LABEL)
    writer.write(block)
    writer.close()
    assert read(writer.path) == [
        (OPEN, [IntentTaken(OPEN, msgspec.structs.replace(intent, agent="Dip ***"))]),
        (OPEN, [HaltSet(OPEN, "halted", "account ***-01 is closed")]),
    ]


def test_h12_a_trade_that_two_desks_brought_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "day.tape", [(OPEN, [tick(0), tick(0), tick(1)]), (OPEN, [tick(1)])])
    assert tick_frame(path)["volume"].to_list() == [10, 20]


def test_h12_the_oldest_tapes_make_room_by_days_and_by_bytes(tmp_path: Path) -> None:
    paths = [tape_path(tmp_path, date(2026, 11, day)) for day in (16, 17, 18, 19, 20)]
    for path in paths:
        path.write_bytes(bytes(100))
    (tmp_path / "notes.tape").write_bytes(bytes(1_000))
    assert make_room(tmp_path, paths[-1], 10_000, 4) == paths[:1]
    assert make_room(tmp_path, paths[-1], 250, 30) == paths[1:3]
    assert tapes_in(tmp_path) == paths[3:]
    # The day that is being written stays, whatever its size.
    assert make_room(tmp_path, paths[-1], 50, 30) == paths[3:4]
    assert tapes_in(tmp_path) == paths[4:]
    assert (tmp_path / "notes.tape").exists()
