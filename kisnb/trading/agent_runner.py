"""Drives one agent in place: no loop, no task, no queue.

A handler's coroutine is driven by ``send`` until it yields a Wait and is parked there; an exception stops this agent
only and keeps its traceback.
"""

from __future__ import annotations

import inspect
import traceback
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from enum import StrEnum
from typing import Any

from kisnb.clock import Ns
from kisnb.events import Bar, Depth, Event, Filled, GapFound, PhaseChanged, Tick
from kisnb.market.bars import BarSeries, span_of
from kisnb.orders import Order
from kisnb.trading.agent import Agent, Wait
from kisnb.trading.commands import Command, Submit
from kisnb.trading.order_book import Books, OrderBook
from kisnb.trading.risk import Rules


class AgentState(StrEnum):
    """Where an agent stands."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"
    """It runs in another session."""


Foreign = Callable[[Coroutine[Any, Any, None], "AgentRunner"], None]


def refuse_foreign(coroutine: Coroutine[Any, Any, None], runner: AgentRunner) -> None:
    """The back-tester's answer to ``await`` of something that is no Wait."""
    coroutine.close()
    raise TypeError(f"{runner.agent!r} awaits what only runs live; await self.done(order) or self.sleep(seconds)")


class AgentRunner:
    """One agent with its bars, its parked handlers and its outbox; it is the agent's Host."""

    def __init__(
        self, agent: Agent, agent_id: str, run: str, books: Books, rules: Rules, foreign: Foreign = refuse_foreign
    ) -> None:
        self.agent = agent
        self.id = agent_id
        self.state = AgentState.READY
        self.error = ""
        """Traceback of the exception that stopped the agent."""
        self.now: Ns = 0
        self.seen: Ns = 0
        """When the event in hand was received: a handler that runs late is not told by ``now``."""
        self._run = run
        self._count = 0
        self._books = books
        self._rules = rules
        self._foreign = foreign
        self._series: dict[tuple[str, str], BarSeries] = {}
        self._parked: list[tuple[Wait, Coroutine[Any, Any, None]]] = []
        self._out: list[Command] = []
        agent.id = agent_id
        agent.host = self
        if agent.every:
            self._series_of(agent.code, agent.every)

    # the agent's door

    @property
    def book(self) -> OrderBook:
        return self._books.of(self.id)

    def emit(self, command: Command) -> Order | None:
        self._out.append(command)
        return self._books.expect(command.intent, self.now) if isinstance(command, Submit) else None

    def mint(self) -> str:
        self._count += 1
        return f"agent:{self.id}:{self._run}:{self._count}"

    def bars(self, code: str, every: str, n: int) -> Sequence[Bar]:
        return self._series_of(code, every).newest(n)

    def break_even(self, code: str) -> int | None:
        position = self.book.position(code)
        return self._rules.break_even(self.now, code, position) if position.lots else None

    def _series_of(self, code: str, every: str) -> BarSeries:
        series = self._series.get((code, every))
        if series is None:
            series = self._series[code, every] = BarSeries(code, span_of(every))
        return series

    # driving

    def start(self, now: Ns) -> list[Command]:
        """Begin, or go on after a pause: what was parked is parked still, and ``on_start`` is not called again."""
        self.now = self.seen = now
        paused, self.state = self.state is AgentState.PAUSED, AgentState.RUNNING
        self.error = ""
        if not paused:
            self._call(self.agent.on_start)
        return self._sent()

    def deliver(self, event: Event, now: Ns) -> list[Command]:
        """Hand one event to the agent; gives the commands that it caused, in order."""
        if self.state is not AgentState.RUNNING:
            self._keep_bars(event)
            return []
        self.now = now
        self.seen = getattr(event, "received", 0) or event.t
        if self._parked:
            self._resume(event)
        match event:
            case Tick():
                self._tick(event)
            case Depth() if event.code == self.agent.code:
                self._call(self.agent.on_depth, event)
            case PhaseChanged():
                self._call(self.agent.on_session, event)
            case GapFound() if event.code == self.agent.code:
                self._call(self.agent.on_gap, event)
            case _:
                self._own_order(event)
        return self._sent()

    def next_wake(self) -> Ns | None:
        """The earliest moment that a parked handler waits for; a paused agent waits for none."""
        if self.state is not AgentState.RUNNING:
            return None
        return min((w.until for w, _ in self._parked if w.until is not None), default=None)

    def park(self, wait: Wait, coroutine: Coroutine[Any, Any, None]) -> None:
        """Resume ``coroutine`` when ``wait`` is over."""
        self._parked.append((wait, coroutine))

    def stop(self, state: AgentState = AgentState.STOPPED) -> None:
        """No handler runs any more; parked ones are closed. Open orders stay in the market."""
        self.state = state
        for _, coroutine in self._parked:
            coroutine.close()
        self._parked.clear()

    def flatten(self, now: Ns) -> list[Command]:
        """Sell, at the market, what the agent holds and does not sell already."""
        self.now = self.seen = now
        for code, position in list(self.book.positions.items()):
            qty = position.qty - self._books.selling(self.id, code)
            if qty > 0:
                self.agent.sell(qty, code=code)
        return self._sent()

    def _tick(self, tick: Tick) -> None:
        own = tick.code == self.agent.code
        for (code, every), series in self._series.items():
            if code == tick.code:
                for bar in series.add(tick):
                    if own and every == self.agent.every:
                        self._call(self.agent.on_bar, bar)
        if own:
            self._call(self.agent.on_tick, tick)

    def _keep_bars(self, event: Event) -> None:
        if isinstance(event, Tick) and self.state is AgentState.PAUSED:
            for (code, _), series in self._series.items():
                if code == event.code:
                    series.add(event)

    def _own_order(self, event: Event) -> None:
        key = getattr(event, "key", None)
        if key is None or key not in self.book.orders:
            return
        order = self.book.orders[key]
        if isinstance(event, Filled):
            self._call(self.agent.on_fill, order, event)
        self._call(self.agent.on_order, order, event)

    def _call(self, handler: Callable[..., Any], *args: object) -> None:
        if self.state is not AgentState.RUNNING:
            return
        try:
            handled = handler(*args)
        except (Exception, SystemExit):
            self._fail()
            return
        if inspect.iscoroutine(handled):
            self._drive(handled, None)

    def _resume(self, event: Event) -> None:
        ready = [p for p in self._parked if p[0].over(self.now)]
        for parked in ready:
            if parked in self._parked:
                self._parked.remove(parked)
                self._drive(parked[1], event)

    def _drive(self, coroutine: Coroutine[Any, Any, None], value: Event | None) -> None:
        try:
            waits = coroutine.send(value)
            while isinstance(waits, Wait) and waits.over(self.now):
                waits = coroutine.send(value)
            if isinstance(waits, Wait):
                self.park(waits, coroutine)
            else:
                self._foreign(_continued(self, coroutine, waits), self)
        except StopIteration:
            return
        except (Exception, SystemExit):
            self._fail()

    def _fail(self) -> None:
        self.error = traceback.format_exc()
        self.stop(AgentState.FAILED)

    def failed(self, error: BaseException) -> None:
        """A part of the agent that ran as a task ended with ``error``."""
        self.error = "".join(traceback.format_exception(error))
        self.stop(AgentState.FAILED)

    def take_commands(self) -> list[Command]:
        """What the agent has decided since it was last asked."""
        return self._sent()

    def _sent(self) -> list[Command]:
        out, self._out = self._out, []
        return out


async def _continued(runner: AgentRunner, coroutine: Coroutine[Any, Any, None], first: object) -> None:
    """The rest of a handler that awaits something of the running loop, as the body of a task."""
    await _forwarded(runner, coroutine, first)


@types.coroutine
def _forwarded(
    runner: AgentRunner, coroutine: Coroutine[Any, Any, None], first: object
) -> Generator[object, Any, None]:
    waits = first
    try:
        while not isinstance(waits, Wait):
            try:
                value = yield waits
            except BaseException as e:
                waits = coroutine.throw(e)
            else:
                if runner.state in (AgentState.STOPPED, AgentState.FAILED):
                    coroutine.close()
                    return
                # A paused agent decides nothing: what it awaited is over, it goes on when it is started again.
                paused = runner.state is AgentState.PAUSED
                waits = Wait(until=runner.now) if paused else coroutine.send(value)
    except StopIteration:
        return
    runner.park(waits, coroutine)
