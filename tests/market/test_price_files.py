"""M05, H03: the folder with real prices."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kisnb.errors import ConfigError
from kisnb.market import calendar, ticks
from kisnb.market.price_files import DAILY, LISTING, DailyBar, bars_of, kind_of
from kisnb.market.price_past import INDEX, IndexDay, PricePast
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind

DATA = Path(os.environ.get("KISNB_DATA") or "unset")
real = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / LISTING).is_file(), reason="KISNB_DATA names no real prices"),
]
D1, D2, D3 = date(2023, 12, 20), date(2023, 12, 21), date(2023, 12, 22)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pl.DataFrame(
        {
            "Code": ["005930", "0004V0", "000880"],
            "Name": ["삼성전자", "엔비알모션", "한화"],
            "Market": ["KOSPI", "KOSDAQ GLOBAL", "KOSPI"],
            "Close": [281_500, 5_650, 83_800],
            "Volume": [27_000_000, 190_000, 0],
            "Stocks": [5_800_000_000, 11_000_000, 70_000_000],
        }
    ).write_parquet(tmp_path / LISTING)
    pl.DataFrame(
        {
            "code": ["005930"] * 3 + ["069500"] * 2 + ["Q520057"],
            "name": ["삼성전자"] * 3 + ["KODEX 200"] * 2 + ["미래에셋 인버스 2X ETN"],
            "date": [D1, D2, D3, D2, D3, D3],
            "open": [74_210, 74_600, 75_833, 34_000, 0, 6_900],
            "high": [74_900, 75_030, 76_300, 34_500, 0, 6_950],
            "low": [73_900, 74_280, 75_400, 33_990, 0, 6_850],
            "close": [74_800, 75_049, 75_900, 34_321, 34_321, 6_885],
            "volume": [100, 300, 500, 70, 0, 40],
        }
    ).write_parquet(tmp_path / DAILY)
    return tmp_path


def test_m05_with_daily_bars_the_base_is_the_previous_close_on_the_grid(folder: Path) -> None:
    item = Universe.load(folder, D3).get("005930")
    assert (item.base, item.volume, item.shares) == (75_000, 200, 5_800_000_000)


def test_m05_without_a_bar_of_the_day_the_listing_speaks(folder: Path) -> None:
    item = Universe.load(folder, date(2026, 11, 20)).get("005930")
    assert (item.base, item.volume) == (281_500, 27_000_000)


def test_m05_listing_kinds_boards_and_halts(folder: Path) -> None:
    universe = Universe.load(folder, date(2026, 11, 20))
    assert universe.get("0004V0").board is Board.KOSDAQ
    assert [item.code for item in universe if item.halted] == ["000880"]
    assert universe.get("069500").kind is Kind.ETF
    assert universe.get("Q520057").kind is Kind.ETN


def test_m05_an_issue_stands_in_the_universe_from_its_first_bar_on(folder: Path) -> None:
    assert "Q520057" not in Universe.load(folder, D2)
    assert Universe.load(folder, D3).get("Q520057").base == 6_900


def test_h03_bars_are_snapped_and_a_silent_day_is_halted(folder: Path) -> None:
    bars = bars_of(folder, D3)
    assert bars["005930"] == DailyBar(75_800, 76_300, 75_400, 75_900, 500)
    assert bars["069500"] == DailyBar(34_320, 34_320, 34_320, 34_320, 0)
    assert Universe.load(folder, D3).get("069500").halted


def test_h03_a_bar_is_snapped_to_the_grid_of_its_board(folder: Path) -> None:
    day = date(2022, 6, 2)
    bar = {"open": 123_600, "high": 123_640, "low": 123_610, "close": 123_600, "volume": 9}
    rows = [{"code": code, "name": "", "date": day} | bar for code in ("0004V0", "000880")]
    pl.DataFrame(rows).write_parquet(folder / DAILY)
    bars = bars_of(folder, day)
    assert bars["0004V0"] == DailyBar(123_600, 123_600, 123_600, 123_600, 9)
    assert bars["000880"] == DailyBar(123_500, 123_500, 123_500, 123_500, 9)


def test_h03_the_past_ends_before_the_day_and_is_snapped(folder: Path) -> None:
    past = PricePast(folder, D3)
    assert past.bars("005930") == [
        (D1, DailyBar(74_200, 74_900, 73_900, 74_800, 100)),
        (D2, DailyBar(74_600, 75_000, 74_300, 75_000, 300)),
    ]
    assert past.bars("000880") == []
    assert past.index("KOSPI") == []


def test_h03_an_index_file_is_read_up_to_the_day_and_a_listing_tells_ranges(folder: Path) -> None:
    pl.DataFrame(
        {
            "index": ["KOSPI", "KOSPI", "KOSDAQ"],
            "date": [D2, D3, D1],
            **{key: [2600.5, 2610.0, 850.0] for key in ("open", "high", "low", "close")},
            **{key: [10.0, 20.0, 30.0] for key in ("volume", "turnover")},
        }
    ).write_parquet(folder / INDEX)
    listing = pl.read_parquet(folder / LISTING)
    listing.with_columns(
        High=pl.Series([290_000, 5_700, 0]), Low=pl.Series([280_000, 5_600, 0])
    ).write_parquet(folder / LISTING)
    past = PricePast(folder, D3)
    assert past.index("KOSPI") == [IndexDay(D2, 2_600.5, 2_600.5, 2_600.5, 2_600.5, 10, 10)]
    assert [round(past.day_range(code), 4) for code in ("005930", "0004V0", "000880")] == [
        0.0357,
        0.0179,
        0.0,
    ]


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        ("Q530107", "삼성 인버스 2X 코스닥150 선물 ETN", Kind.ETN),
        ("161510", "ARIRANG 고배당주", Kind.ETF),
        ("005930", "삼성전자", Kind.STOCK),
    ],
)
def test_m05_kind_from_code_and_name(code: str, name: str, kind: Kind) -> None:
    assert kind_of(code, name) is kind


@pytest.mark.parametrize("name", [LISTING, DAILY])
def test_h03_a_missing_or_broken_file_is_named_with_its_cure(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"PAR1 this is not a table PAR1")
    with pytest.raises(ConfigError, match=f"{name} cannot be read.*unset KISNB_DATA"):
        Universe.load(folder, D3)
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=f"{name} is missing.*unset KISNB_DATA"):
        Universe.load(folder, D3)


def test_h03_a_file_without_its_columns_is_named(folder: Path) -> None:
    pl.DataFrame({"Code": ["005930"]}).write_parquet(folder / LISTING)
    with pytest.raises(ConfigError, match=LISTING):
        Universe.load(folder, D3)


AS_PANDAS_WRITES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "midnights": lambda f: f.with_columns(pl.col("date").cast(pl.Datetime("ns"))),
    "midnights in a zone": lambda f: f.with_columns(
        pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Seoul")
    ),
    "floats": lambda f: f.with_columns(pl.col("open", "close", "volume").cast(pl.Float64)),
    "categories": lambda f: f.with_columns(pl.col("code", "name").cast(pl.Categorical)),
    "an index": lambda f: f.with_row_index("__index_level_0__"),
}


@pytest.mark.parametrize("written", AS_PANDAS_WRITES)
def test_h03_price_files_are_read_as_pandas_writes_them(folder: Path, written: str) -> None:
    def found() -> tuple[object, ...]:
        past = PricePast(folder, D3)
        return list(Universe.load(folder, D3)), bars_of(folder, D3), past.bars("005930")

    plain = found()
    AS_PANDAS_WRITES[written](pl.read_parquet(folder / DAILY)).write_parquet(folder / DAILY)
    listing = pl.read_parquet(folder / LISTING)
    listing.with_columns(pl.col("Close", "Volume", "Stocks").cast(pl.Float64)).write_parquet(
        folder / LISTING
    )
    assert found() == plain


WRONG_TABLES: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a code twice": (
        LISTING,
        lambda f: pl.concat([f, f.head(1).with_columns(pl.col("Close") + 9_000)]),
        f"Row 4 of .*{LISTING} has 005930 again. Keep one row",
    ),
    "a day twice": (
        DAILY,
        lambda f: pl.concat([f, f.head(1)]),
        f"Row 7 of .*{DAILY} has 005930 {D1} again. Keep one row",
    ),
    "codes as numbers": (
        LISTING,
        lambda f: f.with_columns(Code=pl.Series([5_930, 4, 880])),
        f'column Code of .*{LISTING} has values of type Int64. Store text: "005930" and not 5930',
    ),
    "dates as text": (
        DAILY,
        lambda f: f.with_columns(pl.col("date").cast(pl.String)),
        f"column date of .*{DAILY} has values of type String. Store dates",
    ),
    "a missing price": (
        DAILY,
        lambda f: f.with_columns(close=pl.Series([1.0, 2.0, float("nan"), 4.0, 5.0, 6.0])),
        f"Row 3 of .*{DAILY} has no close that can be read. Write the value",
    ),
    "another market": (
        LISTING,
        lambda f: f.with_columns(Market=pl.Series(["KOSPI", "NYSE", "KOSPI"])),
        f"Row 2 of .*{LISTING} has the market 'NYSE'. Write KOSPI, KOSDAQ or KONEX",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_TABLES)
def test_h03_a_wrong_price_file_is_refused_with_file_row_and_cure(folder: Path, wrong: str) -> None:
    name, change, words = WRONG_TABLES[wrong]
    change(pl.read_parquet(folder / name)).write_parquet(folder / name)
    with pytest.raises(ConfigError, match=words):
        Universe.load(folder, D3)


def test_h03_stocks_of_konex_are_left_out_and_count_for_no_other_board(folder: Path) -> None:
    listing = pl.read_parquet(folder / LISTING)
    listing.with_columns(Market=pl.Series(["KONEX", "KOSDAQ", "KOSPI"])).write_parquet(
        folder / LISTING
    )
    universe = Universe.load(folder, D3)
    assert "005930" not in universe
    assert "0004V0" in universe


def test_m05_price_files_do_not_say_what_nextrade_lists(folder: Path) -> None:
    assert {item.nxt for item in Universe.load(folder, D3)} == {None}


def test_m06_a_listed_stock_without_a_price_is_halted_and_has_no_base(folder: Path) -> None:
    listing = pl.read_parquet(folder / LISTING)
    listing.with_columns(Close=pl.Series([281_500, 0, 83_800])).write_parquet(folder / LISTING)
    item = Universe.load(folder, date(2026, 11, 20)).get("0004V0")
    assert (item.base, item.halted) == (0, True)


class TestRealPrices:
    pytestmark = real

    def test_m05_the_whole_listing_of_a_real_day_is_read(self) -> None:
        universe = Universe.load(DATA, date(2026, 11, 20))
        listed = [item for item in universe if item.shares]
        assert len(listed) == 2_764
        assert sum(item.halted for item in listed) == 137
        assert sum(not item.code.isdigit() for item in listed) == 77

    @pytest.mark.parametrize("day", [date(2020, 3, 19), D3, date(2026, 11, 20)])
    def test_m03_every_base_price_is_on_the_grid(self, day: date) -> None:
        assert [
            i.code
            for i in Universe.load(DATA, day)
            if not ticks.on_grid(i.base, i.kind, day, i.board)
        ] == []

    def test_m02_every_day_with_a_bar_since_2001_is_a_trading_day(self) -> None:
        days = (
            pl.read_parquet(DATA / DAILY)
            .filter(pl.col("date") >= date(2001, 1, 1))["date"]
            .unique()
        )
        assert [day for day in days if not calendar.is_trading_day(day)] == []
