"""Trading days of the Korea Exchange.

They follow from a table of holidays, from corrections of it with a source each, and from the user's
own file. The user's file is there because emergency holidays are declared at short notice. Desk,
simulator and kernel each call ``use_local()`` at their start. It reads ``calendar.toml`` in the
state folder, and the file counts in the whole process:

    [closed]
    2027-03-10 = "presidential election"
    [open]
    2027-05-03 = "KRX notice of 2027-04-01"
    [hour_later]
    2027-11-18 = "college entrance exam"
"""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import msgspec

from kisnb.errors import ConfigError
from kisnb.paths import state_dir

FIRST_YEAR, LAST_YEAR = 2001, 2027
"""First and last year whose holidays are known.

The holidays of 2001 to 2023 were compared with every traded day. Later ones are as announced.
"""
OVERRIDES = "calendar.toml"
"""Name of the user's file in the state folder."""

# Public calendars are late with such days: exchange_calendars 4.13 counts 2026-06-03 and 2026-07-17
# as trading days.
CLOSED: dict[date, str] = {
    date(2026, 6, 3): "local elections; KRX notice of 2026-05-20",
    date(2026, 7, 17): (
        "Constitution Day, a public holiday again from 2026; KRX notice of 2026-05-20"
    ),
    date(2027, 5, 3): "substitute for Labour Day; holidays 0.108, not yet confirmed by KRX",
    date(2027, 7, 19): "substitute for Constitution Day; holidays 0.108",
}
"""Days on which KRX is closed although the table of holidays does not say so, with the source."""

EXAM_DAYS: frozenset[date] = frozenset(
    date(year, month, day)
    for year, month, day in (
        (2001, 11, 7),
        (2002, 11, 6),
        (2003, 11, 5),
        (2004, 11, 17),
        (2005, 11, 23),
        (2006, 11, 16),
        (2007, 11, 15),
        (2008, 11, 13),
        (2009, 11, 12),
        (2010, 11, 18),
        (2011, 11, 10),
        (2012, 11, 8),
        (2013, 11, 7),
        (2014, 11, 13),
        (2015, 11, 12),
        (2016, 11, 17),
        (2017, 11, 16),
        (2017, 11, 23),
        (2018, 11, 15),
        (2019, 11, 14),
        (2020, 12, 3),
        (2021, 11, 18),
        (2022, 11, 17),
        (2023, 11, 16),
        (2024, 11, 14),
        (2025, 11, 13),
        (2026, 11, 19),
        (2027, 11, 18),
    )
)
"""Days of the college entrance exam (수능), on which KRX opens and closes an hour later.

The module ``sessions`` says which other hours move.

Source: exchange_calendars 4.13 up to 2020, then the ministry of education. The year 2017 has two:
an earthquake moved the exam by a week after the hours of both days had been announced.
"""


class Overrides(msgspec.Struct, frozen=True):
    """The user's corrections of the calendar: dates with a reason each.

    Raises ConfigError when they contradict one another or the days of the week.
    """

    closed: dict[date, str] = {}
    """Days on which KRX does not trade."""
    open: dict[date, str] = {}
    """Days on which KRX trades, although the table says otherwise."""
    hour_later: dict[date, str] = {}
    """Days on which KRX opens and closes an hour later, as on an exam day."""

    def __post_init__(self) -> None:
        for day in self.closed:
            if day in self.open or day in self.hour_later:
                other = "open" if day in self.open else "hour_later"
                raise ConfigError(
                    f"{day} is under [closed] and under [{other}]", "keep one of the two"
                )
        for day in (*self.closed, *self.open, *self.hour_later):
            _check_known(day.year)
        for day in (*self.open, *self.hour_later):
            if day.weekday() >= 5:
                raise ConfigError(
                    f"{day} is a {day:%A}, on which KRX never trades", "correct the date"
                )
        # An hour later on a day that does not trade means nothing. The person has forgotten a line.
        for day in self.hour_later:
            if day not in self.open and (day in CLOSED or day in _holidays(day.year)):
                raise ConfigError(
                    f"{day} is under [hour_later] and is a holiday", "put it under [open] too"
                )


_local = Overrides()
_edition = 0


def use(overrides: Overrides) -> None:
    """Replace the overrides of this process. ``Overrides()`` removes them."""
    global _local, _edition
    # Phases and hours are cached by day. The new edition makes the values of the old overrides
    # invalid.
    _local, _edition = overrides, _edition + 1


def use_local() -> None:
    """Read the user's file in the state folder, and use it as the overrides of this process.

    Raises ConfigError as ``read_overrides`` does.
    """
    found = read_overrides(state_dir())
    # Reading the same file again must not empty the caches.
    if found != _local:
        use(found)


def edition() -> int:
    """Return a number that changes with the overrides.

    A cache of something that follows from the calendar has this number in its key.
    """
    return _edition


def read_overrides(folder: Path) -> Overrides:
    """Return the overrides in ``calendar.toml`` of ``folder``; empty ones when there is no file.

    Raises ConfigError for a file that cannot be read, an unknown section, a wrong date, and
    contradictions.
    """
    path = folder / OVERRIDES
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(found, _KnownSections, str_keys=True)
    except FileNotFoundError:
        return Overrides()
    # ``Overrides`` raises this error when its days contradict each other. msgspec lets it pass.
    except ConfigError as e:
        raise ConfigError(f"{path} contradicts itself: {e.text}", e.cure) from e
    except msgspec.ValidationError as e:
        cure = 'write dates under [closed], [open] or [hour_later] as 2027-03-10 = "why"'
        raise ConfigError(f"{path} is wrong: {e}", cure) from e
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ConfigError(f"{path} cannot be read: {e}", "correct the file, or remove it") from e


class _KnownSections(Overrides, frozen=True, forbid_unknown_fields=True):
    """Overrides as the file has them: a misspelt section is an error."""


def is_trading_day(day: date) -> bool:
    """Return True when KRX trades on ``day``.

    Raises ConfigError for a year whose holidays are not known.
    """
    # The user's file counts first: KRX may open a day at short notice, too.
    if day in _local.open:
        return True
    if day.weekday() >= 5:
        # A weekend of an unknown year is an error as well, so that the answer never depends on the
        # day of the week.
        _check_known(day.year)
        return False
    return day not in CLOSED and day not in _local.closed and day not in _holidays(day.year)


def is_hour_later(day: date) -> bool:
    """Return True when KRX opens and closes an hour later, as on an exam day (수능)."""
    return day in EXAM_DAYS or day in _local.hour_later


def last_trading_day(on_or_before: date) -> date:
    """Return the newest trading day that is not after the given day."""
    return _seek(on_or_before, -1)


def previous_trading_day(day: date) -> date:
    """Return the trading day before ``day``."""
    return _seek(day - timedelta(days=1), -1)


def next_trading_day(day: date) -> date:
    """Return the trading day after ``day``."""
    return _seek(day + timedelta(days=1), 1)


def first_trading_day(year: int) -> date:
    """Return the first trading day of a year. KRX opens at 10:00 then."""
    return _seek(date(year, 1, 1), 1)


def _seek(day: date, step: int) -> date:
    while not is_trading_day(day):
        day += timedelta(days=step)
    return day


def _check_known(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ConfigError(
            f"the trading days of {year} are not known",
            f"use a date from {FIRST_YEAR} to {LAST_YEAR}, or a newer kisnb",
        )


def _holidays(year: int) -> frozenset[date]:
    _check_known(year)
    return _table()[year]


@lru_cache(maxsize=1)
def _table() -> dict[int, frozenset[date]]:
    """Return the weekdays on which KRX is closed, by year.

    The file holds the days of the ``holidays`` library (XKRX); a test compares the two. Reading it
    takes 1 ms. The library loads every country, which takes 0.25 s.
    """
    text = files("kisnb.market").joinpath("krx_holidays.csv").read_text(encoding="utf-8")
    # The file is in the order of the days, and ``groupby`` needs that.
    days = [date.fromisoformat(row.partition(",")[0]) for row in text.splitlines()[1:]]
    return {year: frozenset(closed) for year, closed in groupby(days, key=lambda day: day.year)}
