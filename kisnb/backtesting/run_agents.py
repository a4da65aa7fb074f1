"""The agents of a run without a ``DeskCore``: delivers to them, and carries out their commands."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Generic, TypeVar

from kisnb.backtesting.bar_agents import BarCommand, ShortRunner
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.stuck import end_with_agent
from kisnb.clock import Ns, kst_day
from kisnb.events import ClockMoved, Event, Filled, OrderFact, PhaseChanged
from kisnb.market import sessions
from kisnb.orders import Order
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.agents.foreign_awaits import Part
from kisnb.trading.agents.handlers import Handled

R = TypeVar("R", bound=ShortRunner)


class RunAgents(Generic[R]):
    """Carries out the agents' commands, and delivers moments, phases and facts to the agents.

    ``is_direct`` is True when the run calls the handlers itself. It is False when an agent has
    ``on_phase``: then all events go through the runners. ``is_plain`` is True as long as no handler
    is a coroutine. It becomes False when one returns a coroutine.
    """

    def __init__(
        self,
        runners: Sequence[R],
        orders: BarOrders,
        out: list[tuple[R, BarCommand]],
        latency: Ns,
        handlers: Sequence[str],
    ) -> None:
        """Connect the agents. ``out`` is the list to which the runners add the agents' commands.

        ``latency`` is the time from a decision until the order is at the exchange, nanoseconds.
        ``handlers`` are the names of those that the data can call.
        """
        self.runners = runners
        self.of_code: dict[str, list[R]] = {}
        """The agents that follow each stock."""
        for runner in runners:
            for code in dict.fromkeys(runner.agent.stocks()):
                self.of_code.setdefault(code, []).append(runner)
        self._has_phase = any(overrides(r.agent, "on_phase") for r in runners)
        waits = any(
            inspect.iscoroutinefunction(getattr(r.agent, name))
            for r in runners
            for name in handlers
        )
        self.is_direct = not self._has_phase
        self.is_plain = self.is_direct and not waits
        self.may_wait = not self.is_plain
        """True while a handler may wait for a moment or an order."""
        self.turn = 0
        """Number of the driver that awaits the handlers now. An earlier driver stops by it."""
        self._by_id = {runner.id: runner for runner in runners}
        self._listeners = frozenset(
            r.id for r in runners if any(overrides(r.agent, n) for n in ("on_fill", "on_order"))
        )
        """The agents with a handler for the facts of their orders."""
        self._orders = orders
        self._out = out
        self._latency = latency
        self._is_closed = True
        self._overnight: list[BarCommand] = []
        """Commands that agents gave since the last close. They are carried out at the next open."""
        orders.hears = self.hears
        if self._listeners or not self.is_plain:
            orders.notify = self.notify

    def hears(self, agent: str) -> bool:
        """Return whether an agent must get the facts of its orders now.

        It must when it has a handler for facts, and also while one of its handlers waits.
        """
        if agent in self._listeners or not self.is_direct:
            return True
        return self.may_wait and agent in self._by_id and bool(self._by_id[agent].parked)

    def deliver(self, runner: R, event: Event, now: Ns) -> None:
        """Deliver an event to an agent through its runner. Raises the error that ends the run."""
        runner.deliver(event, now)
        end_with_agent(runner)
        if runner.parked:
            self._await_handlers()

    def finish(self, runner: R, handled: Handled) -> None:
        """Run the coroutine that a handler returned, until it ends or waits.

        It does nothing when the handler returned no coroutine. Raises what the handler raises.
        """
        if not inspect.iscoroutine(handled):
            return
        self._await_handlers()
        try:
            waits = handled.send(None)
        except StopIteration:
            return
        self.hold(runner, handled, waits)

    def drive(self, runner: R, driver: Part) -> bool:
        """Run a coroutine that awaits an agent's handlers, one call after another.

        One coroutine awaits all of them, because a coroutine for each would cost twice as much.
        When a handler waits, ``driver`` is parked with it. Then return True: a new driver, with the
        number ``turn``, must await the next handlers. Raises the error that ends the run.
        """
        try:
            waits = driver.send(None)
        except StopIteration:
            return False
        self.turn += 1
        self.hold(runner, driver, waits)
        return True

    def _await_handlers(self) -> None:
        """Treat handlers from now on as coroutines that may wait."""
        self.is_plain, self.may_wait = False, True
        self._orders.notify = self.notify

    def hold(self, runner: R, coroutine: Part, waits: object) -> None:
        """Park a handler that waits. Raises the error that ends the run."""
        self.may_wait = True
        runner.hold(coroutine, waits)
        end_with_agent(runner)

    def resume(self, runner: R, event: Event) -> None:
        """Continue an agent's handlers whose wait is over. Raises the error that ends the run."""
        runner.resume(event)
        end_with_agent(runner)

    def start(self, runner: R, now: Ns) -> None:
        """Start an agent. Raises the error that ends the run."""
        runner.start(now)
        end_with_agent(runner)
        if runner.parked:
            self._await_handlers()

    def interrupted(self) -> str:
        """Return the note that an interrupt left with an agent. Empty when no interrupt came."""
        return next((r.interrupted for r in self.runners if r.interrupted), "")

    def take(self, now: Ns) -> None:
        """Carry out the agents' commands one after another, until no agent gives a new one.

        After a close they wait for the next open, as a reserved order does at KIS.
        """
        out = self._out
        if self._is_closed:
            self._overnight += [command for _, command in out]
            out.clear()
        while out:
            wanted, out[:] = list(out), []
            for _, command in wanted:
                self._orders.take(command, now, now + self._latency)

    def close_day(self) -> None:
        """Collect the agents' commands from now on until the next open."""
        self._is_closed = True

    def open_day(self, opens: Ns) -> None:
        """Carry out the commands given since the last close.

        They reach the exchange at ``opens``.
        """
        if self.may_wait:
            self.pass_time(opens)
        self._is_closed = False
        wanted, self._overnight = self._overnight, []
        for command in wanted:
            self._orders.take(command, opens, opens)
        self.take(opens)

    def pass_time(self, t: Ns) -> None:
        """Wake the handlers that sleep until ``t`` or earlier, and deliver changes of phase."""
        while True:
            due = min((w for r in self.runners if (w := r.next_wake()) is not None), default=None)
            if due is None or due > t:
                self.may_wait = not self.is_direct or any(r.parked for r in self.runners)
                break
            for runner in self.runners:
                wake = runner.next_wake()
                if wake is not None and wake <= due:
                    self.deliver(runner, ClockMoved(due), max(due, runner.now))
            self.take(due)
        if self._has_phase:
            self._report_phases(t)

    def _report_phases(self, t: Ns) -> None:
        before = max(r.now for r in self.runners)
        for moment in sessions.boundaries(kst_day(t)):
            if before < moment <= t:
                phase = str(sessions.phase(Venue.KRX, moment))
                event = PhaseChanged(moment, str(sessions.session_id(moment)), Venue.KRX, phase)
                for runner in self.runners:
                    self.deliver(runner, event, moment)

    def notify(self, order: Order, fact: OrderFact) -> None:
        """Deliver a fact to the agent that placed the order."""
        runner = self._by_id.get(order.intent.agent)
        if runner is None or not self.hears(runner.id):
            return
        if not self.is_plain:
            self.deliver(runner, fact, max(fact.t, runner.now))
            return
        runner.now = max(fact.t, runner.now)
        try:
            if isinstance(fact, Filled):
                self.finish(runner, runner.agent.on_fill(order, fact))
            self.finish(runner, runner.agent.on_order(order, fact))
        except BaseException as e:
            self.failed(runner, e)

    def failed(self, runner: R, error: BaseException) -> None:
        """End an agent whose handler raised ``error``. Raises the error that ends the run."""
        if runner.state is not AgentState.RUNNING:
            # The agent has ended already, and ``error`` says so.
            raise error
        runner.failed(error)
        end_with_agent(runner, error)


def overrides(agent: Agent, name: str) -> bool:
    """Return whether the agent's class has its own handler of this name."""
    return getattr(type(agent), name) is not getattr(Agent, name)
