"""The market on a tape without a client, and the tape played again. Row H12."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, time
from pathlib import Path

import pytest

import kisnb
from kisnb.clock import Ns, kst
from kisnb.errors import BadInput
from kisnb.events import Depth, Tick
from kisnb.history.tape.frames import minute_frame, tick_frame
from kisnb.history.tape.reader import TapeFile, read_tape
from kisnb.market.sessions import gives_price
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.day.replay import ReplayedDay
from kisnb.simulator.serve.command import main
from kisnb.strategies.volume_trigger import VolumeTrigger
from kisnb.terms import Venue

DAY = date(2026, 11, 20)
SAMSUNG, HYNIX = "005930", "000660"


def at(text: str) -> Ns:
    return kst(DAY, time.fromisoformat(text))


def taped(path: Path, *more: str, start: str = "08:50:00", until: str = "09:20:00") -> Path:
    arguments = ["--seed", "7", "--date", str(DAY), "--start", start, "--until", until]
    assert main([*arguments, "--record", str(path), *more]) == 0
    return path


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of two stocks, from before the opening auction to after NXT's close."""
    path = tmp_path_factory.mktemp("tape") / "day.tape"
    with pytest.MonkeyPatch.context() as patch:
        # A fixture of a module is made before the test's own fixture takes the real prices away.
        patch.delenv("KISNB_DATA", raising=False)
        return taped(path, "--codes", f"{SAMSUNG},{HYNIX}", start="07:50:00", until="close")


def test_h12_the_market_is_taped_without_a_client_and_every_trade_is_there(day: Path) -> None:
    market = Market(Universe.packaged(), DAY, 7, at("07:50"))
    market.activate(SAMSUNG)
    market.activate(HYNIX)
    market.advance(at("20:00"))
    for code in (SAMSUNG, HYNIX):
        for venue in (Venue.KRX, Venue.NXT):
            made = [(t.t, t.price, t.qty, t.side) for t in market.trades(code, venue)]
            read = [
                (e.received, e.price, e.qty, e.side)
                for e in read_tape(day, [code])
                if isinstance(e, Tick) and e.venue is venue
            ]
            assert read == made
            assert len(read) > 1_000


def test_h12_all_stocks_are_taped_when_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = taped(tmp_path / "all.tape", start="09:00:00", until="09:00:30")
    codes = {e.code for e in read_tape(path) if isinstance(e, Depth)}
    assert codes == {item.code for item in Universe.packaged()}
    assert json.loads(capsys.readouterr().out) == {"tape": str(path), "bytes": path.stat().st_size}


def test_h12_a_tape_replays_in_the_simulator_trade_by_trade(day: Path, tmp_path: Path) -> None:
    replay = ReplayedDay(day)
    assert replay.day == DAY
    schedules = replay.schedules(replay.universe(Universe.packaged()))
    for code in (SAMSUNG, HYNIX):
        shown = [(t.t, t.price, t.qty, t.side, t.venue) for t in schedules[code].trades]
        read = [
            (e.received, e.price, e.qty, e.side, e.venue)
            for e in read_tape(day, [code])
            if isinstance(e, Tick)
        ]
        assert sorted(shown, key=repr) == sorted(read, key=repr)
    arguments = ["--replay", str(day), "--start", "07:50:00", "--until", "close"]
    again = tmp_path / "again.tape"
    assert main([*arguments, "--codes", f"{SAMSUNG},{HYNIX}", "--record", str(again)]) == 0
    first, second = (tick_frame(path).sort("code", "venue", "volume") for path in (day, again))
    for column in ("t", "code", "venue", "price", "qty", "side", "volume", "value"):
        assert first[column].to_list() == second[column].to_list()
    assert minute_frame(day).equals(minute_frame(again))


def test_h12_the_engine_gets_the_trades_of_a_tape_in_order(day: Path) -> None:
    class Listener(kisnb.Agent):
        code = SAMSUNG

        def on_start(self) -> None:
            self.seen: list[Tick] = []

        def on_tick(self, tick: Tick) -> None:
            self.seen.append(tick)

    agent = Listener()
    kisnb.backtest(agent, day)
    # As in a session: Nextrade's trades count outside KRX's regular session alone.
    read = [
        e for e in read_tape(day, [SAMSUNG]) if isinstance(e, Tick) and gives_price(e.venue, e.t)
    ]
    assert agent.seen == read


def test_h12_an_agent_trades_a_tape_in_the_engine(day: Path) -> None:
    result = kisnb.backtest(VolumeTrigger(code=SAMSUNG), day)
    fills = list(result.book.fills)
    assert fills
    # Never better than what the tape had shown last at the venue: the depth, or a trade.
    shown: dict[tuple[Venue, int], set[int]] = {}
    for event in read_tape(day, [SAMSUNG]):
        if isinstance(event, Depth):
            levels = event.asks + event.bids
            shown.setdefault((event.venue, event.received), set()).update(p for p, _ in levels)
        elif isinstance(event, Tick):
            shown.setdefault((event.venue, event.received), set()).update(
                (event.price, event.ask, event.bid)
            )
    for _, fill in fills:
        newest = max(t for venue, t in shown if venue is fill.venue and t <= fill.t)
        assert fill.price in shown[fill.venue, newest]


def test_h12_a_part_of_a_tape_is_read_by_stock_and_time(day: Path) -> None:
    first, last = at("09:10"), at("09:20")
    part = list(read_tape(day, [HYNIX], first, last))
    whole = [
        event
        for moment, events in TapeFile(day).batches()
        for event in events
        if first <= moment <= last and getattr(event, "code", HYNIX) == HYNIX
    ]
    assert part == whole
    assert part


def test_h12_a_simulator_that_is_stopped_leaves_a_whole_tape(tmp_path: Path) -> None:
    path = tmp_path / "day.tape"
    command = [sys.executable, "-m", "kisnb", "sim", "--date", str(DAY), "--speed", "1000"]
    process = subprocess.Popen(
        [*command, "--record", str(path), "--codes", SAMSUNG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["date"] == str(DAY)
    while not path.exists() or len(path.read_bytes()) < 4_000:
        assert process.poll() is None
    process.terminate()
    assert process.communicate(timeout=30) == ("", "")
    tape = TapeFile(path)
    assert (tape.torn, tape.label.source) == (0, f"sim {DAY} seed 1")
    assert sum(isinstance(e, Tick) for e in read_tape(path)) > 50


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--until", "09:10:00"], "--until writes a tape and serves nobody. Name it: --record"),
        (["--record", "x.jsonl", "--codes", SAMSUNG], "--codes chooses the stocks of a tape"),
        (["--record", "x.tape", "--codes", "999999"], "999999"),
        (["--record", "x.tape", "--until", "08:00:00"], "--until 08:00:00 is not after the start"),
        (["--record", "/nowhere/at/all.tape"], "/nowhere/at/all.tape cannot be written"),
    ],
)
def test_h12_what_cannot_be_taped_is_refused_with_the_cure(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--date", str(DAY), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.glob("x.*")) == []


def test_h12_a_file_that_is_no_tape_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes.tape"
    notes.write_text("mine")
    assert main(["--date", str(DAY), "--record", str(notes)]) == 2
    assert "is not a recording and would be lost" in capsys.readouterr().err
    assert notes.read_text() == "mine"
    with pytest.raises(BadInput, match=r"is not a tape\. Name a file that"):
        list(read_tape(notes))
