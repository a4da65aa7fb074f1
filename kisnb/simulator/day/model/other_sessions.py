"""Trades outside KRX's regular session.

They are those of Nextrade's three sessions, and of KRX's closing-price, single-price and
after-market sessions. Nextrade follows KRX's fair price while both trade. Before the open,
both prices move towards it. After the close, both move away from it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import date
from itertools import accumulate
from math import sqrt
from random import Random
from typing import NamedTuple

from kisnb.clock import MINUTE, Ns
from kisnb.market import order_rules, sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.market.sessions import Hours
from kisnb.market.ticks import PriceLimits
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.model.character import Character
from kisnb.simulator.day.model.draws import draw, exp, normal, stable_random
from kisnb.simulator.day.model.market_factor import day_volatility, liveliness
from kisnb.simulator.day.model.minute_path import folded
from kisnb.simulator.day.model.regular_trades import (
    Ladder,
    RegularTrades,
    Takers,
    sizes_of,
    spread_of,
)
from kisnb.terms import Side, Venue

_MS: Ns = 1_000_000
_CALL = 10 * MINUTE
"""Time between two auctions of the 시간외 단일가 session (KRX rule)."""
_CALL_PERCENT = 10
"""Limits of the 시간외 단일가 session around the close, in percent (KRX rule)."""
_EVENING = 0.15
"""Standard deviation of an evening, as a multiple of a whole day's standard deviation."""


class _Plan(NamedTuple):
    """A session's volume, number of trades and spread.

    They are multiples: of the day's volume, of the number of the regular session's trades, and of
    the stock's ordinary spread.
    """

    volume: float
    trades: float
    wide: float


_KRX_PLANS = {
    "pre-open closing price": _Plan(0.0005, 0.001, 1),
    "closing price": _Plan(0.003, 0.004, 1),
    "single price": _Plan(0.003, 0, 1),
    "after-market": _Plan(0.01, 0.03, 2),
}
_NXT_PLANS = {
    "pre-market": _Plan(0.12, 0.15, 2),
    "regular": _Plan(1, 1, 1.2),
    "after-market": _Plan(0.15, 0.2, 2),
}
"""Nextrade's sessions, as multiples of what the stock trades there during the day."""


def nextrade_shares(item: Instrument, day: date, bar: DailyBar, traits: Character) -> int:
    """Return the shares that trade on Nextrade on a day; 0 for a stock not listed there."""
    if not item.nxt:
        return 0
    plans = (_NXT_PLANS.get(hours.span.name) for hours in sessions.hours(Venue.NXT, day))
    return sum(int(bar.volume * plan.volume * traits.nxt_share) for plan in plans if plan)


class _Evening:
    """The fair price after the close, minute by minute, the same on both venues."""

    def __init__(self, item: Instrument, day: date, seed: int, close: int, sigma: float) -> None:
        rng = stable_random(seed, "evening", item.code, day)
        self._begin = sessions.regular_close(day)
        # More minutes than any evening has: there are 270 from 15:30 to 20:00.
        count = 300
        # The evening moves as a random walk of one step a minute.
        step = close * sigma * _EVENING / sqrt(count)
        self._path = [
            close + moved for moved in accumulate(step * draw(rng, normal()) for _ in range(count))
        ]

    def at(self, t: Ns) -> float:
        return self._path[min((t - self._begin) // MINUTE, len(self._path) - 1)]

    def wobble(self, since: Ns) -> float:
        """Return how far the price is from the close ``since`` ns after the close, in won."""
        return self._path[min(since // MINUTE, len(self._path) - 1)] - self._path[0]


class OtherSessions:
    """The trades of one stock and day outside KRX's regular session."""

    def __init__(
        self,
        item: Instrument,
        day: date,
        seed: int,
        bar: DailyBar,
        traits: Character,
        regular: RegularTrades,
    ) -> None:
        self._item, self._day, self._seed, self._bar, self._traits = item, day, seed, bar, traits
        self._regular = regular
        self._ladder = Ladder(item, day, *_price_range(item, day, bar))
        self._sigma = traits.sigma * day_volatility(seed, day)
        self._evening = _Evening(item, day, seed, bar.close, self._sigma)

    def krx(self) -> list[PlannedTrade]:
        """Return the trades of KRX's closing-price, single-price and after-market sessions."""
        trades: list[PlannedTrade] = []
        for hours in sessions.hours(Venue.KRX, self._day):
            plan = _KRX_PLANS.get(hours.span.name)
            # The order rules know on which days a session exists, and for which issues.
            if plan is None or not order_rules.kinds(hours.start, Venue.KRX, self._item):
                continue
            rng = stable_random(self._seed, "KRX", hours.span.name, self._item.code, self._day)
            if hours.span.name == "single price":
                trades += self._calls(rng, hours, plan)
            # KRX's after-market excludes ETFs and ETNs (KIS's notice of 2026-09-09). The order
            # rules above skip it for them.
            elif hours.span.name == "after-market":
                trades += self._continuous(rng, hours, plan, self._evening.at, 1.0)
            else:
                price = (
                    self._item.base if hours.span.name.startswith("pre-open") else self._bar.close
                )
                trades += self._at_one_price(rng, hours, plan, price)
        return trades

    def nxt(self) -> list[PlannedTrade]:
        """Return the trades of Nextrade's sessions; none when Nextrade does not list the stock."""
        if not self._item.nxt:
            return []
        fairs = {
            "pre-market": self._morning,
            "regular": self._beside_krx,
            "after-market": self._evening.at,
        }
        trades: list[PlannedTrade] = []
        for hours in sessions.hours(Venue.NXT, self._day):
            fair = fairs.get(hours.span.name)
            if fair is not None:
                rng = stable_random(self._seed, "NXT", hours.span.name, self._item.code, self._day)
                plan = _NXT_PLANS[hours.span.name]
                trades += self._continuous(rng, hours, plan, fair, self._traits.nxt_share)
        return trades

    def _morning(self, t: Ns) -> float:
        """Return the fair price before the open, on the way from the base to the open.

        The later the moment, the nearer the price is to the opening price.
        """
        begin = sessions.hours(Venue.NXT, self._day)[0].start
        passed = (t - begin) / (sessions.regular_open(self._day) - begin)
        base, opened = self._item.base, self._bar.open
        # The factor is zero at both ends and one in the middle, so base and open are met.
        wobble = 4 * self._evening.wobble(t - begin) * (1 - passed) * passed
        return base + (opened - base) * sqrt(passed) + wobble

    def _beside_krx(self, t: Ns) -> float:
        i = bisect_right(self._regular.times, t) - 1
        return self._regular.fair[i] if i >= 0 else float(self._bar.open)

    def _continuous(
        self, rng: Random, hours: Hours, plan: _Plan, fair: Callable[[Ns], float], share: float
    ) -> list[PlannedTrade]:
        wanted = int(self._bar.volume * plan.volume * share)
        count = min(wanted, int(len(self._regular.times) * plan.trades * share))
        ladder, takers = self._ladder, Takers(rng)
        low, high = ladder.prices[0], ladder.prices[-1]
        wide = plan.wide * self._traits.spread * self._bar.close / ladder.tick
        trades: list[PlannedTrade] = []
        for t, qty in zip(
            self._moments(rng, hours, count), sizes_of(rng, count, wanted), strict=True
        ):
            # A little noise, below a tick: the prices do not follow the fair price exactly.
            value = folded(fair(t) + 0.3 * ladder.tick * draw(rng, normal()), low, high)
            side, spread = takers.next(), spread_of(rng, wide)
            bid, ask = ladder.side_prices(ladder.below(value), spread)
            trades.append(
                PlannedTrade(
                    t, ask if side is Side.BUY else bid, qty, side, hours.span.venue, spread
                )
            )
        return trades

    def _at_one_price(
        self, rng: Random, hours: Hours, plan: _Plan, price: int
    ) -> list[PlannedTrade]:
        """Return trades at a given price. Their side is BUY, because the price shows no taker."""
        wanted = int(self._bar.volume * plan.volume)
        count = min(wanted, max(1, int(len(self._regular.times) * plan.trades)))
        moments = self._moments(rng, hours, count)
        return [
            PlannedTrade(t, price, qty, Side.BUY)
            for t, qty in zip(moments, sizes_of(rng, count, wanted), strict=True)
        ]

    def _calls(self, rng: Random, hours: Hours, plan: _Plan) -> list[PlannedTrade]:
        moments = range(hours.start + _CALL, hours.end + 1, _CALL)
        wanted = int(self._bar.volume * plan.volume)
        # Each auction needs a share at least.
        if wanted < len(moments):
            return []
        close, ladder = self._bar.close, self._ladder
        low = max(close * (100 - _CALL_PERCENT) / 100, ladder.prices[0])
        high = min(close * (100 + _CALL_PERCENT) / 100, ladder.prices[-1])
        sizes = sizes_of(rng, len(moments), wanted)
        trades: list[PlannedTrade] = []
        for t, qty in zip(moments, sizes, strict=True):
            at = ladder.below(folded(self._evening.at(t), low, high))
            trades.append(PlannedTrade(t, ladder.prices[at], qty, None))
        return trades

    def _moments(self, rng: Random, hours: Hours, count: int) -> list[Ns]:
        """Return rising moments inside a session.

        In the session that runs beside KRX's regular one, they are many early and late and few at
        noon. In any other session most are early.
        """
        minutes = (hours.end - hours.start) // MINUTE
        if hours.span.name == "regular":
            weights: list[float] = list(liveliness(minutes))
        else:
            weights = [0.3 + exp(-m / 40) for m in range(minutes)]
        drawn = rng.choices(range(minutes), cum_weights=list(accumulate(weights)), k=count)
        offsets = sorted(m * 60_000 + int(rng.random() * 60_000) for m in drawn)
        latest = (hours.end - hours.start) // _MS
        rising: list[Ns] = []
        for i, offset in enumerate(offsets):
            earliest = rising[-1] + 1 if rising else 1
            # No two trades share a millisecond, and all of them lie inside the session.
            rising.append(min(max(offset, earliest), latest - (count - i)))
        return [hours.start + offset * _MS for offset in rising]


def _price_range(item: Instrument, day: date, bar: DailyBar) -> PriceLimits:
    """Return the prices that these sessions may have: the day's limits.

    An issue without limits gets a usual width around the regular session.
    """
    limits = ticks.limits_of(item, day)
    if limits is not None:
        return limits
    low, high = (ticks.limits(price, item.kind, day, item.board) for price in (bar.low, bar.high))
    return PriceLimits(low.lower, high.upper)
