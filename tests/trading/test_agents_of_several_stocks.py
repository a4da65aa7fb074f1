"""A13: agents that follow several stocks, over a tape, over bars and by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

import kisnb
from kisnb.backtesting.tape.tape_run import TapeRun
from kisnb.clock import MINUTE, SECOND
from kisnb.errors import BadInput
from kisnb.events import AccountOpened, Depth, GapFound, StockDay
from kisnb.market.flows import DayFlow, FlowTable
from kisnb.market.universe import Universe
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from tests.backtesting.bars import flat, minutes
from tests.trading.desk import CAN, CODE, NOON
from tests.trading.test_agents import runner_of, tick

OTHER, STRANGER = "005935", "000660"


class Follower(Agent):
    """Writes down the stock of each event that it gets."""

    code = CODE
    every = "1m"

    def stocks(self) -> tuple[str, ...]:
        return (CODE, OTHER)

    def on_start(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_tick(self, tick: kisnb.Tick) -> None:
        self.seen.append(("tick", tick.code))

    def on_bar(self, bar: kisnb.Bar) -> None:
        self.seen.append(("bar", bar.code))

    def on_depth(self, depth: Depth) -> None:
        self.seen.append(("depth", depth.code))

    def on_gap(self, gap: GapFound) -> None:
        self.seen.append(("gap", gap.code))


def test_a13_handlers_get_the_events_of_all_stocks_that_an_agent_follows_and_of_no_other():
    agent = Follower()
    runner = runner_of(agent)
    runner.start(NOON)
    for code in (CODE, OTHER, STRANGER):
        for moment in (NOON, NOON + MINUTE):
            runner.deliver(tick(moment, 10_000, code=code), moment)
        runner.deliver(Depth(NOON, code, Venue.KRX, ((10_010, 5),), ((9_990, 5),), NOON), NOON)
        runner.deliver(GapFound(NOON, code, Venue.KRX, NOON), NOON)
    of_one = ["tick", "bar", "tick", "depth", "gap"]
    assert agent.seen == [(kind, code) for code in (CODE, OTHER) for kind in of_one]


def test_a13_a_mistake_in_stocks_stops_the_agent_alone():
    class Wrong(Follower):
        def stocks(self) -> tuple[str, ...]:
            raise ValueError("no pair of this stock")

    runner = runner_of(Wrong())
    assert runner.start(NOON) == []
    assert runner.state is AgentState.FAILED
    assert "no pair of this stock" in runner.error


def test_a13_a_tape_is_played_to_an_agent_of_two_stocks_with_the_flows_of_the_days_before():
    day = date(2026, 11, 20)
    flows = FlowTable([DayFlow(day, CODE, foreign=1), DayFlow(date(2026, 11, 19), CODE, foreign=2)])
    agent = Follower()
    engine = TapeRun(agent, Universe.packaged(), NOON, flows=flows)
    for code in (CODE, OTHER, STRANGER):
        engine.frame(NOON + SECOND, [tick(NOON + SECOND, 70_000, code=code)])
    assert agent.seen == [("tick", CODE), ("tick", OTHER)]
    # The tape's own day is not over.
    assert [flow and flow.foreign for flow in agent.flows(2)] == [None, 2]


def test_a13_a_tape_of_a_pair_needs_two_codes_that_it_can_have():
    class Short(Follower):
        def stocks(self) -> tuple[str, ...]:
            return (CODE, "5935")

    with pytest.raises(BadInput, match="'5935', the stock of Short, is not a stock code"):
        TapeRun(Short(), Universe.packaged(), NOON)


@pytest.mark.parametrize("every", ["1d", "5m"])
def test_a13_bars_of_two_stocks_reach_one_agent_also_longer_ones(every: str):
    class OfLength(Follower):
        pass

    OfLength.every = every
    agent = OfLength()
    if every == "1d":
        data = pl.concat(
            [flat([10_000] * 3), flat([8_000] * 3, OTHER), flat([9_000] * 3, STRANGER)]
        )
    else:
        codes = (CODE, OTHER, STRANGER)
        data = pl.concat([minutes(1, seed, code=code) for seed, code in enumerate(codes)])
    kisnb.backtest(agent, data, costs="krx=0")
    counts = {code: agent.seen.count(("bar", code)) for code in (CODE, OTHER, STRANGER)}
    assert (
        counts == {CODE: 3, OTHER: 3, STRANGER: 0}
        if every == "1d"
        else {
            CODE: 8,
            OTHER: 8,
            STRANGER: 0,
        }
    )


def test_a13_two_agents_may_follow_the_same_stock_of_a_back_test():
    class Single(Agent):
        every = "1d"

        def on_start(self) -> None:
            self.bars_seen = 0

        def on_bar(self, bar: kisnb.Bar) -> None:
            self.bars_seen += 1

    class Daily(Follower):
        every = "1d"

    pair, single = Daily(), Single()
    single.code = OTHER
    data = pl.concat([flat([10_000] * 3), flat([8_000] * 3, OTHER)])
    kisnb.backtest([pair, single], data, costs="krx=0")
    assert (len(pair.seen), single.bars_seen) == (6, 3)


def test_a13_a_holding_that_an_agent_does_not_follow_counts_at_the_newest_price_that_is_known():
    class Sizer(Agent):
        code = CODE

        def on_tick(self, tick: kisnb.Tick) -> None:
            self.worth = self.equity()

    books = OrderBooks()
    books.apply_holdings(AccountOpened(NOON, 10**6, ((STRANGER, 10, 1_000_000),)))
    base = Universe.packaged().get(STRANGER).base
    rules = Rules(Universe.packaged(), CAN)

    def worth(last: int | None) -> int | None:
        agent = Sizer()
        runner = AgentRunner(
            agent, "a", "run", books, rules, cash=lambda: 10**6, last=lambda _code: last
        )
        runner.start(NOON)
        runner.deliver(tick(NOON, 70_000), NOON)
        return agent.worth

    assert worth(120_000) == 10**6 + 10 * 120_000
    assert worth(None) == 10**6 + 10 * base
    rules.days.learn(StockDay(NOON, STRANGER, 110_000, None, 115_000, False, False, 7_000))
    assert worth(None) == 10**6 + 10 * 115_000
    # Without any price the equity is not known.
    books.apply_holdings(AccountOpened(NOON, 0, (("999999", 1, 1_000),)))
    assert worth(None) is None


def test_a13_the_listed_shares_that_kis_states_today_count_before_those_of_the_list():
    agent, rules = Follower(), Rules(Universe.packaged(), CAN)
    AgentRunner(agent, "a", "run", OrderBooks(), rules).start(NOON)
    assert agent.listed_shares() == Universe.packaged().get(CODE).shares
    assert agent.listed_shares("999999") is None
    rules.days.learn(StockDay(NOON, CODE, 70_000, None, 70_000, False, False, 7_000))
    assert agent.listed_shares() == 7_000
