"""Waits end, whatever happens meanwhile: pauses, interrupts, other sessions, clocks that run free
(row H05)."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence

import pytest

import kisnb
from kisnb.errors import BadInput, DeskLost, NotOpen, OrderDenied, OrderUnknown
from kisnb.events import Tick
from kisnb.orders import Order, OrderState
from kisnb.session.session import Session
from kisnb.trading.agents.agent import Agent
from kisnb.trading.ports.commands import Command, FastForward
from tests.session.opening import on_simulated_day, posts, traded


class Sleeper(Agent):
    """Buys a share after each of three sleeps."""

    code = "005930"

    async def on_start(self) -> None:
        for _ in range(3):
            await self.sleep(20)
            self.buy(1)


class Foreign(Agent):
    """Awaits what is not of the session, then buys."""

    code = "005930"

    async def on_start(self) -> None:
        await asyncio.sleep(0.05)
        self.buy(1)


@pytest.fixture
def free_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KISNB_SIM_SPEED", "50")


@on_simulated_day()
async def test_h05_a_paused_agent_that_sleeps_does_not_hold_the_clock_and_starts_no_second_time(
    session: Session,
) -> None:
    await session.agents.start(Sleeper())
    await session.agents.pause("Sleeper-005930")
    await session.until("10:02")
    assert len(session.book.orders) == 0
    await session.agents.start("Sleeper-005930")
    await session.until("10:05")
    assert len(session.book.orders) == 3


def test_a_stopped_agent_orders_nothing_when_its_foreign_wait_ends():
    async def work(session: Session) -> None:
        await session.agents.start(Foreign())
        await session.agents.stop("Foreign-005930")
        await asyncio.sleep(0.1)
        await session.sleep(5)
        assert len(session.book.orders) == 0
        assert session.troubles == []

    traded(work)
    assert posts() == []


@on_simulated_day()
async def test_h05_one_wait_after_another_ends_when_the_clock_runs_free(
    session: Session, free_running: None
) -> None:
    await session.until("09:30")
    for minute in (10, 11, 12):
        await session.until(f"10:{minute}")
        await session.sleep(1)
    assert session.status.clock_text() >= "10:12:01"


@on_simulated_day()
async def test_h05_an_interrupted_until_leaves_the_clock_running_free(
    session: Session, free_running: None
) -> None:
    for turns in range(8):
        waiting = asyncio.create_task(session.until("15:00"))
        for _ in range(turns):
            await asyncio.sleep(0.002)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await session.sleep(10)
    other = await kisnb.connect("sim")
    await other.sleep(10)
    await other.close()


@on_simulated_day(start="15:40")
async def test_h05_agents_sleep_on_a_clock_that_runs_free_and_without_events(
    session: Session, free_running: None
) -> None:
    agent = Sleeper()
    denied = asyncio.Event()
    agent.on_order = lambda _order, _fact: denied.set()  # type: ignore[method-assign]
    await session.agents.start(agent)
    await asyncio.wait_for(denied.wait(), 10)
    assert {o.state for o in session.book.orders.values()} == {OrderState.DENIED}


def test_two_sessions_drive_a_clock_that_is_switched_between_them(free_running: None):
    async def work(first: Session) -> None:
        second = await kisnb.connect("sim")

        async def hurry() -> None:
            for minute in range(2, 20, 2):
                await first.until(f"10:{minute:02d}")

        async def trade() -> None:
            for _ in range(10):
                await second.sleep(7)
                await second.buy("005930", 1)

        await asyncio.gather(hurry(), trade())
        assert first.troubles == second.troubles == []
        await second.close()

    traded(work)
    assert len(posts()) == 10


@on_simulated_day()
async def test_h05_the_end_of_one_wait_does_not_slow_another_one(
    session: Session, free_running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk is asked to run ahead until the last wait of the session has ended."""
    link, ahead = session._parts.link, list[bool]()
    submit = link.submit

    def noted(commands: Sequence[Command]) -> None:
        ahead.extend(c.on for c in commands if isinstance(c, FastForward))
        submit(commands)

    monkeypatch.setattr(link, "submit", noted)
    await asyncio.gather(session.until("10:02"), session.until("10:20"))
    assert ahead == [True, True, False]


def test_o11_of_two_sessions_with_one_key_one_orders_and_the_other_is_told():
    async def work(first: Session) -> None:
        second = await kisnb.connect("sim")
        ended = await asyncio.gather(
            first.buy("005930", 1, key="k"),
            second.buy("005930", 2, key="k"),
            return_exceptions=True,
        )
        (refused,) = [e for e in ended if isinstance(e, OrderDenied)]
        (order,) = [e for e in ended if not isinstance(e, BaseException)]
        assert order.state in (OrderState.ACCEPTED, OrderState.FILLED)
        assert "belongs to" in str(refused)
        assert [s.book.orders[order.key].quantity for s in (first, second)] == [order.quantity] * 2
        await second.close()

    traded(work)
    assert len(posts()) == 1


@on_simulated_day()
async def test_cancel_all_leaves_nothing_in_the_market_of_orders_that_are_on_their_way(
    session: Session,
) -> None:
    lower = (await session.quote("005930")).lower
    sending = [asyncio.create_task(session.buy("005930", 1, lower)) for _ in range(10)]
    await asyncio.sleep(0)
    await session.cancel("all")
    assert len(session.book.orders) == 10
    await asyncio.gather(*sending, return_exceptions=True)
    states = Counter(o.state for o in session.book.orders.values())
    assert set(states) <= {OrderState.DENIED, OrderState.CANCELLED}
    assert (await session.balance()).holdings == ()


class Hears(Agent):
    """Counts the trades that it hears of."""

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.heard: list[Tick] = []

    def on_tick(self, tick: Tick) -> None:
        self.heard.append(tick)


@on_simulated_day()
async def test_a_blocking_call_books_what_came_and_agents_hear_of_all_of_it_when_the_loop_turns(
    session: Session,
) -> None:
    agent = Hears(code="005930")
    await session.agents.start(agent)
    await session.sleep(5)
    before = len(agent.heard)
    for qty in (3, 4):
        order = session.blocking.buy("005930", qty)
        # Nothing was awaited: the loop has not turned since.
        assert order.number is not None
        assert order.state in (OrderState.ACCEPTED, OrderState.FILLED)
    low = session.blocking.buy("005930", 1, session.blocking.quote("005930").lower)
    assert low.state is OrderState.ACCEPTED
    assert session.blocking.orders().open_orders[-1] is low
    assert len(agent.heard) == before
    await session.sleep(30)
    assert len(agent.heard) == len(session.ticks("005930")) > before
    assert session.book.position("005930").qty == 7


@on_simulated_day()
async def test_a_blocking_call_of_another_thread_leaves_the_books_to_the_home_thread(
    session: Session,
) -> None:
    orders: list[Order] = []
    thread = threading.Thread(target=lambda: orders.append(session.blocking.buy("005930", 1)))
    thread.start()
    thread.join()
    assert orders[0].state is OrderState.NEW
    await session.settle()
    assert orders[0].number is not None


def test_a_cancel_that_was_sent_before_the_session_closed_reaches_the_market():
    async def work(session: Session) -> str:
        lower = (await session.quote("005930")).lower
        order = await session.buy("005930", 1, lower)
        session.blocking.cancel(order)
        await session.close()
        again = await kisnb.connect("sim")
        await again.sleep(1)
        state = again.book.orders[order.key].state
        await again.close()
        return state

    assert traded(work) is OrderState.CANCELLED


@on_simulated_day()
async def test_closing_ends_the_waits_of_cells_and_leaves_no_order_behind_that_was_never_sent(
    session: Session,
) -> None:
    await session.agents.start(Sleeper())
    waiting = asyncio.create_task(session.until("11:00"))
    await asyncio.sleep(0)
    await session.close()
    with pytest.raises(NotOpen):
        await waiting
    known = len(session.book.orders)
    with pytest.raises(DeskLost):
        await session.buy("005930", 1)
    assert len(session.book.orders) == known


@on_simulated_day()
async def test_a_desk_that_stays_silent_leaves_an_order_unknown_and_says_what_to_do(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise TimeoutError("the desk did not answer within 15 s")

    monkeypatch.setattr(session._parts.link, "ask_blocking", silent)
    with pytest.raises(OrderUnknown, match="before you order again"):
        session.blocking.buy("005930", 1)
    with pytest.raises(kisnb.errors.DeskError, match="Ask again"):
        session.blocking.balance()


def test_a_seed_that_is_none_is_refused_before_anything_is_started():
    with pytest.raises(BadInput, match="whole number"):
        asyncio.run(kisnb.connect("sim", seed="seven"))  # type: ignore[arg-type]
