"""The agents of a session: started, paused, stopped and watched by id."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from kisnb.clock import Ns, clock_text
from kisnb.errors import BadInput, DeskBusy, DeskLost, NotOpen
from kisnb.events import CommandDropped, Event
from kisnb.orders import Order, Wish
from kisnb.session.agents.agent_difference import difference
from kisnb.session.feed.link import WAIT, Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.pending import pending
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.gate.halt_words import Trading
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.commands import Command, LeaseAgent, ReleaseAgent, Submit
from kisnb.values import shown

if TYPE_CHECKING:
    import polars as pl


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


class Doors(msgspec.Struct):
    """What the roster needs of the session besides its state: how to follow a stock, cancel, adopt, and say."""

    follow: Callable[[str], None]
    """Subscribe to the trades and the depth of a stock."""
    cancel: Callable[[Order], Awaitable[object]]
    adopt: Callable[[Wish, str | None, object], Awaitable[object]]
    """Let an agent take over shares: the wish, ``key=`` and ``again=``."""
    drop: Callable[[CommandDropped], None]
    """Book that a command was handed to no desk."""
    changed: Callable[[], None]


@dataclass(frozen=True, eq=False)
class _Start:
    """A start that waits for the desk's lease. A stop or a close meanwhile takes it out."""

    runner: AgentRunner


class Roster:
    """Iterates over the agents' views: those of this session in the order in which they were started, then those that
    run in other sessions of the desk. Its length and its agents are this session's."""

    def __init__(self, link: Link, state: SessionState, pace: Pace, rules: Rules) -> None:
        self.doors: Doors
        """Set before the first agent is started."""
        self._link = link
        self._state = state
        self._pace = pace
        self._rules = rules
        self._runners: dict[str, AgentRunner] = {}
        self._starting: dict[str, _Start] = {}
        """The starts under way, by the id of their agent."""
        self._started_in: dict[str, contextvars.Context] = {}
        """The cell in which each agent was started: what is printed in its context appears below that cell."""
        self._announced: set[str] = set()
        """Agents that stand still and of which a person was told."""
        self._tasks: dict[asyncio.Task[None], AgentRunner] = {}

    def __iter__(self) -> Iterator[AgentView]:
        own = (self._view(r) for r in self._runners.values() if not self._elsewhere(r.id))
        return chain(
            own, (self._view_elsewhere(a) for a in self._state.leases if self._elsewhere(a))
        )

    def __len__(self) -> int:
        return len(self._runners)

    def __getitem__(self, agent_id: str) -> Agent:
        return self._runner(agent_id).agent

    @property
    def running(self) -> tuple[str, ...]:
        """The agents that run or are paused here."""
        return tuple(
            r.id
            for r in self._runners.values()
            if r.state in (AgentState.RUNNING, AgentState.PAUSED)
        )

    @property
    def claimed(self) -> tuple[str, ...]:
        """The agents that this session holds a lease of, or is about to."""
        return tuple(dict.fromkeys((*self.running, *self._starting)))

    @property
    def busy(self) -> bool:
        """Some handler awaits something that is not of this session."""
        return bool(self._tasks)

    @pending
    async def start(self, agent: Agent | str) -> AgentView:
        """Start an agent, or by its id one that was stopped or paused.

        An agent that already runs here unchanged keeps running.
        Raises BadInput, and DeskBusy when it runs with other parameters or in another session.
        """
        self._link.home.check_loop()
        runner = self._runner(agent) if isinstance(agent, str) else self._new(agent)
        if runner.state is AgentState.RUNNING:
            return self._view(runner)
        if runner.id in self._starting:
            raise _started_already(runner.id)
        # Taken before the first await: the lease is the session's, so the desk would say yes twice.
        start = self._starting[runner.id] = _Start(runner)
        try:
            await self._link.ask(LeaseAgent(runner.id))
            if self._starting.get(runner.id) is not start:
                if runner.id not in self.claimed:
                    # Who took the start back gave the lease up before the desk gave it: the desk was away.
                    self._link.submit([ReleaseAgent(runner.id)])
                raise self._taken_back(runner)
            self._runners[runner.id] = runner
            self._started_in[runner.id] = contextvars.copy_context()
            self._announced.discard(runner.id)
            self.doors.follow(runner.agent.code)
            self._hand_over(runner, runner.start(self._state.now))
        except BaseException:
            # Cancelled on the way: the agent may be started elsewhere. Who took the start back has
            # given up the lease himself; by now it may be that of another start.
            if self._starting.get(runner.id) is start:
                with suppress(DeskLost):
                    self._link.submit([ReleaseAgent(runner.id)])
            raise
        finally:
            if self._starting.get(runner.id) is start:
                del self._starting[runner.id]
        self._pace.reschedule()
        self.doors.changed()
        return self._view(runner)

    @pending
    async def stop(self, agent_id: str) -> AgentView:
        """No more decisions; its open orders are cancelled. One that is being started does not run."""
        self._link.home.check_loop()
        start = self._starting.pop(agent_id, None)
        runner = self._runner(agent_id) if start is None else start.runner
        self._runners.setdefault(agent_id, runner)
        runner.stop()
        self._cancel_tasks(runner)
        # A desk that is away is given no lease of it when it returns.
        with suppress(DeskLost):
            self._link.submit([ReleaseAgent(runner.id)])
        for order in [o for o in runner.book.open_orders if not o.cancel_asked]:
            await self.doors.cancel(order)
        self.doors.changed()
        return self._view(runner)

    @pending
    async def pause(self, agent_id: str) -> AgentView:
        """No more decisions until it is started again; its orders and position stay."""
        runner = self._runner(agent_id)
        if runner.state is AgentState.RUNNING:
            runner.state = AgentState.PAUSED
        self.doors.changed()
        return self._view(runner)

    @pending
    async def flatten(self, agent_id: str) -> AgentView:
        """Stop the agent, cancel its open orders and sell at the market all that it holds."""
        await self.stop(agent_id)
        runner = self._runner(agent_id)
        self._hand_over(runner, runner.flatten(self._state.now))
        self.doors.changed()
        return self._view(runner)

    @pending
    async def adopt(
        self, agent: Agent | str, code: str = "", qty: int | None = None, *, key: str | None = None,
        again: int | bool = False,
    ) -> AgentView:  # fmt: skip
        """Let an agent, or by its id one that is known here, take over ``qty`` shares (None: all) that no agent holds,
        with what they cost; it need not run. ``code`` left out is the agent's own stock.

        Shares that were held before the desk's journal began, and those that a person bought, are held by no agent.
        The same call in the same cell, or with the same ``key``, moves nothing a second time. Raises BadInput.
        """
        # One that is known stays as it is, running or paused.
        known = self._runner(agent) if isinstance(agent, str) else self._runners.get(_id_of(agent))
        runner = known or self._new(agent)  # type: ignore[arg-type]
        wish = Wish(code or runner.agent.code, qty=qty, agent=runner.id)
        await self.doors.adopt(wish, key, again)
        self._runners.setdefault(runner.id, runner)
        self.doors.changed()
        return self._view(runner)

    def error(self, agent_id: str) -> str:
        """The traceback that stopped an agent; empty when none did."""
        return self._runner(agent_id).error

    def deliver(self, event: Event, now: Ns) -> None:
        """Hand one event to every agent; what they decide goes to the desk at once, in order."""
        for runner in tuple(self._runners.values()):
            self._hand_over(runner, runner.deliver(event, now))

    def _hand_over(self, runner: AgentRunner, commands: list[Command]) -> None:
        """Give an agent's commands to the desk. What the desk could not read stops this agent alone."""
        if commands:
            self._send(runner, commands)
        if (
            runner.state in (AgentState.FAILED, AgentState.PAUSED)
            and runner.id not in self._announced
        ):
            self._announce(runner)

    def _send(self, runner: AgentRunner, commands: list[Command]) -> None:
        if self._link.state.is_silent:
            for command in [c for c in commands if isinstance(c, Submit)]:
                # Nobody knows when a silent desk would send it.
                commands.remove(command)
                self._drop(command, self._link.state.not_taken, WAIT)
        # A desk that is lost is told by the session to those who wait; the other events must be handled still.
        with suppress(DeskLost):
            try:
                self._link.submit(commands)
            except BadInput as error:
                runner.failed(error)
                for command in [c for c in commands if isinstance(c, Submit)]:
                    self._drop(command, error.text, error.cure)

    def _drop(self, command: Submit, reason: str, cure: str) -> None:
        dropped = CommandDropped(self._link.last_received, command.intent.key, reason, cure)
        asyncio.get_running_loop().call_soon(self.doors.drop, dropped)

    def _announce(self, runner: AgentRunner) -> None:
        """An agent failed, or was paused by an interrupt: free its lease, and say so below the cell that started it."""
        if runner.state is AgentState.FAILED:
            with suppress(DeskLost):
                self._link.submit([ReleaseAgent(runner.id)])
            self._cancel_tasks(runner)
            text = f"agent {runner.id} failed: {runner.failed_line}"
        elif runner.interrupted:
            text = f"agent {runner.id} is paused: {runner.agent.note}"
        else:
            return
        self._announced.add(runner.id)
        self._state.troubles.append(f"{clock_text(self._state.now)} {text}")
        context = self._started_in.get(runner.id, contextvars.copy_context())
        # Where nothing can be printed, the trouble is in the panel all the same.
        with suppress(Exception):
            context.run(print, f"{self._state.mode.badge}{text}", file=sys.stderr, flush=True)

    def next_wake(self) -> Ns | None:
        """The earliest moment that an agent sleeps for."""
        return min(
            (w for r in self._runners.values() if (w := r.next_wake()) is not None), default=None
        )

    def close(self) -> None:
        """Stop all agents; their orders stay in the market."""
        with suppress(DeskLost):
            self._link.submit([ReleaseAgent(agent_id) for agent_id in self.claimed])
        self._starting.clear()
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
        return "\n".join(
            [*(lines or ["no agents"]), *([self.unassigned] if self.unassigned else [])]
        )

    @property
    def trading(self) -> Trading:
        """What the desk of these agents lets pass, in a sentence."""
        return self._link.state.confirmed(self._state.trading)

    @property
    def unassigned(self) -> str:
        """What the account holds and no agent does, for people; empty when every share is an agent's."""
        free = sorted(self._state.books.unassigned.items())
        return f"unassigned: {', '.join(f'{qty:,} {code}' for code, qty in free)}" if free else ""

    def settle_leases(self) -> None:
        """The next desk says where agents run. Stop those of ours that another session took meanwhile, and give back
        the leases of those that ended here after the desk had died."""
        for agent_id in self.running:
            if self._elsewhere(agent_id):
                self._runners[agent_id].stop()
        mine = [
            lease.agent for lease in self._state.leases.values() if lease.session == self._link.name
        ]
        with suppress(DeskLost):
            self._link.submit(
                [ReleaseAgent(agent_id) for agent_id in mine if agent_id not in self.claimed]
            )

    def _elsewhere(self, agent_id: str) -> bool:
        lease = self._state.leases.get(agent_id)
        return lease is not None and lease.session != self._link.name

    def _new(self, agent: Agent) -> AgentRunner:
        if isinstance(agent, type):
            raise BadInput(
                f"{agent.__name__} is a class of agents",
                f"make one: {agent.__name__}(code='005930')",
            )
        if not isinstance(agent, Agent):
            raise BadInput(
                f"{agent!r} is no agent",
                "give an instance of a class that derives from kisnb.Agent",
            )
        if agent.code not in self._rules.universe:
            raise BadInput(
                f"{type(agent).__name__} has no stock to trade", "give it one: code='005930'"
            )
        agent_id = _id_of(agent)
        if agent_id in self._starting:
            raise _started_already(agent_id)
        known = self._runners.get(agent_id)
        if known is not None:
            if known.state is AgentState.RUNNING:
                if other := difference(known.agent, agent):
                    raise DeskBusy(
                        f"agent {agent_id} runs already, {other}",
                        f"stop it: %kis agents stop {agent_id}",
                    )
                return known
            known.stop()
            self._cancel_tasks(known)
        run = uuid.uuid4().hex[:8]
        return AgentRunner(agent, agent_id, run, self._state.books, self._rules, self._foreign)

    def _taken_back(self, runner: AgentRunner) -> Exception:
        if self._link.state.closed:
            return NotOpen("the session was closed", "open it again with %kis open")
        cure = f"start it again with %kis agents start {runner.id}"
        return BadInput(f"agent {runner.id} was stopped before it had started", cure)

    def _foreign(self, coroutine: Coroutine[Any, Any, None], runner: AgentRunner) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"agent {runner.id}")
        self._tasks[task] = runner
        task.add_done_callback(self._foreign_done)

    def _foreign_done(self, task: asyncio.Task[None]) -> None:
        runner = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            runner.failed(error)
        self._hand_over(runner, runner.take_commands())
        self._pace.reschedule()
        self.doors.changed()

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
        # A person's agent may note anything; panels and tables take a text.
        note = runner.error.strip().splitlines()[-1] if runner.error else _text_of(agent.note)
        return self._seen(runner.id, type(agent).__name__, agent.code, runner.state, note)

    def _view_elsewhere(self, agent_id: str) -> AgentView:
        codes = self._state.books.of(agent_id).positions or [agent_id.rpartition("-")[2]]
        note = f"runs in {self._state.leases[agent_id].where}"
        return self._seen(
            agent_id, agent_id.rpartition("-")[0], next(iter(codes)), AgentState.ELSEWHERE, note
        )

    def _seen(self, agent_id: str, name: str, code: str, state: AgentState, note: str) -> AgentView:
        book = self._state.books.of(agent_id)
        position = book.position(code)
        prices = self._state.data.prices
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


def _text_of(note: object) -> str:
    return note if isinstance(note, str) else shown(note)


def _started_already(agent_id: str) -> DeskBusy:
    return DeskBusy(f"agent {agent_id} is being started already", "wait for the first start")


def _id_of(agent: Agent) -> str:
    return agent.id or f"{type(agent).__name__}-{agent.code}"
