"""Agents of the real notebooks: one that only builds, and one that raises after each of
its orders."""

from __future__ import annotations

import asyncio

import kisnb
from kisnb.events import Filled, IntentTaken, OrderFact, is_order_fact
from kisnb.orders import Order
from kisnb.session.session import Session
from kisnb.trading.agents.handlers import Handled

MOST_SHARES = 12
MOST_RUDE = 6
MOST_STARTS = 20
RAISED: tuple[type[BaseException], ...] = (
    RuntimeError, asyncio.CancelledError, GeneratorExit, SystemExit, KeyboardInterrupt,
)  # fmt: skip


class Builder(kisnb.Agent):
    """Buys every two seconds, each time one share more than the most so far.

    The number of its orders would not do: one that a dead desk never took is known to the session
    alone.
    """

    code = "247540"

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.heard: list[OrderFact] = []
        self._mine: list[Order] = []

    async def on_start(self) -> None:
        while (most := _most(self)) < MOST_SHARES:
            self._mine.append(self.buy(most + 1))
            await self.sleep(2)

    def on_order(self, order: Order, fact: OrderFact) -> None:
        if order in self._mine:
            self.heard.append(fact)

    def misheard(self) -> str:
        """What it was told of this run's orders, where that is not what they went through."""
        for order in self._mine:
            told = [f for f in self.heard if is_order_fact(f) and f.key == order.key]
            through = [fact for fact in order.facts if not isinstance(fact, IntentTaken)]
            if told != through:
                return f"{self.id} was told {told} of {order!r}, which went through {through}"
        return ""


class Rude(kisnb.Agent):
    """Buys one share more than the most so far, and raises when the first of them are filled: each
    time something else, at once or after a wait."""

    code = "035720"

    def on_start(self) -> None:
        if _most(self) < MOST_RUDE:
            self.buy(_most(self) + 1)

    def on_fill(self, order: Order, fill: Filled) -> Handled:
        if order.quantity % 2:
            return self._later(order)
        self._fail(order)
        return None

    async def _later(self, order: Order) -> None:
        await asyncio.sleep(0.05)
        self._fail(order)

    def _fail(self, order: Order) -> None:
        raise RAISED[order.quantity % len(RAISED)]("planted")


def _most(agent: kisnb.Agent) -> int:
    return max((o.quantity for o in agent.book.orders.values()), default=0)


async def keep_starting(session: Session, agent: Rude) -> None:
    """Start the agent again each time it has failed, until it has ordered all it wants."""
    await session.agents.start(agent)
    for _ in range(MOST_STARTS):
        await session.sleep(2)
        if _most(agent) >= MOST_RUDE:
            return
        if agent.id in session.agents.running:
            # Paused, or its order was refused: it would begin nothing.
            await session.agents.stop(agent.id)
        await session.agents.start(agent)
