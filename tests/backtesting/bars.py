"""Bars for tests: days and minutes of trading days, made from plain numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from kisnb.market.calendar import is_trading_day

CODE = "005930"
FIRST = date(2024, 3, 4)
FREE = {"costs": "krx=0,nxt=0,fund=0"}


def trading_days(n: int, first: date = FIRST) -> list[date]:
    """The first ``n`` trading days from ``first`` on."""
    found: list[date] = []
    day = first
    while len(found) < n:
        if is_trading_day(day):
            found.append(day)
        day += timedelta(days=1)
    return found


def daily(
    rows: Sequence[tuple[int, int, int, int, int]], code: str = CODE, first: date = FIRST
) -> pl.DataFrame:
    """One daily bar for each (open, high, low, close, volume)."""
    columns: list[Any] = list(zip(*rows, strict=True))
    names = ("open", "high", "low", "close", "volume")
    return pl.DataFrame(
        {"code": [code] * len(rows), "date": trading_days(len(rows), first)}
        | dict(zip(names, columns, strict=True))
    )


def flat(prices: Sequence[int], code: str = CODE, volume: int = 1_000_000) -> pl.DataFrame:
    """Daily bars that stand at one price each."""
    return daily([(p, p, p, p, volume) for p in prices], code)


def minutes(
    days: int, seed: int, *, per_day: int = 40, code: str = CODE, price: int = 70_000
) -> pl.DataFrame:
    """Minute bars of a random walk on the grid of 100 won."""
    rng, rows = random.Random(seed), []
    for day in trading_days(days):
        t = datetime(day.year, day.month, day.day, 9)  # noqa: DTZ001 - Korean wall time
        for minute in range(per_day):
            o = price + 100 * rng.randint(-2, 2)
            price = max(o + 100 * rng.randint(-5, 5), 60_000)
            high, low = (
                max(o, price) + 100 * rng.randint(0, 3),
                min(o, price) - 100 * rng.randint(0, 3),
            )
            volume = 0 if rng.random() < 0.05 else rng.randint(1, 400)
            rows.append((code, t + timedelta(minutes=minute), o, high, low, price, volume))
    names = ["code", "time", "open", "high", "low", "close", "volume"]
    return pl.DataFrame(rows, schema=names, orient="row")
