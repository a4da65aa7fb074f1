"""H03: stored ticks, minute bars and recordings as the simulated day.

What is corrupt is refused before it begins.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kisnb.clock import MINUTE, Ns, kst, kst_datetime
from kisnb.errors import KisnbError
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_facts import DayFacts
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.market import Market
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.replay import ReplayedDay
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.serve.command import main
from kisnb.terms import Side, Venue

from .customer import Customer, host

DAY = date(2026, 11, 20)
UNIVERSE = Universe.packaged()
SAMSUNG, HYNIX = "005930", "000660"
PLAN = DayPlan(UNIVERSE, DAY, 3)
Row = dict[str, Any]


def at(text: str) -> Ns:
    return kst(DAY, time.fromisoformat(text))


def tick(t: Ns, price: int = 71_000, qty: int = 10, **more: Any) -> Row:
    return {
        "code": SAMSUNG,
        "time": kst_datetime(t).replace(tzinfo=None),
        "price": price,
        "qty": qty,
    } | more


def stored(trades: list[tuple[str, PlannedTrade]]) -> pl.DataFrame:
    rows = [
        tick(
            t.t,
            t.price,
            t.qty,
            code=code,
            side=t.side.value if t.side else None,
            venue=t.venue.value,
        )
        for code, t in trades
    ]
    return pl.DataFrame(
        rows,
        schema_overrides={"time": pl.Datetime("ns"), "side": pl.String},
        infer_schema_length=None,
    )


def seeded(hours: tuple[str, str] = ("08:00", "20:00")) -> list[tuple[str, PlannedTrade]]:
    """Trades of two stocks on both venues, mixed in the order of time.

    Those at a fixed price or in a call left out.
    """
    both = [(code, t) for code in (SAMSUNG, HYNIX) for t in PLAN.schedule(code).trades]
    return sorted(
        (
            (c, t)
            for c, t in both
            if at(hours[0]) <= t.t <= at(hours[1]) and not at("08:30") <= t.t < at("08:40")
        ),
        key=lambda pair: pair[1].t,
    )


WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "parquet": pl.DataFrame.write_parquet,
    "csv": lambda frame, path: frame.with_columns(
        pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S%.3f")
    ).write_csv(path),
    "jsonl": lambda frame, path: frame.with_columns(
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.3f")
    ).write_ndjson(path),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_h03_stored_ticks_are_played_as_they_were(kind: str, tmp_path: Path) -> None:
    trades = seeded()
    path = tmp_path / f"day.{kind}"
    WRITERS[kind](stored(trades), path)
    replay = ReplayedDay(path)
    assert replay.day == DAY
    schedules = replay.schedules(UNIVERSE)
    assert set(schedules) == {SAMSUNG, HYNIX}
    for code, schedule in schedules.items():
        shown = [(t.t, t.price, t.qty, t.side, t.venue) for t in schedule.trades]
        assert shown == [(t.t, t.price, t.qty, t.side, t.venue) for c, t in trades if c == code]


def test_h03_times_may_be_utc_nanoseconds_or_carry_a_zone(tmp_path: Path) -> None:
    trades = seeded(("09:00", "09:30"))
    plain = stored(trades)
    plain.write_parquet(tmp_path / "plain.parquet")
    zoned = plain.with_columns(
        pl.col("time").dt.replace_time_zone("Asia/Seoul").dt.convert_time_zone("UTC")
    )
    zoned.write_parquet(tmp_path / "zoned.parquet")
    zoned.with_columns(pl.col("time").dt.epoch("ns")).write_parquet(tmp_path / "ns.parquet")
    told = [
        ReplayedDay(tmp_path / f"{name}.parquet").schedules(UNIVERSE)
        for name in ("plain", "zoned", "ns")
    ]
    assert told[0] == told[1] == told[2]


def test_h03_a_market_plays_what_was_stored(tmp_path: Path) -> None:
    stored(seeded(("09:00", "15:30"))).write_parquet(tmp_path / "day.parquet")
    market = Market(
        UNIVERSE, DAY, 99, at("08:50"), ReplayedDay(tmp_path / "day.parquet").schedules(UNIVERSE)
    )
    market.activate(SAMSUNG)
    market.advance(at("15:40"))
    quote, bar = market.quote(SAMSUNG), PLAN.bar(SAMSUNG)
    assert (quote.open, quote.high, quote.low, quote.price) == (
        bar.open,
        bar.high,
        bar.low,
        bar.close,
    )
    assert quote.volume == bar.volume


def test_h03_minute_bars_are_played_bar_for_bar(tmp_path: Path) -> None:
    facts = DayFacts(PLAN)
    bars = [m for m in facts.minutes(SAMSUNG, at("15:19:59")) if at("09:01") <= m.t]
    rows = [
        {
            "code": SAMSUNG,
            "time": kst_datetime(m.t).replace(tzinfo=None),
            "open": m.open,
            "high": m.high,
            "low": m.low,
            "close": m.close,
            "volume": m.volume,
        }
        for m in bars
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "bars.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    given = ReplayedDay(tmp_path / "bars.csv").schedules(UNIVERSE)
    again = DayFacts(DayPlan(UNIVERSE, DAY, 1, given)).minutes(SAMSUNG, at("20:00"))
    shown = [(m.t, m.open, m.high, m.low, m.close, m.volume) for m in again]
    assert shown == [(m.t, m.open, m.high, m.low, m.close, m.volume) for m in bars]


def test_h03_a_recording_is_played_again_each_trade_once(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with path.open("wb") as file:
        one = Customer(host("08:59:59", recorder=DayRecorder(file.write), scripted=False))
        one.log_in()
        one.connect()
        for tr_id in ("H0STCNT0", "H0UNCNT0"):
            one.subscribe(tr_id, SAMSUNG)
        while one.core.now < at("09:20"):
            one.step("09:20:00")
    plan = DayPlan(UNIVERSE, DAY, 1)
    traded = [t for t in plan.schedule(SAMSUNG).trades if at("09:00") <= t.t <= at("09:20")]
    traded = [t for t in traded if t.venue is Venue.KRX]
    again = ReplayedDay(path).schedules(UNIVERSE)[SAMSUNG].trades
    assert [(t.t, t.price, t.qty, t.side) for t in again] == [
        (t.t, t.price, t.qty, t.side) for t in traded
    ]
    assert len(again) > 100


def test_h03_a_side_that_is_not_known_follows_the_price(tmp_path: Path) -> None:
    prices = [71_000, 71_100, 71_100, 71_000, 71_000]
    rows = [tick(at("09:00") + i * MINUTE, price) for i, price in enumerate(prices)]
    pl.DataFrame(rows).write_parquet(tmp_path / "day.parquet")
    trades = ReplayedDay(tmp_path / "day.parquet").schedules(UNIVERSE)[SAMSUNG].trades
    assert [t.side for t in trades] == [None, Side.BUY, Side.BUY, Side.SELL, Side.BUY]


def test_h03_nextrade_lists_what_the_file_saw_trading_there(tmp_path: Path) -> None:
    code = "058470"
    assert not UNIVERSE.get(code).nxt
    pl.DataFrame([tick(at("08:10"), 50_000, code=code, venue="NXT")]).write_parquet(
        tmp_path / "day.parquet"
    )
    assert ReplayedDay(tmp_path / "day.parquet").universe(UNIVERSE).get(code).nxt


OK = tick(at("09:01"))
BAD: list[tuple[str, list[Row], str]] = [
    ("unknown code", [OK, tick(at("09:02"), code="999999")], r"row 2 .*999999.*--universe"),
    (
        "falling time",
        [tick(at("09:05")), tick(at("09:04"))],
        r"row 2 .*09:04:00 after 09:05:00.*[Ss]ort",
    ),
    ("off the grid", [OK, tick(at("09:02"), 71_050)], r"row 2 .*71,050 won.*71,100"),
    (
        "beyond the limit",
        [OK, OK, tick(at("09:02"), 100_000)],
        r"row 3 .*100,000 won.*limits.*base price.*--universe",
    ),
    ("no shares", [OK, tick(at("09:02"), qty=0)], r"row 2 .*qty 0"),
    ("negative price", [tick(at("09:02"), -71_000)], r"row 1 .*price -71000"),
    ("a hole", [OK, tick(at("09:02")) | {"price": None}], r"row 2 .*no price"),
    ("no venue of ours", [OK | {"venue": "KRX"}, OK | {"venue": "NYSE"}], r"row 2 .*unknown venue"),
    ("no side of ours", [OK | {"side": "buy"}, OK | {"side": "up"}], r"row 2 .*unknown side"),
    ("the closing auction", [OK, tick(at("15:25"))], r"row 2 .*15:25:00.*matches nothing"),
    ("night", [tick(at("21:00"))], r"row 1 .*21:00:00"),
    (
        "two days",
        [OK, tick(at("09:02") + 86_400_000_000_000)],
        r"2026-11-20 to 2026-11-21.*one day",
    ),
    ("a holiday", [tick(kst(date(2026, 11, 21), time(9, 1)))], r"2026-11-21.*not a trading day"),
]


@pytest.mark.parametrize(("rows", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_h03_a_wrong_row_is_named_with_its_cure(
    rows: list[Row], words: str, tmp_path: Path
) -> None:
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(tmp_path / "day.parquet")
    with pytest.raises(KisnbError, match=f"(?i){words}"):
        ReplayedDay(tmp_path / "day.parquet").schedules(UNIVERSE)


FILES: list[tuple[str, bytes, str]] = [
    ("day.parquet", b"PAR1 this is not a table PAR1", "cannot be read"),
    ("day.csv", b"code,time\n005930,09:00\n", r"columns code, time.*ticks \(code,time,price,qty"),
    ("day.csv", b"", "cannot be read"),
    ("day.csv", b"code,time,price,qty\n", "no rows"),
    (
        "day.csv",
        b"code,time,price,qty\n005930,2026-11-20 09:00:00,71000,1\n005930,soon,71000,1\n",
        "row 2 .*no time",
    ),
    ("day.csv", b"code,time,price,qty\n005930,2026-11-20 09:00:00,much,1\n", "row 1 .*no price"),
    (
        "day.jsonl",
        b'{"code": 5930, "time": "2026-11-20 09:00:00", "price": 71000, "qty": 1}\n',
        "codes as text",
    ),
    (
        "day.jsonl",
        b'{"t":1,"kind":"frame","tr_id":"H0STCNT0","text":"0|H0STCNT0|001|x^y"}\n',
        "line 1 ",
    ),
    ("day.jsonl", b'{"t":1,"kind":"order"}\n', "no trades"),
    ("day.jsonl", b'{"t":1,"kind":"order"}\n{"t":1,"ki', "line 2 "),
    ("day.xlsx", b"PK", r"\.xlsx.*\.parquet, \.csv or \.jsonl"),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES, ids=[f"{f[0]} {f[2]}" for f in FILES])
def test_h03_a_corrupt_file_is_refused_in_one_line(
    name: str, content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(KisnbError, match=f"(?i){words}"):
        ReplayedDay(path)
    assert main(["--replay", str(path)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_h03_a_bar_whose_high_is_not_its_highest_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(
        "code,time,open,high,low,close,volume\n"
        "005930,2026-11-20 09:01:00,71000,70900,70800,70900,10\n"
    )
    with pytest.raises(KisnbError, match=r"Row 1 .*high below"):
        ReplayedDay(path)


BARS = "code,time,open,high,low,close,volume\n"
A_BAR = "005930,2026-11-20 09:01:00,71000,71200,71000,71200,40\n"


@pytest.mark.parametrize("silent", ["0,0,0,71200,0", ",,,,0", "71200,71200,71200,71200,0.0"])
def test_h03_a_halted_or_silent_minute_has_no_trades(silent: str, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(f"{BARS}005930,2026-11-20 09:00:00,{silent}\n{A_BAR}", "utf-8-sig")
    trades = ReplayedDay(path).schedules(UNIVERSE)[SAMSUNG].trades
    assert [(t.price, t.qty) for t in trades] == [
        (71_000, 10),
        (71_000, 10),
        (71_200, 10),
        (71_200, 10),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BARS + A_BAR.replace("71000", "71000.5"), "Row 1 .*no open.*whole won"),
        (BARS + A_BAR + A_BAR.replace(",40", ",40.5"), "Row 2 .*no volume.*whole won"),
        (BARS + A_BAR.replace(",40", ",0"), "no trades: the volume of each bar is 0"),
        (BARS + A_BAR.replace("005930", "5930"), "Row 1 .*unknown code 5930. Write 005930"),
        ("이름," + BARS + "삼성전자," + A_BAR, "cannot be read.*Save it as CSV UTF-8"),
    ],
)
def test_h03_a_wrong_file_of_bars_is_refused_with_its_cure(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(text, "cp949")
    with pytest.raises(KisnbError, match=words):
        ReplayedDay(path).schedules(UNIVERSE)


def test_h03_another_date_than_the_files_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame([OK]).write_parquet(tmp_path / "day.parquet")
    assert main(["--date", "2026-11-18", "--replay", str(tmp_path / "day.parquet")]) == 2
    assert "--date 2026-11-20" in capsys.readouterr().err


def test_h03_kisnb_sim_plays_the_day_of_the_file(tmp_path: Path) -> None:
    stored(seeded(("09:00", "09:05"))).write_parquet(tmp_path / "day.parquet")
    command = [
        sys.executable,
        "-m",
        "kisnb",
        "sim",
        "--speed",
        "step",
        "--replay",
        str(tmp_path / "day.parquet"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
    assert said["date"] == "2026-11-20"
    assert process.returncode == 0
