"""When an agent says that it saw the newest price of a stock: its ticks and quotes, and nothing
else. Row A05."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kisnb.clock import SECOND, Ns
from kisnb.events import AccountOpened, ClockMoved, Filled, PhaseChanged, Tick
from kisnb.market.universe import Universe
from kisnb.terms import Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, agent_saw
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import Submit
from tests.trading.desk import CAN, CODE, NOON, Desk, notice, price_of

PRICE = price_of()
OTHER = "000660"


def tick(t: Ns, code: str = CODE) -> Tick:
    return Tick(t, code, Venue.KRX, PRICE, 1, Side.BUY, 0, 0, PRICE, PRICE - 100, t)


class Buyer(Agent):
    """Buys when it wakes or a session begins."""

    code = CODE

    def __init__(self, stock: str = CODE) -> None:
        super().__init__()
        self.stock = stock

    async def on_start(self) -> None:
        while True:
            await self.sleep(3600)
            self.buy(1, code=self.stock)

    def on_phase(self, phase: PhaseChanged) -> None:
        self.buy(1, code=self.stock)


def runner_of(agent: Agent) -> AgentRunner:
    runner = AgentRunner(agent, "a", "run", OrderBooks(), Rules(Universe.packaged(), CAN))
    runner.start(NOON)
    return runner


def woken(runner: AgentRunner, _: Ns) -> Ns:
    """Let the agent's sleep end; gives what it says that it saw."""
    at = runner.next_wake()
    assert at is not None
    (submit,) = runner.deliver(ClockMoved(at), at)
    assert isinstance(submit, Submit)
    return submit.intent.seen


def phase(runner: AgentRunner, at: Ns) -> Ns:
    (submit,) = runner.deliver(PhaseChanged(at, "KRX_REG", Venue.KRX, "open"), at)
    assert isinstance(submit, Submit)
    return submit.intent.seen


@pytest.mark.parametrize("wake", [woken, phase])
def test_a05_an_event_that_is_no_price_makes_no_price_newer(wake: Callable[..., Ns]):
    runner = runner_of(Buyer())
    runner.deliver(tick(NOON + SECOND), NOON + SECOND)
    assert wake(runner, NOON + 287 * SECOND) == NOON + SECOND


def test_a05_a_fill_is_no_price_either():
    class Pyramid(Agent):
        code = CODE

        def on_tick(self, tick: Tick) -> None:
            if not self.book.orders:
                self.buy(1)

        def on_fill(self, order: object, fill: object) -> None:
            self.buy(1)

    books, desk = OrderBooks(), Desk([AccountOpened(NOON, 10**9, ())])
    runner = AgentRunner(Pyramid(), "a", "run", books, Rules(Universe.packaged(), CAN))
    runner.start(NOON)
    (first,) = runner.deliver(tick(NOON), NOON)
    assert isinstance(first, Submit)
    desk.say(tick(NOON), NOON)
    desk.say(first, NOON)
    desk.sent(first.intent.key)
    desk.say(notice("filled", qty=1), NOON + 60 * SECOND)
    second = None
    for fact in desk.published[1:]:
        books.apply(fact)  # type: ignore[arg-type]
        for command in runner.deliver(fact, NOON + 60 * SECOND):  # type: ignore[arg-type]
            assert isinstance(fact, Filled)
            second = command
    assert isinstance(second, Submit)
    assert second.intent.seen == NOON


def test_a05_the_price_of_one_stock_says_nothing_of_another():
    runner = runner_of(Buyer(OTHER))
    runner.deliver(tick(NOON + SECOND), NOON + SECOND)
    assert phase(runner, NOON + 2 * SECOND) == 0
    runner.deliver(tick(NOON + SECOND, OTHER), NOON + 3 * SECOND)
    assert phase(runner, NOON + 4 * SECOND) == NOON + SECOND


def test_a05_a_quote_that_a_handler_asked_for_is_a_price_that_it_saw():
    class Asker(Agent):
        code = CODE

        def on_phase(self, phase: PhaseChanged) -> None:
            agent_saw(CODE, phase.t)
            agent_saw(CODE, phase.t - SECOND)
            self.buy(1)

    runner = runner_of(Asker())
    assert phase(runner, NOON + 2 * SECOND) == NOON + 2 * SECOND
    agent_saw(CODE, NOON + 9 * SECOND)
    assert runner.prices.seen(CODE) == NOON + 2 * SECOND
