"""The market's facts besides quotes: history, minutes, flows, indices, shorts and credit.

All of them follow from the same day as the trades. Trades of the simulator's clients do not count.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from functools import lru_cache
from itertools import accumulate, islice, pairwise

import msgspec

from kisnb.clock import MINUTE, Ns, kst
from kisnb.market import sessions
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.market.price_past import IndexDay, IndexName
from kisnb.simulator.day.day_plan import DayPlan, DaySoFar
from kisnb.simulator.day.investor_flows import (
    CreditBalance,
    Flows,
    ProgramFlows,
    ShortSale,
    credit_of,
    credit_standing,
    flows_of,
    foreign_held,
    program_of,
    short_sale_of,
)
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.market_index import IndexPoint, MarketIndex
from kisnb.simulator.day.model.daily_plan import Dated
from kisnb.terms import Venue


class MinuteTrades(msgspec.Struct, frozen=True, gc=False):
    """The trades of one minute in won and shares.

    ``t`` is the minute's start, ``value`` the won traded.
    """

    t: Ns
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


class DayFacts:
    """Facts of one day and of the days before it.

    Times are moments of the day. A fact at ``now`` contains nothing from later moments. Methods
    raise UnknownInstrument for codes outside the universe.
    """

    def __init__(self, plan: DayPlan) -> None:
        self._plan = plan
        # The caches are in the object, so that they end with the day.
        self._running = lru_cache(maxsize=512)(self._all_running)
        self._flows = lru_cache(maxsize=512)(self._flows_until)
        self._minutes = lru_cache(maxsize=512)(self._all_minutes)
        # The minutes of three venues are made of the same trades.
        self._past_trades = lru_cache(maxsize=8)(
            lambda code, day: plan.past_schedule(code, day).trades
        )
        self._past_minutes = lru_cache(maxsize=64)(self._minutes_of_past)
        self._history = lru_cache(maxsize=512)(
            lambda code, n, venue: tuple(reversed(list(islice(plan.past_venue(code, venue), n))))
        )
        self._indices: dict[IndexName, MarketIndex] = {}

    def history(self, code: str, n: int, venue: Venue = Venue.KRX) -> tuple[Dated, ...]:
        """Return the daily bars of the ``n`` trading days before the simulated day, oldest first.

        KRX bars cover the regular session, Nextrade bars all its sessions, and SOR bars both venues
        together. The last bar closes at the base price. If the folder of real prices covers the day
        before the simulated day, the bars are real; else they are made up. Days before the listing
        have no bar.
        """
        return self._history(code, n, venue)

    def today(self, code: str, now: Ns) -> DailyBar:
        """Return the bar of KRX's regular session up to ``now``; zeros before its first trade."""
        return _bar(self._regular(code, now))

    def standings(self, now: Ns) -> Mapping[str, DaySoFar]:
        """Return last price, volume and traded value of every issue by code, for rankings.

        During the day they are approximate, to save time. After the close they are exact.
        """
        return {item.code: self._plan.standing(item.code, now) for item in self._plan.universe}

    def minutes(self, code: str, now: Ns, venue: Venue = Venue.KRX) -> tuple[MinuteTrades, ...]:
        """Return the bars of the minutes in which the venue traded, oldest first.

        SOR means both venues together. The running minute is unfinished.
        """
        whole = self._minutes(code, venue)
        # The bars of the whole day are made once. Only the running minute is rebuilt at every
        # call.
        done = [bar for bar in whole if bar.t + MINUTE <= now]
        if len(done) < len(whole) and whole[len(done)].t <= now:
            done += _minute_bars(self._trades(code, venue, whole[len(done)].t, now))
        return tuple(done)

    def past_minutes(
        self, code: str, day: date, venue: Venue = Venue.KRX
    ) -> tuple[MinuteTrades, ...]:
        """Return the minute bars of a trading day before the simulated day, oldest first.

        The minute bars of the regular session add up to the day's bar.
        """
        return self._past_minutes(code, day, venue)

    def flows(self, code: str, now: Ns) -> Flows:
        """Return the turnover by group of investors from the open to ``now``."""
        return self._flows(code, now)

    def _flows_until(self, code: str, now: Ns) -> Flows:
        item = self._plan.universe.get(code)
        begin, end = sessions.regular_open(self._plan.day), sessions.regular_close(self._plan.day)
        times, volumes, values, prices = self._running(code)
        done = bisect_right(times, now)
        volume, value = (volumes[done - 1], values[done - 1]) if done else (0, 0)
        # Flows count the regular session. Outside of it they do not change.
        passed = min(max((now - begin) / (end - begin), 0.0), 1.0)
        change = prices[done - 1] / item.base - 1 if done else 0.0
        return flows_of(item, self._plan.day, self._plan.seed, now, volume, value, passed, change)

    def past_flows(self, code: str, n: int) -> tuple[tuple[Dated, Flows], ...]:
        """Return bars and turnover by group of the ``n`` days before today, oldest first."""
        item = self._plan.universe.get(code)
        # One day more, because a day's return is measured from the close before it.
        days = self.history(code, n + 1)
        return tuple(
            (then, self._flows_of_past(item, then, before.bar.close))
            for before, then in pairwise(days)
        )

    def program(self, code: str, now: Ns) -> ProgramFlows:
        """Return the program trades from the open to ``now``."""
        return program_of(self.flows(code, now))

    def foreign_held(self, code: str, now: Ns) -> int:
        """Return the shares that foreigners hold: those of the morning plus net purchases."""
        return foreign_held(self._plan.universe.get(code)) + self.flows(code, now).foreign.net

    def short_sales(self, code: str, n: int) -> tuple[ShortSale, ...]:
        """Return the short sales of the ``n`` days before the simulated day, oldest first."""
        item, seed = self._plan.universe.get(code), self._plan.seed
        return tuple(
            short_sale_of(item, then.day, seed, then.bar.volume, then.value)
            for then in self.history(code, n)
        )

    def credit(self, code: str, n: int) -> tuple[CreditBalance, ...]:
        """Return the credit balances at the end of the ``n`` days before today, oldest first."""
        item = self._plan.universe.get(code)
        standing = credit_standing(item)
        balances: list[CreditBalance] = []
        for then in reversed(self.history(code, n)):
            balances.append(credit_of(item, then.day, self._plan.seed, standing, then.bar.volume))
            # This goes back from the evening before this day: each day's balance follows from the
            # next day's.
            standing = balances[-1].before
        return tuple(reversed(balances))

    def index(self, name: IndexName, now: Ns) -> IndexPoint:
        """Return an index at ``now``."""
        return self._index(name).at(now)

    def index_minutes(self, name: IndexName, now: Ns) -> tuple[float, ...]:
        """Return the index at the open, at the end of each continuous minute, and at ``now``."""
        return tuple(self._index(name).minutes(now))

    def index_history(self, name: IndexName, n: int) -> tuple[IndexDay, ...]:
        """Return the ``n`` trading days of an index before the simulated day, oldest first."""
        real = self._plan.past_index(name)
        days: Iterator[IndexDay] = iter(real) if real else self._index(name).past()
        return tuple(reversed(list(islice(days, n))))

    def _index(self, name: IndexName) -> MarketIndex:
        if name not in self._indices:
            self._indices[name] = MarketIndex(self._plan, name)
        return self._indices[name]

    def _trades(self, code: str, venue: Venue, since: Ns, until: Ns) -> list[PlannedTrade]:
        """Return the trades from ``since`` to ``until``, both included; of both venues for SOR."""
        schedule = self._plan.schedule(code)
        trades = schedule.trades[bisect_left(schedule.times, since) : schedule.passed(until)]
        return [t for t in trades if venue is Venue.SOR or t.venue is venue]

    def _regular(self, code: str, now: Ns) -> list[PlannedTrade]:
        begin, end = sessions.regular_open(self._plan.day), sessions.regular_close(self._plan.day)
        return self._trades(code, Venue.KRX, begin, min(end, now))

    def _all_running(self, code: str) -> tuple[list[Ns], list[int], list[int], list[int]]:
        """Return four lists about the regular session's trades, one item for each trade.

        They are its time, the shares and the won traded up to it, and its price.
        """
        trades = self._regular(code, sessions.regular_close(self._plan.day))
        return (
            [trade.t for trade in trades],
            list(accumulate(trade.qty for trade in trades)),
            list(accumulate(trade.price * trade.qty for trade in trades)),
            [trade.price for trade in trades],
        )

    def _all_minutes(self, code: str, venue: Venue) -> tuple[MinuteTrades, ...]:
        return _minute_bars(self._trades(code, venue, 0, kst(self._plan.day, time.max)))

    def _minutes_of_past(self, code: str, day: date, venue: Venue) -> tuple[MinuteTrades, ...]:
        trades = self._past_trades(code, day)
        return _minute_bars(t for t in trades if venue is Venue.SOR or t.venue is venue)

    def _flows_of_past(self, item: Instrument, then: Dated, before: int) -> Flows:
        change = then.bar.close / before - 1
        end = sessions.regular_close(then.day)
        return flows_of(
            item, then.day, self._plan.seed, end, then.bar.volume, then.value, 1.0, change
        )


def _minute_bars(trades: Iterable[PlannedTrade]) -> tuple[MinuteTrades, ...]:
    """Return the minute bars of trades in the order of time.

    The closing auction's trade is a separate minute, as at KIS.
    """
    bars: list[MinuteTrades] = []
    minute: list[PlannedTrade] = []
    for trade in trades:
        if minute and trade.t // MINUTE != minute[0].t // MINUTE:
            bars.append(_minute_bar(minute))
            minute = []
        minute.append(trade)
    if minute:
        bars.append(_minute_bar(minute))
    return tuple(bars)


def _minute_bar(trades: list[PlannedTrade]) -> MinuteTrades:
    bar = _bar(trades)
    begun = trades[0].t - trades[0].t % MINUTE
    return MinuteTrades(
        begun,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        sum(t.price * t.qty for t in trades),
    )


def _bar(trades: list[PlannedTrade]) -> DailyBar:
    if not trades:
        return DailyBar(0, 0, 0, 0, 0)
    prices = [t.price for t in trades]
    return DailyBar(prices[0], max(prices), min(prices), prices[-1], sum(t.qty for t in trades))
