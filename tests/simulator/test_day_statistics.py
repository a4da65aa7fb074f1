"""H03: the statistics of a simulated day are those of a market.

A generator that loses one of them is found out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import polars as pl
import pytest

from kisnb.market.price_files import LISTING
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_facts import DayFacts
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.day_statistics import daily_statistics, day_statistics, volume_by_half_hour
from kisnb.simulator.day.market_day import PlannedTrade, Schedule
from kisnb.simulator.day.market_index import MarketIndex
from kisnb.simulator.day.model.daily_plan import past_days
from kisnb.terms import Kind, Venue

DAY = date(2026, 11, 20)
UNIVERSE = Universe.packaged()
LARGE = [item.code for item in UNIVERSE if item.kind is Kind.STOCK and item.nxt]
SMALL = "0004V0"
SEEDS = (1, 2)
Range = tuple[float, float]

PLAUSIBLE: dict[str, Range] = {
    "spread": (1.0, 1.4),
    "spread_bp": (4, 25),
    "depth": (2, 6),
    "range": (2.0, 5.0),
    "volatility": (1.2, 3.2),
    "kurtosis": (0.8, 15),
    "jump": (3.5, 12),
    "memory": (0.05, 0.3),
    "reversal": (-0.2, 0.05),
    "persistence": (0.25, 0.7),
    "persistence_10": (0.04, 0.25),
    "with_index": (0.25, 0.75),
    "first": (12, 28),
    "noon": (3, 8),
    "last": (6, 15),
    "nxt": (8, 30),
    "nxt_gap": (0.3, 1.2),
}
"""Means over the large stocks and some days.

What KRX shows: a tick of spread, a first half hour with a fifth of the volume, takers who keep
their side, returns of five minutes that follow the index, absolute ones with a memory.
"""


@cache
def plan_of(seed: int) -> DayPlan:
    """The day of a seed. A plan is only read, so the tests share it."""
    return DayPlan(UNIVERSE, DAY, seed)


@pytest.fixture(scope="module")
def means() -> dict[str, float]:
    frames = [day_statistics(plan_of(seed), LARGE) for seed in SEEDS]
    return pl.concat(frames).select(pl.col(list(PLAUSIBLE)).mean()).row(0, named=True)


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_h03_a_day_looks_like_a_market(name: str, means: dict[str, float]) -> None:
    low, high = PLAUSIBLE[name]
    assert low <= means[name] <= high


def with_trades(change: Callable[[list[PlannedTrade], Random], list[PlannedTrade]]) -> DayPlan:
    """A day whose trades in the regular session and beside it were tampered with."""
    given = {}
    for code in LARGE:
        schedule = plan_of(1).schedule(code)
        changed = change(list(schedule.trades), Random(code))
        given[code] = Schedule.of(changed, schedule.level_sizes)
    return DayPlan(UNIVERSE, DAY, 1, given)


def on_krx(trades: list[PlannedTrade]) -> Iterator[int]:
    return (i for i, t in enumerate(trades) if t.venue is Venue.KRX and t.side is not None)


def without_sides(trades: list[PlannedTrade], rng: Random) -> list[PlannedTrade]:
    sides = [t.side for t in trades if t.side is not None]
    rng.shuffle(sides)
    return [t if t.side is None else t._replace(side=sides.pop()) for t in trades]


def without_order(trades: list[PlannedTrade], rng: Random) -> list[PlannedTrade]:
    places = list(on_krx(trades))
    mixed = [trades[i] for i in places]
    rng.shuffle(mixed)
    for i, t in zip(places, mixed, strict=True):
        trades[i] = t._replace(t=trades[i].t)
    return trades


def evenly_in_time(trades: list[PlannedTrade], rng: Random) -> list[PlannedTrade]:
    places = list(on_krx(trades))
    first, last = trades[places[0]].t, trades[places[-1]].t
    for n, i in enumerate(places):
        trades[i] = trades[i]._replace(t=first + (last - first) * n // len(places))
    return trades


def without_jumps(trades: list[PlannedTrade], rng: Random) -> list[PlannedTrade]:
    """Along a straight line, up and down by the same step after every forty trades: no minute
    stands out."""
    places = list(on_krx(trades))
    first, last = trades[places[0]].price, trades[places[-1]].price
    for n, i in enumerate(places):
        line = first + (last - first) * n // len(places)
        trades[i] = trades[i]._replace(price=line - line % 1_000 + 1_000 * (n // 40 % 2))
    return trades


def nextrade_apart(trades: list[PlannedTrade], rng: Random) -> list[PlannedTrade]:
    return [t._replace(price=t.price * 101 // 100) if t.venue is Venue.NXT else t for t in trades]


BROKEN: list[tuple[Callable[[list[PlannedTrade], Random], list[PlannedTrade]], set[str]]] = [
    (without_sides, {"persistence", "persistence_10"}),
    (without_order, {"volatility", "reversal", "with_index"}),
    (evenly_in_time, {"first"}),
    (without_jumps, {"jump"}),
    (nextrade_apart, {"nxt_gap"}),
]


@pytest.mark.parametrize(("change", "found"), BROKEN, ids=[row[0].__name__ for row in BROKEN])
def test_h03_a_broken_generator_leaves_the_plausible_ranges(
    change: Callable[[list[PlannedTrade], Random], list[PlannedTrade]], found: set[str]
) -> None:
    frame = day_statistics(with_trades(change), LARGE)
    means = frame.select(pl.col(list(PLAUSIBLE)).mean()).row(0, named=True)
    assert {
        name for name in found if not PLAUSIBLE[name][0] <= means[name] <= PLAUSIBLE[name][1]
    } == found


def test_h03_a_small_stock_trades_seldom_and_with_a_wider_spread() -> None:
    frame = day_statistics(plan_of(1), ["005930", SMALL])
    large, small = frame.iter_rows(named=True)
    assert small["trades"] * 5 < large["trades"]
    assert small["spread_bp"] > 1.5 * large["spread_bp"]
    assert (small["nxt"], small["nxt_gap"]) == (0, None)


def test_h03_volume_is_high_at_both_ends_and_both_venues_trade_in_their_hours() -> None:
    days = [volume_by_half_hour(plan_of(seed), LARGE) for seed in SEEDS]
    whole = pl.concat(days).group_by("start").sum().sort("start")
    by_hour = {start.strftime("%H%M"): (krx, nxt) for start, krx, nxt in whole.iter_rows()}
    krx = {hour: shares for hour, (shares, _) in by_hour.items()}
    assert krx["0900"] > 2 * krx["1200"]
    assert krx["1500"] > krx["1200"]
    assert krx["0800"] == 0 < by_hour["0800"][1]
    assert all(
        0 < nxt < 0.4 * shares
        for hour, (shares, nxt) in by_hour.items()
        if "0930" <= hour <= "1430"
    )
    assert by_hour["1930"][0] > 0
    assert by_hour["1930"][1] > 0


def test_h03_days_before_the_reform_end_with_single_price_calls_and_no_after_market() -> None:
    day = date(2026, 9, 11)
    plan = DayPlan(UNIVERSE, day, 1)
    shown = volume_by_half_hour(plan, LARGE)
    hours = {start.strftime("%H%M"): krx for start, krx in shown.select("start", "KRX").iter_rows()}
    assert hours["1730"] > 0
    assert all(hours.get(hour, 0) == 0 for hour in ("1830", "1900", "1930"))
    calls = [t for t in plan.schedule("005930").trades if t.venue is Venue.KRX and t.side is None][
        2:
    ]
    assert len(calls) == 12
    assert {t.t % 600_000_000_000 for t in calls} == {0}


DATA = Path(os.environ.get("KISNB_DATA") or "unset")


@pytest.mark.data
@pytest.mark.skipif(not (DATA / LISTING).is_file(), reason="KISNB_DATA names no real prices")
@pytest.mark.parametrize(
    "code", ["005930", "000660", "005380", "035420", "069500", "122630", "252670", "233740"]
)
def test_h03_calibrated_days_are_like_the_real_ones(code: str) -> None:
    day, n = date(2023, 12, 21), 250
    universe = Universe.load(DATA, day)
    facts = DayFacts(DayPlan(universe, day, 1, data=DATA))
    real = daily_statistics(facts.history(code, n), facts.index_history("KOSPI", n))
    made = dict.fromkeys(real, 0.0)
    for seed in SEEDS:
        plan = DayPlan(universe, day, seed, data=DATA)
        days = list(islice(past_days(universe.get(code), day, seed, plan.character(code)), n))[::-1]
        index = list(islice(MarketIndex(plan, "KOSPI").past(), n))[::-1]
        for name, value in daily_statistics(days, index).items():
            made[name] += value / len(SEEDS)
    assert made["volatility"] == pytest.approx(real["volatility"], rel=0.3)
    assert made["range"] == pytest.approx(real["range"], rel=0.35)
    assert made["volume"] == pytest.approx(real["volume"], rel=0.5)
    assert made["beta"] == pytest.approx(real["beta"], abs=0.25)
    assert made["with_index"] == pytest.approx(real["with_index"], abs=0.15)
    assert 15 < made["gap"] < 50
    assert 0.5 < made["kurtosis"] < 12
    assert made["memory"] > 0
