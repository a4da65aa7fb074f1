"""Strategies of flows, of volatility and of pairs on a real desk and simulator. Row A13."""

from __future__ import annotations

from datetime import date

import polars as pl

import kisnb
from kisnb.events import PhaseChanged
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.strategies.foreign_follower import ForeignFollower
from kisnb.strategies.preferred_pair import PreferredPair
from kisnb.strategies.volatility_tracker import VolatilityTracker
from tests.desk.served import seen
from tests.session.opening import control, on_simulated_day

COMMON, PREFERRED, STOCK = "005930", "005935", "035420"


@on_simulated_day(start="09:00")
async def test_a13_strategies_of_flows_volatility_and_a_pair_trade_on_a_simulated_day(
    session: Session,
) -> None:
    follower = ForeignFollower(code=STOCK, days=1, weight=0.05)
    waits = ForeignFollower(code=STOCK)
    waits.id = "waits"
    tracker = VolatilityTracker(code=STOCK, risk=0.001)
    # The spread of the day before is 0.2 σ above its mean.
    pair = PreferredPair(code=COMMON, weight=0.05, enter=0.2, leave=0.1)
    for agent in (follower, waits, tracker, pair):
        await session.agents.start(agent)
    await session.until("09:05")
    await buys_on_the_flows_that_kis_states(session, follower, waits)
    await holds_a_range_for_its_part_of_the_equity(session, tracker)
    assert pair.held(COMMON) == 0
    assert pair.held(PREFERRED) > 0
    (row,) = session.agents.why(pair.id).rows(named=True)
    assert (row["action"], row["code"]) == ("buy", PREFERRED)
    (view,) = [view for view in session.agents if view.id == pair.id]
    assert (view.code, view.position) == (COMMON, 0)
    assert view.note.endswith(f"also holds {pair.held(PREFERRED):,} {PREFERRED}")


async def buys_on_the_flows_that_kis_states(
    session: Session, follower: ForeignFollower, waits: ForeignFollower
) -> None:
    known = await session.history.flows(STOCK, "2026-11-18", "2026-11-19")
    listed = session.universe.get(STOCK).shares
    assert known["foreign"][-1] > 0.001 * listed, "the day before shows strong buying"
    (bought,) = follower.book.orders.values()
    assert bought.state is OrderState.FILLED
    assert follower.held() == bought.quantity
    # Foreigners sold on the days before, so three days in a row are not there.
    assert waits.held() == 0
    (row,) = session.agents.why("waits").rows(named=True)
    assert (row["action"], row["times"]) == ("hold", 1)
    assert "did not buy net on 3 days in a row" in row["why"]
    assert f"newest {known['foreign'][-1]:,}" in row["inputs"]
    # The day's own flow is not among them, whatever time it is.
    assert [f.day.isoformat() for f in follower.flows(2) if f] == ["2026-11-18", "2026-11-19"]


async def holds_a_range_for_its_part_of_the_equity(
    session: Session, tracker: VolatilityTracker
) -> None:
    (row,) = session.agents.why(tracker.id).rows(named=True)
    assert row["why"] == "cheap, and less risk than wanted"
    days = (await session.history(STOCK, start="2026-10-01")).filter(pl.col("whole"))
    ranges = [
        max(high, before) - min(low, before)
        for high, low, before in zip(
            days["high"][-14:], days["low"][-14:], days["close"][-15:-1], strict=True
        )
    ]
    # 0.1 % of 100 million won; fees of the others' buys take a little of it.
    goal = 100_000 / (sum(ranges) / 14)
    assert goal - 1.1 < tracker.held() <= goal


class TwoLegs(kisnb.Agent):
    """Buys both shares, the preferred one at a price that the market does not reach."""

    code = COMMON
    every = "1m"

    def stocks(self) -> tuple[str, ...]:
        return (COMMON, PREFERRED)

    def on_start(self) -> None:
        self.bars_of: list[str] = []
        self.ticks_of: set[str] = set()
        self.done_well: bool | None = None

    def on_bar(self, bar: kisnb.Bar) -> None:
        self.bars_of.append(bar.code)

    async def on_tick(self, tick: kisnb.Tick) -> None:
        self.ticks_of.add(tick.code)
        if self.ticks_of != {COMMON, PREFERRED} or self.book.orders:
            return
        far = tick.price * 9 // 10 // 100 * 100
        legs = self.buy(10), self.buy(10, far, code=PREFERRED)
        self.done_well = await kisnb.fill_or_undo(self, *legs, within=60)


@on_simulated_day()
async def test_a13_a_leg_that_does_not_fill_is_cancelled_and_the_other_one_is_undone(
    session: Session,
) -> None:
    agent = TwoLegs()
    await session.agents.start(agent)
    await session.until("10:03")
    assert agent.done_well is False
    assert set(agent.bars_of) == {COMMON, PREFERRED}
    states = [(o.code, str(o.side), str(o.state)) for o in agent.book.orders.values()]
    assert states == [
        (COMMON, "buy", "filled"),
        (PREFERRED, "buy", "cancelled"),
        (COMMON, "sell", "filled"),
    ]
    assert (agent.held(COMMON), agent.held(PREFERRED)) == (0, 0)


class FlowReader(kisnb.Agent):
    """Reads the flow of the day before at each change of phase."""

    code = COMMON

    def on_phase(self, phase: PhaseChanged) -> None:
        self.newest = self.flows(1)[0]


@on_simulated_day(start="15:15")
async def test_a13_an_agent_that_runs_over_midnight_gets_the_flows_of_the_newest_days(
    session: Session,
) -> None:
    agent = FlowReader()
    await session.agents.start(agent)
    await session.until("15:21")
    assert agent.newest is not None
    # As if the figures had been brought on the day before.
    figures = session._parts.figures
    figures._day = date(2026, 11, 19)
    figures.flows._of.clear()
    await session.until("15:35")
    await seen(lambda: figures._day == date(2026, 11, 20))
    await seen(lambda: agent.flows(1)[0] is not None)


@on_simulated_day()
async def test_a13_flows_that_kis_does_not_give_are_missing_and_the_decision_says_so(
    session: Session,
) -> None:
    control("fault", on="read", what="error", tr_id="FHPTJ04160001", times=100)
    agent = ForeignFollower(code=STOCK)
    await session.agents.start(agent)
    await session.sleep(60)
    (row,) = session.agents.why(agent.id).rows(named=True)
    assert row["why"] == "the flow of 3 of 3 days is not known"
    assert any("its flows are missing" in trouble for trouble in session.troubles)
    assert not agent.book.orders
