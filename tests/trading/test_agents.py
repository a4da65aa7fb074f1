"""Agents driven in place: parameters, parked handlers, isolation, and the volume trigger's hand
cases."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable

import pytest

from kisnb.clock import SECOND
from kisnb.errors import BadInput
from kisnb.events import ClockMoved, Filled, IntentTaken, SendStarted, Sent, Tick
from kisnb.market.universe import Universe
from kisnb.orders import Order, OrderRef, OrderState, Route
from kisnb.strategies import strategy
from kisnb.strategies.volume_trigger import VolumeTrigger
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import Submit
from tests.trading.desk import CAN, CODE, NOON

SPAN = 20 * SECOND


def runner_of(agent: Agent, **options: object) -> AgentRunner:
    return AgentRunner(agent, "a", "run", OrderBooks(), Rules(Universe.packaged(), CAN), **options)


def tick(t: int, price: int, qty: int = 1, code: str = CODE) -> Tick:
    return Tick(t, code, Venue.KRX, price, qty, Side.BUY, 0, 0, price, price)


def test_a_misspelt_parameter_gets_a_suggestion():
    with pytest.raises(BadInput, match="Did you mean 'surge'"):
        VolumeTrigger(surg=2.0)


def test_texts_are_read_as_the_declared_type():
    agent = VolumeTrigger(code=CODE, qty="1,000", rise="0.01")
    assert (agent.qty, agent.rise) == (1_000, 0.01)
    with pytest.raises(BadInput, match="is not of type int"):
        VolumeTrigger(qty="many")


def test_an_unknown_strategy_is_named_with_those_that_there_are():
    assert strategy("volume_trigger") is VolumeTrigger
    with pytest.raises(BadInput, match="volume_trigger"):
        strategy("volume")


class Sleeper(Agent):
    code = CODE

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    async def on_start(self) -> None:
        self.seen.append("started")
        await self.sleep(5)
        order = self.buy(1)
        await self.done(order)
        self.seen.append(f"done {order.state}")


def test_an_async_handler_is_parked_until_its_wait_is_over():
    agent = Sleeper()
    runner = runner_of(agent)
    assert runner.start(NOON) == []
    assert runner.next_wake() == NOON + 5 * SECOND
    assert runner.deliver(ClockMoved(NOON + SECOND), NOON + SECOND) == []
    (submit,) = runner.deliver(ClockMoved(NOON + 5 * SECOND), NOON + 5 * SECOND)
    assert isinstance(submit, Submit)
    key = submit.intent.key
    assert key == "agent:a:run:1"
    for fact in (
        IntentTaken(NOON, submit.intent),
        SendStarted(NOON, key, Route(Venue.KRX, OrderKind.MARKET, "")),
        Sent(NOON, key, OrderRef(20261120, "", 1)),
        Filled(NOON, key, 1, 100, 0, 0, Venue.KRX),
    ):
        runner._books.apply(fact)
        runner.deliver(fact, NOON)
    assert agent.seen == ["started", "done filled"]


class Raiser(Agent):
    code = CODE

    def on_tick(self, tick: Tick) -> None:
        raise ZeroDivisionError("a bug of the strategy")


def test_an_agent_that_raises_stops_alone_and_keeps_its_traceback():
    runner = runner_of(Raiser())
    runner.start(NOON)
    assert runner.deliver(tick(NOON, 100), NOON) == []
    assert runner.state is AgentState.FAILED
    assert "a bug of the strategy" in runner.error
    assert runner.deliver(tick(NOON, 100), NOON) == []


class Foreigner(Agent):
    code = CODE

    async def on_start(self) -> None:
        await asyncio.sleep(0.01)
        self.buy(1)


async def _foreign() -> list[object]:
    tasks: list[asyncio.Task[None]] = []
    runner = runner_of(Foreigner(), foreign=lambda c, r: tasks.append(asyncio.create_task(c)))
    runner.start(NOON)
    await asyncio.gather(*tasks)
    return runner.commands.take()


def test_a_foreign_awaitable_goes_on_in_a_task():
    assert [type(c) for c in asyncio.run(_foreign())] == [Submit]


class Beater(Agent):
    code = CODE

    def __init__(self) -> None:
        super().__init__()
        self.beats = 0

    async def on_start(self) -> None:
        while True:
            await self.sleep(5)
            self.beats += 1


def test_a_paused_agent_waits_for_nothing_and_goes_on_where_it_was():
    agent = Beater()
    runner = runner_of(agent)
    runner.start(NOON)
    runner.state = AgentState.PAUSED
    assert runner.next_wake() is None
    later = NOON + 60 * SECOND
    runner.deliver(ClockMoved(later), later)
    assert agent.beats == 0
    runner.start(later)
    runner.deliver(ClockMoved(later), later)
    assert agent.beats == 1
    assert runner.next_wake() == later + 5 * SECOND


async def _stopped_in_a_foreign_wait(state: AgentState) -> list[object]:
    tasks: list[asyncio.Task[None]] = []
    runner = runner_of(Foreigner(), foreign=lambda c, r: tasks.append(asyncio.create_task(c)))
    runner.start(NOON)
    if state is AgentState.PAUSED:
        runner.state = state
    else:
        runner.stop(state)
    await asyncio.gather(*tasks)
    return runner.commands.take()


@pytest.mark.parametrize("state", [AgentState.STOPPED, AgentState.FAILED, AgentState.PAUSED])
def test_an_agent_that_does_not_run_decides_nothing_after_a_foreign_wait(state: AgentState):
    assert asyncio.run(_stopped_in_a_foreign_wait(state)) == []


class Exiter(Agent):
    code = CODE

    def on_tick(self, tick: Tick) -> None:
        raise SystemExit(3)


def test_an_agent_that_exits_stops_itself_and_not_the_kernel():
    runner = runner_of(Exiter())
    runner.start(NOON)
    runner.deliver(tick(NOON, 100), NOON)
    assert runner.state is AgentState.FAILED


def bars_of(agent: VolumeTrigger, closes: list[int], volumes: list[int]) -> list[object]:
    """One trade per bar, then the trade that closes the last bar.

    Gives the commands that came of it.
    """
    runner = runner_of(agent)
    commands = list(runner.start(NOON))
    for i, (close, volume) in enumerate(zip(closes, volumes, strict=True)):
        commands += runner.deliver(tick(NOON + i * SPAN, close, volume), NOON + i * SPAN)
    end = NOON + len(closes) * SPAN
    return commands + runner.deliver(tick(end, closes[-1]), end)


RISING = [10_000 + round(80 * i / 98) for i in range(99)]


@pytest.mark.parametrize(
    ("volumes", "buys"),
    [
        ([100] * 99 + [200], 1),
        ([100] * 100, 0),
        ([80 + round(40 * i / 98) for i in range(99)] + [200], 1),
    ],
)
def test_volume_trigger_hand_cases(volumes: list[int], buys: int):
    commands = bars_of(VolumeTrigger(code=CODE), [*RISING, 10_130], volumes)
    assert [(c.intent.side, c.intent.qty, c.intent.price) for c in commands] == [
        (Side.BUY, 1, None)
    ] * buys


def test_volume_trigger_leaves_all_a_little_above_break_even():
    agent = VolumeTrigger(code=CODE, qty=2)
    runner = runner_of(agent)
    runner.start(NOON)
    order: Order = runner.act(agent.buy, 2)
    (submit,) = runner.commands.take()
    key = submit.intent.key
    for fact in (
        IntentTaken(NOON, submit.intent),
        SendStarted(NOON, key, Route(Venue.KRX, OrderKind.MARKET, "")),
        Sent(NOON, key, OrderRef(20261120, "", 1)),
        Filled(NOON, key, 2, 100_000, 28, 0, Venue.KRX),
    ):
        runner._books.apply(fact)
        runner.deliver(fact, NOON)
    assert order.state is OrderState.FILLED
    even = runner.means.break_even(CODE)
    assert even is not None
    assert 100_200 <= even <= 100_400
    target = -(-even * 1005 // 1000)
    assert runner.deliver(tick(NOON, target - 1), NOON) == []
    (sell,) = runner.deliver(tick(NOON, target), NOON)
    assert (sell.intent.side, sell.intent.qty) == (Side.SELL, 2)


@pytest.mark.parametrize("taken", ["external", "unassigned", "", " ", "External", 5, None])
def test_an_agent_does_not_go_by_the_name_of_those_who_are_none(taken: object):
    agent = Raiser()
    with pytest.raises(BadInput, match=r"(names no agent|is not text)"):
        AgentRunner(agent, taken, "run", OrderBooks(), Rules(Universe.packaged(), CAN))  # type: ignore[arg-type]
    assert not hasattr(agent, "host")


class Slotted(Agent):
    """Keeps a part of its state in slots."""

    __slots__ = ("deep",)
    code = CODE


@pytest.mark.parametrize(
    "taken_over", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_a_copy_of_a_started_agent_is_an_agent_that_is_not_started(
    taken_over: Callable[[Agent], Agent],
):
    agent = Slotted(code="000660")
    agent.deep = ["state"]
    runner = runner_of(agent)
    runner.start(NOON)
    twin = taken_over(agent)
    assert isinstance(twin, Slotted)
    assert (twin.code, twin.deep) == ("000660", ["state"])
    assert not hasattr(twin, "host")
    assert agent.host is runner
    assert runner_of(twin).start(NOON) == []


class Starter(Agent):
    """Does one thing on its start."""

    code = CODE

    def __init__(self, deed: Callable[[Agent], object]) -> None:
        super().__init__()
        self.deed = deed
        self.made: object = None

    def on_start(self) -> None:
        self.made = self.deed(self)


def started(deed: Callable[[Agent], object]) -> tuple[AgentRunner, list[object]]:
    """A runner whose agent has done ``deed``, and the commands that came of it."""
    runner = runner_of(Starter(deed))
    return runner, list(runner.start(NOON))


def test_a02_an_order_typed_into_a_cell_on_an_agent_is_refused():
    runner, _ = started(lambda a: None)
    with pytest.raises(
        BadInput,
        match=r"An agent orders in its handlers\. Order by hand with session\.buy or %kis buy",
    ):
        runner.agent.buy(1)
    assert runner.commands.take() == []
    assert not runner.book.orders


def test_an_agent_does_not_order_in_the_name_of_another():
    other, _ = started(lambda a: None)
    runner, commands = started(lambda a: other.agent.buy(1))
    assert "An agent orders in its handlers" in runner.error
    assert commands == other.commands.take() == []


def test_an_order_of_an_agent_is_an_order():
    runner, _ = started(lambda a: a.buy(1))
    agent = runner.agent
    assert isinstance(agent, Starter)
    assert isinstance(agent.made, Order)


@pytest.mark.parametrize("name", ["external", "Unassigned", " external "])
def test_an_agent_whose_id_is_reserved_is_refused_when_it_is_made(name: str):
    class Mine(Agent):
        code = CODE
        id = name

    with pytest.raises(
        BadInput, match=r"names no agent\. Give the agent an id of its own, such as"
    ):
        Mine()


def test_an_agent_with_a_handler_of_an_old_name_is_told_the_new_one():
    class Old(Agent):
        code = CODE

        def on_session(self, phase: object) -> None: ...

    with pytest.raises(BadInput, match=r"on_session is never called.*on_phase"):
        runner_of(Old())
