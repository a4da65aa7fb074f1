"""A stock's behaviour on an ordinary day, from its past, or from its kind and size.

Figures without a past are made up, in the range that Korean stocks showed from 2019 to 2026.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from kisnb.market.instruments import Instrument
from kisnb.simulator.day.model.draws import exp, stable_random
from kisnb.terms import Board, Kind

NIGHT = 0.3
"""Fraction of a stock's own daily variance that falls between the close and the open."""
YEAR = 250
"""Number of trading days of the past that count."""
_FEWEST = 60
"""The past counts only with at least this number of returns."""
_STOCK_SIGMA = {Board.KOSPI: (0.020, 10e12), Board.KOSDAQ: (0.030, 1e12)}
"""Standard deviation of a daily return, at this market value in won. Smaller companies move more.
"""
_BY_SIZE = -0.08
"""Power of the market value by which the standard deviation changes."""
_FUND_SIGMA = 0.002
"""Standard deviation of a fund's daily return beside its board's."""
_BONDS = ("국채", "채권", "달러", "금리")
"""Words in the names of funds that hardly follow a board."""
_RANGE_TO_SIGMA = 0.5 / math.sqrt(math.log(2))
"""Factor from one day's ln(high/low) to a standard deviation: Parkinson, Journal of Business 53
(1), 1980."""


class Character(msgspec.Struct, frozen=True, gc=False):
    """The behaviour of one issue. Returns are plain numbers: 0.01 is one percent."""

    sigma: float
    """Standard deviation of the part of the daily return that does not come from the market."""
    beta: float
    """Factor with which the issue's return follows the board's return."""
    volume_sigma: float
    """Standard deviation of the logarithm of a day's volume around the typical one."""
    nxt_share: float
    """Volume on Nextrade during the day, as a fraction of KRX's."""
    spread: float
    """Ordinary distance of bid and ask as a fraction of the price.

    The tick may force a larger one.
    """
    trades: int
    """Trades of an ordinary day. The largest stocks have fewer here than in reality."""


class Past(msgspec.Struct, frozen=True, gc=False):
    """Daily figures of an issue before a day, and its board's returns on these days.

    Newest last.
    """

    returns: tuple[float, ...]
    market: tuple[float, ...]
    """Empty when the board's past is not known."""
    volumes: tuple[int, ...]


FEWEST_TRADES, MOST_TRADES = 30, 6_000
"""Bounds of the trades of an ordinary day. A larger stock has fewer trades here than in reality."""
_TRADES_PER_ROOT_WON = 0.016
"""Trades for each square root of the won that the issue turns over on a day."""


def character_of(item: Instrument, past: Past | None = None, day_range: float = 0.0) -> Character:
    """Return the character of an issue.

    It comes from ``past`` when that is long enough. Otherwise it follows from board, size and name,
    and from ``day_range``, a day's ln(high/low); 0 means unknown.
    """
    # The seed of the day is left out: a stock keeps its character on all days.
    rng = stable_random("character", item.code)
    beta_drawn, share, spread = (
        rng.uniform(0.7, 1.4),
        rng.uniform(0.08, 0.22),
        rng.uniform(0.8, 1.4),
    )
    if past is not None and len(past.returns) >= _FEWEST:
        beta = _slope(past.market, past.returns) if past.market else _assumed_beta(item, beta_drawn)
        rest = [
            r - beta * m
            for r, m in zip(past.returns, past.market or (0.0,) * len(past.returns), strict=True)
        ]
        sigma = min(max(_deviation(rest), 0.0005), 0.08)
        volume_sigma = _volume_sigma(past.volumes)
    else:
        beta = _assumed_beta(item, beta_drawn)
        sigma, volume_sigma = _assumed_sigma(item, day_range), 0.35
    count = int(_TRADES_PER_ROOT_WON * math.sqrt(item.volume * item.base))
    trades = min(max(count, FEWEST_TRADES), MOST_TRADES)
    # The spread grows with the volatility and shrinks with the number of trades.
    whole = math.sqrt(sigma * sigma + (0.012 * beta) ** 2)
    # Rounded, because a last bit that differs between machines must not change the day.
    return Character(
        round(sigma, 6),
        round(beta, 4),
        round(volume_sigma, 4),
        round(share, 4),
        round(spread * whole / math.sqrt(max(count, FEWEST_TRADES)), 8),
        trades,
    )


def _assumed_beta(item: Instrument, drawn: float) -> float:
    if item.kind is Kind.STOCK:
        return drawn
    # The universe does not say what a fund holds, so its name is used.
    if any(word in item.name for word in _BONDS):
        return 0.05
    size = 2.0 if "2X" in item.name or "레버리지" in item.name else 1.0
    # Inverse funds move against the board.
    return -size if "인버스" in item.name else size


def _assumed_sigma(item: Instrument, day_range: float) -> float:
    if item.kind is not Kind.STOCK:
        return _FUND_SIGMA
    typical, size = _STOCK_SIGMA[item.board]
    value = max(item.shares, 1_000_000) * item.base
    assumed = min(max(typical * exp(_BY_SIZE * math.log(value / size)), 0.013), 0.05)
    if not day_range:
        return assumed
    # One day's range says little. So the geometric mean with the usual range of such companies is
    # used.
    return min(max(math.sqrt(assumed * day_range * _RANGE_TO_SIGMA), 0.008), 0.08)


def _slope(market: Sequence[float], returns: Sequence[float]) -> float:
    mean_m, mean_r = sum(market) / len(market), sum(returns) / len(returns)
    spread = sum((m - mean_m) ** 2 for m in market)
    if not spread:
        return 0.0
    return sum((m - mean_m) * (r - mean_r) for m, r in zip(market, returns, strict=True)) / spread


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))


def _volume_sigma(volumes: Sequence[int]) -> float:
    logs = [math.log(v) for v in volumes if v]
    changes = [b - a for a, b in pairwise(logs)]
    # A change between two days has twice the variance of a day.
    return min(_deviation(changes) / math.sqrt(2), 1.0) if len(changes) > 1 else 0.35
