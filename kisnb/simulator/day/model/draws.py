"""Random draws that give the same bytes on every machine.

``random.Random`` gives the same bits everywhere. But the C library's logarithm and cosine may
differ in the last bit. So distributions are tables of rounded quantiles, and a draw is an index
into one.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from random import Random
from statistics import NormalDist
from struct import unpack

_BITS = 12
_SIZE = 1 << _BITS
_DIGITS = 12
_LOWER_HALVES = bytes(byte & 15 for byte in range(256))
"""The lower four bits of each byte, for ``bytes.translate``."""


def stable_random(*parts: object) -> Random:
    """Return a random source that depends on ``parts`` alone, on every machine and process."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    # Python's hash() differs between processes, a digest does not.
    return Random(int.from_bytes(digest[:8], "big"))


def draw(rng: Random, table: tuple[float, ...]) -> float:
    """Return one random value of a distribution, such as ``normal()``."""
    # An index into the table uses whole bits only, which are the same everywhere.
    return table[rng.getrandbits(_BITS)]


def draws(rng: Random, table: tuple[float, ...], count: int) -> list[float]:
    """Return ``count`` random values of a distribution, such as ``normal()``."""
    # An index is the lower 12 of 16 bits.
    pairs = bytearray(rng.randbytes(2 * count))
    pairs[1::2] = pairs[1::2].translate(_LOWER_HALVES)
    return list(map(table.__getitem__, unpack(f"<{count}H", pairs)))


def scattered(rng: Random, sigma: float) -> float:
    """Return one value of a log-normal distribution of mean 1.

    ``sigma`` is the standard deviation of the value's logarithm.
    """
    return exp(sigma * draw(rng, normal()) - sigma * sigma / 2)


@lru_cache(maxsize=1)
def normal() -> tuple[float, ...]:
    """Return the standard normal distribution."""
    spread = NormalDist()
    return tuple(round(spread.inv_cdf(p), _DIGITS) for p in _midpoints())


@lru_cache(maxsize=1)
def heavy() -> tuple[float, ...]:
    """Return Student's t with 4 degrees of freedom and variance 1.

    It is the distribution of returns over a minute or a day.
    """
    return tuple(round(_student(p) / math.sqrt(2), _DIGITS) for p in _midpoints())


@lru_cache(maxsize=1)
def exponential() -> tuple[float, ...]:
    """Return the exponential distribution of mean 1."""
    return tuple(round(-math.log(p), _DIGITS) for p in _midpoints())


@lru_cache(maxsize=1)
def pareto() -> tuple[float, ...]:
    """Return the Pareto distribution from 1 on with tail exponent 3/2."""
    return tuple(round(p ** (-2 / 3), _DIGITS) for p in _midpoints())


@lru_cache(maxsize=4)
def lognormal(sigma: float) -> tuple[float, ...]:
    """Return the distribution of ``scattered`` as a table, for many values at once."""
    return tuple(exp(sigma * z - sigma * sigma / 2) for z in normal())


def exp(x: float) -> float:
    """Return the exponential function, without the digits that differ between machines."""
    return round(math.exp(x), _DIGITS)


def _midpoints() -> list[float]:
    return [(i + 0.5) / _SIZE for i in range(_SIZE)]


def _student(p: float) -> float:
    # The quantile of t(4) in closed form; W. T. Shaw, Journal of Computational Finance 9 (4), 2006.
    root = math.sqrt(4 * p * (1 - p))
    q = math.cos(math.acos(root) / 3) / root
    return math.copysign(2 * math.sqrt(q - 1), p - 0.5)
