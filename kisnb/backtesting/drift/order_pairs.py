"""Pairs the orders of two runs of one day, and computes the causes of their difference in won.

Two runs of an agent over one day decide alike until they differ in a fill: it came later, or not at
all. Orders of one stock and side are compared in the order of time. Two orders that were decided
within ``NEAR`` of each other form a pair. Any other order belongs to one run alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kisnb.clock import SECOND, Ns
from kisnb.orders import Fill, Order
from kisnb.terms import Side

NEAR: Ns = 3 * SECOND
"""The longest time between the decisions of two orders that form a pair."""


class Pair(NamedTuple):
    """The same order in two runs. None in place of a run that does not have the order."""

    one: Order | None
    other: Order | None


class Apart(NamedTuple):
    """The difference between the two orders of a pair, by cause. Won.

    Below 0: the order of the first run had the worse result.
    """

    slippage: int = 0
    """Different prices of shares that both orders filled."""
    missed: int = 0
    """Shares that only one of the two orders filled, valued at the last price of the day."""
    rules: int = 0
    """The same as ``missed``, when one of the two orders was denied or rejected."""
    decisions: int = 0
    """The result of an order that only one run decided."""
    costs: int = 0
    """Different fees and taxes."""

    @property
    def total(self) -> int:
        """The whole difference between the results of the two orders, won."""
        return sum(self)


def paired(ones: Iterable[Order], others: Iterable[Order], near: Ns = NEAR) -> list[Pair]:
    """Return the orders of two runs as pairs, in the order of time."""
    lists: dict[tuple[str, Side], tuple[list[Order], list[Order]]] = defaultdict(lambda: ([], []))
    for which, orders in enumerate((ones, others)):
        for order in orders:
            lists[order.code, order.side][which].append(order)
    pairs = [pair for both in lists.values() for pair in _aligned(*both, near)]
    return sorted(pairs, key=lambda pair: (pair.one or pair.other).t)  # type: ignore[union-attr]


def _aligned(ones: list[Order], others: list[Order], near: Ns) -> list[Pair]:
    pairs: list[Pair] = []
    ones, others = sorted(ones, key=_time), sorted(others, key=_time)
    i = j = 0
    while i < len(ones) or j < len(others):
        one = ones[i] if i < len(ones) else None
        other = others[j] if j < len(others) else None
        if one is not None and other is not None and abs(one.t - other.t) > near:
            # The later order waits for the next order of the other run.
            one, other = (one, None) if one.t < other.t else (None, other)
        pairs.append(Pair(one, other))
        i, j = i + (one is not None), j + (other is not None)
    return pairs


def apart(pair: Pair, marks: Mapping[str, int]) -> Apart:
    """Return the causes of the difference between the two orders of a pair.

    ``marks`` are the last prices of the day, won.
    """
    one, other = pair
    if one is None or other is None:
        order, sign = (one, 1) if one is not None else (other, -1)
        assert order is not None
        # Its result before cost counts as decision, its costs as costs.
        paid = _costs(order)
        return Apart(decisions=sign * (value(order, marks) + paid), costs=-sign * paid)
    sign = 1 if one.side is Side.BUY else -1
    shares, mark = min(one.filled, other.filled), marks.get(one.code, 0)
    slippage = sign * (_first(other.fills, shares) - _first(one.fills, shares))
    alone = sign * (_gain(one.fills, shares, mark) - _gain(other.fills, shares, mark))
    costs = _costs(other) - _costs(one)
    if one.is_dead or other.is_dead:
        return Apart(slippage, rules=alone, costs=costs)
    return Apart(slippage, missed=alone, costs=costs)


def value(order: Order, marks: Mapping[str, int]) -> int:
    """Return the value of an order's fills at the last price of the day, after cost, won."""
    sign = 1 if order.side is Side.BUY else -1
    return sign * _gain(order.fills, 0, marks.get(order.code, 0)) - _costs(order)


def _gain(fills: Sequence[Fill], skipped: int, mark: int) -> int:
    """Return the gain of bought shares from their fills up to the price ``mark``, won.

    The first ``skipped`` shares do not count.
    """
    gain = 0
    for fill in fills:
        qty = max(fill.qty - skipped, 0)
        skipped = max(skipped - fill.qty, 0)
        gain += qty * (mark - fill.price)
    return gain


def _first(fills: Sequence[Fill], shares: int) -> int:
    """Return the value of the first ``shares`` shares of the fills, won."""
    won = 0
    for fill in fills:
        qty = min(fill.qty, shares)
        shares -= qty
        won += qty * fill.price
    return won


def _costs(order: Order) -> int:
    return sum(fill.fee + fill.tax for fill in order.fills)


def _time(order: Order) -> Ns:
    return order.t


__all__ = ["NEAR", "Apart", "Pair", "apart", "paired", "value"]
