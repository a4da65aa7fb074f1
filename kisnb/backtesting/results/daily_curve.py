"""The daily returns and drawdowns of a run, and the factor that turns them into yearly figures."""

from __future__ import annotations

import math

from kisnb.backtesting.results.daily import Days
from kisnb.backtesting.run_record import RunRecord

FEWEST_DAYS = 20
"""The fewest daily returns from which yearly figures are made.

A few days show little about a year.
"""


class DailyCurve:
    """The daily returns of a run, with its drawdowns and its growth."""

    def __init__(
        self,
        daily: Days,
        record: RunRecord,
        year: float | None,
        *,
        has_gaps: bool,
    ) -> None:
        self.days, self.equity = daily.dates, daily.equity
        self.drawdowns, self.returns = daily.drawdowns, daily.returns
        self.known = [r for r in self.returns if r is not None]
        self.last = self.equity[-1] if self.equity else record.cash
        self.start = record.cash
        self.year = year
        """Days of the run in a year. None: not known."""
        self.has_gaps = has_gaps
        """True when the data have no bars on some of KRX's trading days."""
        self.year_text = f"{year:.1f}" if year is not None else "unknown"
        many = len(self.known) >= FEWEST_DAYS
        self.annual = year if many else None
        """Days of the run in a year, to annualise.

        None: there are too few returns, or the number of days is not known.
        """

    @property
    def growth(self) -> float | None:
        """The yearly growth of the equity, 0.01 = 1 %. None when ``annual`` is None."""
        if self.annual is None or self.last <= 0:
            return None
        return math.pow(self.last / self.start, self.annual / len(self.days)) - 1

    @property
    def worst_drawdown(self) -> float | None:
        """The lowest drawdown, such as -0.1 for -10 %. 0.0: the equity never fell.

        None: no days.
        """
        return min(self.drawdowns) if self.drawdowns else None

    def spells(self) -> list[tuple[int, int]]:
        """Return each run of days on which the equity was below an earlier high.

        Each is a tuple: the index of its first day, and its number of days.
        """
        found: list[tuple[int, int]] = []
        first = None
        for i, drawdown in enumerate([*self.drawdowns, 0.0]):
            if drawdown < 0:
                first = i if first is None else first
            elif first is not None:
                found.append((first, i - first))
                first = None
        return found
