"""An agent that orders without end is stopped and shown, and nobody else is harmed. Row A03."""

from __future__ import annotations

import pytest

import kisnb
from kisnb.errors import BadInput
from kisnb.events import Tick
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_state import AgentState
from tests.session.opening import on_simulated_day, posts

CODE = "005930"


class Endless(Agent):
    """Believes that a buy is filled before its handler ends."""

    code: str = CODE

    def on_tick(self, tick: Tick) -> None:
        while not self.held():
            self.buy(1)


class Deaf(Endless):
    """Catches whatever its order raises."""

    def on_tick(self, tick: Tick) -> None:
        for _ in range(1_000):
            try:
                self.buy(1)
            except Exception:
                self.note = "tried again"


class EachTrade(Agent):
    """Orders far below the market at each trade, and cancels nothing."""

    code: str = CODE
    most_orders = 5

    def on_tick(self, tick: Tick) -> None:
        self.buy(1, tick.price * 8 // 10 // 1_000 * 1_000)


class Calm(Agent):
    code: str = CODE

    def on_start(self) -> None:
        self.ticks = 0

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1
        if self.ticks == 3:
            self.buy(2)


@on_simulated_day()
async def test_a03_an_agent_that_orders_without_end_is_red_and_sends_nothing(
    session: Session,
) -> None:
    for flooding in (Endless, Deaf):
        await one_floods(session, flooding)


async def one_floods(session: Session, flooding: type[Agent]) -> None:
    before = len(posts())
    calm, flood = Calm(), flooding()
    await session.agents.start(flood)
    await session.agents.start(calm)
    await session.sleep(60)
    view = next(v for v in session.agents if v.id == flood.id)
    assert view.state is AgentState.FAILED
    assert "gave 300 orders within a minute" in view.note
    if flooding is Endless:
        assert view.note.startswith("Endless.on_tick, line ")
    orders = list(flood.book.orders.values())
    assert len(orders) == 300
    assert {order.state for order in orders} == {OrderState.DENIED}
    assert any("gave 300 orders" in text for text in session.troubles)
    # The other agent got its trades, and its order is the only one that was sent.
    assert (calm.ticks > 3, calm.working() + calm.held(), len(posts()) - before) == (True, 2, 1)
    # Corrected and started again, it may order.
    again = await session.agents.start(flood.id)
    assert again.state is AgentState.RUNNING
    for agent in (flood, calm):
        await session.agents.flatten(agent.id)
    await session.sleep(5)


@on_simulated_day()
async def test_a03_an_agent_that_orders_at_each_trade_stops_at_its_own_limit(
    session: Session,
) -> None:
    agent = EachTrade()
    await session.agents.start(agent)
    await session.sleep(60)
    (view,) = session.agents
    assert view.state is AgentState.FAILED
    assert "EachTrade.on_tick, line " in view.note
    sent = [o for o in agent.book.orders.values() if o.state is not OrderState.DENIED]
    assert len(posts()) == len(sent) == 5
    # What is in the market can be taken out by a person.
    await session.agents.stop(view.id)
    assert not agent.book.open_orders


def test_a03_the_limit_is_not_a_parameter() -> None:
    assert "most_orders" not in EachTrade.parameters()
    with pytest.raises(BadInput, match="has no parameter 'most_orders'"):
        EachTrade(most_orders=5)
    assert kisnb.Agent.most_orders == 300
