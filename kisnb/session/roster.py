"""The agents of a session: started, paused, stopped and watched by id."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput, DeskBusy, DeskLost
from kisnb.events import AgentLeased, AgentReleased, Event
from kisnb.session import order_keys
from kisnb.session.agent_difference import difference
from kisnb.trading.agent import Agent
from kisnb.trading.agent_runner import AgentRunner, AgentState
from kisnb.trading.commands import Adopt, AdoptHolding, LeaseAgent, ReleaseAgent
from kisnb.trading.desk_port import Lease

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
    """Iterates over the agents' views: those of this session in the order in which they were started, then those that
    run in other sessions of the desk. Its length and its agents are this session's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._runners: dict[str, AgentRunner] = {}
        self._tasks: dict[asyncio.Task[None], AgentRunner] = {}
        self._leases: dict[str, Lease] = {}

    def __iter__(self) -> Iterator[AgentView]:
        own = (self._view(r) for r in self._runners.values() if not self._elsewhere(r.id))
        return chain(own, (self._view_elsewhere(a) for a in self._leases if self._elsewhere(a)))

    def __len__(self) -> int:
        return len(self._runners)

    def __getitem__(self, agent_id: str) -> Agent:
        return self._runner(agent_id).agent

    @property
    def running(self) -> tuple[str, ...]:
        """The agents that this session holds a lease of."""
        return tuple(r.id for r in self._runners.values() if r.state in (AgentState.RUNNING, AgentState.PAUSED))

    @property
    def busy(self) -> bool:
        """Some handler awaits something that is not of this session."""
        return bool(self._tasks)

    async def start(self, agent: Agent | str) -> AgentView:
        """Start an agent, or by its id one that was stopped or paused; one that runs here as it is given goes on.

        Raises BadInput, and DeskBusy when it runs with other parameters or in another session.
        """
        runner = self._runner(agent) if isinstance(agent, str) else self._new(agent)
        if runner.state is AgentState.RUNNING:
            return self._view(runner)
        await self._session.ask(LeaseAgent(runner.id))
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
        self._session.tell([ReleaseAgent(runner.id)])
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

    async def adopt(self, agent: Agent | str, code: str = "", qty: int | None = None, *, key: str = "") -> AgentView:
        """Let an agent, or by its id one that is known here, take over ``qty`` shares (None: all) that no agent holds,
        with what they cost; it need not run. ``code`` left out is the agent's own stock.

        Shares that were held before the desk's journal began, and those that a person bought, are held by no agent.
        A call with the same ``key`` moves nothing a second time. Raises BadInput.
        """
        # One that is known stays as it is, running or paused.
        known = self._runner(agent) if isinstance(agent, str) else self._runners.get(_id_of(agent))
        runner = known or self._new(agent)  # type: ignore[arg-type]
        minted = order_keys.source(self._session, False) if not key and order_keys.source is not None else key
        wish = Adopt(minted or f"adopt:{uuid.uuid4()}", runner.id, code or runner.agent.code, qty)
        await self._session.ask(AdoptHolding(wish))
        self._runners.setdefault(runner.id, runner)
        self._session.changed()
        return self._view(runner)

    def error(self, agent_id: str) -> str:
        """The traceback that stopped an agent; empty when none did."""
        return self._runner(agent_id).error

    def deliver(self, event: Event, now: Ns) -> None:
        """Hand one event to every agent; what they decide goes to the desk at once, in order."""
        for runner in tuple(self._runners.values()):
            ran = runner.state is AgentState.RUNNING
            commands = runner.deliver(event, now)
            if ran and runner.state is AgentState.FAILED:
                commands.append(ReleaseAgent(runner.id))
            # A desk that is lost is told by the session to those who wait; the other events must be handled still.
            with suppress(DeskLost):
                self._session.tell(commands)

    def next_wake(self) -> Ns | None:
        """The earliest moment that an agent sleeps for."""
        return min((w for r in self._runners.values() if (w := r.next_wake()) is not None), default=None)

    def close(self) -> None:
        """Stop all agents; their orders stay in the market."""
        with suppress(DeskLost):
            self._session.tell([ReleaseAgent(agent_id) for agent_id in self.running])
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
        lines = [
            f"{v.id}: {v.state}, holds {v.position:,} {v.code}, realised {v.realised:+,} won, "
            f"{v.orders} orders, {v.fills} fills"
            for v in self
        ]
        return "\n".join([*(lines or ["no agents"]), *([self.unassigned] if self.unassigned else [])])

    @property
    def unassigned(self) -> str:
        """What the account holds and no agent does, for people; empty when every share is an agent's."""
        free = sorted(self._session.books.unassigned.items())
        return f"unassigned: {', '.join(f'{qty:,} {code}' for code, qty in free)}" if free else ""

    def leased(self, leases: Sequence[Lease]) -> None:
        """What the desk says of who runs what; an agent of ours that another session took meanwhile stops here."""
        self._leases = {lease.agent: lease for lease in leases}
        for agent_id in self.running:
            if self._elsewhere(agent_id):
                self._runners[agent_id].stop()

    def lease_changed(self, fact: AgentLeased | AgentReleased) -> None:
        if isinstance(fact, AgentLeased):
            self._leases[fact.agent] = Lease(fact.agent, fact.session, fact.where)
        else:
            self._leases.pop(fact.agent, None)

    def _elsewhere(self, agent_id: str) -> bool:
        lease = self._leases.get(agent_id)
        return lease is not None and lease.session != self._session.name

    def _new(self, agent: Agent) -> AgentRunner:
        if isinstance(agent, type):
            raise BadInput(f"{agent.__name__} is a class of agents", f"make one: {agent.__name__}(code='005930')")
        if not isinstance(agent, Agent):
            raise BadInput(f"{agent!r} is no agent", "give an instance of a class that derives from kisnb.Agent")
        if agent.code not in self._session.universe:
            raise BadInput(f"{type(agent).__name__} has no stock to trade", "give it one: code='005930'")
        agent_id = _id_of(agent)
        known = self._runners.get(agent_id)
        if known is not None:
            if known.state is AgentState.RUNNING:
                if other := difference(known.agent, agent):
                    raise DeskBusy(f"agent {agent_id} runs already, {other}", f"stop it: %kis agents stop {agent_id}")
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
        agent = runner.agent
        note = runner.error.strip().splitlines()[-1] if runner.error else agent.note
        return self._seen(runner.id, type(agent).__name__, agent.code, runner.state, note)

    def _view_elsewhere(self, agent_id: str) -> AgentView:
        codes = self._session.books.of(agent_id).positions or [agent_id.rpartition("-")[2]]
        note = f"runs in {self._leases[agent_id].where}"
        return self._seen(agent_id, agent_id.rpartition("-")[0], next(iter(codes)), AgentState.ELSEWHERE, note)

    def _seen(self, agent_id: str, name: str, code: str, state: AgentState, note: str) -> AgentView:
        book = self._session.books.of(agent_id)
        position = book.position(code)
        prices = self._session.data.prices
        return AgentView(
            agent_id,
            name,
            code,
            state,
            position.qty,
            position.average,
            prices.get(code),
            book.realised_net,
            book.unrealised(prices),
            len(book.orders),
            sum(len(o.fills) for o in book.orders.values()),
            note,
        )


def _id_of(agent: Agent) -> str:
    return agent.id or f"{type(agent).__name__}-{agent.code}"
