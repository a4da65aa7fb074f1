"""The day of a whole universe: each stock's trades, made up, real, scripted or replayed.

The same seed, code and date always give the same day. A stock's day is made when it is first read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from kisnb.clock import MINUTE, Ns
from kisnb.errors import BadInput
from kisnb.market import sessions, ticks
from kisnb.market.calendar import previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar, bars_of
from kisnb.market.price_past import IndexDay, IndexName, PricePast
from kisnb.market.universe import Universe
from kisnb.simulator.day.market_day import Schedule, ScriptedDay
from kisnb.simulator.day.model.character import YEAR, Character, Past, character_of
from kisnb.simulator.day.model.daily_plan import Dated, past_days, plan_day, within_limits
from kisnb.simulator.day.model.draws import draws, lognormal, stable_random
from kisnb.simulator.day.model.market_factor import Factor, bent, factor, minutes_of
from kisnb.simulator.day.model.minute_path import MinutePath, minute_path
from kisnb.simulator.day.model.nextrade_day import bent_to, nextrade_bar
from kisnb.simulator.day.model.other_sessions import OtherSessions
from kisnb.simulator.day.model.regular_trades import regular_session
from kisnb.simulator.day.model.turnover import traded_for, value_of
from kisnb.terms import Board, Venue

_LEVEL_TRADES = 3.0
"""Mean size of a background level, in trades of mean size."""
_LEVEL_SIGMA, _LEVELS = 0.75, 251
_OPENING, _CLOSING = 0.03, 0.06
"""Ordinary fractions of the day's volume that the two auctions trade."""


class DaySoFar(NamedTuple):
    """The regular session of a stock up to a moment: last price in won, shares, won traded."""

    price: int
    volume: int
    value: int


class DayPlan:
    """One day of ``universe``.

    ``scripts`` are days of single stocks that replace the made-up ones. ``data`` is a folder with
    real prices; from it come the day's bars and each stock's behaviour. Raises ConfigError when the
    folder's files cannot be read. Methods raise UnknownInstrument for unknown codes.
    """

    def __init__(
        self,
        universe: Universe,
        day: date,
        seed: int,
        scripts: Mapping[str, ScriptedDay | Schedule] | None = None,
        data: Path | None = None,
    ) -> None:
        self.universe = universe
        self.day = day
        self.seed = seed
        self._real = PricePast(data, day) if data is not None else None
        self._scripts = dict(scripts or {})
        self._schedules: dict[str, Schedule] = {}
        self._regulars: dict[str, Schedule] = {}
        self.given = frozenset(self._scripts)
        """Codes whose trades are given, and not made up."""
        self._bars: dict[str, DailyBar] = {}
        if data is not None:
            self._bars = bars_of(data, day)
        self._factors: dict[Board, Factor] = {}
        self._characters: dict[str, Character] = {}
        self._plans: dict[str, DailyBar] = {}
        self._paths: dict[str, MinutePath | None] = {}

    def schedule(self, code: str) -> Schedule:
        """Return every trade of the stock's day on both venues."""
        # A universe has thousands of stocks, and a client reads a few of them.
        schedule = self._schedules.get(code)
        if schedule is None:
            schedule = self._schedules[code] = self._made(code)
        return schedule

    def bar(self, code: str) -> DailyBar:
        """Return the bar of the stock's regular session on KRX."""
        bar = self._plans.get(code)
        if bar is None:
            bar = self._plans[code] = self._planned(code)
        return bar

    def path(self, code: str) -> MinutePath | None:
        """Return the stock's fair price by minute.

        None: the stock does not trade, or its trades are given and not made up.
        """
        if code not in self._paths:
            bar = None if code in self.given else self.bar(code)
            item = self.universe.get(code)
            self._paths[code] = (
                minute_path(
                    item, self.day, self.seed, bar, self.character(code), self._factor(item.board)
                )
                if bar and bar.volume
                else None
            )
        return self._paths[code]

    def character(self, code: str) -> Character:
        """Return the stock's character: volatility, beta and ordinary trading.

        It comes from the real past when the data folder has enough of it.
        """
        known = self._characters.get(code)
        if known is None:
            item = self.universe.get(code)
            real = self._real
            known = (
                character_of(item, _past(real, item), real.day_range(code))
                if real
                else character_of(item)
            )
            self._characters[code] = known
        return known

    def standing(self, code: str, now: Ns) -> DaySoFar:
        """Return last price, volume and traded value of the regular session up to ``now``.

        During the session they are estimated from the minute path, because making the trades takes
        longer. After the close they are exact.
        """
        item = self.universe.get(code)
        bar, path, begin = self.bar(code), self.path(code), sessions.regular_open(self.day)
        if now < begin or not bar.volume:
            return DaySoFar(item.base, 0, 0)
        if path is None:
            schedule = self._regular(code)
            tally = schedule.tally(schedule.passed(now))
            return DaySoFar(tally.last or item.base, tally.volume, tally.value)
        # The path leads to the close without the closing auction's volume; the bar has both.
        if now >= sessions.regular_close(self.day):
            return DaySoFar(bar.close, bar.volume, Dated(self.day, bar).value)
        fair, done = path.at(now, self.day)
        # The trades themselves would be exact, but a ranking reads thousands of stocks.
        volume = int(bar.volume * (_OPENING + (1 - _OPENING - _CLOSING) * done))
        price = ticks.nearest(fair, item.kind, self.day, item.board)
        return DaySoFar(price, volume, volume * (bar.open + price) // 2)

    def fair_by_minute(self, code: str) -> Sequence[float]:
        """Return the stock's price in won at the open and at the end of each continuous minute."""
        path = self.path(code)
        if path is not None:
            return path.fair
        begin = sessions.regular_open(self.day)
        schedule = self._regular(code)
        prices = [float(self.universe.get(code).base)]
        prices += (float(trade.price) for trade in schedule.trades)
        return [
            prices[schedule.passed(begin + m * MINUTE)] for m in range(minutes_of(self.day) + 1)
        ]

    def past(self, code: str) -> Iterator[Dated]:
        """Return the daily bars before this day, the newest first.

        They are real when the data folder covers the day before, else made up.
        """
        item = self.universe.get(code)
        real = self._real.bars(code) if self._real else []
        # Old data would leave a gap before the simulated day, so made-up days take their place.
        if real and real[-1][0] == previous_trading_day(self.day):
            return (Dated(then, bar) for then, bar in reversed(real))
        return past_days(item, self.day, self.seed, self.character(code))

    def past_venue(self, code: str, venue: Venue) -> Iterator[Dated]:
        """Return a venue's daily bars before this day, the newest first. SOR: both venues together.

        KRX's bars are those of ``past``, which cover its regular session. Nextrade's cover all of
        its sessions.
        """
        days = self.past(code)
        if venue is Venue.KRX:
            yield from days
            return
        for then, before in pairwise(chain(days, [None])):
            assert then is not None
            other = self._nextrade(code, then, before)
            if venue is Venue.SOR:
                yield Dated(then.day, *_together(then.bar, other))
            elif other is not None:
                yield Dated(then.day, other)

    def _nextrade(self, code: str, then: Dated, before: Dated | None) -> DailyBar | None:
        """Return Nextrade's bar of a past day; None when the stock did not trade there.

        ``then`` is KRX's bar of that day, ``before`` is KRX's bar of the day before it.
        """
        item = self._as_of(code, then, before)
        return nextrade_bar(item, then.day, self.seed, then.bar, self.character(code))

    def _as_of(self, code: str, then: Dated, before: Dated | None) -> Instrument:
        # The base price of a day is the close of the day before it.
        base = (before or then).bar.close
        return msgspec.structs.replace(self.universe.get(code), base=base)

    def past_schedule(self, code: str, day: date) -> Schedule:
        """Return every trade of an earlier day. The trades add up to the bars of ``past_venue``.

        Raises BadInput for a day without trades of the issue.
        """
        days = self.past(code)
        for then in days:
            if then.day == day:
                item = self._as_of(code, then, before := next(days, None))
                whole = schedule_day(item, day, self.seed, then.bar, self.character(code))
                return _as_bars(whole, item, then, self._nextrade(code, then, before))
            if then.day < day:
                break
        raise BadInput(f"{code} did not trade on {day}", f"take a trading day before {self.day}")

    def index_base(self, name: IndexName) -> float | None:
        """Return the last real level of an index before this day. None when no file has it."""
        known = self._real.index(name) if self._real else []
        return known[-1].close if known else None

    def past_index(self, name: IndexName) -> list[IndexDay]:
        """Return the real days of an index, the newest first.

        Empty when the real days do not reach the day before the simulated day.
        """
        known = self._real.index(name) if self._real else []
        return known[::-1] if known and known[-1].day == previous_trading_day(self.day) else []

    def _planned(self, code: str) -> DailyBar:
        item = self.universe.get(code)
        if code in self.given:
            trades = self._regular(code)
            tally = trades.tally(len(trades.trades))
            return DailyBar(tally.open, tally.high, tally.low, tally.last, tally.volume)
        real = self._bars.get(code)
        if real:
            return within_limits(real, item, self.day)
        return plan_day(item, self.day, self.seed, self.character(code), self._factor(item.board))

    def _regular(self, code: str) -> Schedule:
        if code not in self._regulars:
            self._regulars[code] = self.schedule(code).regular(self.day)
        return self._regulars[code]

    def _factor(self, board: Board) -> Factor:
        """Return the factor that moves a board.

        When the day's real index is known, the factor has the index's real returns.
        """
        if board not in self._factors:
            made = factor(self.seed, self.day, board)
            before = self.index_base(board.value)
            real = self._real.index_that_day(board.value) if self._real else None
            if real and before:
                # Stocks with real bars then move with a board that has its real returns.
                made = bent(made, real.open / before - 1, real.close / real.open - 1)
            self._factors[board] = made
        return self._factors[board]

    def _made(self, code: str) -> Schedule:
        script = self._scripts.get(code)
        if script is not None:
            return script if isinstance(script, Schedule) else script.schedule(self.day)
        path = self.path(code)
        if path is None:
            return Schedule((), ())
        return _schedule(
            self.universe.get(code), self.day, self.seed, self.bar(code), self.character(code), path
        )


def schedule_day(
    item: Instrument, day: date, seed: int, bar: DailyBar, character: Character | None = None
) -> Schedule:
    """Return every trade of a day whose regular session on KRX is ``bar``.

    The opening auction trades at the open, and the closing auction at the close. There are many
    trades early and late, and few at noon. A volume of 0 gives no trades.
    """
    # A halted stock has a bar without volume.
    if not bar.volume:
        return Schedule((), ())
    traits = character or character_of(item)
    return _schedule(item, day, seed, bar, traits, minute_path(item, day, seed, bar, traits))


def _schedule(
    item: Instrument, day: date, seed: int, bar: DailyBar, traits: Character, path: MinutePath
) -> Schedule:
    regular = regular_session(item, day, seed, bar, traits, path)
    others = OtherSessions(item, day, seed, bar, traits, regular)
    levels = level_sizes(item, day, seed, bar.volume, len(regular.times))
    return Schedule.of((*regular.trades, *others.krx(), *others.nxt()), levels)


def _as_bars(
    schedule: Schedule, item: Instrument, then: Dated, nextrade: DailyBar | None
) -> Schedule:
    """Return the trades of a past day, changed so that they add up to the bars of the day.

    These are KRX's bar of the regular session, and Nextrade's bar of all its sessions.
    """
    day = then.day
    regular = schedule.regular(day).trades
    if not regular:
        return schedule
    own = set(map(id, regular))
    others = [
        trade for trade in schedule.trades if id(trade) not in own and trade.venue is not Venue.NXT
    ]

    def step(price: int, count: int) -> int:
        return ticks.step(price, count, item.kind, day, item.board)

    trades = [*traded_for(regular, then.value, step, fixed=1), *others]
    if nextrade is not None:
        there = [trade for trade in schedule.trades if trade.venue is Venue.NXT]
        trades += bent_to(there, nextrade, day, step)
    return Schedule.of(trades, schedule.level_sizes, schedule.level_gap)


def _together(krx: DailyBar, nextrade: DailyBar | None) -> tuple[DailyBar, int]:
    """Return the bar of both venues together, and the won traded in it.

    Nextrade begins before KRX and ends after it.
    """
    if nextrade is None:
        return krx, value_of(krx)
    bar = DailyBar(
        nextrade.open,
        max(krx.high, nextrade.high),
        min(krx.low, nextrade.low),
        nextrade.close,
        krx.volume + nextrade.volume,
    )
    return bar, value_of(krx) + value_of(nextrade)


def level_sizes(
    item: Instrument, day: date, seed: int, volume: int, trades: int
) -> tuple[int, ...]:
    """Return the sizes of background levels in shares.

    ``volume`` and ``trades`` are the day's shares and number of trades.
    """
    rng = stable_random(seed, "levels", item.code, day)
    mean = max(1.0, volume / max(1, trades)) * _LEVEL_TRADES
    return tuple(max(1, int(mean * z)) for z in draws(rng, lognormal(_LEVEL_SIGMA), _LEVELS))


def _past(real: PricePast, item: Instrument) -> Past | None:
    """Return the newest real returns of an issue; None when there are none.

    The board's returns are included if the data have the index on every one of these days.
    """
    days = real.bars(item.code)[-YEAR - 1 :]
    if not days:
        return None
    level = {known.day: known.close for known in real.index(item.board.value)}
    steps = list(pairwise(days))
    # A slope on days that are missing would compare different days.
    known = all(day in level for day, _ in days)
    return Past(
        tuple(b.close / a.close - 1 for (_, a), (_, b) in steps),
        tuple(level[b] / level[a] - 1 for (a, _), (b, _) in steps) if known else (),
        tuple(bar.volume for _, bar in days),
    )
