"""H03: what follows from the simulated day besides quotes: history, minutes, flows, indices,
shorts, credit."""

from datetime import date, time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import MINUTE, Ns, kst
from kisnb.errors import BadInput, UnknownInstrument
from kisnb.market import sessions, ticks
from kisnb.market.calendar import is_trading_day, previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_facts import DayFacts, MinuteTrades
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.investor_flows import Flows, Turnover
from kisnb.simulator.day.market_day import ScriptedDay
from kisnb.terms import Board, Kind, Venue

DAY = date(2026, 11, 20)
UNIVERSE = Universe.packaged()
SAMSUNG, HYNIX, KOSDAQ_ONE = "005930", "000660", "247540"
CODES = [item.code for item in UNIVERSE]
PLAN = DayPlan(UNIVERSE, DAY, 1)
FACTS = DayFacts(PLAN)


def at(text: str) -> Ns:
    return kst(DAY, time.fromisoformat(text))


def folded(minutes: tuple[MinuteTrades, ...]) -> DailyBar:
    return DailyBar(
        minutes[0].open,
        max(m.high for m in minutes),
        min(m.low for m in minutes),
        minutes[-1].close,
        sum(m.volume for m in minutes),
    )


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CODES), st.integers(0, 500), st.integers(1, 60))
def test_h03_history_ends_at_the_base_and_each_day_is_legal_from_the_close_before(
    code: str, seed: int, n: int
) -> None:
    item = UNIVERSE.get(code)
    days = DayFacts(DayPlan(UNIVERSE, DAY, seed)).history(code, n)
    assert len(days) == n
    assert (days[-1].day, days[-1].bar.close) == (previous_trading_day(DAY), item.base)
    for before, then in pairwise(days):
        assert before.day == previous_trading_day(then.day)
        lower, upper = ticks.limits(before.bar.close, item.kind, then.day, item.board)
        bar = then.bar
        assert lower <= bar.low <= min(bar.open, bar.close)
        assert max(bar.open, bar.close) <= bar.high <= upper
        assert all(
            ticks.on_grid(p, item.kind, then.day, item.board)
            for p in (bar.open, bar.high, bar.low, bar.close)
        )
        assert bar.volume > 0


def test_h03_a_longer_history_repeats_the_shorter_one() -> None:
    assert FACTS.history(SAMSUNG, 100)[-7:] == FACTS.history(SAMSUNG, 7)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(CODES), st.integers(0, 720))
def test_h03_minutes_tell_nothing_later_than_now_and_all_up_to_it(code: str, minute: int) -> None:
    now = at("08:00") + minute * MINUTE + 30_000_000_000
    for venue in Venue:
        shown = FACTS.minutes(code, now, venue)
        trades = [
            t for t in PLAN.schedule(code).trades if t.t <= now and venue in (t.venue, Venue.SOR)
        ]
        assert sum(m.volume for m in shown) == sum(t.qty for t in trades)
        assert sum(m.value for m in shown) == sum(t.qty * t.price for t in trades)
        assert [m.t for m in shown] == sorted({t.t - t.t % MINUTE for t in trades})
        if trades:
            assert shown[-1].close == trades[-1].price


def test_h03_the_regular_sessions_minutes_add_up_to_the_daily_bar_today_and_before() -> None:
    def regular(minutes: tuple[MinuteTrades, ...], day: date) -> tuple[MinuteTrades, ...]:
        return tuple(
            m for m in minutes if sessions.regular_open(day) <= m.t <= sessions.regular_close(day)
        )

    assert folded(regular(FACTS.minutes(SAMSUNG, at("20:00")), DAY)) == PLAN.bar(SAMSUNG)
    assert FACTS.today(SAMSUNG, at("20:00")) == PLAN.bar(SAMSUNG)
    for then in FACTS.history(HYNIX, 5):
        assert folded(regular(FACTS.past_minutes(HYNIX, then.day), then.day)) == then.bar


def test_h03_a_past_day_without_trading_is_refused() -> None:
    with pytest.raises(BadInput, match="2026-11-15"):
        FACTS.past_minutes(SAMSUNG, date(2026, 11, 15))
    with pytest.raises(BadInput, match="trading day before"):
        FACTS.past_minutes(SAMSUNG, DAY)


def assert_zero_sum(flows: Flows, volume: int, value: int) -> None:
    groups = (flows.individual, flows.foreign, flows.institution)
    for name, whole in (
        ("bought", volume),
        ("sold", volume),
        ("bought_value", value),
        ("sold_value", value),
    ):
        assert sum(getattr(group, name) for group in groups) == whole
    assert sum(group.net for group in groups) == sum(group.net_value for group in groups) == 0
    assert all(getattr(group, name) >= 0 for group in groups for name in Turnover.__struct_fields__)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CODES), st.integers(0, 420))
def test_h03_what_one_group_buys_another_sells(code: str, minute: int) -> None:
    now = at("08:50") + minute * MINUTE
    bar = FACTS.today(code, now)
    value = sum(m.value for m in FACTS.minutes(code, min(now, at("15:30"))) if m.t >= at("09:00"))
    assert_zero_sum(FACTS.flows(code, now), bar.volume, value)


def test_h03_past_flows_belong_to_their_days_and_foreigners_lean_with_the_price() -> None:
    told = [pair for code in CODES for pair in FACTS.past_flows(code, 40)]
    for then, flows in told:
        assert_zero_sum(flows, then.bar.volume, then.value)
    same = sum((flows.foreign.net > 0) == (then.bar.close > then.bar.open) for then, flows in told)
    assert 0.55 < same / len(told) < 0.9


def test_h03_programs_trade_a_part_of_what_institutions_and_foreigners_trade() -> None:
    flows, program = FACTS.flows(SAMSUNG, at("14:00")), FACTS.program(SAMSUNG, at("14:00"))
    whole = program.arbitrage.bought + program.other.bought
    assert 0 < whole < flows.foreign.bought + flows.institution.bought
    assert 0 < program.arbitrage.bought < program.other.bought


def test_h03_the_index_is_its_members_by_market_value() -> None:
    for name, board in (("KOSPI", Board.KOSPI), ("KOSDAQ", Board.KOSDAQ)):
        point = FACTS.index(name, at("15:30"))
        members = [i for i in UNIVERSE if i.board is board and i.kind is Kind.STOCK]
        before = sum(i.shares * i.base for i in members)
        after = sum(i.shares * PLAN.bar(i.code).close for i in members)
        assert point.level == round(point.base * after / before, 2)
        assert point.volume == sum(PLAN.bar(i.code).volume for i in members)
        assert (
            point.low <= min(point.open, point.level) <= max(point.open, point.level) <= point.high
        )
        assert point.rising + point.steady + point.falling == len(members)
        assert FACTS.index_history(name, 30)[-1].close == point.base


def test_h03_the_index_knows_no_future_and_stands_still_before_the_open() -> None:
    early = FACTS.index("KOSPI", at("08:30"))
    assert (early.level, early.volume, early.change) == (early.base, 0, 0.0)
    assert FACTS.index_minutes("KOSPI", at("08:30")) == ()
    short, long = (
        FACTS.index_minutes("KOSPI", at("10:00")),
        FACTS.index_minutes("KOSPI", at("15:00")),
    )
    assert (len(short), len(long)) == (61, 361)
    assert long[:60] == short[:60]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CODES), st.integers(0, 400))
def test_h03_a_standing_is_near_the_quote_and_exact_after_the_close(code: str, minute: int) -> None:
    item, now = UNIVERSE.get(code), at("09:00") + minute * MINUTE
    standing, bar = FACTS.standings(now)[code], FACTS.today(code, now)
    if now >= at("15:30"):
        assert (standing.price, standing.volume) == (bar.close, bar.volume)
    else:
        assert abs(standing.price - bar.close) <= 0.015 * item.base


def test_h03_shorts_and_credit_do_not_depend_on_how_many_days_are_asked() -> None:
    assert FACTS.credit(SAMSUNG, 20)[-5:] == FACTS.credit(SAMSUNG, 5)
    assert FACTS.short_sales(SAMSUNG, 20)[-5:] == FACTS.short_sales(SAMSUNG, 5)
    for before, then in pairwise(FACTS.credit(SAMSUNG, 20)):
        assert then.before == before.standing
    for sale, then in zip(FACTS.short_sales(SAMSUNG, 20), FACTS.history(SAMSUNG, 20), strict=True):
        assert 0 < sale.qty < then.bar.volume
        assert is_trading_day(sale.day)


def test_h03_facts_of_a_scripted_stock_are_those_of_its_script() -> None:
    script = ScriptedDay(
        [(time(9), 71_000, 100), (time(10), 71_200, 50), (time(15, 30), 71_100, 10)]
    )
    facts = DayFacts(DayPlan(UNIVERSE, DAY, 1, {SAMSUNG: script}))
    assert facts.today(SAMSUNG, at("12:00")) == DailyBar(71_000, 71_200, 71_000, 71_200, 150)
    assert [m.t for m in facts.minutes(SAMSUNG, at("12:00"))] == [at("09:00"), at("10:00")]
    assert facts.standings(at("12:00"))[SAMSUNG][:2] == (71_200, 150)
    assert_zero_sum(facts.flows(SAMSUNG, at("12:00")), 150, 100 * 71_000 + 50 * 71_200)
    assert facts.index("KOSPI", at("12:00")).level > 0


def test_h03_a_halted_stock_has_a_past_and_no_day() -> None:
    frozen = Instrument(
        "000880", "한화", Board.KOSPI, Kind.STOCK, 70_000_000, 50_000, 90_000, halted=True
    )
    facts = DayFacts(DayPlan(Universe([frozen]), DAY, 1))
    assert facts.history("000880", 3)[-1].bar.close == 50_000
    assert all(then.bar.volume for then in facts.history("000880", 3))
    assert facts.minutes("000880", at("12:00")) == ()
    assert facts.today("000880", at("12:00")).volume == 0
    assert facts.standings(at("12:00"))["000880"][:2] == (50_000, 0)
    assert_zero_sum(facts.flows("000880", at("12:00")), 0, 0)
    assert facts.index("KOSPI", at("12:00")).level == facts.index("KOSPI", at("12:00")).base


def test_h03_an_unknown_code_is_named() -> None:
    with pytest.raises(UnknownInstrument, match="999999"):
        FACTS.history("999999", 1)
