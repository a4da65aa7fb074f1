"""Every trade of KRX's regular session, along the minute path of the day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import accumulate
from math import sqrt
from random import Random
from typing import NamedTuple

from kisnb.clock import Ns
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.model.character import FEWEST_TRADES, MOST_TRADES, Character
from kisnb.simulator.day.model.draws import draw, draws, lognormal, normal, pareto, stable_random
from kisnb.simulator.day.model.minute_path import MinutePath, folded
from kisnb.terms import Side

_MS: Ns = 1_000_000
_MINUTE = 60_000
_BURST, _BURST_MS = 0.3, 400
"""Fraction of the trades that follow the trade before at once, and within how many milliseconds."""
_SIZE_SIGMA = 1.25
"""Standard deviation of the logarithm of a trade's size."""
_ORDERS_AT_WORK = 4
"""Number of large orders at work at the same time. Their lengths are Pareto, as in Lillo, Mike and
Farmer, Physical Review E 71, 066122 (2005).
"""
_PAUSE, _SHORTEST = 0.25, 4
"""Chance that another large order goes on after a trade, and the fewest trades of a large order."""
_WIDEST = 8
"""Widest spread, in ticks."""


class RegularTrades(NamedTuple):
    """The trades of KRX's regular session, with those of both auctions.

    ``times`` and ``fair`` have one item for each trade of the continuous session: its moment, and
    the fair price then. They have no item for the two auctions' trades.
    """

    trades: list[PlannedTrade]
    times: list[Ns]
    fair: list[float]


def regular_session(
    item: Instrument, day: date, seed: int, bar: DailyBar, traits: Character, path: MinutePath
) -> RegularTrades:
    """Return the trades of the regular session. Their sizes add up to the bar's volume.

    The opening auction trades at the open, and the closing auction at the close.
    """
    rng = stable_random(seed, "trades", item.code, day)
    # The auctions take their parts first; the continuous session has the rest.
    opening = max(1, int(bar.volume * rng.uniform(0.02, 0.04)))
    closing = max(1, int(bar.volume * rng.uniform(0.04, 0.08))) if bar.volume > 1 else 0
    rest = max(0, bar.volume - opening - closing)
    count = min(rest, _count(bar, item, traits))
    begin = sessions.regular_open(day)
    offsets = arrivals(rng, path, count)
    fair = _fair(rng, offsets, path, bar)
    sizes = sizes_of(rng, count, rest)
    times = [begin + offset * _MS for offset in offsets]
    trades = [PlannedTrade(begin, bar.open, opening, None)]
    ladder = Ladder(item, day, bar.low, bar.high)
    quoted = _quoted(rng, offsets, fair, ladder, traits, path)
    for t, qty, (price, side, spread) in zip(times, sizes, quoted, strict=True):
        trades.append(PlannedTrade(t, price, qty, side, spread=spread))
    if closing:
        trades.append(PlannedTrade(sessions.regular_close(day), bar.close, closing, None))
    return RegularTrades(trades, times, fair)


def arrivals(rng: Random, path: MinutePath, count: int) -> list[int]:
    """Return the moments of ``count`` trades, in rising milliseconds after the open.

    Minutes in which the path is active have more of them. Some come in bursts.
    """
    minutes = len(path.fair) - 1
    drawn = rng.choices(range(minutes), cum_weights=path.done[1:], k=count)
    offsets = sorted(m * _MINUTE + int(rng.random() * _MINUTE) for m in drawn)
    latest, earliest = minutes * _MINUTE - 1, 1
    for i, offset in enumerate(offsets):
        # Trades come in bursts: a part of them follows the trade before at once.
        if rng.random() < _BURST and i:
            offset = earliest + int(rng.random() * _BURST_MS)
        earliest = max(offset, earliest)
        offsets[i] = earliest
        earliest += 1
    # The bursts may have pushed the last trades past the close. They move back before it.
    for i in range(len(offsets) - 1, -1, -1):
        if offsets[i] <= latest:
            break
        offsets[i] = latest
        latest -= 1
    return offsets


def sizes_of(rng: Random, count: int, total: int) -> list[int]:
    """Return ``count`` sizes of at least one share that add up to ``total``.

    Many are small, a few large, some round.
    """
    if not count:
        return []
    weights = draws(rng, lognormal(_SIZE_SIGMA), count)
    share = (total - count) / sum(weights)
    sizes = [1 + int(share * w) for w in weights]
    for i, size in enumerate(sizes):
        # People like round numbers: half of the larger trades are multiples of 10 or 100.
        if size > 20 and rng.getrandbits(1):
            lot = 100 if size > 300 else 10
            sizes[i] = (size + lot // 2) // lot * lot
    spare = total - sum(sizes)
    # Rounding has moved the sum. The largest trades take the difference, where it shows least.
    for i in sorted(range(count), key=sizes.__getitem__, reverse=True):
        moved = max(spare, 1 - sizes[i])
        sizes[i] += moved
        spare -= moved
        if not spare:
            break
    return sizes


class Takers:
    """Draws the side of each trade's taker.

    Several large orders are worked at the same time, so a side persists for many trades.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._sides = [Side.BUY] * _ORDERS_AT_WORK
        self._left = [0] * _ORDERS_AT_WORK
        self._at = 0

    def next(self) -> Side:
        """Return the side of the next taker."""
        rng = self._rng
        if rng.random() < _PAUSE:
            self._at = rng.getrandbits(8) % _ORDERS_AT_WORK
        i = self._at
        if self._left[i]:
            self._left[i] -= 1
        else:
            self._sides[i] = Side.BUY if rng.getrandbits(1) else Side.SELL
            self._left[i] = int(_SHORTEST * draw(rng, pareto()))
        return self._sides[i]


class Ladder:
    """The prices of the tick grid between two prices.

    It returns bid and ask around a fair price.
    """

    def __init__(self, item: Instrument, day: date, low: int, high: int) -> None:
        prices = [low]
        while prices[-1] < high:
            prices.append(ticks.step(prices[-1], 1, item.kind, day, item.board))
        self.prices = prices
        self.tick = ticks.tick_size(high, item.kind, day, item.board)

    def below(self, fair: float) -> int:
        """Return the index of the highest price that is at or below ``fair``."""
        return max(bisect_right(self.prices, fair) - 1, 0)

    def side_prices(self, at: int, spread: int) -> tuple[int, int]:
        """Return bid and ask, ``spread`` ticks apart, around the gap above index ``at``.

        Neither lies outside the ladder.
        """
        last = len(self.prices) - 1
        bid = at - (spread - 1) // 2
        return self.prices[min(max(bid, 0), last)], self.prices[min(max(bid + spread, 0), last)]


def spread_of(rng: Random, ticks_wide: float) -> int:
    """Return a spread in whole ticks, at least one, around the mean ``ticks_wide``."""
    return min(max(int(ticks_wide * (0.6 + 0.8 * rng.random()) + 0.5), 1), _WIDEST)


def _count(bar: DailyBar, item: Instrument, traits: Character) -> int:
    busy = traits.trades * sqrt(bar.volume / max(item.volume, 1))
    return min(max(int(busy), FEWEST_TRADES), MOST_TRADES)


def _fair(rng: Random, offsets: Sequence[int], path: MinutePath, bar: DailyBar) -> list[float]:
    """Return the fair price at each trade: the minute path, with a random walk in each minute."""
    fair: list[float] = []
    first = 0
    while first < len(offsets):
        m = offsets[first] // _MINUTE
        end = bisect_left(offsets, (m + 1) * _MINUTE, first)
        fair += _within_minute(rng, [o % _MINUTE for o in offsets[first:end]], path, m, bar)
        first = end
    if not fair:
        return fair
    taken = -1
    # One trade must have the bar's high as its price, and one its low.
    for at, price in ((path.high_at, bar.high), (path.low_at, bar.low)):
        if at > 0 and (taken < 0 or len(fair) > 1):
            taken = _nearest(offsets, at * _MINUTE, taken)
            fair[taken] = price
    return fair


def _within_minute(
    rng: Random, offsets: list[int], path: MinutePath, m: int, bar: DailyBar
) -> list[float]:
    left, right = path.fair[m], path.fair[m + 1]
    count = len(offsets)
    step = path.rough[m] / sqrt(count + 1)
    walked = list(accumulate((step * z for z in draws(rng, normal(), count + 1)), initial=0.0))
    # A bridge: the walk starts at zero and returns to zero at the minute's end.
    back = walked[-1] / (count + 1)
    return [
        folded(left + (right - left) * offset / _MINUTE + walked[i] - back * i, bar.low, bar.high)
        for i, offset in enumerate(offsets, start=1)
    ]


def _nearest(offsets: Sequence[int], offset: int, taken: int) -> int:
    i = min(bisect_left(offsets, offset), len(offsets) - 1)
    if i and offset - offsets[i - 1] < offsets[i] - offset:
        i -= 1
    # The high and the low need a trade each.
    if i == taken:
        i += 1 if i + 1 < len(offsets) else -1
    return i


def _quoted(
    rng: Random,
    offsets: Sequence[int],
    fair: Sequence[float],
    ladder: Ladder,
    traits: Character,
    path: MinutePath,
) -> Iterator[tuple[int, Side, int]]:
    """Return price, taker and spread of each trade, at the bid or the ask around the fair price.

    If the fair price has risen since the last trade, the taker buys; if it has fallen, the taker
    sells.
    """
    takers = Takers(rng)
    low, high = ladder.prices[0], ladder.prices[-1]
    wide = traits.spread * high / ladder.tick * len(path.rough) / sum(path.rough)
    before = ladder.below(fair[0]) if fair else 0
    for offset, value in zip(offsets, fair, strict=True):
        at = ladder.below(value)
        side = takers.next()
        # The side that moves the price is the taker's.
        if at != before:
            side, before = Side.BUY if at > before else Side.SELL, at
        spread = spread_of(rng, wide * path.rough[offset // _MINUTE])
        # No sell order is above the day's high, so the trade at it is a purchase.
        if value >= high:
            yield high, Side.BUY, spread
        elif value <= low:
            yield low, Side.SELL, spread
        else:
            bid, ask = ladder.side_prices(at, spread)
            yield ask if side is Side.BUY else bid, side, spread
