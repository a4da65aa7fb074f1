"""The indices that the simulated stocks make: KOSPI, KOSDAQ, KOSPI200, weighted by market value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import msgspec

from kisnb.clock import MINUTE, Ns
from kisnb.market import sessions
from kisnb.market.calendar import FIRST_YEAR, previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.market.price_past import IndexDay, IndexName
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.model.daily_plan import Dated, market_return
from kisnb.simulator.day.model.draws import stable_random
from kisnb.terms import Board, Kind

_BASES: Mapping[IndexName, float] = {"KOSPI": 2_700.0, "KOSDAQ": 850.0, "KOSPI200": 360.0}
"""Levels before the day when no file has them. They are made up, and round."""
_MEMBERS = 200
"""Number of largest companies in an index.

KOSPI and KOSDAQ use it too, because smaller companies have little weight.
"""

_PAST_MEMBERS = 20
"""Number of largest companies whose daily bars move the days before."""


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
    """Computes one index: its levels on the simulated day, and its days before."""

    def __init__(self, plan: DayPlan, name: IndexName) -> None:
        self._plan = plan
        self.name = name
        self.board = Board.KOSDAQ if name == "KOSDAQ" else Board.KOSPI
        listed = _listed(plan, self.board)
        self.members = listed[:_MEMBERS]
        self.base = plan.index_base(name) or _BASES[name]
        self._levels: list[float] | None = None
        self._past: list[IndexDay] = []
        """The days that are made, the newest first."""
        self._members_of_past = self.members[:_PAST_MEMBERS]
        self._level = self.base
        """The index level at the close of the day that is made next.

        Days are made from the newest to the oldest.
        """
        self._closes = {item.code: item.base for item in self._members_of_past}
        """The close of each member on the day after the day that is made next."""
        self._rest = float(sum(i.shares * i.base for i in listed[_PAST_MEMBERS:]))
        """Market value of the board's smaller companies at the close of that later day, won."""
        self._rest_return = (0.0, 0.0)
        """Returns of the smaller companies on that later day: to the open, and after the open."""
        self._days: dict[str, Iterator[Dated]] = {}
        self._next: dict[str, Dated | None] = {}

    def at(self, now: Ns) -> IndexPoint:
        """Return the index and its members' trades at a moment. Before the open it is the base."""
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
            # The index into the list is 1 for rising, 0 for steady, and -1, the last one, for
            # falling.
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
        """Return the days before the simulated day, the newest first.

        The newest closes at the base.

        A day moves like its members' daily bars, weighted by market value. Years of days are read
        at once, so only the ``_PAST_MEMBERS`` largest have bars here. All smaller members together
        move like their board, because their own movements cancel out among so many.
        """
        done = 0
        while True:
            while done < len(self._past):
                yield self._past[done]
                done += 1
            known = len(self._past)
            self._make_day_before()
            if len(self._past) == known:
                return

    def _make_day_before(self) -> None:
        """Add the day before the oldest known day. Add nothing where the calendar ends."""
        day = previous_trading_day(self._past[-1].day if self._past else self._plan.day)
        if day.year <= FIRST_YEAR:
            return
        bars = [(item, bar) for item in self._members_of_past if (bar := self._bar(item.code, day))]
        # The level at the day's close is the level of the day after, less the rise of its members.
        after = self._rest + sum(item.shares * self._closes[item.code] for item, _ in bars)
        gap, daytime = self._rest_return
        rest = self._rest / ((1 + gap) * (1 + daytime))
        gap, daytime = market_return(self._plan.seed, day, self.board)
        rest_opened = rest / (1 + daytime)
        totals = [rest_opened, max(rest_opened, rest), min(rest_opened, rest), rest]
        for item, then in bars:
            for i, price in enumerate(_prices(then.bar)):
                totals[i] += item.shares * price
        opened, high, low, close = totals if any(totals) else (1, 1, 1, 1)
        level = self._level * close / after if after else self._level
        rng = stable_random(self._plan.seed, "index", self.name, day)
        # The highest and the lowest prices of the members lie at different moments, so the index
        # goes a part of the way to them.
        first = level * opened / close
        top, bottom = max(first, level), min(first, level)
        top += rng.uniform(0.3, 0.7) * max(level * high / close - top, 0.0)
        bottom -= rng.uniform(0.3, 0.7) * max(bottom - level * low / close, 0.0)
        o, h, lo, c = (round(x, 2) for x in (first, top, bottom, level))
        volume = sum(then.bar.volume for _, then in bars)
        value = sum(then.value for _, then in bars)
        self._past.append(IndexDay(day, o, h, lo, c, volume, value))
        self._level = level
        self._rest, self._rest_return = rest, (gap, daytime)
        self._closes |= {item.code: then.bar.close for item, then in bars}

    def _bar(self, code: str, day: date) -> Dated | None:
        """Return the bar of a past day; None when the issue has none. Ask newer days first."""
        days = self._days.get(code)
        if days is None:
            # It is made once, because real bars are read and snapped to the tick grid for it.
            days = self._days[code] = self._plan.past(code)
        then = self._next.get(code) or next(days, None)
        if then is None:
            return None
        # A day older than the requested one is kept until it is requested.
        self._next[code] = None if then.day >= day else then
        return then if then.day == day else None


def _prices(bar: DailyBar) -> tuple[int, int, int, int]:
    return bar.open, bar.high, bar.low, bar.close


def _listed(plan: DayPlan, board: Board) -> list[Instrument]:
    listed = (i for i in plan.universe if i.board is board and i.kind is Kind.STOCK and i.shares)
    # The code decides between equals, so that the members are the same on every machine.
    return sorted(listed, key=lambda i: (-i.shares * i.base, i.code))
