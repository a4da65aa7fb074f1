"""Invariant 2, A03, A04: the notebook's order books are the desk's, whatever a handler or an
interrupt does."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from kisnb.clock import SECOND
from kisnb.errors import BadInput
from kisnb.events import Filled, Notice
from kisnb.orders import Order
from kisnb.session.session import Session
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_state import AgentState
from tests.desk.served import Served, seen
from tests.desk.test_return import Next, restarted
from tests.trading.desk import CODE, notice, price_of

FILLS = 5


class Buyer(Agent):
    """Buys once, and does in ``on_fill`` what a test says."""

    code = CODE

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.heard: list[Filled] = []
        self.does: Callable[[Buyer], object] = lambda _: None

    def on_start(self) -> None:
        self.buy(FILLS, price_of())

    def on_fill(self, _order: Order, fill: Filled) -> None:
        self.heard.append(fill)
        self.does(self)


def raise_cancelled(_: Buyer) -> None:
    raise asyncio.CancelledError


def raise_generator_exit(_: Buyer) -> None:
    raise GeneratorExit


def exit_process(_: Buyer) -> None:
    raise SystemExit


class OddNumber:
    """An integer of another library."""

    def __index__(self) -> int:
        return 1


def sell_odd(agent: Buyer) -> None:
    agent.sell(OddNumber(), price_of())  # type: ignore[arg-type]


def sell_nonsense(agent: Buyer) -> None:
    agent.sell("many", price_of())  # type: ignore[arg-type]


def fills() -> list[Notice]:
    """One notice for each share, a second apart."""
    one = notice("filled", 1, qty=1)
    return [msgspec.structs.replace(one, t=one.t + n * SECOND) for n in range(FILLS)]


async def filled_in_one_sweep(desk: Served, agent: Buyer, session: Session) -> Order:
    """The agent's order, filled in several parts that reach the session in one batch."""
    await session.agents.start(agent)
    await seen(lambda: bool(desk.wire.submitted))
    await seen(lambda: any(o.number for o in session.book.orders.values()))
    (order,) = session.book.orders.values()
    desk.host.receive(fills())
    await seen(lambda: order.filled == FILLS)
    return order


@pytest.mark.parametrize(
    ("does", "state"),
    [
        (raise_cancelled, AgentState.FAILED), (raise_generator_exit, AgentState.FAILED),
        (exit_process, AgentState.FAILED), (sell_nonsense, AgentState.FAILED),
        (sell_odd, AgentState.RUNNING),
    ],
)  # fmt: skip
def test_whatever_a_handler_raises_the_order_books_are_the_desks(
    tmp_path: Path, does: Callable[[Buyer], None], state: AgentState
):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        agent = Buyer()
        agent.does = does
        await filled_in_one_sweep(desk, agent, session)
        await seen(lambda: session.agents["Buyer-005930"].host.state is state)
        books = desk.host.core.state.books
        assert session.book.position(CODE).qty == books.account.position(CODE).qty == FILLS
        if state is AgentState.RUNNING:
            # Its sells are open: the next desk would ask this wire for the account, which holds
            # nothing.
            await session.close()
            await desk.end()
            return
        # The next desk tells nothing twice, and nothing is missing.
        again = await restarted(desk, session)
        assert session.book.position(CODE).qty == FILLS
        assert session._parts.state.published == again.journal.published
        await session.close()
        await again.end()

    run(begin())


def waiting_fills(session: Session) -> int:
    """The fills that the session has received and not applied."""
    inbox = session._parts.link.state.desk._inbox  # type: ignore[attr-defined]
    return sum(isinstance(event, Filled) for batch in inbox for event in batch.events)


def test_an_interrupt_while_a_blocking_call_books_a_backlog_leaves_no_fill_out(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        agent = Buyer()
        await session.agents.start(agent)
        await seen(lambda: any(o.number for o in session.book.orders.values()))
        (order,) = session.book.orders.values()
        # A batch that waits while a cell blocks: it is applied by the blocking call's own thread.
        plain, interrupted = session._parts.state.apply, []

        def apply(event: object) -> object:
            if isinstance(event, Filled) and not interrupted:
                interrupted.append(event)
                signal.raise_signal(signal.SIGINT)
            return plain(event)  # type: ignore[arg-type]

        session._parts.state.apply = apply  # type: ignore[method-assign, assignment]
        ready = session._parts.link.on_ready
        session._parts.link.on_ready = lambda: None
        desk.host.receive(fills())
        await asyncio.sleep(0)
        # The acceptance of the order may come first, in a batch of its own.
        await seen(lambda: waiting_fills(session) == FILLS)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                session.blocking.orders()
        finally:
            signal.signal(signal.SIGINT, before)
        assert len(interrupted) == 1
        assert order.filled == FILLS
        session._parts.link.on_ready = ready
        session._parts.pump.run()
        assert len(agent.heard) == FILLS
        await session.close()
        await desk.end()

    run(begin())


def test_a_session_answers_at_once_where_it_cannot_be_used(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session()
        said: list[str] = []

        def elsewhere() -> None:
            for call in (
                lambda: session.buy(CODE, 1), lambda: session.quote(CODE),
                lambda: session.cancel("all"),
                lambda: session.sleep(1), lambda: session.until("23:59"), lambda: session.balance(),
                lambda: session.settle(), lambda: session.agents.start(Buyer()),
            ):  # fmt: skip
                try:
                    asyncio.run(call())
                except BadInput as e:
                    said.append(str(e))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(said) == 8
        assert all(
            "This session lives in another event loop; nothing was sent" in text for text in said
        )
        assert desk.wire.submitted == []
        with pytest.raises(BadInput, match="be copied or used in another process"):
            pickle.dumps(session)
        await session.close()
        await desk.end()

    run(begin())


def test_in_a_forked_process_a_session_says_so_and_leaves_the_parents_link_alone(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                session.blocking.cancel("all")
            except BadInput as e:
                os.write(write, str(e).encode())
            try:
                session.leave()
            except BadInput:
                os.write(write, b" left alone")
            os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
        assert os.read(read, 1000).decode().endswith(" left alone")
        assert (await session.balance()).cash
        assert session.status.link == "up"
        await session.close()
        await desk.end()

    run(begin())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: s.buy(CODE, 1.5), "not a whole number"),
        (lambda s: s.buy(CODE, 1, venue="Mars"), "choose KRX or NXT or SOR"),
        (lambda s: s.buy(CODE, 1, key=5), "is not text"),
        (lambda s: s.buy(CODE, 1, again=-1), "again"),
        (lambda s: s.arm("1234", 60, 5.5), "not a whole number"),
        (lambda s: s.halt("stop", state="halt"), "choose reducing or halted"),
        (lambda s: s.halt(7), "is not text"),
        (lambda s: s.watch(CODE, channels=["trades"]), "choose expected or operation or programs"),
        (lambda s: s.sleep("5"), "give seconds as a number"),
        (lambda s: s.sleep(None), "not a valid number of seconds"),
        (lambda s: s.until(930), "is not text"),
        (lambda s: s.resolve("x"), "not a whole number"),
        (lambda s: s.agents.adopt(Buyer(), CODE, 1.5), "not a whole number"),
    ],
)
def test_n03_a_wrong_value_is_refused_where_it_is_given_and_the_session_stays(
    tmp_path: Path, call: Callable[[Session], Awaitable[object]], said: str
):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session()
        with pytest.raises(BadInput, match=f"(?i){said}"):
            await call(session)
        assert session.status.link == "up"
        assert session.halt_state == "active"
        # 3.0 is 3.
        assert (await session.buy(CODE, 3.0, float(price_of()))).quantity == 3  # type: ignore[arg-type]
        await session.close()
        await desk.end()

    run(begin())


def run(work: object) -> None:
    asyncio.run(asyncio.wait_for(work, 30))  # type: ignore[arg-type]


class Noting(Agent):
    """Notes a number, and sleeps."""

    code = CODE
    woken = 0

    async def on_start(self) -> None:
        self.note = 70_000.5  # type: ignore[assignment]
        await self.sleep(0.2)
        self.woken += 1


def test_a_note_that_is_no_text_is_shown_as_one(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session()
        view = await session.agents.start(Noting())
        assert view.note == "70000.5"
        assert session.agents.frame()["note"].to_list() == ["70000.5"]
        await session.close()
        await desk.end()

    run(begin())


def test_a_cell_that_cancels_all_tasks_leaves_the_session_and_its_agents_alive(tmp_path: Path):
    """As people do it to stop their own: ccxt #7912 tells of it."""

    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        agent = Noting()
        await session.agents.start(agent)
        mine = {
            asyncio.current_task(),
            *(t for t in asyncio.all_tasks() if "session" not in str(t.get_coro())),
        }
        await desk.end()
        await seen(lambda: session.status.link == "desk restarting")
        for task in asyncio.all_tasks() - mine:
            task.cancel()
        await asyncio.sleep(0)
        following = Served(tmp_path)
        await following.start()
        session._parts.link._find.desk.set_result(following)  # type: ignore[union-attr]
        await seen(lambda: session.status.link == "up")
        assert (await session.balance()).cash
        for task in asyncio.all_tasks() - mine:
            if "agents" in task.get_name():
                task.cancel()
        await seen(lambda: agent.woken == 1)
        await session.close()
        await following.end()

    run(begin())
