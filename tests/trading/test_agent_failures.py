"""What an agent raises stays with it: it is stopped, with the line that did it (A03, A04)."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kisnb.clock import SECOND
from kisnb.events import ClockMoved, Tick
from kisnb.market.universe import Universe
from kisnb.terms import Side, Venue
from kisnb.trading.agents import handler_watch
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import Submit
from tests.trading.desk import CAN, CODE, NOON

LATER = NOON + 60 * SECOND


def runner_of(agent: Agent, **options: Any) -> AgentRunner:
    return AgentRunner(agent, "a", "run", OrderBooks(), Rules(Universe.packaged(), CAN), **options)


def tick(price: int = 100, t: int = NOON) -> Tick:
    return Tick(t, CODE, Venue.KRX, price, 1, Side.BUY, 0, 0, price, price)


class Raiser(Agent):
    """Buys and then raises, in a plain handler."""

    code = CODE

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def on_tick(self, tick: Tick) -> None:
        self.buy(1)
        raise self._error


class AwaitingRaiser(Raiser):
    """The same after an await of the session's own."""

    async def on_tick(self, tick: Tick) -> None:  # type: ignore[override]
        await self.sleep(0)
        super().on_tick(tick)


ERRORS = [
    asyncio.CancelledError("by itself"),
    GeneratorExit(),
    StopIteration(1),
    SystemExit(3),
    BaseExceptionGroup("several", [SystemExit(1)]),
    ZeroDivisionError("a bug"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("kind", [Raiser, AwaitingRaiser])
def test_a03_whatever_a_handler_raises_stops_its_agent_and_what_it_decided_before_is_kept(
    kind: type[Raiser], error: BaseException
):
    runner = runner_of(kind(error))
    runner.start(NOON)
    assert [type(c) for c in runner.deliver(tick(), NOON)] == [Submit]
    assert runner.state is AgentState.FAILED
    assert "raise self._error" in runner.error
    assert runner.failed_line.startswith("Raiser.on_tick, line ")
    assert runner.deliver(tick(), NOON) == []


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a03_an_error_that_cannot_be_printed_stops_its_agent_too():
    runner = runner_of(Raiser(Unprintable()))
    runner.start(NOON)
    assert len(runner.deliver(tick(), NOON)) == 1
    assert runner.state is AgentState.FAILED
    assert "Unprintable" in runner.error


class Clinger(Agent):
    """Does not let go when its handler is closed."""

    code = CODE

    def __init__(self, *, raises: bool) -> None:
        super().__init__()
        self._raises = raises

    async def on_start(self) -> None:
        try:
            await self.sleep(100)
        finally:
            if self._raises:
                raise ValueError("the clean-up failed")
            await self.sleep(1)

    def on_tick(self, tick: Tick) -> None:
        raise ZeroDivisionError("the first failure")


UNCLOSED = [(True, "the clean-up failed"), (False, "coroutine ignored GeneratorExit")]


@pytest.mark.parametrize(("raises", "why"), UNCLOSED)
def test_a03_a_handler_that_cannot_be_closed_makes_its_agent_a_failed_one(raises: bool, why: str):
    runner = runner_of(Clinger(raises=raises))
    runner.start(NOON)
    runner.stop()
    assert runner.state is AgentState.FAILED
    assert why in runner.error
    assert runner.failed_line.startswith("Clinger.on_start, line ")


def test_a03_the_first_failure_is_the_one_that_is_shown():
    runner = runner_of(Clinger(raises=True))
    runner.start(NOON)
    runner.deliver(tick(), NOON)
    assert runner.failed_line.endswith("; ZeroDivisionError: the first failure")


class Orderly(Agent):
    """Wants to sell when it is stopped."""

    code = CODE

    async def on_start(self) -> None:
        try:
            await self.sleep(100)
        finally:
            self.sell(1)


def test_a_stopped_agent_leaves_no_order_behind_that_is_never_sent():
    runner = runner_of(Orderly())
    runner.start(NOON)
    runner.stop()
    assert "Agent a is stopped and orders nothing" in runner.failed_line
    assert not runner.book.orders


# handlers that await something of the loop


class Foreigner(Agent):
    """Awaits something of the loop, then does what it is told."""

    code = CODE

    def __init__(
        self,
        waits: Callable[[], Awaitable[object]],
        then: Callable[[Agent], object] = lambda a: None,
    ) -> None:
        super().__init__()
        self._waits, self._then = waits, then
        self.stages: list[str] = []

    async def on_start(self) -> None:
        try:
            await self._waits()
            self._then(self)
        finally:
            self.stages.append("over")


class Tasks:
    """Runs what a handler awaits of the loop, as a session does."""

    def __init__(self, agent: Agent) -> None:
        self.all: list[asyncio.Task[None]] = []
        self.runner = runner_of(agent, foreign=self._begin)

    def _begin(self, coroutine: Coroutine[Any, Any, None], _runner: AgentRunner) -> None:
        self.all.append(asyncio.create_task(coroutine))

    async def ended(self) -> list[BaseException | None]:
        return await asyncio.gather(*self.all, return_exceptions=True)


@asynccontextmanager
async def begun(agent: Agent) -> AsyncIterator[Tasks]:
    tasks = Tasks(agent)
    tasks.runner.start(NOON)
    async with asyncio.timeout(10):
        yield tasks


def exits(_agent: Agent) -> None:
    sys.exit()


@pytest.mark.parametrize("then", [exits, lambda _: 1 / 0], ids=["sys.exit", "1 / 0"])
def test_a04_what_a_handler_raises_after_a_wait_of_the_loop_stops_it_and_not_the_process(
    then: Callable[[Agent], object],
):
    async def run() -> None:
        async with begun(Foreigner(lambda: asyncio.sleep(0), then)) as tasks:
            assert await tasks.ended() == [None]
            assert tasks.runner.state is AgentState.FAILED
            assert ", line " in tasks.runner.failed_line

    asyncio.run(run())


def test_a03_a_wait_that_somebody_else_cancels_is_a_failure():
    async def run() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with begun(Foreigner(lambda: future)) as tasks:
            asyncio.get_running_loop().call_soon(future.cancel)
            await tasks.ended()
            assert tasks.runner.state is AgentState.FAILED
            assert "CancelledError" in tasks.runner.failed_line

    asyncio.run(run())


def test_a03_a_task_that_is_cancelled_because_its_agent_stops_is_no_failure():
    async def run() -> None:
        agent = Foreigner(asyncio.Event().wait)
        async with begun(agent) as tasks:
            await asyncio.sleep(0)
            tasks.runner.stop()
            tasks.all[0].cancel()
            await tasks.ended()
            assert tasks.all[0].cancelled()
            assert (tasks.runner.state, tasks.runner.error) == (AgentState.STOPPED, "")
            assert agent.stages == ["over"]

    asyncio.run(run())


def test_a_time_limit_of_the_handlers_own_is_its_own_matter():
    async def limited() -> None:
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return

    async def run() -> None:
        async with begun(Foreigner(limited, lambda a: a.buy(1))) as tasks:
            assert await tasks.ended() == [None]
            assert tasks.runner.state is AgentState.RUNNING
            assert [type(c) for c in tasks.runner.commands.take()] == [Submit]

    asyncio.run(run())


def test_a_handlers_tasks_and_threads_order_for_its_agent():
    class Spreader(Agent):
        code = CODE

        async def on_start(self) -> None:
            await asyncio.create_task(self._later())
            await asyncio.gather(*(asyncio.to_thread(self.buy, 1) for _ in range(20)))

        async def _later(self) -> None:
            self.sell(1)

    async def run() -> None:
        async with begun(Spreader()) as tasks:
            await tasks.ended()
            orders = [c for c in tasks.runner.commands.take() if isinstance(c, Submit)]
            assert tasks.runner.error == ""
            assert len({o.intent.key for o in orders}) == 21

    asyncio.run(run())


# the line that did it


def failed(agent: Agent) -> str:
    runner = runner_of(agent)
    runner.start(NOON)
    runner.deliver(tick(), NOON)
    return runner.failed_line


def test_n03_a_failed_agent_names_its_own_line_and_why():
    class Dip(Agent):
        code = CODE

        def on_tick(self, tick: Tick) -> None:
            if tick.prise > 0:  # type: ignore[attr-defined]
                self.buy(1)

    line = Dip.on_tick.__code__.co_firstlineno + 1
    assert failed(Dip()) == (
        f"Dip.on_tick, line {line}: if tick.prise > 0:  # type: ignore[attr-defined]; "
        "AttributeError: 'Tick' object has no attribute 'prise'"
    )


def test_n03_an_error_deep_in_a_library_is_traced_to_the_agents_line():
    class Reader(Agent):
        code = CODE

        def on_tick(self, tick: Tick) -> None:
            self.buy(2.5)  # type: ignore[arg-type]

    assert failed(Reader()).startswith("Reader.on_tick, line ")
    assert "self.buy(2.5)" in failed(Reader())
    assert "BadInput: The quantity 2.5 is not a whole number" in failed(Reader())


def test_n03_a_line_whose_source_is_kept_nowhere_is_named_by_its_number():
    namespace: dict[str, Any] = {"Agent": Agent, "CODE": CODE, "__name__": "__main__"}
    source = "class Typed(Agent):\n  code = CODE\n  def on_tick(self, tick):\n    tick.prise\n"
    exec(source, namespace)
    assert failed(namespace["Typed"]()).startswith("Typed.on_tick, line 4; AttributeError")


def test_n03_a_wait_that_only_runs_live_is_traced_to_the_line_that_waits():
    assert "Foreigner.on_start, line " in failed(Foreigner(lambda: asyncio.sleep(0)))
    assert "await self._waits()" in failed(Foreigner(lambda: asyncio.sleep(0)))


# interrupts


class Loop(Agent):
    """Sleeps beside a handler in which a person's interrupt arrives."""

    code = CODE

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0

    async def on_start(self) -> None:
        while True:
            await self.sleep(30)
            self.woken += 1

    def on_tick(self, tick: Tick) -> None:
        self.buy(1)
        while True:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def _pressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_watch, "STUCK_SECONDS", -1)


@pytest.mark.usefixtures("_pressed")
def test_a03_an_interrupt_pauses_the_agent_whose_handler_does_not_return_and_names_the_line():
    agent = Loop()
    runner, other = runner_of(agent), runner_of(Foreigner(lambda: asyncio.sleep(0)))
    other.state = AgentState.RUNNING
    runner.start(NOON)
    with handler_watch.interruptible():
        assert [type(c) for c in runner.deliver(tick(), NOON)] == [Submit]
        other.deliver(tick(), NOON)
    assert (runner.state, other.state) == (AgentState.PAUSED, AgentState.RUNNING)
    line = Loop.on_tick.__code__.co_firstlineno + 3
    assert agent.note == (
        f"interrupted in Loop.on_tick, line {line}: signal.raise_signal(signal.SIGINT); "
        "start it again with %kis agents start a"
    )
    assert runner.error == ""


@pytest.mark.usefixtures("_pressed")
def test_a03_an_agent_that_was_interrupted_goes_on_where_it_slept():
    agent = Loop()
    runner = runner_of(agent)
    runner.start(NOON)
    with handler_watch.interruptible():
        runner.deliver(tick(), NOON)
    assert runner.next_wake() is None
    runner.start(LATER)
    assert agent.note == ""
    runner.deliver(ClockMoved(LATER), LATER)
    assert agent.woken == 1


@pytest.mark.usefixtures("_pressed")
def test_a03_an_interrupt_after_a_wait_of_the_loop_pauses_the_agent_and_ends_no_process():
    async def run() -> None:
        agent = Foreigner(lambda: asyncio.sleep(0), lambda _: signal.raise_signal(signal.SIGINT))
        async with begun(agent) as tasks:
            assert await tasks.ended() == [None]
            assert tasks.runner.state is AgentState.PAUSED
            assert "interrupted in " in agent.note

    asyncio.run(run())


@pytest.mark.usefixtures("_pressed")
def test_a03_a_handler_that_sleeps_for_no_time_at_all_can_be_interrupted():
    class Spinner(Agent):
        code = CODE

        async def on_start(self) -> None:
            while True:
                await self.sleep(0)
                if self.now >= LATER:
                    signal.raise_signal(signal.SIGINT)

    runner = runner_of(Spinner())
    with handler_watch.interruptible():
        runner.start(LATER)
    assert runner.state is AgentState.PAUSED


def test_a03_a_failed_agent_that_is_stopped_stays_a_failed_one():
    runner = runner_of(Raiser(ValueError("a bug")))
    runner.start(NOON)
    runner.deliver(tick(), NOON)
    assert runner.state is AgentState.FAILED
    runner.stop()
    assert runner.state is AgentState.FAILED
    assert "a bug" in runner.error
