"""The agents of a session: started, paused, stopped and watched by id."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput, DeskBusy, DeskLost
from kisnb.events import Event
from kisnb.trading.agent import Agent
from kisnb.trading.agent_runner import AgentRunner, AgentState

if TYPE_CHECKING:
    import polars as pl

    from kisnb.session.session import Session


class AgentView(msgspec.Struct, frozen=True):
    """One agent as panels show it; shares and won."""

    id: str
    name: str
    code: str
    state: AgentState
    position: int
    average: float | None
    last: int | None
    realised: int
    """After cost."""
    unrealised: int | None
    """Before cost; None when something is held that has no price yet."""
    orders: int
    fills: int
    note: str


class Roster:
    """Iterates over the agents' views, in the order in which they were started."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._runners: dict[str, AgentRunner] = {}
        self._tasks: dict[asyncio.Task[None], AgentRunner] = {}

    def __iter__(self) -> Iterator[AgentView]:
        return (self._view(r) for r in self._runners.values())

    def __len__(self) -> int:
        return len(self._runners)

    def __getitem__(self, agent_id: str) -> Agent:
        return self._runner(agent_id).agent

    @property
    def busy(self) -> bool:
        """Some handler awaits something that is not of this session."""
        return bool(self._tasks)

    async def start(self, agent: Agent | str) -> AgentView:
        """Start an agent, or by its id one that was stopped or paused. Raises BadInput, DeskBusy when it runs."""
        runner = self._runner(agent) if isinstance(agent, str) else self._new(agent)
        if runner.state is AgentState.RUNNING:
            raise DeskBusy(f"agent {runner.id} runs already", f"stop it first: %kis agents stop {runner.id}")
        self._runners[runner.id] = runner
        await self._session.watch(runner.agent.code)
        self._session.tell(runner.start(self._session.now))
        self._session.agents_moved()
        self._session.changed()
        return self._view(runner)

    async def stop(self, agent_id: str) -> AgentView:
        """No more decisions; its open orders are cancelled."""
        runner = self._runner(agent_id)
        runner.stop()
        self._cancel_tasks(runner)
        for order in [o for o in runner.book.open_orders if not o.cancel_asked]:
            await self._session.cancel(order)
        self._session.changed()
        return self._view(runner)

    async def pause(self, agent_id: str) -> AgentView:
        """No more decisions until it is started again; its orders and position stay."""
        runner = self._runner(agent_id)
        if runner.state is AgentState.RUNNING:
            runner.state = AgentState.PAUSED
        self._session.changed()
        return self._view(runner)

    async def flatten(self, agent_id: str) -> AgentView:
        """Stop the agent, cancel its open orders and sell at the market all that it holds."""
        await self.stop(agent_id)
        runner = self._runner(agent_id)
        self._session.tell(runner.flatten(self._session.now))
        self._session.changed()
        return self._view(runner)

    def error(self, agent_id: str) -> str:
        """The traceback that stopped an agent; empty when none did."""
        return self._runner(agent_id).error

    def deliver(self, event: Event, now: Ns) -> None:
        """Hand one event to every agent; what they decide goes to the desk at once, in order."""
        for runner in tuple(self._runners.values()):
            commands = runner.deliver(event, now)
            # A desk that is lost is told by the session to those who wait; the other events must be handled still.
            with suppress(DeskLost):
                self._session.tell(commands)

    def next_wake(self) -> Ns | None:
        """The earliest moment that an agent sleeps for."""
        return min((w for r in self._runners.values() if (w := r.next_wake()) is not None), default=None)

    def close(self) -> None:
        """Stop all agents; their orders stay in the market."""
        for runner in self._runners.values():
            if runner.state in (AgentState.RUNNING, AgentState.PAUSED):
                runner.stop()
        for task in self._tasks:
            task.cancel("the session closes")

    def frame(self) -> pl.DataFrame:
        """One row per agent, with the columns of AgentView."""
        import polars as pl

        schema: dict[str, Any] = {
            "id": pl.String,
            "name": pl.String,
            "code": pl.String,
            "state": pl.String,
            "position": pl.Int64,
            "average": pl.Float64,
            "last": pl.Int64,
            "realised": pl.Int64,
            "unrealised": pl.Int64,
            "orders": pl.Int64,
            "fills": pl.Int64,
            "note": pl.String,
        }
        return pl.DataFrame([msgspec.structs.astuple(v) for v in self], schema=schema, orient="row")

    def __repr__(self) -> str:
        if not self._runners:
            return "no agents"
        return "\n".join(
            f"{v.id}: {v.state}, holds {v.position:,} {v.code}, realised {v.realised:+,} won, "
            f"{v.orders} orders, {v.fills} fills"
            for v in self
        )

    def _new(self, agent: Agent) -> AgentRunner:
        if agent.code not in self._session.universe:
            raise BadInput(f"{type(agent).__name__} has no stock to trade", "give it one: code='005930'")
        name = type(agent).__name__
        agent_id = agent.id or f"{name}-{agent.code}"
        known = self._runners.get(agent_id)
        if known is not None:
            if known.state is AgentState.RUNNING:
                return known
            known.stop()
        session = self._session
        return AgentRunner(agent, agent_id, uuid.uuid4().hex[:8], session.books, session.rules, self._foreign)

    def _foreign(self, coroutine: Coroutine[Any, Any, None], runner: AgentRunner) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"agent {runner.id}")
        self._tasks[task] = runner
        task.add_done_callback(self._foreign_done)

    def _foreign_done(self, task: asyncio.Task[None]) -> None:
        runner = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            runner.failed(error)
            self._cancel_tasks(runner)
        with suppress(DeskLost):
            self._session.tell(runner.take_commands())
        self._session.agents_moved()
        self._session.changed()

    def _cancel_tasks(self, runner: AgentRunner) -> None:
        for task, owner in self._tasks.items():
            if owner is runner:
                task.cancel("the agent stops")

    def _runner(self, agent_id: str) -> AgentRunner:
        if agent_id not in self._runners:
            known = ", ".join(self._runners) or "none has been started"
            raise BadInput(f"there is no agent {agent_id!r}", f"the agents: {known}")
        return self._runners[agent_id]

    def _view(self, runner: AgentRunner) -> AgentView:
        agent, book = runner.agent, runner.book
        position = book.position(agent.code)
        prices = self._session.data.prices
        return AgentView(
            runner.id,
            type(agent).__name__,
            agent.code,
            runner.state,
            position.qty,
            position.average,
            prices.get(agent.code),
            book.realised_net,
            book.unrealised(prices),
            len(book.orders),
            sum(len(o.fills) for o in book.orders.values()),
            runner.error.strip().splitlines()[-1] if runner.error else agent.note,
        )
