"""The daily returns of a run, its drawdowns, and what may be annualised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from kisnb.backtesting.run_record import RunRecord

if TYPE_CHECKING:
    import polars as pl

FEWEST_DAYS = 20
"""Daily returns below which nothing is annualised: a few days say nothing about a year."""


class DailyCurve:
    """The daily returns of a run, and what follows from them."""

    def __init__(self, daily: pl.DataFrame, record: RunRecord, year: float | None) -> None:
        self.days: Sequence[date] = daily["date"].to_list()
        self.equity: Sequence[int] = daily["equity"].to_list()
        self.drawdowns: Sequence[float] = daily["drawdown"].to_list()
        self.returns: Sequence[float | None] = daily["return"].to_list()
        self.known = [r for r in self.returns if r is not None]
        self.last = self.equity[-1] if self.equity else record.cash
        self.start = record.cash
        self.year = year
        """Trading days in a year; None when they are not known."""
        self.year_text = f"{year:.1f}" if year is not None else "unknown"
        many = len(self.known) >= FEWEST_DAYS
        self.annual = year if many else None
        """Trading days in a year; None when nothing may be annualised."""

    @property
    def growth(self) -> float | None:
        """Equity at the end ÷ cash at the start, a year; None when it may not be annualised."""
        if self.annual is None or self.last <= 0:
            return None
        return math.pow(self.last / self.start, self.annual / len(self.days)) - 1

    @property
    def worst_drawdown(self) -> float | None:
        """The lowest drawdown, 0.0 when equity never fell below an earlier day's."""
        return min(self.drawdowns) if self.drawdowns else None

    def spells(self) -> list[tuple[int, int]]:
        """Return the spells below a highest equity: (first day below, days below) by index."""
        found: list[tuple[int, int]] = []
        for i, drawdown in enumerate(self.drawdowns):
            if drawdown < 0:
                if i and self.drawdowns[i - 1] < 0:
                    found[-1] = (found[-1][0], found[-1][1] + 1)
                else:
                    found.append((i, 1))
        return found
