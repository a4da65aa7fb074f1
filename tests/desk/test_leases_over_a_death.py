"""A02, O14: an agent that ends while its desk is away gives its lease back to the next one, and its
orders end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from kisnb.errors import BadInput
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_state import AgentState
from tests.desk.served import Served, seen
from tests.desk.test_return import Next, restarted
from tests.trading.desk import price_of


class Buyer(Agent):
    """Has one open order, and fails when a test says so."""

    code = "005930"

    async def on_start(self) -> None:
        self.fails = asyncio.Event()
        self.buy(3, price_of())
        await self.fails.wait()
        raise RuntimeError


async def stopped(session: Session) -> None:
    await session.agents.stop("Buyer-005930")


async def failed(session: Session) -> None:
    session.agents["Buyer-005930"].fails.set()  # type: ignore[attr-defined]
    await seen(lambda: next(iter(session.agents)).state is AgentState.FAILED)


@pytest.mark.parametrize("end", [stopped, failed])
def test_an_agent_that_ends_while_the_desk_is_away_can_be_started_in_another_notebook(
    tmp_path: Path, end: Callable[[Session], object]
):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        await session.agents.start(Buyer())
        await seen(
            lambda: any(o.state is OrderState.ACCEPTED for o in session.book.orders.values())
        )
        ended: list[asyncio.Future[object]] = []
        again = await restarted(
            desk, session, lambda: ended.append(asyncio.ensure_future(end(session)))
        )  # type: ignore[call-overload]
        if end is stopped:
            # Its open order is cancelled by the desk that is there now.
            (order,) = session.book.orders.values()
            await seen(lambda: order.cancel_asked or bool(order.text))
        else:
            await ended[0]
        await seen(lambda: again.server.leases.all() == ())
        other = await again.session()
        view = await other.agents.start(Buyer())
        assert view.state is AgentState.RUNNING
        assert session.agents.running == ()
        await other.close()
        await session.close()
        await again.end()

    asyncio.run(asyncio.wait_for(begin(), 60))


def test_a02_a_start_that_is_taken_back_while_the_desk_is_away_keeps_no_lease(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        starting: list[asyncio.Future[object]] = []

        def start_and_stop() -> None:
            starting.append(asyncio.ensure_future(session.agents.start(Buyer())))
            starting.append(asyncio.ensure_future(stopped(session)))

        again = await restarted(desk, session, start_and_stop)
        with pytest.raises(BadInput, match="stopped before it had started"):
            await starting[0]
        await seen(lambda: again.server.leases.all() == ())
        await (await again.session()).agents.start(Buyer())
        await session.close()
        await again.end()

    asyncio.run(asyncio.wait_for(begin(), 60))
