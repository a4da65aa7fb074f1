"""The back-tester asks how old a price is as the desk does, on the recorded day's clock.

Row A05.
"""

from __future__ import annotations

from kisnb.backtesting.tape.tape_run import TapeRun
from kisnb.clock import SECOND, Ns
from kisnb.events import Tick
from kisnb.market.universe import Universe
from kisnb.orders import OrderState
from kisnb.terms import Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import CODE, NOON, price_of

PRICE = price_of()


class Clockwork(Agent):
    """Buys by its clock in a stock that trades once in half a minute."""

    code = CODE

    async def on_start(self) -> None:
        await self.sleep(10)
        self.buy(1)


def engine_of(agent: Agent) -> TapeRun:
    limits = Limits(max_quote_age=2 * SECOND)
    return TapeRun(agent, Universe.packaged(), NOON, limits)


def tick(t: Ns, price: int) -> Tick:
    return Tick(t, CODE, Venue.KRX, price, 1, Side.BUY, 0, 0, price, price - 100)


def test_a05_an_agent_that_acts_by_its_clock_trades_in_a_quiet_stock():
    """Whoever asks KIS between two trades is told what the last one left; so is the desk."""
    engine = engine_of(Clockwork())
    engine.frame(NOON + SECOND, [tick(NOON + SECOND, PRICE)])
    engine.frame(NOON + 30 * SECOND, [tick(NOON + 30 * SECOND, PRICE + 100)])
    (order,) = engine.runner.book.orders.values()
    assert (order.state, order.average) == (OrderState.FILLED, PRICE + 100)


def test_a05_an_agent_of_a_stock_that_has_not_traded_yet_buys_nothing():
    engine = engine_of(Clockwork())
    engine.frame(NOON + 30 * SECOND, [tick(NOON + 30 * SECOND, PRICE)])
    (order,) = engine.runner.book.orders.values()
    assert order.state is OrderState.DENIED
    assert "the newest price is too old" in order.text
