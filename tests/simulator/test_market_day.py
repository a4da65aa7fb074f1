"""H03: a seeded day of a stock, and real bars in its place."""

import hashlib
import json
import subprocess
import sys
from datetime import date, time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import MINUTE, kst
from kisnb.errors import BadInput
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_plan import DayPlan, schedule_day
from kisnb.simulator.day.market_day import ScriptedDay
from kisnb.simulator.day.model.character import MOST_TRADES
from kisnb.simulator.day.model.daily_plan import plan_day, within_limits
from kisnb.terms import Board, Kind, Side, Venue

DAY = date(2026, 11, 20)
SAMSUNG = Universe.packaged().get("005930")


def test_h03_the_same_seed_gives_the_same_day_in_another_process() -> None:
    probe = """
from datetime import date
from kisnb.market.universe import Universe
from kisnb.simulator.day.model.character import MOST_TRADES
from kisnb.simulator.day.model.daily_plan import plan_day
from kisnb.simulator.day.day_plan import DayPlan, schedule_day
item = Universe.packaged().get("005930")
day = date(2026, 11, 20)
print(hash(tuple(t[:3] for t in schedule_day(item, day, 7, plan_day(item, day, 7)).trades)))"""
    told = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    ).stdout
    here = schedule_day(SAMSUNG, DAY, 7, plan_day(SAMSUNG, DAY, 7))
    assert int(told) == hash(tuple(t[:3] for t in here.trades))


def test_h03_the_same_seed_gives_the_same_day_on_every_machine() -> None:
    """The digest changes when the generator is changed on purpose, and never otherwise."""
    plan = DayPlan(Universe.packaged(), DAY, 7)
    told = [
        tuple(t)
        for code in ("005930", "247540", "0004V0", "069500")
        for t in plan.schedule(code).trades
    ]
    assert hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16] == "dece14388f38eadc"


def test_h03_seed_date_and_code_each_make_another_day() -> None:
    hynix = Universe.packaged().get("000660")
    plans = {
        plan_day(SAMSUNG, DAY, 1),
        plan_day(SAMSUNG, DAY, 2),
        plan_day(SAMSUNG, date(2026, 11, 18), 1),
    }
    assert len(plans) == 3
    one, other = (
        schedule_day(item, DAY, 1, plan_day(item, DAY, 1)).times for item in (SAMSUNG, hynix)
    )
    assert one != other


@st.composite
def bars(draw: st.DrawFn) -> DailyBar:
    o, h, lo, c = (draw(st.integers(500, 920)) * 100 for _ in range(4))
    return DailyBar(
        o,
        max(o, h, lo, c),
        min(o, h, lo, c),
        c,
        draw(st.integers(4, 2_000) | st.integers(4, 30_000_000)),
    )


@settings(max_examples=25, deadline=None)
@given(bars(), st.integers(0, 99))
def test_h03_the_path_goes_through_open_high_low_close_and_the_sizes_add_up(
    bar: DailyBar, seed: int
) -> None:
    schedule = schedule_day(SAMSUNG, DAY, seed, bar).regular(DAY)
    day = schedule.tally(len(schedule.trades))
    assert (day.open, day.high, day.low, day.last, day.volume) == (
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
    )
    first, last = schedule.trades[0], schedule.trades[-1]
    assert (first.t, first.side, last.t, last.side) == (
        sessions.regular_open(DAY),
        None,
        sessions.regular_close(DAY),
        None,
    )
    between = schedule.trades[1:-1]
    assert all(sessions.regular_open(DAY) < t.t < sessions.continuous_end(DAY) for t in between)
    assert all(a.t < b.t for a, b in pairwise(schedule.trades))
    assert all(ticks.on_grid(t.price, Kind.STOCK, DAY) and t.qty > 0 and t.side for t in between)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(Universe.packaged())))
def test_h03_a_made_up_bar_is_a_legal_one(seed: int, item: Instrument) -> None:
    bar = plan_day(item, DAY, seed)
    lower, upper = ticks.limits(item.base, item.kind, DAY)
    assert lower <= bar.low <= min(bar.open, bar.close)
    assert max(bar.open, bar.close) <= bar.high <= upper
    assert all(
        ticks.on_grid(price, item.kind, DAY) for price in (bar.open, bar.high, bar.low, bar.close)
    )
    assert bar.volume > 0


def test_h03_trades_are_many_and_denser_at_both_ends_than_at_noon() -> None:
    open_noon_close = [0, 0, 0]
    for seed in range(10):
        schedule = schedule_day(SAMSUNG, DAY, seed, plan_day(SAMSUNG, DAY, seed)).regular(DAY)
        assert 1_500 <= len(schedule.trades) <= MOST_TRADES + 2
        for i, begin in enumerate((time(9), time(12), time(14, 50))):
            first = kst(DAY, begin)
            open_noon_close[i] += schedule.passed(first + 30 * MINUTE) - schedule.passed(first)
    opening, noon, closing = open_noon_close
    assert opening > 2 * noon
    assert 1.3 * noon < closing < opening


def test_h03_stocks_move_together() -> None:
    kodex = Universe.packaged().get("069500")
    same = 0
    for seed in range(60):
        stock, fund = (plan_day(item, DAY, seed) for item in (SAMSUNG, kodex))
        same += (stock.close > stock.open) == (fund.close > fund.open)
    assert same >= 36


def test_h03_a_halted_stock_does_not_trade() -> None:
    frozen = Instrument("000880", "한화", Board.KOSPI, Kind.STOCK, 1, 50_000, 0, halted=True)
    assert schedule_day(frozen, DAY, 1, plan_day(frozen, DAY, 1)).trades == ()


def test_h03_a_day_begins_late_on_the_first_trading_day_and_the_exam_day() -> None:
    for day, hour in ((date(2026, 1, 2), 10), (date(2026, 11, 19), 10)):
        schedule = schedule_day(SAMSUNG, day, 1, plan_day(SAMSUNG, day, 1))
        assert schedule.regular(day).times[0] == kst(day, time(hour))


def test_h03_prices_beyond_the_limits_are_moved_to_them() -> None:
    bar = within_limits(DailyBar(71_000, 120_000, 10_000, 100_000, 5), SAMSUNG, DAY)
    assert bar == DailyBar(71_000, 92_300, 49_700, 92_300, 5)


def test_h03_a_scripted_day_trades_at_the_scripted_moments() -> None:
    script = ScriptedDay(
        [
            (time(9), 71_000, 100),
            (time(9, 5), 71_100, 10),
            (time(9, 5, 0, 500_000), 71_000, 20),
            (time(15, 30), 71_200, 5),
        ]
    )
    assert [(t.t - kst(DAY, time(9)), t.side) for t in script.schedule(DAY).trades] == [
        (0, None),
        (300_000_000_000, Side.BUY),
        (300_500_000_000, Side.SELL),
        (23_400_000_000_000, None),
    ]


def test_h03_a_scripted_day_on_both_venues() -> None:
    script = ScriptedDay(
        [
            (time(8, 10), 70_900, 5, Venue.NXT),
            (time(9), 71_000, 100),
            (time(9, 5), 71_000, 10, Venue.NXT),
            (time(9, 6), 70_900, 10),
            (time(16, 30), 70_800, 3, Venue.NXT),
            (time(16, 31), 71_000, 3),
        ]
    )
    assert [(t.venue, t.side) for t in script.schedule(DAY).trades] == [
        (Venue.NXT, Side.BUY),
        (Venue.KRX, None),
        (Venue.NXT, Side.BUY),
        (Venue.KRX, Side.SELL),
        (Venue.NXT, Side.SELL),
        (Venue.KRX, Side.BUY),
    ]


@pytest.mark.parametrize("venue", [Venue.KRX, Venue.NXT])
@pytest.mark.parametrize("at", [time(8, 59), time(15, 25), time(15, 35), time(20)])
def test_h03_a_script_cannot_trade_when_nothing_trades(at: time, venue: Venue) -> None:
    with pytest.raises(BadInput, match=f"{venue} at {at}"):
        ScriptedDay([(at, 71_000, 1, venue)]).schedule(DAY)


def test_h03_a_script_is_written_in_the_order_of_time() -> None:
    with pytest.raises(BadInput, match="order of time"):
        ScriptedDay([(time(10), 71_000, 1), (time(9, 30), 71_000, 1)]).schedule(DAY)
