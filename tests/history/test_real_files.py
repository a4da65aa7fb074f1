"""The files with real prices (``KISNB_DATA``) go through import and store. Row H01.

| trap of the files | what the import does |
|---|---|
| 220 days without a trade | they are kept, and counted as ``zero_volume`` |
| 137 halted issues with open 0 and volume 0 | their close stands for all prices; a note says so |
| codes of ETNs begin with Q | they are codes |
| 77 codes with letters | they are codes, and stay texts |
| adjusted prices off the tick grid | a note counts them; as traded prices they are refused |
| no traded value (value) in the bars | it is null, and stays null in longer bars |
| index and value have names of their own (index, turnover) | both are found |
| numbers of the index are floats | volume and value become whole numbers |
| the listing has no date | ``day=`` names it |
| the listing has an ISIN (ISU_CD) beside the code | the code counts |
| Saturdays, and holidays before 2001 | they are not checked; a note says so |
| dates up to 2023 in one file and 2026 in others | days to come are refused by row |
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kisnb.errors import BadInput, UnknownInstrument
from kisnb.history.files.importing import Reading, read_rows
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.history.store import Store
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.terms import Venue
from tests.history.bars import DAYS

pytestmark = pytest.mark.data
RAW = DAYS._replace(basis=Basis.RAW)
INDEX = Series(SeriesKind.INDEX, Venue.KRX, Basis.RAW)
TODAY, LISTED = date(2026, 11, 19), date(2026, 8, 21)


@pytest.fixture
def folder() -> Path:
    return Path(os.environ["KISNB_DATA"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "history")) as opened:
        yield opened


def item(code: str) -> Instrument | None:
    try:
        return Universe.packaged().get(code)
    except UnknownInstrument:
        return None


def test_h01_the_real_daily_bars_come_back_as_they_are_in_the_file(
    folder: Path, store: Store
) -> None:
    path = folder / "krx_daily.parquet"
    found = read_rows(path, DAYS, Reading(), TODAY, item)
    assert store.upsert(DAYS, found.rows) == len(found.rows)
    stored = store.read(DAYS, date(1990, 1, 1), TODAY)
    names = ["code", "date", "open", "high", "low", "close", "volume"]
    assert stored.select(names).equals(pl.read_parquet(path, columns=names).sort("code", "date"))
    assert stored["value"].null_count() == len(stored) == 98_307
    assert found.codes["zero_volume"].sum() == 220
    assert [code for code in found.codes["code"] if code.startswith("Q")] == ["Q520057", "Q530107"]
    assert any("lie off the tick grid" in note for note in found.notes)
    assert any("holidays of the years before 2001" in note for note in found.notes)
    assert store.upsert(DAYS, found.rows) == 0
    with pytest.raises(BadInput, match=r"Row \d+ of krx_daily\.parquet has .* off the tick grid"):
        read_rows(path, RAW, Reading(), TODAY, item)
    with pytest.raises(BadInput, match=r"is of 2023-\d\d-\d\d, and 2023-06-30 is the newest day"):
        read_rows(path, DAYS, Reading(), date(2023, 6, 30), item)


def test_h01_the_real_days_of_the_indexes_come_back_as_they_are_in_the_file(
    folder: Path, store: Store
) -> None:
    path = folder / "index_daily.parquet"
    found = read_rows(path, INDEX, Reading(), TODAY, item)
    store.upsert(INDEX, found.rows)
    stored = store.read(INDEX, date(2010, 1, 1), TODAY)
    real = pl.read_parquet(path).sort("index", "date")
    assert stored["code"].to_list() == real["index"].to_list()
    for ours, theirs in (("close", "close"), ("volume", "volume"), ("value", "turnover")):
        assert stored[ours].cast(pl.Float64).equals(real[theirs])
    assert stored.schema["volume"] == pl.Int64


def test_h01_the_real_listing_is_one_day_of_bars_with_halted_issues(
    folder: Path, store: Store
) -> None:
    path = folder / "krx_listing.parquet"
    with pytest.raises(BadInput, match=r"lacks the columns date.*or write day="):
        read_rows(path, RAW, Reading(), TODAY, item)
    found = read_rows(path, RAW, Reading(day=LISTED), TODAY, item)
    store.upsert(RAW, found.rows)
    stored = store.read(RAW, LISTED, LISTED)
    assert stored.height == 2_764
    halted = stored.filter(pl.col("volume") == 0)
    assert halted.height == 137
    assert (halted["open"] == halted["close"]).all()
    assert found.notes[0].startswith("137 rows have a close alone")
    assert stored["code"].str.contains("[A-Z]").sum() == 77
    assert stored["value"].null_count() == 0
