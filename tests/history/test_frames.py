"""Longer bars are made of minutes, within one market session. Rows H01 and H02."""

from __future__ import annotations

from datetime import date, datetime, time

import polars as pl

from kisnb.clock import DAY as WHOLE_DAY
from kisnb.clock import KST, MINUTE, Ns, kst
from kisnb.history.frames import as_shown, bars_of_minutes, longer_days
from kisnb.terms import Venue
from tests.history.bars import DAYS, MINUTES, day_bars

DAY = date(2026, 11, 20)


def minute(day: date, at: str, price: int, volume: int, value: int) -> tuple[object, ...]:
    """A minute at one price; ``value`` is the won of the day so far."""
    t = kst(day, time.fromisoformat(at))
    return ("005930", t, price, price, price, price, volume, value)


def bars(
    span: Ns, *minutes: tuple[object, ...], venue: Venue = Venue.NXT, now: str = "23:00"
) -> pl.DataFrame:
    rows = pl.DataFrame(list(minutes), schema=MINUTES.schema(), orient="row")
    return bars_of_minutes(rows, venue, span, kst(DAY, time.fromisoformat(now)))


def moment(at: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(at), KST)


def test_h01_a_longer_bar_ends_with_its_market_session() -> None:
    # Nextrade's pre-market ends at 08:50, and its main market begins at 09:00:30.
    hours = bars(
        60 * MINUTE,
        minute(DAY, "08:48", 100, 1, 100),
        minute(DAY, "08:49", 130, 2, 360),
        minute(DAY, "09:00", 120, 3, 720),
        minute(DAY, "09:59", 90, 4, 1_080),
    )
    assert hours["t"].to_list() == [moment("08:00"), moment("09:00")]
    assert hours.rows()[0][3:] == (100, 130, 100, 130, 3, 360)
    assert hours.rows()[1][3:] == (120, 120, 90, 90, 7, 720)


def test_h01_the_closing_auction_is_a_bar_of_its_own() -> None:
    day = bars(
        60 * MINUTE,
        minute(DAY, "15:19", 80, 1, 80),
        minute(DAY, "15:30", 90, 100, 9_080),
        minute(DAY, "15:40", 95, 1, 9_175),
        minute(DAY, "15:59", 96, 1, 9_271),
        venue=Venue.KRX,
    )
    assert day["t"].to_list() == [moment(at) for at in ("15:00", "15:30", "15:40")]
    assert day["close"].to_list() == [80, 90, 96]


def test_h01_a_bar_that_goes_on_is_left_out() -> None:
    minutes = minute(DAY, "15:19", 80, 1, 80), minute(DAY, "15:30", 90, 100, 9_080)
    ends = {"15:19": 0, "15:20": 1, "15:39": 1, "15:40": 2}
    for now, closed in ends.items():
        assert len(bars(60 * MINUTE, *minutes, venue=Venue.KRX, now=now)) == closed, now


def test_h01_the_won_of_a_minute_is_what_the_day_gained() -> None:
    before = date(2026, 11, 19)
    minutes = bars(
        MINUTE,
        minute(before, "15:30", 100, 50, 900_000),
        minute(DAY, "09:00", 100, 5, 500),
        minute(DAY, "09:01", 100, 2, 700),
    )
    assert minutes["value"].to_list() == [900_000, 500, 200]


def test_h01_bars_of_two_stocks_do_not_mix() -> None:
    other = ("000660", *minute(DAY, "09:01", 200, 9, 1_800)[1:])
    fives = bars(5 * MINUTE, minute(DAY, "09:00", 100, 5, 500), other)
    assert fives["code"].to_list() == ["000660", "005930"]
    assert fives["volume"].to_list() == [9, 5]
    assert fives["value"].to_list() == [1_800, 500]


def test_h01_no_minutes_make_an_empty_frame_of_the_same_columns() -> None:
    empty, full = bars(MINUTE), bars(MINUTE, minute(DAY, "09:00", 100, 5, 500))
    assert empty.is_empty()
    assert empty.schema == full.schema


def test_h02_a_bar_of_a_market_session_holds_all_of_it_and_no_more() -> None:
    sessions = bars(
        WHOLE_DAY,
        minute(DAY, "08:00", 100, 1, 100),
        minute(DAY, "08:49", 130, 2, 360),
        minute(DAY, "09:00", 120, 3, 720),
        minute(DAY, "15:19", 90, 4, 1_080),
        minute(DAY, "15:40", 95, 1, 1_175),
        minute(DAY, "19:59", 96, 1, 1_271),
    )
    assert sessions["t"].to_list() == [moment(at) for at in ("08:00", "09:00", "15:40")]
    assert sessions["volume"].to_list() == [3, 7, 2]
    assert sessions["close"].to_list() == [130, 90, 96]
    exam = date(2026, 11, 19)
    regular = bars(
        WHOLE_DAY,
        minute(exam, "10:00", 100, 1, 100),
        minute(exam, "16:19", 101, 1, 201),
        venue=Venue.KRX,
    )
    assert regular["t"].to_list() == [moment("10:00", exam)]


def test_h02_the_won_of_a_longer_bar_are_unknown_when_those_of_a_part_are() -> None:
    minutes = minute(DAY, "09:00", 100, 1, 100), ("005930", *minute(DAY, "09:01", 100, 1, 0)[1:-1])
    known, unknown = minutes
    five = bars(5 * MINUTE, known, (*unknown, None))
    assert five.select("volume", "value").rows() == [(2, None)]


def test_h02_weeks_and_months_are_made_of_days() -> None:
    days = [date(2026, 10, 30), date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 6)]
    rows = pl.concat(
        [day_bars("005930", [day], 70_000 + 1_000 * n) for n, day in enumerate(days)]
    ).with_columns(value=pl.when(pl.col("date") != days[-1]).then("value"))
    shown = as_shown(DAYS, rows)
    weeks = longer_days(shown, "1w")
    assert weeks["date"].to_list() == days[:2]
    assert weeks.rows()[1][3:] == (71_000, 73_500, 70_500, 73_000, 3_000, None)
    months = longer_days(shown, "1mo")
    assert months["date"].to_list() == days[:2]
    assert months["value"].to_list() == [70_000_000, None]
    assert weeks.columns == months.columns == shown.columns
