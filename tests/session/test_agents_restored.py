"""An agent that ended with its session is shown and can go on. Row A02; journaled keep fields."""

from __future__ import annotations

import pytest

import kisnb
from kisnb.errors import BadInput, DeskBusy
from kisnb.session.session import Session
from kisnb.strategies.volatility_breakout import VolatilityBreakout
from kisnb.trading.agents.agent_state import AgentState
from tests.session.opening import DAY, on_simulated_day


class Counter(kisnb.Agent):
    code = "005930"
    most: int = 3
    keep = ("count", "names")

    def on_start(self) -> None:
        self.count = getattr(self, "count", 0)
        self.names = getattr(self, "names", [])

    def on_tick(self, tick: kisnb.Tick) -> None:
        self.count += 1
        if self.count == 1:
            self.names.append("first")
            self.buy(2)


class Unkeepable(kisnb.Agent):
    code = "005930"
    keep = ("thing",)

    def on_start(self) -> None:
        self.thing = object()


@on_simulated_day()
async def test_a02_an_agent_that_ended_with_its_session_is_offered_again_with_all_it_kept(
    session: Session,
) -> None:
    view = await session.agents.start(Counter(most=7))
    await session.until("10:10")
    count = session.agents[view.id].count  # type: ignore[attr-defined]
    assert count > 1
    await session.close()
    async with await kisnb.connect("sim", seed=7, date=DAY) as other:
        (lost,) = other.agents
        assert (lost.id, lost.state, lost.position) == (view.id, AgentState.LOST, 2)
        assert "restore" in lost.note
        again = await other.agents.restore(view.id)
        assert again.state is AgentState.RUNNING
        agent = other.agents[view.id]
        assert (agent.most, agent.count, agent.names) == (7, count, ["first"])  # type: ignore[attr-defined]
        assert agent.held() == 2
        await other.until("10:20")
        assert len(agent.book.orders) == 1, "it went on, and did not begin anew"
        assert [a.state for a in other.agents] == [AgentState.RUNNING]
        with pytest.raises(DeskBusy):
            await other.agents.restore(view.id)


@on_simulated_day()
async def test_a13_a_restored_breakout_counts_the_bars_since_its_buy_and_not_since_the_restart(
    session: Session,
) -> None:
    """It sells after two bars. Without its memory it would count one bar only."""
    code = Counter.code
    await session.buy(code, 10)
    await session.until("10:05")
    breakout = VolatilityBreakout(code=code, longest=2, stop=0.5, wide=100.0)
    await session.agents.adopt(breakout, code, 10)
    view = await session.agents.start(breakout)
    await session.until("10:10")
    days = breakout.bars("1d", 3)
    assert breakout.held_since == days[-1].t
    assert breakout.held() == 10, "one bar has closed since it holds the shares"
    # Its state a day later: the bar of the buy is the one before the newest.
    breakout.held_since = days[-2].t
    await session.until("10:11")
    await session.close()
    async with await kisnb.connect("sim", seed=7, date=DAY) as other:
        await other.agents.restore(view.id)
        await other.until("10:20")
        again = other.agents[view.id]
        assert again.held() == 0, "two bars have closed, as it remembers"


@on_simulated_day()
async def test_a02_an_agent_that_a_person_stopped_is_not_lost_and_a_fresh_start_forgets(
    session: Session,
) -> None:
    view = await session.agents.start(Counter())
    await session.until("10:10")
    await session.agents.stop(view.id)
    await session.close()
    async with await kisnb.connect("sim", seed=7, date=DAY) as other:
        assert list(other.agents) == []
        await other.agents.start(Counter(), fresh=True)
        assert other.agents[view.id].count == 0  # type: ignore[attr-defined]


@on_simulated_day()
async def test_a02_what_cannot_be_kept_or_restored_is_said(session: Session) -> None:
    with pytest.raises(BadInput, match="no record"):
        await session.agents.restore("nobody")
    view = await session.agents.start(Unkeepable())
    (failed,) = [a for a in session.agents if a.id == view.id]
    assert failed.state is AgentState.FAILED
    assert "cannot be kept over a restart" in session.agents.error(view.id)

    class Local(kisnb.Agent):
        code = "005930"

    local = await session.agents.start(Local())
    await session.close()
    async with await kisnb.connect("sim", seed=7, date=DAY) as other:
        with pytest.raises(BadInput, match="Run the cell that defines Local"):
            await other.agents.restore(local.id)
        again = await other.agents.restore(local.id, Local)
        assert again.state is AgentState.RUNNING
