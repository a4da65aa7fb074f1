"""Agents of daily bars get each day that is over once and in order, over midnight too. Row A12."""

from __future__ import annotations

from datetime import date, time

import kisnb
from kisnb.clock import DAY, Ns, kst, kst_day
from kisnb.events import Bar, Tick
from kisnb.terms import Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from tests.trading.desk import CODE
from tests.trading.test_agents import runner_of

THURSDAY, FRIDAY, MONDAY, TUESDAY = (
    date(2026, 11, 26),
    date(2026, 11, 27),
    date(2026, 11, 30),
    date(2026, 12, 1),
)
DAYS = (THURSDAY, FRIDAY, MONDAY, TUESDAY)


class Days(Agent):
    """Notes each daily bar that it gets, and the newest day that it could read then."""

    code: str = CODE
    every = "1d"

    def on_start(self) -> None:
        self.starts = getattr(self, "starts", 0) + 1
        self.got: list[tuple[date, int]] = []
        self.newest: list[date] = []
        self.at: list[Ns] = []

    def on_bar(self, bar: kisnb.Bar) -> None:
        self.got.append((kst_day(bar.t), bar.close))
        self.newest += [kst_day(newest.t) for newest in self.bars("1d", 1)]
        self.at.append(self.now)


def given_day(day: date, close: int) -> Bar:
    """A day as KIS states it."""
    return Bar(kst(day, 0), CODE, DAY, close, close + 50, close - 50, close, 1_000, None)


def trade(day: date, at: time, price: int, venue: Venue = Venue.KRX) -> Tick:
    return Tick(kst(day, at), CODE, venue, price, 1, Side.BUY, 0, 0, price, price)


def play(runner: AgentRunner, *trades: Tick) -> None:
    for tick in trades:
        runner.deliver(tick, tick.t)


def close_of(day: date) -> int:
    return 10_000 + 100 * DAYS.index(day)


def whole_day(day: date) -> list[Tick]:
    """Trades of both venues; those around KRX's regular session are not of its daily bar."""
    close = close_of(day)
    return [
        trade(day, time(8, 0, 5), 5_000, Venue.NXT),
        trade(day, time(8, 35), 6_000),
        trade(day, time(9), close - 300),
        trade(day, time(11), close + 300),
        trade(day, time(15, 30), close),
        trade(day, time(15, 45), 20_000),
        trade(day, time(18), 30_000, Venue.NXT),
    ]


def test_a12_a_day_reaches_its_agent_with_the_first_trade_of_the_next_regular_session():
    agent = Days()
    runner = runner_of(agent, earlier=lambda _code, _span: ([given_day(THURSDAY, 9_900)], None))
    runner.start(kst(FRIDAY, time(7)))
    for day in (FRIDAY, MONDAY, TUESDAY):
        play(runner, *whole_day(day))
    assert agent.got == [(day, close_of(day)) for day in (FRIDAY, MONDAY)]
    assert agent.newest == [FRIDAY, MONDAY]
    assert agent.at == [kst(MONDAY, time(9)), kst(TUESDAY, time(9))]
    bars = agent.bars("1d", 9)
    assert [(kst_day(b.t), b.open, b.high, b.low, b.close, b.volume) for b in bars[1:]] == [
        (day, close_of(day) - 300, close_of(day) + 300, close_of(day) - 300, close_of(day), 3)
        for day in (FRIDAY, MONDAY)
    ]


def test_a12_a_day_that_closes_while_its_agent_waits_for_its_schedule_is_not_lost():
    agent = Days()
    runner = runner_of(agent)
    runner.start(kst(FRIDAY, time(9)))
    play(runner, *whole_day(FRIDAY)[:4])
    for day, until in ((FRIDAY, MONDAY), (MONDAY, TUESDAY)):
        runner.rest("waits until 09:00")
        play(runner, *whole_day(day)[4:])
        # The schedule starts it a moment late, after the day's first trades.
        play(runner, *whole_day(until)[:3])
        assert len(agent.got) == DAYS.index(day) - 1
        runner.start(kst(until, time(9, 0, 1)))
        play(runner, whole_day(until)[3])
    assert agent.starts == 1
    assert agent.got == [(day, close_of(day)) for day in (FRIDAY, MONDAY)]
    assert agent.at == [kst(MONDAY, time(11)), kst(TUESDAY, time(11))]


def test_a12_a_day_that_kis_states_in_the_morning_replaces_ours_and_comes_once():
    """The notebook missed trades of Friday: KIS's own bar counts, for bars and for on_bar."""
    agent, given = Days(), [given_day(THURSDAY, 9_900)]
    runner = runner_of(agent, earlier=lambda _code, _span: (list(given), None))
    runner.start(kst(FRIDAY, time(9)))
    play(runner, *whole_day(FRIDAY)[:4])
    given.append(given_day(FRIDAY, 12_345))
    runner.series.rebuild(CODE)
    assert [bar.close for bar in agent.bars("1d", 9)] == [9_900, 12_345]
    assert agent.got == [], "it could not trade at this hour"
    play(runner, *whole_day(MONDAY)[:2])
    assert agent.got == []
    play(runner, *whole_day(MONDAY)[2:])
    runner.series.rebuild(CODE)
    play(runner, *whole_day(TUESDAY))
    assert agent.got == [(FRIDAY, 12_345), (MONDAY, close_of(MONDAY))]
    assert [bar.close for bar in agent.bars("1d", 9)] == [9_900, 12_345, close_of(MONDAY)]


def test_a12_days_stay_when_kis_does_not_state_them_and_missing_minutes_come():
    agent = Days()
    today: list[Bar | None] = [None]
    runner = runner_of(agent, earlier=lambda _code, _span: ([given_day(THURSDAY, 9_900)], today[0]))
    runner.start(kst(FRIDAY, time(9)))
    play(runner, *whole_day(FRIDAY))
    runner.series.rebuild(CODE)
    play(runner, *whole_day(MONDAY)[:3])
    today[0] = given_day(MONDAY, 10_050)
    runner.series.rebuild(CODE)
    play(runner, *whole_day(MONDAY)[3:])
    # On Tuesday the line was down until the minutes of the morning had come.
    today[0] = given_day(TUESDAY, 11_000)
    runner.series.rebuild(CODE)
    assert [kst_day(bar.t) for bar in agent.bars("1d", 9)] == [THURSDAY, FRIDAY, MONDAY]
    play(runner, *whole_day(TUESDAY)[4:])
    assert agent.got == [(FRIDAY, close_of(FRIDAY)), (MONDAY, close_of(MONDAY))]


def test_a12_what_closes_while_a_person_pauses_an_agent_is_not_for_its_handlers():
    agent = Days()
    given = [given_day(THURSDAY, 9_900)]
    runner = runner_of(agent, earlier=lambda _code, _span: (list(given), None))
    runner.start(kst(FRIDAY, time(9)))
    play(runner, *whole_day(FRIDAY))
    runner.state = runner.state.PAUSED
    given.append(given_day(FRIDAY, close_of(FRIDAY)))
    runner.series.rebuild(CODE)
    play(runner, *whole_day(MONDAY)[:4])
    runner.start(kst(MONDAY, time(12)))
    play(runner, *whole_day(MONDAY)[4:], *whole_day(TUESDAY))
    assert agent.got == [(MONDAY, close_of(MONDAY))]
    assert [kst_day(bar.t) for bar in agent.bars("1d", 2)] == [FRIDAY, MONDAY]
