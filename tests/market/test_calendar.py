"""M02: which days KRX trades on."""

from datetime import date, timedelta
from importlib.resources import files

import pytest
from holidays import financial_holidays

from kisnb.errors import ConfigError
from kisnb.market import calendar


def trading_days(year: int) -> int:
    days = (date(year, 1, 1) + timedelta(days=i) for i in range(366))
    return sum(calendar.is_trading_day(day) for day in days if day.year == year)


def test_m02_2026_has_244_trading_days() -> None:
    assert trading_days(2026) == 244


@pytest.mark.parametrize(
    "closed",
    [
        date(2026, 6, 3),
        date(2026, 7, 17),
        date(2026, 12, 31),
        date(2027, 5, 3),
        date(2027, 7, 19),
        date(2026, 11, 21),
    ],
)
def test_m02_krx_is_closed_on_holidays_and_weekends(closed: date) -> None:
    assert not calendar.is_trading_day(closed)


def test_m02_neighbours_step_over_a_weekend_and_holidays() -> None:
    assert calendar.last_trading_day(date(2026, 11, 21)) == date(2026, 11, 20)
    assert calendar.last_trading_day(date(2026, 11, 20)) == date(2026, 11, 20)
    assert calendar.next_trading_day(date(2026, 9, 23)) == date(2026, 9, 28)
    assert calendar.previous_trading_day(date(2026, 9, 28)) == date(2026, 9, 23)
    assert calendar.first_trading_day(2026) == date(2026, 1, 2)


@pytest.mark.parametrize("year", [1989, 2000, 2028, 2100])
def test_m02_an_unknown_year_fails_loudly(year: int) -> None:
    with pytest.raises(ConfigError, match=str(year)):
        calendar.is_trading_day(
            date(year, 3, 8) + timedelta(days=(7 - date(year, 3, 8).weekday()) % 7)
        )


@pytest.mark.parametrize("weekend", [date(2000, 12, 31), date(2028, 1, 1)])
def test_m02_a_weekend_of_an_unknown_year_fails_too(weekend: date) -> None:
    with pytest.raises(ConfigError, match=str(weekend.year)):
        calendar.is_trading_day(weekend)


def test_m02_the_table_of_holidays_is_the_librarys() -> None:
    # Without a language the library names the days in that of the machine.
    years = range(calendar.FIRST_YEAR, calendar.LAST_YEAR + 1)
    theirs = financial_holidays("XKRX", years=years, language="en_US")
    text = files("kisnb.market").joinpath("krx_holidays.csv").read_text(encoding="utf-8")
    rows = [row.split(",", 1) for row in text.splitlines()[1:]]
    assert rows == [[str(day), name] for day, name in sorted(theirs.items()) if day.weekday() < 5]
