"""A09: the average true range that exits and sizes use."""

from __future__ import annotations

from kisnb.clock import DAY
from kisnb.events import Bar
from kisnb.market.true_range import newest_atr


def bar(close: int, wide: int, volume: int = 100) -> Bar:
    return Bar(0, "005930", DAY, close, close + wide // 2, close - wide // 2, close, volume, None)


def test_a09_the_range_is_the_mean_of_the_newest_fourteen_true_ranges():
    bars = [bar(9_000, 900), bar(10_000, 100), *[bar(10_000, 100)] * 13, bar(10_000, 240)]
    # 13 ranges of 100 won and one of 240. The bar of 9,000 won is too old to count.
    assert newest_atr(bars) == (13 * 100 + 240) / 14
    assert newest_atr(bars[:15]) == (13 * 100 + 10_050 - 9_000) / 14


def test_a09_a_range_that_is_not_known_is_none():
    assert newest_atr([]) is None
    assert newest_atr([bar(10_000, 100)] * 14) is None
    assert newest_atr([bar(10_000, 0)] * 15) is None, "a distance of 0 would sell at once"
    halted = [bar(10_000, 0, volume=0)] * 5
    assert newest_atr([*[bar(10_000, 100)] * 10, *halted]) is None
    assert newest_atr([*[bar(10_000, 100)] * 15, *halted]) == 100
