"""The days that a download asks for. Row H01."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import date, time
from pathlib import Path

import polars as pl
import pytest

from kisnb.clock import Ns, kst, kst_day
from kisnb.history.download import (
    EMPTY_DAYS,
    NO_MORE,
    NO_ROW,
    NOT_LISTED,
    TOO_OLD,
    Download,
)
from kisnb.history.series import Series, SeriesKind
from kisnb.history.store import Store
from kisnb.terms import Venue
from tests.history.bars import DAYS, MINUTES, day_bars

DAY = date(2026, 11, 20)
"""A Friday."""


class Traded:
    """Gives one minute of each day on which a stock traded, a day a page."""

    def window_days(self, kind: SeriesKind) -> int:
        return 140

    def __init__(self, *days: date) -> None:
        self.days_traded = days
        self.asked: list[date] = []

    async def minutes(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        self.asked.append(kst_day(until))
        times = [kst(day, time(9)) for day in self.days_traded]
        found = [t for t in times if t <= until and kst_day(t) == kst_day(until)]
        rows = [(code, t, *[100] * 4, 1, 100) for t in found]
        return pl.DataFrame(rows, schema=MINUTES.schema(), orient="row")

    async def days(self, series: Series, code: str, first: date, last: date) -> pl.DataFrame:
        raise NotImplementedError

    async def trades_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        raise NotImplementedError

    async def minutes_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        raise NotImplementedError


def download(
    store: Store, source: Traded, at: str = "10:00", *, keeps_today: bool = True
) -> Download:
    now = kst(DAY, time.fromisoformat(at))
    return Download(store, source, lambda: now, keeps_today=keeps_today)


@pytest.mark.parametrize(
    ("at", "keeps_today", "newest"),
    [("19:59", True, 19), ("20:00", True, 20), ("20:00", False, 19)],
)
def test_h01_a_day_is_stored_once_it_is_over_and_a_simulated_one_never(
    tmp_path: Path, at: str, keeps_today: bool, newest: int
) -> None:
    with closing(Store(tmp_path)) as store:
        brought = download(store, Traded(), at, keeps_today=keeps_today)
        assert brought.newest_day() == date(2026, 11, newest)


def test_h01_a_day_without_minutes_does_not_end_a_download(tmp_path: Path) -> None:
    monday, tuesday, wednesday, thursday = (date(2026, 11, day) for day in range(16, 20))
    source = Traded(monday, tuesday, thursday)
    with closing(Store(tmp_path)) as store:
        brought = download(store, source)
        asyncio.run(brought.minutes("005930", Venue.KRX, monday, thursday))
        kept = store.read(MINUTES, monday, thursday)["t"].dt.convert_time_zone("Asia/Seoul")
        assert kept.dt.date().to_list() == [monday, tuesday, thursday]
        assert brought.missing(MINUTES, "005930", monday, thursday) == [(wednesday, NO_ROW)]


def test_h01_days_before_a_stock_was_listed_are_not_asked_for_one_by_one(tmp_path: Path) -> None:
    first, source = date(2026, 3, 2), Traded()
    with closing(Store(tmp_path)) as store:
        brought = download(store, source)
        for _ in range(2):
            asyncio.run(brought.minutes("005930", Venue.KRX, first, DAY))
            assert len(source.asked) == EMPTY_DAYS + 1
        reasons = {gap.reason for gap in brought.missing(MINUTES, "005930", first, DAY)}
        assert reasons == {NO_ROW}


def test_h01_minutes_of_more_than_a_year_ago_are_not_asked_for(tmp_path: Path) -> None:
    first, last, source = date(2025, 1, 2), date(2025, 1, 3), Traded()
    with closing(Store(tmp_path)) as store:
        brought = download(store, source)
        asyncio.run(brought.minutes("005930", Venue.KRX, first, last))
        assert source.asked == []
        missing = brought.missing(MINUTES, "005930", first, last)
        assert missing == [(first, TOO_OLD), (last, TOO_OLD)]


class ByDay(Traded):
    """Gives the daily bars of the days on which a stock traded."""

    async def days(self, series: Series, code: str, first: date, last: date) -> pl.DataFrame:
        self.asked += [first, last]
        return day_bars(code, [day for day in self.days_traded if first <= day <= last])


def test_h01_days_before_a_listing_after_a_delisting_and_of_a_halt_are_told_apart(
    tmp_path: Path,
) -> None:
    first, last = date(2026, 11, 9), DAY
    source = ByDay(*(date(2026, 11, day) for day in (11, 12, 17)))
    with closing(Store(tmp_path)) as store:
        brought = download(store, source)
        asyncio.run(brought.days(DAYS, "005930", first, last))
        reasons = {gap.day.day: gap.reason for gap in brought.missing(DAYS, "005930", first, last)}
    assert reasons == {
        **dict.fromkeys((9, 10), NOT_LISTED),
        **dict.fromkeys((13, 16), NO_ROW),
        **dict.fromkeys((18, 19), NO_MORE),
    }


def test_h01_a_stored_day_that_kis_has_no_more_lets_all_be_asked_for_again(
    tmp_path: Path,
) -> None:
    """A code can be given to another company, whose past is another."""
    old, new = date(2025, 9, 1), date(2026, 11, 17)
    with closing(Store(tmp_path)) as store:
        brought = download(store, ByDay(old, new))
        asyncio.run(brought.days(DAYS, "005930", old, old))
        later = download(store, ByDay(new))
        assert asyncio.run(later.days(DAYS, "005930", new, new))
        assert later.missing(DAYS, "005930", old, old) == []
        covered = store.manifest.covered(DAYS.name, "005930")
        assert (covered[0], covered[-1][1]) == ((old, old), new)
