"""The indices that the simulated stocks make: KOSPI, KOSDAQ, KOSPI200, weighted by market value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kisnb.clock import MINUTE, Ns
from kisnb.market import sessions
from kisnb.market.calendar import FIRST_YEAR, previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.price_past import IndexDay, IndexName
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.model.daily_plan import market_return
from kisnb.simulator.day.model.draws import scattered, stable_random
from kisnb.simulator.day.model.market_factor import day_volatility
from kisnb.terms import Board, Kind

_BASES: Mapping[IndexName, float] = {"KOSPI": 2_700.0, "KOSDAQ": 850.0, "KOSPI200": 360.0}
"""Levels before the day when no file has them. They are made up, and round."""
_MEMBERS = 200
"""Largest companies that make an index. It is so for KOSDAQ and KOSPI too, where the rest weighs
little."""


class IndexPoint(msgspec.Struct, frozen=True, gc=False):
    """An index at a moment: points, and the shares and won that its members have traded.

    ``rising``, ``steady`` and ``falling`` count its members.
    """

    t: Ns
    name: IndexName
    level: float
    base: float
    open: float
    high: float
    low: float
    volume: int
    value: int
    rising: int
    steady: int
    falling: int

    @property
    def change(self) -> float:
        """Points above the base, rounded to two digits."""
        return round(self.level - self.base, 2)

    @property
    def change_pct(self) -> float:
        """Percent above the base, rounded to two digits."""
        return round((self.level / self.base - 1) * 100, 2)


class MarketIndex:
    """One index over one day."""

    def __init__(self, plan: DayPlan, name: IndexName) -> None:
        self._plan = plan
        self.name = name
        self.board = Board.KOSDAQ if name == "KOSDAQ" else Board.KOSPI
        self.members = _members(plan, self.board)
        self.base = plan.index_base(name) or _BASES[name]
        self._levels: list[float] | None = None

    def at(self, now: Ns) -> IndexPoint:
        """Return the index and its members' trades at a moment; the base before the open."""
        begin = sessions.regular_open(self._plan.day)
        if now < begin:
            b = self.base
            return IndexPoint(now, self.name, b, b, 0.0, 0.0, 0.0, 0, 0, 0, len(self.members), 0)
        past = self.minutes(now)
        volume = value = 0
        signs = [0, 0, 0]
        for item in self.members:
            standing = self._plan.standing(item.code, now)
            volume += standing.volume
            value += standing.value
            # The place is 1 for rising, 0 for steady and -1, the last one, for falling.
            signs[(standing.price > item.base) - (standing.price < item.base)] += 1
        level = past[-1]
        return IndexPoint(
            now,
            self.name,
            level,
            self.base,
            past[0],
            max(past),
            min(past),
            volume,
            value,
            signs[1],
            signs[0],
            signs[-1],
        )

    def minutes(self, now: Ns) -> Sequence[float]:
        """Return the level at the open, at the end of every minute up to ``now``, and at ``now``.

        It is empty before the open.
        """
        if now < (begin := sessions.regular_open(self._plan.day)):
            return ()
        levels = self._by_minute()
        passed = (now - begin) / MINUTE
        whole = min(int(passed), len(levels) - 1)
        past = levels[: whole + 1]
        if whole + 1 < len(levels) and passed > whole:
            # Between two minutes the level lies on a straight line.
            past = [*past, levels[whole] + (levels[whole + 1] - levels[whole]) * (passed - whole)]
        return [round(level, 2) for level in past]

    def _by_minute(self) -> list[float]:
        if self._levels is None:
            # Weighted by market value, as KRX's indices are; free float is not known here.
            weight = sum(item.shares * item.base for item in self.members)
            paths = [(item.shares, self._plan.fair_by_minute(item.code)) for item in self.members]
            self._levels = [
                self.base * sum(shares * path[m] for shares, path in paths) / weight
                if weight
                else self.base
                for m in range(len(paths[0][1]) if paths else 1)
            ]
        return self._levels

    def past(self) -> Iterator[IndexDay]:
        """Return made-up days before this one, the newest first. The newest closes at the base."""
        close, day = self.base, self._plan.day
        typical = (
            sum(item.volume for item in self.members),
            sum(item.volume * item.base for item in self.members),
        )
        while (day := previous_trading_day(day)).year > FIRST_YEAR:
            gap, daytime = market_return(self._plan.seed, day, self.board)
            # The days are made backwards, so that the newest one closes at the base.
            before = close / ((1 + gap) * (1 + daytime))
            opened = before * (1 + gap)
            rng = stable_random(self._plan.seed, "index", self.name, day)
            reach = 0.004 * day_volatility(self._plan.seed, day)
            high = max(opened, close) * (1 + reach * scattered(rng, 0.5))
            low = min(opened, close) * (1 - reach * scattered(rng, 0.5))
            busy = scattered(rng, 0.2)
            o, h, lo, c = (round(x, 2) for x in (opened, high, low, close))
            volume, value = (int(busy * ordinary) for ordinary in typical)
            yield IndexDay(day, o, h, lo, c, volume, value)
            close = round(before, 2)


def _members(plan: DayPlan, board: Board) -> list[Instrument]:
    listed = (i for i in plan.universe if i.board is board and i.kind is Kind.STOCK and i.shares)
    # The code decides between equals, so that the members are the same on every machine.
    return sorted(listed, key=lambda i: (-i.shares * i.base, i.code))[:_MEMBERS]
