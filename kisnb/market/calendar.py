"""Trading days of the Korea Exchange: the ``holidays`` library, and corrections with a source each."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from kisnb.errors import ConfigError

FIRST_YEAR, LAST_YEAR = 2001, 2027
"""Years whose holidays are known: compared with every traded day of 2001 to 2023, announced up to 2027."""

CLOSED: dict[date, str] = {
    date(2026, 6, 3): "local elections; KRX notice of 2026-05-20",
    date(2026, 7, 17): "Constitution Day, a public holiday again from 2026; KRX notice of 2026-05-20",
    date(2027, 5, 3): "substitute for Labour Day; holidays 0.108, not yet confirmed by KRX",
    date(2027, 7, 19): "substitute for Constitution Day; holidays 0.108",
}
"""Closed, whatever the library of the day says."""


def is_trading_day(day: date) -> bool:
    """Whether KRX trades on ``day``. Raises ConfigError for a year whose holidays are not known."""
    return day.weekday() < 5 and day not in CLOSED and day not in _holidays(day.year)


def last_trading_day(on_or_before: date) -> date:
    """The newest trading day that is not after the given one."""
    return _seek(on_or_before, -1)


def previous_trading_day(day: date) -> date:
    """The trading day before ``day``."""
    return _seek(day - timedelta(days=1), -1)


def next_trading_day(day: date) -> date:
    """The trading day after ``day``."""
    return _seek(day + timedelta(days=1), 1)


def first_trading_day(year: int) -> date:
    """The first trading day of a year, which opens at 10:00."""
    return _seek(date(year, 1, 1), 1)


def _seek(day: date, step: int) -> date:
    while not is_trading_day(day):
        day += timedelta(days=step)
    return day


@lru_cache(maxsize=8)
def _holidays(year: int) -> frozenset[date]:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ConfigError(
            f"the trading days of {year} are not known",
            f"use a date from {FIRST_YEAR} to {LAST_YEAR}, or a newer kisnb",
        )
    # 50 ms: paid by whoever asks for a first weekday, not by everybody who imports the market
    import holidays

    return frozenset(holidays.financial_holidays("XKRX", years=year))
