"""Changes the trades of a past day so that they trade exactly the won of the day's bar.

A daily bar is made without its trades, because years of bars are read at once. So its won follow
from the bar alone, and the trades are adjusted to it when a client reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd

from kisnb.market.price_files import DailyBar
from kisnb.simulator.day.market_day import PlannedTrade

_MOST_TILT = 0.9
"""In the first step a trade gives away, or gets, at most this fraction of its shares."""


def value_of(bar: DailyBar) -> int:
    """Return the won that a day trades: its volume at about the mean of the four prices.

    The amount is one that trades at the four prices can add up to exactly.
    """
    low, volume = bar.low, bar.volume
    above = [price - low for price in (bar.open, bar.high, bar.close)]
    step = gcd(*above)
    if not step:
        return volume * low
    return volume * low + volume * sum(above) // 4 // step * step


def traded_for(
    trades: Sequence[PlannedTrade], value: int, step: Callable[[int, int], int], fixed: int
) -> list[PlannedTrade]:
    """Return the trades with other sizes, so that they trade ``value`` won for the same shares.

    Each trade keeps its price, and at least one share. Where there are too few shares for that,
    prices in the middle move by ticks: ``step(price, n)`` returns the price ``n`` ticks away. The
    first and the last ``fixed`` trades keep their prices, and so do the highest and the lowest
    price.
    """
    prices = [trade.price for trade in trades]
    sizes = _tilted(prices, [trade.qty for trade in trades], value)
    _shift_shares(prices, sizes, value)
    _shift_prices(prices, sizes, value, step, fixed)
    return [
        trade._replace(price=price, qty=qty)
        for trade, price, qty in zip(trades, prices, sizes, strict=True)
    ]


def _tilted(prices: Sequence[int], sizes: Sequence[int], value: int) -> list[int]:
    """Return sizes moved towards higher or lower prices, so that about ``value`` won are traded."""
    volume = sum(sizes)
    mean = sum(p * q for p, q in zip(prices, sizes, strict=True)) / volume
    reach = max(abs(p - mean) for p in prices)
    spread = sum(q * (p - mean) ** 2 for p, q in zip(prices, sizes, strict=True))
    if not spread:
        return list(sizes)
    lean = (value - mean * volume) * reach / spread
    lean = min(max(lean, -_MOST_TILT), _MOST_TILT)
    tilted = [
        max(1, round(q * (1 + lean * (p - mean) / reach)))
        for p, q in zip(prices, sizes, strict=True)
    ]
    spare = volume - sum(tilted)
    # Rounding has moved the sum. The largest trades take the difference, where it shows least.
    for i in sorted(range(len(tilted)), key=tilted.__getitem__, reverse=True):
        moved = max(spare, 1 - tilted[i])
        tilted[i] += moved
        spare -= moved
        if not spare:
            break
    return tilted


def _shift_shares(prices: Sequence[int], sizes: list[int], value: int) -> None:
    """Move shares between trades until ``value`` won are traded, or as near to it as possible."""
    left = value - sum(p * q for p, q in zip(prices, sizes, strict=True))
    at: dict[int, list[int]] = {}
    for i, price in enumerate(prices):
        at.setdefault(price, []).append(i)
    ladder = sorted(at)
    spare = {price: sum(sizes[i] - 1 for i in at[price]) for price in ladder}
    while left:
        # Upwards when won are missing, downwards when there are too many.
        moves = [
            (abs(to - of), of, to)
            for of in ladder
            if spare[of]
            for to in ladder
            if (to > of) is (left > 0) and to != of and abs(to - of) <= abs(left)
        ]
        if not moves:
            return
        width, of, to = max(moves)
        shares = min(spare[of], abs(left) // width)
        _take(sizes, at[of], shares)
        sizes[at[to][0]] += shares
        spare[of] -= shares
        spare[to] += shares
        left -= shares * (to - of)


def _take(sizes: list[int], trades: Sequence[int], shares: int) -> None:
    """Take ``shares`` shares away from some trades, in place. Each keeps at least one."""
    for i in trades:
        taken = min(sizes[i] - 1, shares)
        sizes[i] -= taken
        shares -= taken
        if not shares:
            return


def _shift_prices(
    prices: list[int], sizes: Sequence[int], value: int, step: Callable[[int, int], int], fixed: int
) -> None:
    """Move prices by ticks until ``value`` won are traded, or as near to it as possible.

    ``step`` and ``fixed`` are explained in ``traded_for``.
    """
    left = value - sum(p * q for p, q in zip(prices, sizes, strict=True))
    low, high = min(prices), max(prices)
    kept = {prices.index(low), prices.index(high)}
    moved = True
    while left and moved:
        moved = False
        for i in range(fixed, len(prices) - fixed):
            price = step(prices[i], 1 if left > 0 else -1)
            change = (price - prices[i]) * sizes[i]
            if i not in kept and low <= price <= high and abs(change) <= abs(left):
                prices[i], left, moved = price, left - change, True
            if not left:
                return
