"""Volatility tracker: the more a stock moves on a usual day, the fewer shares of it are held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import fmean

from kisnb.clock import Ns, kst_day
from kisnb.events import Bar
from kisnb.market.true_range import newest_atr
from kisnb.strategies.daily_agent import DailyAgent


class VolatilityTracker(DailyAgent):
    """Holds shares whose average true range is ``risk`` of the equity; buys only when cheap.

    - Idea: equal risk instead of equal money. When a stock begins to move more, shares are sold.
    - Data: daily bars of one stock. Without ``book_values`` cheap means a low price. With them it
      means a low price ÷ book value per share. Each book value has the day from which it is known.
    - Decision: once for each closed day (``decide``). The order trades at the next bar. It changes
      the holding when that is ``drift`` away from the wanted shares. It buys only while the newest
      close is below the mean of ``length`` days, and sells at any time.
    - Known weakness: below its mean a stock may go on falling, and there is no stop. The range
      rises after the fall, so it sells late. When the equity, the range or the mean is missing,
      it does not trade.
    """

    code: str = ""
    """The stock that it trades."""
    risk: float = 0.005
    """Value of one average true range of the holding, as a part of the equity: 0.005 is 0.5 %."""
    drift: float = 0.2
    """It trades when held and wanted shares differ by this part of the wanted shares."""
    length: int = 60
    """Days of the mean."""
    book_values: tuple[tuple[str, int], ...] = ()
    """Pairs (day, won per share), oldest first: the book value that is known from that day on."""

    def on_start(self) -> None:
        """Begin with no earlier decision."""
        super().on_start()
        self._decided: Ns = 0

    def look(self) -> bool:
        """Decide on the days so far, and order for the next bar."""
        newest = self.bars("1d", 1)
        if not newest or newest[0].t == self._decided:
            return bool(newest)
        self._decided = newest[0].t
        bars = list(self.bars("1d", max(self.length, 30)))
        atr, equity, held = newest_atr(bars), self.equity(), self.held() + self.working()
        levels = [_level(bar, self.book_values) for bar in bars][-self.length :]
        mean = _mean(levels, self.length)
        is_cheap = None if mean is None or levels[-1] is None else levels[-1] < mean
        goal, why = decide(held, equity, atr, is_cheap, self.risk, self.drift)
        order = None
        if goal > held:
            order = self.buy(goal - held)
        elif goal < held:
            order = self.sell(held - goal)
        action = "hold" if order is None else str(order.side)
        self.decide(action, why, order=order, atr=atr, equity=equity, held=held, goal=goal)
        return True


def decide(
    held: int,
    equity: int | None,
    atr: float | None,
    is_cheap: bool | None,
    risk: float,
    drift: float,
) -> tuple[int, str]:
    """Return the number of shares to hold from now on, and the reason.

    ``equity`` and ``atr`` are won. If one is None (not known), the result is ``held``.
    """
    if equity is None or atr is None:
        return held, f"the {'equity' if equity is None else 'average true range'} is not known"
    goal = int(equity * risk / atr)
    if goal == held or abs(goal - held) < drift * goal:
        return held, f"less than {drift:.0%} away from {goal:,} shares"
    if goal < held:
        return goal, "more risk than wanted"
    if is_cheap is None:
        return held, "the mean is not known"
    return (goal, "cheap, and less risk than wanted") if is_cheap else (held, "not below its mean")


def _level(bar: Bar, book_values: Sequence[tuple[str, int]]) -> float | None:
    """Return the close, or close ÷ book value. None for a day before the first book value."""
    if not book_values:
        return bar.close
    day = kst_day(bar.t)
    known = [value for since, value in book_values if date.fromisoformat(since) <= day]
    return bar.close / known[-1] if known else None


def _mean(levels: Sequence[float | None], length: int) -> float | None:
    known = [level for level in levels if level is not None]
    return fmean(known) if len(known) == length else None
