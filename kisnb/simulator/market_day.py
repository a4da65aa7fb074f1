"""The day of one stock before anybody trades against it: its open, high, low, close and volume, and every trade.

The same seed, code and date always give the same day. All stocks of a day share one common factor, so they move
together. A real daily bar can take the place of the made-up one: then the path goes through its four prices.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, time
from functools import lru_cache
from itertools import accumulate, pairwise
from random import Random
from typing import NamedTuple

from kisnb.clock import Ns, kst
from kisnb.errors import BadInput
from kisnb.exchange.exchange import Tally
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.terms import Board, Kind, Phase, Side, Venue

_MS: Ns = 1_000_000
_FEWEST, _MOST = 1_500, 4_000
_OPENING_SHARE, _CLOSING_SHARE = 0.03, 0.06
_DAILY_SIGMA = {Board.KOSPI: 0.012, Board.KOSDAQ: 0.018}
_COMMON_SIGMA = 0.009
_LEVEL_TRADES = 3.0
"""Mean size of a background level, in trades of mean size."""


class Trade(NamedTuple):
    """One trade of the schedule; without a side it is an auction's print."""

    t: Ns
    price: int
    qty: int
    side: Side | None
    venue: Venue = Venue.KRX
    spread: int = 1
    """Ticks between the best bid and the best ask around the trade."""


class Schedule(NamedTuple):
    """All trades of a stock's day, and what the book around them looks like."""

    trades: tuple[Trade, ...]
    times: tuple[Ns, ...]
    level_sizes: tuple[int, ...]
    """Sizes that background levels take on, in shares."""
    level_gap: int = 1
    """Ticks between two background levels."""

    def passed(self, now: Ns) -> int:
        """How many trades lie at or before ``now``."""
        return bisect_right(self.times, now)

    def tally(self, count: int) -> Tally:
        """What the first ``count`` trades come to."""
        tally = Tally()
        for trade in self.trades[:count]:
            tally.add(trade.price, trade.qty)
        return tally


class ScriptedDay(NamedTuple):
    """A stock's day written by hand: (time, price, shares), times KST and rising.

    A trade at the opening or closing time of the day is that auction's print. The book around each trade has
    levels of ``size`` shares, ``gap`` ticks apart. The taker buys when the price did not fall.
    """

    trades: Sequence[tuple[time, int, int]]
    size: int = 1_000
    gap: int = 1

    def schedule(self, day: date) -> Schedule:
        """The script as a schedule of ``day``; raises BadInput for times that fall or at which nothing can trade."""
        auctions = (sessions.regular_open(day), sessions.regular_close(day))
        trades: list[Trade] = []
        for at, price, qty in self.trades:
            t = kst(day, at) + at.microsecond * 1_000
            if t not in auctions and sessions.regular_phase(t) is not Phase.CONTINUOUS:
                raise BadInput(f"no trade can happen at {at} on {day}", "script it between open and closing auction")
            if trades and t < trades[-1].t:
                raise BadInput(f"the scripted trade at {at} comes too late", "write the trades in the order of time")
            fell = bool(trades) and price < trades[-1].price
            side = None if t in auctions else Side.SELL if fell else Side.BUY
            trades.append(Trade(t, price, qty, side))
        return _scheduled(trades, (self.size,), self.gap)


def stable_random(*parts: object) -> Random:
    """A random source that depends on ``parts`` alone, on every machine and in every process."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))


def plan_day(item: Instrument, day: date, seed: int) -> DailyBar:
    """A made-up daily bar of a stock around its base price, on the grid and within the day's limits."""
    rng = stable_random(seed, "plan", item.code, day)
    volume = 0 if item.halted else max(1, int(max(item.volume, 1) * math.exp(rng.gauss(0, 0.3))))
    own = 0.001 if item.kind is not Kind.STOCK else _DAILY_SIGMA[item.board]
    beta = 1.0 if item.kind is not Kind.STOCK else rng.uniform(0.7, 1.4)
    common = _common_path(seed, day)[-1] * _COMMON_SIGMA
    gap = 0.3 * beta * common + rng.gauss(0, own * 0.3)
    opened = item.base * math.exp(gap)
    closed = opened * math.exp(beta * common + rng.gauss(0, own))
    high = max(opened, closed) * math.exp(abs(rng.gauss(0, own * 0.5)) + 0.002)
    low = min(opened, closed) * math.exp(-abs(rng.gauss(0, own * 0.5)) - 0.002)
    o, h, lo, c = (ticks.nearest(price, item.kind, day, item.board) for price in (opened, high, low, closed))
    return within_limits(DailyBar(o, h, lo, c, volume), item, day)


def within_limits(bar: DailyBar, item: Instrument, day: date) -> DailyBar:
    """The bar with prices outside the day's limits moved to them: adjusted prices of the past can lie outside."""
    lower, upper = ticks.limits(item.base, item.kind, day, item.board)
    o, h, lo, c = (min(max(price, lower), upper) for price in (bar.open, bar.high, bar.low, bar.close))
    return DailyBar(o, h, lo, c, bar.volume)


def schedule_day(item: Instrument, day: date, seed: int, bar: DailyBar) -> Schedule:
    """Every trade of a day whose open, high, low, close and volume are those of ``bar``.

    The open is the opening auction's print and the close the closing auction's; trades are many early and late
    and few at noon; their sizes add up to the bar's volume. A volume of 0 gives no trades.
    """
    if not bar.volume:
        return _scheduled([], (1,), 1)
    rng = stable_random(seed, "trades", item.code, day)
    opening = max(1, int(bar.volume * _OPENING_SHARE))
    closing = max(1, int(bar.volume * _CLOSING_SHARE)) if bar.volume > 1 else 0
    rest = max(0, bar.volume - opening - closing)
    count = min(rest, max(_FEWEST, min(_MOST, int(500 * math.log10(bar.volume + 1)))))
    times = _times(rng, day, count)
    fair = _path(rng, times, day, seed, bar)
    sizes = _sizes(rng, len(times), rest)
    begin, end = sessions.regular_open(day), sessions.regular_close(day)
    trades = [Trade(begin, bar.open, opening, None)]
    trades += _prints(rng, item, day, bar, times, fair, sizes)
    if closing:
        trades.append(Trade(end, bar.close, closing, None))
    mean = max(1.0, rest / max(1, count)) * _LEVEL_TRADES
    levels = tuple(max(1, int(mean * math.exp(rng.gauss(-0.3, 0.75)))) for _ in range(251))
    return _scheduled(trades, levels, 1)


def _scheduled(trades: list[Trade], levels: tuple[int, ...], gap: int) -> Schedule:
    return Schedule(tuple(trades), tuple(trade.t for trade in trades), levels, gap)


@lru_cache(maxsize=4)
def _common_path(seed: int, day: date) -> tuple[float, ...]:
    """The market's path minute by minute: a Brownian motion with variance 1 over the day."""
    minutes = (sessions.continuous_end(day) - sessions.regular_open(day)) // (60_000 * _MS)
    rng = stable_random(seed, "common", day)
    return tuple(accumulate((rng.gauss(0, minutes**-0.5) for _ in range(minutes)), initial=0.0))


def _times(rng: Random, day: date, count: int) -> list[Ns]:
    """Moments between the auctions, to the millisecond, rising, dense at both ends of the day (U-shape)."""
    begin, end = sessions.regular_open(day), sessions.continuous_end(day)
    span = (end - begin) // _MS
    minutes = span // 60_000
    weights = [1.0 + 2.5 * (2 * m / minutes - 1) ** 2 for m in range(minutes)]
    drawn = rng.choices(range(minutes), weights=weights, k=count)
    offsets = sorted(m * 60_000 + rng.randrange(60_000) for m in drawn)
    rising: list[Ns] = []
    earliest = 1
    for offset in offsets:
        earliest = max(offset, earliest)
        rising.append(begin + earliest * _MS)
        earliest += 1
    return rising if not rising or rising[-1] < end else [t for t in rising if t < end]


def _path(rng: Random, times: list[Ns], day: date, seed: int, bar: DailyBar) -> list[float]:
    """A fair price per trade, from open to close through high and low, moving with the common factor."""
    count = len(times)
    if count < 2:
        return [bar.high if bar.high > max(bar.open, bar.close) else bar.low] * count
    common = _common_path(seed, day)
    begin = sessions.regular_open(day)
    own = list(accumulate(rng.gauss(0, 1.2 * count**-0.5) for _ in range(count)))
    noise = [_at_minute(common, (t - begin) / (60_000 * _MS)) + own[i] for i, t in enumerate(times)]
    trend = (bar.close - bar.open) / max(1, bar.high - bar.low) - noise[-1]
    lean = [noise[i] + trend * i / count for i in range(count)]
    anchors = _anchors(lean, bar)
    scale = (bar.high - bar.low) / (max(lean) - min(lean))
    fair: list[float] = []
    for (i, left), (j, right) in pairwise(anchors):
        for k in range(len(fair), j + 1):
            w = (k - i) / (j - i)
            bridge = lean[k] - lean[i] - (lean[j] - lean[i]) * w
            fair.append(min(max(left + (right - left) * w + bridge * scale, bar.low), bar.high))
        fair[j] = right
    return fair


def _anchors(lean: list[float], bar: DailyBar) -> list[tuple[int, float]]:
    """Trades whose fair price is given: the high's and the low's where the auctions do not print them, both ends."""
    anchors: dict[int, float] = {}
    if bar.high > max(bar.open, bar.close):
        anchors[max(range(len(lean)), key=lean.__getitem__)] = bar.high
    if bar.low < min(bar.open, bar.close):
        free = [i for i in range(len(lean)) if i not in anchors]
        anchors[min(free, key=lean.__getitem__)] = bar.low
    anchors.setdefault(0, bar.open)
    anchors.setdefault(len(lean) - 1, bar.close)
    return sorted(anchors.items())


def _at_minute(path: tuple[float, ...], minute: float) -> float:
    i = min(int(minute), len(path) - 2)
    return path[i] + (path[i + 1] - path[i]) * (minute - i)


def _sizes(rng: Random, count: int, total: int) -> list[int]:
    """``count`` sizes of at least one share, a few of them large, that add up to ``total``."""
    if not count:
        return []
    weights = [math.exp(rng.gauss(0, 1.1)) for _ in range(count)]
    whole = sum(weights)
    spare = total - count
    sizes = [1 + int(spare * w / whole) for w in weights]
    sizes[max(range(count), key=sizes.__getitem__)] += total - sum(sizes)
    return sizes


def _prints(
    rng: Random,
    item: Instrument,
    day: date,
    bar: DailyBar,
    times: list[Ns],
    fair: list[float],
    sizes: list[int],
) -> list[Trade]:
    """Trades at the bid or one tick above, around the fair price; takers keep their side for a while."""
    trades: list[Trade] = []
    side = Side.BUY
    for t, value, qty in zip(times, fair, sizes, strict=True):
        if rng.random() < 0.4:
            side = side.opposite
        tick = ticks.tick_size(int(value), item.kind, day, item.board)
        bid = int(value / tick) * tick
        if value >= bar.high:
            side, price = Side.BUY, bar.high
        elif value <= bar.low:
            side, price = Side.SELL, bar.low
        else:
            price = bid + tick if side is Side.BUY else bid
        trades.append(Trade(t, min(max(price, bar.low), bar.high), qty, side))
    return trades
