"""Files of others go into the store as they should be, or not at all. Row H01."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from kisnb.errors import BadInput
from kisnb.history.files.export import write_file
from kisnb.history.files.importing import Imported, Reading, read_rows
from kisnb.history.frames import as_shown
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.market.instruments import Instrument
from kisnb.terms import Board, Kind, Venue
from tests.history.bars import DAYS, MINUTES, day_bars

RAW = DAYS._replace(basis=Basis.RAW)
TICKS = Series(SeriesKind.TICK, Venue.KRX, Basis.RAW)
DEPTHS = Series(SeriesKind.DEPTH, Venue.KRX, Basis.RAW)
FLOWS = Series(SeriesKind.FLOW, Venue.KRX, Basis.RAW)
INDEX = Series(SeriesKind.INDEX, Venue.KRX, Basis.RAW)
NEWEST = date(2026, 11, 19)
HEADER = "code,date,open,high,low,close,volume,value\n"
GOOD = "005930,2026-11-18,70000,70500,69500,70000,1000,70000000\n"
NEXT = "005930,2026-11-19,70000,70500,69500,70100,2000,140000000\n"
STOCK = Instrument("005930", "삼성전자", Board.KOSPI, Kind.STOCK, 0, 0, 0)


def imported(
    path: Path, series: Series = DAYS, how: Reading | None = None, newest: date = NEWEST
) -> Imported:
    known = {"005930": STOCK}
    return read_rows(path, series, how or Reading(), newest, known.get)


def written(folder: Path, text: str, name: str = "bars.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def refusal(path: Path, series: Series = DAYS, how: Reading | None = None) -> str:
    with pytest.raises(BadInput) as refused:
        imported(path, series, how)
    return str(refused.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            GOOD + "005930,2026-11-19,70000,69000,69500,70000,1,1\n",
            "Row 2 of bars.csv contradicts itself: open 70000, high 69000, low 69500, close 70000,",
        ),
        (
            GOOD + "005930,2026-11-19,70000,69000,69500,70000,1,1\n",
            "volume 1, value 1. Correct it, or leave such rows out with leave_out=True.",
        ),
        (
            GOOD + GOOD.replace("70500", "70600"),
            "Row 2 of bars.csv and row 1 are both of 005930 at 2026-11-18, and differ. Keep the",
        ),
        (
            GOOD.replace("2026-11-18", "2026-11-20"),
            "Row 1 of bars.csv is of 2026-11-20, and 2026-11-19 is the newest day that is over.",
        ),
        (GOOD.replace("2026-11-18", "2026-11-15"), "(Sunday), on which KRX did not trade. Remove"),
        (GOOD.replace("2026-11-18", "1970-01-01"), "It may be an empty date"),
        (GOOD.replace("2026-11-18", "18 Nov"), "has date '18 Nov', which cannot be read. Write"),
        (GOOD.replace("2026-11-18", ""), "Row 1 of bars.csv has no date. Write it, or remove"),
        (GOOD.replace("005930", "samsung"), "has the code 'samsung', which is no code of a stock"),
        (GOOD.replace("1000,", "many,"), "has volume 'many', which is no number. Correct it."),
        (GOOD.replace("1000,", ",", 1), "Row 1 of bars.csv contradicts itself"),
        (GOOD + "005930,2026-11-19,700", "Row 2 of bars.csv has 3 fields, and the header has 8"),
        (GOOD + '005930,"2026-11-19,700', "cannot be read"),
        (GOOD.replace("2026-11-18", "2026-11-17 15:00:00"), "Write time_zone='UTC' when they are"),
        ("", "has no row. Get the file again: it was cut off"),
    ],
)
def test_h01_a_wrong_row_ends_the_import_with_file_row_and_cure(
    tmp_path: Path, rows: str, said: str
) -> None:
    assert said in refusal(written(tmp_path, HEADER + rows))


def test_h01_rows_out_of_order_and_rows_that_stand_twice_count_once(tmp_path: Path) -> None:
    found = imported(written(tmp_path, HEADER + NEXT + GOOD + NEXT))
    assert found.rows["close"].to_list() == [70_000, 70_100]
    assert found.notes == [
        "1 rows stand in it twice, and count once.",
        "Its rows were not in order, and were sorted.",
    ]
    assert found.codes.rows() == [("005930", 2, date(2026, 11, 18), NEWEST, 0)]


def test_h01_rows_that_contradict_themselves_can_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + GOOD + NEXT.replace("70500", "1"))
    found = imported(path, how=Reading(leave_out=True))
    assert found.rows["date"].to_list() == [date(2026, 11, 18)]
    assert found.notes[-1] == "1 rows that contradict themselves were left out."


def test_h01_a_file_of_excel_with_a_byte_order_mark_and_one_of_a_korean_program(
    tmp_path: Path,
) -> None:
    korean = "종목코드,일자,시가,고가,저가,종가,거래량,거래대금\n"
    row = '005930,2026/11/18,"70,000","70,500","69,500","70,000","1,000","70,000,000"\n'
    plain = imported(written(tmp_path, HEADER + GOOD)).rows
    for encoding in ("utf-8-sig", "cp949"):
        assert imported(written(tmp_path, korean + row, encoding=encoding)).rows.equals(plain)
    semicolons = written(tmp_path, (HEADER + GOOD).replace(",", ";"))
    assert imported(semicolons).rows.equals(plain)


@pytest.mark.parametrize("code", ["5930", "005930.KS", "A005930", " 005930 ", "005930"])
def test_h01_a_code_is_read_as_other_programs_write_it(tmp_path: Path, code: str) -> None:
    path = written(tmp_path, HEADER + GOOD.replace("005930", code))
    assert imported(path).rows["code"].to_list() == ["005930"]


def test_h01_codes_that_became_numbers_get_their_zeros_back_and_those_of_etns_stay(
    tmp_path: Path,
) -> None:
    bars = day_bars("005930", [NEWEST])
    for wrong in (pl.lit(5930), pl.lit(5930.0)):
        bars.with_columns(code=wrong).write_parquet(tmp_path / "bars.parquet")
        assert imported(tmp_path / "bars.parquet").rows.equals(bars)
    etn = day_bars("Q530107", [NEWEST])
    etn.write_parquet(tmp_path / "bars.parquet")
    assert imported(tmp_path / "bars.parquet").rows.equals(etn)


def test_h01_an_index_of_pandas_is_the_date_or_is_left_out(tmp_path: Path) -> None:
    """``to_csv`` leaves the index without a name; parquet names it ``__index_level_0__``."""
    dated = written(tmp_path, ",open,high,low,close,volume\n2026-11-18,7000,7050,6950,7000,10\n")
    found = imported(dated, how=Reading(code="005930"))
    assert found.rows.row(0) == ("005930", date(2026, 11, 18), 7000, 7050, 6950, 7000, 10, None)
    assert "It states no traded value, so value is null." in found.notes
    counted = written(tmp_path, "," + HEADER + "0," + GOOD)
    assert imported(counted).rows.equals(imported(written(tmp_path, HEADER + GOOD)).rows)
    frame = day_bars("005930", [NEWEST]).rename({"date": "__index_level_0__"})
    midnight = pl.col("__index_level_0__").cast(pl.Datetime("ns"))
    frame.with_columns(midnight).write_parquet(tmp_path / "bars.parquet")
    assert imported(tmp_path / "bars.parquet").rows["date"].to_list() == [NEWEST]


def test_h01_columns_are_named_where_they_cannot_be_found(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER.replace("close", "내 종가") + GOOD)
    assert refusal(path) == (
        "bars.csv lacks the columns close; it has code, date, open, high, low, 내 종가, volume,"
        " value. Name them: columns={'close': 'its name there'}."
    )
    found = imported(path, how=Reading(columns={"close": "내 종가"}))
    assert found.rows["close"].to_list() == [70_000]
    assert "has no column 'x'" in refusal(path, how=Reading(columns={"close": "x"}))
    double = written(tmp_path, HEADER.replace("open", "close") + GOOD)
    assert refusal(double).startswith("bars.csv has two columns 'close'. Rename")
    assert "lacks the columns date" in refusal(written(tmp_path, "code,open\n005930,1\n"))


def test_h01_a_halted_day_has_its_close_as_all_prices(tmp_path: Path) -> None:
    for halted in ("005930,2026-11-19,0,0,0,70100,0,0\n", "005930,2026-11-19,,,,70100,,\n"):
        found = imported(written(tmp_path, HEADER + GOOD + halted))
        assert found.rows.row(1)[2:7] == (70_100, 70_100, 70_100, 70_100, 0)
        assert found.codes["zero_volume"].to_list() == [1]
        assert found.notes[0].startswith("1 rows have a close alone (halted, or no trade)")


def test_h01_adjusted_prices_may_lie_off_the_tick_grid_and_traded_ones_may_not(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, HEADER + GOOD.replace("70000,1000", "70013.6,1000"))
    found = imported(path)
    assert found.rows["close"].to_list() == [70_014]
    assert found.notes == [
        "1 adjusted prices with decimals were rounded to won.",
        "1 adjusted prices lie off the tick grid, as adjusted prices do.",
    ]
    assert "has close 70013.6, which is no whole number" in refusal(path, RAW)
    off = written(tmp_path, HEADER + GOOD.replace("70000,1000", "70013,1000"))
    assert refusal(off, RAW) == (
        "Row 1 of bars.csv has close 70013 of 005930, off the tick grid. Traded prices are on it;"
        " adjusted ones are imported with adjusted=True."
    )


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_h01_a_parquet_file_that_was_cut_off_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "bars.parquet"
    day_bars("005930", [NEWEST]).write_parquet(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    said = refusal(path)
    assert said.startswith(f"{path} cannot be read as parquet: ")
    assert said.endswith("Get the file again: it was cut off, or it is of another kind.")


def test_h01_a_file_that_is_not_there_or_of_another_kind_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.csv").startswith("There is no file")
    assert "is neither parquet nor CSV" in refusal(written(tmp_path, "x", "bars.xlsx"))
    binary = tmp_path / "bars.csv"
    binary.write_bytes(bytes(range(128, 256)))
    assert "is no text in UTF-8 or CP949" in refusal(binary)
    binary.write_bytes(b"")
    assert "is empty" in refusal(binary)


def minute_file(folder: Path, *times: str) -> Path:
    rows = [f"005930,{t},70000,70500,69500,70000,10,700000\n" for t in times]
    return written(folder, "code,time,open,high,low,close,volume,value\n" + "".join(rows))


def test_h01_times_of_minutes_are_korean_unless_a_zone_is_given(tmp_path: Path) -> None:
    first, second = "2026-11-18 09:00:00", "2026-11-18 09:01:00"
    korean = imported(minute_file(tmp_path, first, second), MINUTES).rows
    assert korean["t"].dt.convert_time_zone("Asia/Seoul").dt.hour().to_list() == [9, 9]
    # The store keeps the won of the day up to a minute.
    assert korean["value"].to_list() == [700_000, 1_400_000]
    utc = minute_file(tmp_path, "2026-11-18 00:00:00", "2026-11-18 00:01:00")
    assert imported(utc, MINUTES, Reading(time_zone="UTC")).rows.equals(korean)
    assert refusal(utc, MINUTES) == (
        "Row 1 of bars.csv is of 2026-11-18 00:00:00 KST, when KRX is closed. Write"
        " time_zone='UTC' when they are UTC, or time_zone='Asia/Seoul' when they are Korean."
    )
    assert "time_zone='Mars' is not known" in refusal(utc, MINUTES, Reading(time_zone="Mars"))
    stated = minute_file(tmp_path, "2026-11-18T00:00:00Z", "2026-11-18T09:01:00+0900")
    assert imported(stated, MINUTES).rows.equals(korean)
    assert "state a zone. Leave time_zone= out" in refusal(
        stated, MINUTES, Reading(time_zone="UTC")
    )
    within = minute_file(tmp_path, "2026-11-18 09:00:30")
    assert "begins at 2026-11-18 09:00:30, within a minute" in refusal(within, MINUTES)


def test_h01_a_file_of_other_bars_than_asked_for_is_named_as_such(tmp_path: Path) -> None:
    """openalgo #1946: days were stored as minutes, and minutes as days."""
    of_days = minute_file(tmp_path, "2026-11-18 00:00:00", "2026-11-19 00:00:00")
    assert "file has days and no times: import days with '1d'" in refusal(of_days, MINUTES)
    of_minutes = tmp_path / "minutes.csv"
    rows = [f"005930,2026-11-18 09:0{n}:00,70000,70500,69500,70000,10\n" for n in range(2)]
    of_minutes.write_text("code,date,open,high,low,close,volume\n" + "".join(rows), "utf-8")
    assert "a day has many rows: import minutes with '1m'" in refusal(of_minutes).lower()


def test_h01_days_whose_times_are_utc_are_not_taken_for_the_day_before(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    # Midnight of 19 November in Korea, as a program in UTC writes it.
    moment = pl.lit(datetime(2026, 11, 18, 15, tzinfo=UTC)).dt.replace_time_zone(None)
    bars = day_bars("005930", [NEWEST])
    bars.with_columns(date=moment).write_parquet(path)
    assert "has the time 2026-11-18 15:00:00, without a zone. Write time_zone" in refusal(path)
    assert imported(path, how=Reading(time_zone="UTC")).rows.equals(bars)
    bars.with_columns(date=moment.dt.replace_time_zone("UTC")).write_parquet(path)
    assert imported(path).rows.equals(bars)


def test_h01_a_trade_without_the_shares_of_its_day_gets_their_sum(tmp_path: Path) -> None:
    rows = "005930,2026-11-18 09:00:0{},70000,{},\n"
    text = "code,time,price,qty,side\n" + rows.format(1, 5) + rows.format(1, 7)
    found = imported(written(tmp_path, text), TICKS).rows
    assert found.select("qty", "side", "volume").rows() == [(5, None, 5), (7, None, 12)]


def test_h01_what_is_exported_is_imported_as_it_was(tmp_path: Path) -> None:
    t = datetime(2026, 11, 18, 0, 0, tzinfo=UTC)
    rows: dict[Series, tuple[object, ...]] = {
        DAYS: ("005930", NEWEST, 70_000, 70_500, 69_500, 70_000, 1, None),
        MINUTES: ("005930", t, 70_000, 70_500, 69_500, 70_000, 1, 70_000),
        TICKS: ("005930", t, 70_000, 3, "buy", 10),
        DEPTHS: ("005930", t, *[70_100, 5, 70_000, 6], *[None] * 36),
        FLOWS: ("005930", NEWEST, 100, -5, -350_000, 3, 210_000, 2, 140_000),
        INDEX: ("KOSPI", NEWEST, 2700.5, 2710.25, 2690.0, 2701.0, 10**9, 10**13),
    }
    for series, row in rows.items():
        kept = pl.DataFrame([row], schema=series.schema(), orient="row")
        for kind in ("csv", "parquet"):
            path = tmp_path / f"rows.{kind}"
            write_file(as_shown(series, kept), path)
            found = imported(path, series).rows
            assert found.schema == series.schema(), (series, kind)
            assert found.equals(kept), (series, kind)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    with pytest.raises(BadInput, match="cannot be written: No such file"):
        write_file(kept, tmp_path / "gone" / "rows.csv")
    with pytest.raises(BadInput, match="is neither parquet nor CSV"):
        write_file(kept, tmp_path / "rows.xlsx")


def test_h01_a_large_number_keeps_its_last_digit(tmp_path: Path) -> None:
    value = 2**53 + 1
    path = written(tmp_path, HEADER + GOOD.replace("70000000", str(value)))
    assert imported(path).rows["value"].to_list() == [value]


def test_h01_a_file_of_one_day_takes_its_day_from_the_call(tmp_path: Path) -> None:
    path = written(
        tmp_path, "Code,ISU_CD,Open,High,Low,Close,Volume\n005930,KR7005930003,1,1,1,1,1\n"
    )
    assert imported(path, how=Reading(day=NEWEST)).rows.row(0)[:2] == ("005930", NEWEST)
    with pytest.raises(BadInput, match="has times"):
        imported(path, MINUTES, Reading(day=NEWEST))


def test_h01_days_before_the_known_holidays_pass_with_a_note(tmp_path: Path) -> None:
    saturday = date(1996, 12, 21)
    path = written(tmp_path, HEADER + GOOD.replace("2026-11-18", str(saturday)))
    found = imported(path)
    assert found.rows["date"].to_list() == [saturday]
    assert "before 2001 are not known" in found.notes[0]
    assert saturday + timedelta(days=1) not in found.rows["date"].to_list()
