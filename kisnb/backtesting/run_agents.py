"""The agents of a run without a ``DeskCore``: delivers to them, and carries out their commands."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Generic, TypeVar

from kisnb.backtesting.bar_agents import BarCommand, ShortRunner
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.stuck import AgentFailed
from kisnb.clock import Ns, kst_day
from kisnb.events import ClockMoved, Filled, OrderFact, PhaseChanged
from kisnb.market import sessions
from kisnb.orders import Order
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentState

R = TypeVar("R", bound=ShortRunner)


class RunAgents(Generic[R]):
    """Carries out the agents' commands, and delivers moments, phases and facts to the agents.

    ``is_plain`` is True while all agents can be called directly: none of ``handlers`` is a
    coroutine, and no agent has ``on_phase``. Otherwise each agent is called through its runner.
    """

    def __init__(
        self,
        runners: Sequence[R],
        orders: BarOrders,
        out: list[tuple[R, BarCommand]],
        latency: Ns,
        handlers: Sequence[str],
        *,
        may_be_plain: bool = True,
    ) -> None:
        """Connect the agents. ``out`` is the list to which the runners add the agents' commands.

        ``latency`` is the time from a decision until the order is at the exchange, nanoseconds.
        ``handlers`` are the names of the handlers that the data can call. ``may_be_plain`` False:
        all agents are called through their runners.
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
        self.is_plain = may_be_plain and not self._has_phase and not waits
        self._by_id = {runner.id: runner for runner in runners}
        self._orders = orders
        self._out = out
        self._latency = latency

    @property
    def hears(self) -> bool:
        """True if an agent needs the facts of its orders: a handler uses or may await them."""
        return not self.is_plain or any(
            overrides(r.agent, name) for r in self.runners for name in ("on_fill", "on_order")
        )

    def interrupted(self) -> str:
        """Return the note that an interrupt left with an agent. Empty when no interrupt came."""
        return next((r.interrupted for r in self.runners if r.interrupted), "")

    def take(self, now: Ns) -> None:
        """Carry out the agents' commands one after another, until there are no new ones."""
        out = self._out
        while out:
            wanted, out[:] = list(out), []
            for _, command in wanted:
                self._orders.take(command, now, now + self._latency)

    def pass_time(self, t: Ns) -> None:
        """Wake the handlers that sleep until ``t`` or earlier, and deliver changes of phase."""
        while True:
            due = min((w for r in self.runners if (w := r.next_wake()) is not None), default=None)
            if due is None or due > t:
                break
            for runner in self.runners:
                wake = runner.next_wake()
                if wake is not None and wake <= due:
                    runner.deliver(ClockMoved(due), max(due, runner.now))
                    self.check(runner)
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
                    runner.deliver(event, moment)
                    self.check(runner)

    def notify(self, order: Order, fact: OrderFact) -> None:
        """Deliver a fact to the agent that placed the order."""
        runner = self._by_id.get(order.intent.agent)
        if runner is None:
            return
        if not self.is_plain:
            runner.deliver(fact, max(fact.t, runner.now))
            self.check(runner)
            return
        runner.now = max(fact.t, runner.now)
        try:
            if isinstance(fact, Filled):
                runner.agent.on_fill(order, fact)
            runner.agent.on_order(order, fact)
        except BaseException as e:
            self.failed(runner, e)

    def failed(self, runner: R, error: BaseException) -> None:
        """End an agent whose handler raised ``error``. Raises the error that ends the run."""
        runner.failed(error)
        self.check(runner, error)

    def check(self, runner: R, error: BaseException | None = None) -> None:
        """Raise AgentFailed if the agent failed, KeyboardInterrupt if a person interrupted it."""
        if runner.state is AgentState.FAILED:
            text = f"{runner.agent!r} failed: {runner.failed_line}\n{runner.error}"
            raise AgentFailed(text) from error
        if runner.state is AgentState.PAUSED:
            # In a back-test only a person's interrupt pauses an agent. The person wants to end the
            # run.
            raise KeyboardInterrupt(runner.agent.note)


def overrides(agent: Agent, name: str) -> bool:
    """Return whether the agent's class has its own handler of this name."""
    return getattr(type(agent), name) is not getattr(Agent, name)
