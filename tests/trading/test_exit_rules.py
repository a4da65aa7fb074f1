"""The rules of exits on one price after another. Row A09, hand cases of the definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.exits import ExitReason, ExitStage, Protection, Staged
from kisnb.trading.exits.exit_rules import (
    Facts,
    Watched,
    atr_stop,
    judge,
    sell_level,
    stop_price,
)

FRESH = Watched(ExitStage.HOLDING, 0)
ENTRY = 10_000
EVEN = 10_025
"""The break-even price of the cases: fee and tax are 0.25 %."""


def exit_of(**parts: object) -> Protection:
    return Protection("k", "", "005930", **parts)  # type: ignore[arg-type]


def facts(**changes: object) -> Facts:
    return Facts(**{"now": 0, "entry": ENTRY, "break_even": EVEN, **changes})  # type: ignore[arg-type]


def walk(protection: Protection, *prices: int, **changes: object) -> list[object]:
    """The stage after each price, or the reason that sells."""
    seen: list[object] = []
    watched = FRESH
    for price in prices:
        judgement = judge(protection, watched, price, facts(**changes))
        watched = judgement.after
        seen.append(judgement.reason or judgement.after.stage)
    return seen


@pytest.mark.parametrize(
    ("atr", "points"), [(150, 300), (500, 700), (20, 200), (None, 200), (100.0, 200), (101, 202)]
)
def test_a09_the_atr_stop_is_twice_the_atr_between_two_and_seven_percent(atr, points):
    assert atr_stop(ENTRY, atr) == points


def test_a09_the_atr_stop_is_never_looser_than_the_stop_that_was_given():
    assert stop_price(exit_of(stop=250, atr_stop=True, atr=300), ENTRY) == 9_750
    assert stop_price(exit_of(stop=500, atr_stop=True, atr=150), ENTRY) == 9_700
    assert stop_price(exit_of(stop=500, stop_price=9_900), ENTRY) == 9_900
    assert stop_price(exit_of(take=500), ENTRY) is None


def test_a09_a_stop_is_hit_at_its_price_and_not_a_won_above():
    stop = exit_of(stop=300)
    assert walk(stop, 9_701, 9_700) == [ExitStage.HOLDING, ExitReason.HARD_STOP]


def test_a09_the_stages_rise_and_never_go_back():
    staged = exit_of(staged=Staged())
    assert walk(staged, 10_119, 10_120, 10_060, 10_300, 10_050) == [
        ExitStage.HOLDING, ExitStage.BE_LOCK, ExitStage.BE_LOCK, ExitStage.ARMED, ExitStage.ARMED,
    ]  # fmt: skip


def test_a09_a_gap_jumps_over_the_stage_between():
    assert walk(exit_of(staged=Staged()), 10_400) == [ExitStage.ARMED]


def test_a09_a_locked_holding_is_sold_at_break_even_after_fee_and_tax():
    assert walk(exit_of(staged=Staged()), 10_120, EVEN + 1, EVEN) == [
        ExitStage.BE_LOCK, ExitStage.BE_LOCK, ExitReason.BE_LOCK_THREAT,
    ]  # fmt: skip
    # Before the lock the same price sells nothing.
    assert walk(exit_of(staged=Staged()), 10_119, EVEN) == [ExitStage.HOLDING, ExitStage.HOLDING]


def test_a09_the_atr_trail_counts_from_the_lock_on_and_not_before():
    staged = exit_of(staged=Staged(), atr=50.0)
    # 2.2 ATR are 110 won.
    assert walk(staged, 10_110, 10_000) == [ExitStage.HOLDING, ExitStage.HOLDING]
    assert walk(staged, 10_200, 10_091, 10_090) == [
        ExitStage.BE_LOCK, ExitStage.BE_LOCK, ExitReason.ATR_TRAILING_STOP,
    ]  # fmt: skip


def test_a09_without_an_atr_there_is_no_atr_trail():
    assert walk(exit_of(staged=Staged()), 11_000, 10_030) == [ExitStage.ARMED, ExitStage.ARMED]


def test_a09_a_target_leaves_the_stage_armed_within_reach():
    staged = exit_of(staged=Staged(), take=500)
    assert walk(staged, 10_310, 10_500) == [ExitStage.ARMED, ExitReason.TAKE_PROFIT]


def test_a09_the_gravest_reason_is_named_when_several_are_true():
    every = exit_of(stop=100, staged=Staged(), atr=50.0, trail=50)
    judgement = judge(every, Watched(ExitStage.BE_LOCK, 10_200), 9_900, facts())
    assert judgement.reason is ExitReason.HARD_STOP
    judgement = judge(every, Watched(ExitStage.BE_LOCK, 10_200), 10_000, facts())
    assert judgement.reason is ExitReason.ATR_TRAILING_STOP
    threat = exit_of(staged=Staged(), trail=50)
    judgement = judge(threat, Watched(ExitStage.BE_LOCK, 10_200), 10_000, facts())
    assert judgement.reason is ExitReason.BE_LOCK_THREAT


def test_a09_a_trail_follows_the_peak():
    assert walk(exit_of(trail=200), 10_000, 10_500, 10_291, 10_290) == [
        ExitStage.HOLDING, ExitStage.HOLDING, ExitStage.HOLDING, ExitReason.TRAILING_STOP,
    ]  # fmt: skip


def test_a09_a_model_locks_only_in_a_quiet_market_and_sells_nothing():
    staged = exit_of(staged=Staged())
    assert walk(staged, 10_030, falling=6_200, is_quiet=True) == [ExitStage.BE_LOCK]
    assert walk(staged, 10_030, falling=6_199, is_quiet=True) == [ExitStage.HOLDING]
    assert walk(staged, 10_030, falling=9_000, is_quiet=False) == [ExitStage.HOLDING]
    assert walk(staged, 10_030, falling=None, is_quiet=True) == [ExitStage.HOLDING]
    without = exit_of(staged=Staged(assist=None))
    assert walk(without, 10_030, falling=9_000, is_quiet=True) == [ExitStage.HOLDING]


def test_a09_a_time_stop_sells_at_its_moment():
    timed = exit_of(until=1_000)
    assert walk(timed, 10_000, now=999) == [ExitStage.HOLDING]
    assert walk(timed, 10_000, now=1_000) == [ExitReason.TIME_STOP]


@given(
    st.sampled_from(list(ExitStage)), st.integers(10_000, 11_000),
    st.sampled_from([None, 40.0, 150.0]), st.sampled_from([None, 100, 300]),
    st.sampled_from([None, 80, 400]), st.booleans(),
)  # fmt: skip
def test_a09_a_fall_sells_at_the_level_of_the_exit_and_not_a_won_above(
    stage, peak, atr, stop, trail, is_staged
):
    exit_ = exit_of(stop=stop, trail=trail, atr=atr, staged=Staged() if is_staged else None)
    level = sell_level(exit_, Watched(stage, peak), facts())
    if level is None:
        assert judge(exit_, Watched(stage, peak), 1, facts()).reason is None
        return
    assert judge(exit_, Watched(stage, peak), level, facts()).reason is not None
    if level < peak:
        assert judge(exit_, Watched(stage, peak), level + 1, facts()).reason is None


@given(st.lists(st.integers(8_000, 12_500), min_size=1, max_size=40), st.sampled_from([None, 40.0]))
def test_a09_whatever_the_prices_are_stage_and_peak_never_fall(prices, atr):
    staged, watched = exit_of(staged=Staged(), atr=atr, stop=500), FRESH
    order = list(ExitStage)
    for price in prices:
        judgement = judge(staged, watched, price, facts())
        assert order.index(judgement.after.stage) >= order.index(watched.stage)
        assert judgement.after.peak == max(watched.peak, price)
        if judgement.reason is not None:
            assert judgement.text
            break
        watched = judgement.after
