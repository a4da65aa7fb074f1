"""The agents of a session: started, paused, stopped and watched by id."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

from kisnb import columns
from kisnb.clock import DAY, Ns, kst, kst_day
from kisnb.errors import BadInput, DeskBusy, DeskLost, NotOpen
from kisnb.events import Event, PhaseChanged
from kisnb.orders import Wish
from kisnb.session.agents.agent_columns import AGENT_COLUMNS, ARCHIVE_COLUMNS
from kisnb.session.agents.agent_snapshot import AgentSnapshot, Running, snapshot_at
from kisnb.session.agents.agent_view import LIVE, AgentView, view_elsewhere, view_lost, view_of
from kisnb.session.agents.agent_work import AgentWork
from kisnb.session.agents.decision_columns import DECISION_COLUMNS, Decided
from kisnb.session.agents.given_agent import check_agent, difference, id_of
from kisnb.session.agents.schedule import AgentSchedule, read_schedule
from kisnb.session.agents.timetable import Timetable
from kisnb.session.bars.agent_bars import AgentBars
from kisnb.session.bars.past_figures import PastFigures
from kisnb.session.feed.changes import Changes
from kisnb.session.feed.link import Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.session.feed.watched_stocks import WatchedStocks
from kisnb.session.open_orders import OpenOrders
from kisnb.session.typed_orders.pending import pending
from kisnb.session.typed_orders.placing import Placing
from kisnb.session.typed_orders.typed_order import read_code
from kisnb.terms import Mode
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.agents.handler_times import HandlerTimes
from kisnb.trading.gate.risk import Rules
from kisnb.trading.halt.halt_words import Trading
from kisnb.trading.ports.commands import NoteDecision, ReleaseAgent, SetGuards
from kisnb.trading.ports.queries import LeaseAgent

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class _Start:
    """A start of an agent that waits for the desk's lease. ``stop`` and ``close`` withdraw it."""

    runner: AgentRunner


class Roster:
    """The agents of one session, by id.

    Iterating gives views: first those of this session's agents, in the order in which they were
    started. Then come agents that run in other sessions of the desk, then agents that ended with
    their session. ``len`` counts this session's agents only, and ``[id]`` finds only these.
    """

    def __init__(
        self, link: Link, state: SessionState, pace: Pace, rules: Rules, watched: WatchedStocks,
        placing: Placing, open_orders: OpenOrders, changes: Changes, bars: AgentBars,
        figures: PastFigures,
    ) -> None:  # fmt: skip
        self.work = AgentWork(link, state, pace, changes)
        self._link = link
        self._state = state
        self._pace = pace
        self._rules = rules
        self._watched = watched
        self._placing = placing
        self._open_orders = open_orders
        self._changes = changes
        self._bars = bars
        self._figures = figures
        self._runners: dict[str, AgentRunner] = {}
        self._timetable = Timetable(
            self._begin_scheduled, self._end_scheduled, self._on_rest, pace.task
        )
        self._day_ends: Ns = kst(kst_day(state.now), 0) + DAY
        self._starting: dict[str, _Start] = {}
        """The starts that wait for a lease, by the id of the agent."""

    def __iter__(self) -> Iterator[AgentView]:
        own = (view_of(r, self._state) for r in self._runners.values() if not self._elsewhere(r.id))
        elsewhere = (
            view_elsewhere(a, self._state) for a in self._state.leases if self._elsewhere(a)
        )
        noted = self._state.desk.agents
        lost = (view_lost(noted[a], self._state) for a in self.lost)
        return chain(own, elsewhere, lost)

    def __len__(self) -> int:
        return len(self._runners)

    def __getitem__(self, agent_id: str) -> Agent:
        return self._runner(agent_id).agent

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of this session's agents that run, wait for their schedule, or are paused."""
        return tuple(r.id for r in self._runners.values() if r.state in LIVE)

    @property
    def leased(self) -> tuple[str, ...]:
        """The ids of the agents for which this session holds a lease or has asked for one."""
        return tuple(dict.fromkeys((*self.running, *self._starting)))

    @property
    def lost(self) -> tuple[str, ...]:
        """The ids of agents that ran when their session ended, and run nowhere now."""
        return tuple(a for a in self.work.records.lost if a not in self._runners)

    @property
    def busy(self) -> bool:
        """True while a handler awaits something from outside, or a schedule acts on an agent."""
        return self.work.is_busy or self._timetable.is_busy

    @pending
    async def restore(self, agent_id: str, kind: type[Agent] | None = None) -> AgentView:
        """Start an agent again that ended with its session, and return its view.

        Its parameters and its ``keep`` fields get the recorded values. It still owns its shares.
        ``kind`` is its class. None: the class is imported from the recorded module. Raises
        BadInput, also when the class is not found. Raises DeskBusy when the agent runs in some
        session.
        """
        if agent_id in self._state.leases:
            raise self._runs_there(agent_id)
        plan = self.work.records.schedule_of(agent_id)
        return await self._start(self.work.records.remade(agent_id, kind), False, plan)

    @pending
    async def start(
        self, agent: Agent | str, *, fresh: bool = False, at: str = "", until: str = "",
        days: int | None = None,
    ) -> AgentView:  # fmt: skip
        """Start an agent, and return its view. An id starts an agent that was stopped or paused.

        If the same agent runs here already, it keeps running. The ``keep`` fields get the values
        that the last agent with this id had. ``fresh`` leaves them as the new agent has them, and
        lets the desk archive the old values.

        ``at`` makes a schedule: the agent runs on each trading day from ``at`` until ``until``, and
        waits in between. ``at="KRX_REG"`` means KRX's regular session. ``at="09:10",
        until="close"`` means the time between these moments (KST). After ``days`` trading days the
        agent stops, and its open orders are cancelled. ``until`` without ``at`` starts the agent
        now and stops it at that moment.

        Raises BadInput. Raises DeskBusy when an agent with this id runs with other parameters, with
        another schedule, or in another session.
        """
        self._link.home.check_loop()
        plan = read_schedule(at, until, days, self._state.now)
        return await self._start(agent, fresh, plan)

    async def _start(
        self, agent: Agent | str, fresh: bool, plan: AgentSchedule | None
    ) -> AgentView:
        runner = self._runner(agent) if isinstance(agent, str) else self._new(agent)
        if self._keeps_going(runner, plan):
            return view_of(runner, self._state)
        # Noted before the first await: a lease is the session's, so the desk would grant a second
        # start of the same agent too.
        start = self._starting[runner.id] = _Start(runner)
        try:
            await self._link.ask(LeaseAgent(runner.id))
            if self._starting.get(runner.id) is not start:
                if runner.id not in self.leased:
                    # A stop released the lease before the desk granted it, because the desk was
                    # away. So it is released now.
                    self._link.submit([ReleaseAgent(runner.id)])
                raise self._taken_back(runner)
            self._watched.follow(*runner.agent.stocks())
            await self._bring_bars(runner)
            if self._starting.get(runner.id) is not start:
                raise self._taken_back(runner)
            if self._elsewhere(runner.id):
                # The desk that granted the lease has died meanwhile, and its next life granted the
                # lease to a session that came back first.
                raise self._runs_there(runner.id)
            self._runners[runner.id] = runner
            if runner.agent.guards != self._state.desk.guards.get(runner.id):
                self._link.submit([SetGuards(runner.id, runner.agent.guards)])
            # A person who starts an agent by its id keeps its schedule.
            if plan is None and not isinstance(agent, str):
                self._timetable.remove(runner)
            self._launch(runner, fresh, plan)
        except BaseException:
            # The start failed or was cancelled, so that another session may start the agent. A stop
            # that took the start back has released the lease itself. By now the lease may belong to
            # another start.
            if self._starting.get(runner.id) is start:
                with suppress(DeskLost):
                    self._link.submit([ReleaseAgent(runner.id)])
            raise
        finally:
            if self._starting.get(runner.id) is start:
                del self._starting[runner.id]
        self._pace.reschedule()
        self._changes.publish()
        return view_of(runner, self._state)

    def _launch(self, runner: AgentRunner, fresh: bool, plan: AgentSchedule | None) -> None:
        """Start an agent whose lease is granted. With a schedule, let it wait for its window."""
        if fresh:
            self.work.records.begin_anew(runner)
        elif runner.state is AgentState.READY:
            self.work.records.take_up(runner.agent, runner.id)
        self.work.begin(runner)
        if plan is None or self._timetable.add(runner, plan, self._state.now):
            self.work.hand_over(runner, runner.start(self._state.now))

    async def _bring_bars(self, runner: AgentRunner) -> None:
        """Fetch the figures and bars that an agent may need.

        At paper, a task fetches the bars later.
        """
        await self._figures.bring(runner.agent)
        if self._state.mode is not Mode.PAPER:
            await self._bars.bring(runner.agent)
            return

        # Paper takes one call a second or two (KIS's notice), and gives thirty minutes a call. The
        # agent starts without them and gets them later.
        async def later() -> None:
            await self._bars.bring(runner.agent)
            for code in runner.agent.stocks():
                self.rebuild_bars(code)

        self._pace.task(later(), f"bars of {', '.join(runner.agent.stocks())}")

    def rebuild_bars(self, code: str) -> None:
        """Make the bars of a stock again in every agent, because missing minutes have come."""
        for runner in self._runners.values():
            runner.series.rebuild(code)

    @pending
    async def stop(self, agent_id: str) -> AgentView:
        """Stop an agent, cancel its open orders, and return its view once the cancels are decided.

        An agent that waits for its lease does not start. Raises BadInput.
        """
        self._link.home.check_loop()
        start = self._starting.pop(agent_id, None)
        runner = self._runner(agent_id) if start is None else start.runner
        self._runners.setdefault(agent_id, runner)
        self._timetable.remove(runner)
        runner.stop()
        self.work.cancel_tasks(runner)
        # A desk that is away needs no release, because the session does not ask for the agent when
        # the desk returns.
        with suppress(DeskLost):
            self._link.submit([*_counted(runner), ReleaseAgent(runner.id)])
            self.work.records.note(runner)
        for order in [o for o in runner.book.open_orders if not o.cancel_asked]:
            await self._open_orders.cancel(order)
        self._changes.publish()
        return view_of(runner, self._state)

    @pending
    async def pause(self, agent_id: str) -> AgentView:
        """Pause an agent until a person starts it again, and return its view. Raises BadInput.

        Its orders and its position stay. Its schedule does not start it while it is paused.
        """
        runner = self._runner(agent_id)
        if runner.state in (AgentState.RUNNING, AgentState.WAITING):
            runner.state = AgentState.PAUSED
            self.work.records.note(runner)
        self._changes.publish()
        return view_of(runner, self._state)

    @pending
    async def flatten(self, agent_id: str) -> AgentView:
        """Stop an agent, cancel its open orders, and sell all that it holds at the market price.

        Return its view. Raises BadInput.
        """
        # The agent stops first. Otherwise it could buy again during the sale, and its open sells
        # would lock the shares.
        await self.stop(agent_id)
        runner = self._runner(agent_id)
        self.work.hand_over(runner, runner.flatten(self._state.now))
        self._changes.publish()
        return view_of(runner, self._state)

    @pending
    async def adopt(
        self, agent: Agent | str, code: str = "", qty: int | None = None, *, key: str | None = None,
        again: int | bool = False,
    ) -> AgentView:  # fmt: skip
        """Let an agent take over ``qty`` shares (None: all) that no agent holds, with their cost.

        No agent holds the shares that a person bought, and the shares that the account had before
        the desk's journal began. ``agent`` is an agent, or the id of a known agent. It need not
        run. Without ``code``, the shares are those of the agent's own stock. The same call in the
        same cell, or with the same ``key``, moves nothing a second time. Return the agent's view.
        Raises BadInput.
        """
        # A known agent stays as it is, running or paused.
        known = self._runner(agent) if isinstance(agent, str) else self._runners.get(id_of(agent))
        runner = known or self._new(agent)  # type: ignore[arg-type]
        listed = read_code(self._rules.universe, code) if code else runner.agent.code
        wish = Wish(listed, qty=qty, agent=runner.id)
        await self._placing.adopt(wish, key, again)
        self._runners.setdefault(runner.id, runner)
        self._changes.publish()
        return view_of(runner, self._state)

    def class_name_of(self, agent_id: str) -> str:
        """Return the name of an agent's class as the desk recorded it. Empty for an unknown id."""
        return self.work.records.class_name_of(agent_id)

    def archived(self, agent_id: str) -> pl.DataFrame:
        """Return a row for each life of an agent that a fresh start ended, oldest first.

        Columns: since (when its state last changed, KST), archived (when the fresh start came,
        KST), state, parameters (JSON), kept (its ``keep`` fields, JSON).
        """
        return columns.frame(ARCHIVE_COLUMNS, self.work.records.archived(agent_id))

    def snapshot(self, agent_id: str) -> AgentSnapshot:
        """Return one agent: state, parameters, order book, decisions, and why it does nothing.

        It may be an agent of another session, or one that ended with its session. Raises BadInput.
        """
        runner, plan = self._runners.get(agent_id), self.work.records.schedule_of(agent_id)
        if runner is None and agent_id not in self._state.desk.agents:
            self._known(agent_id)
        running = None
        if runner is not None and not self._elsewhere(agent_id):
            running = _running(runner)
        elif agent_id in self._state.leases:
            running = Running(
                AgentState.ELSEWHERE, self._state.leases[agent_id].where, self._state.now
            )
        elif agent_id in self.lost:
            running = Running(AgentState.LOST, f"restore it: %kis agents restore {agent_id}")
        words = "" if plan is None else plan.text
        return snapshot_at(self._state.now, self._state.desk, agent_id, words, running)

    def error(self, agent_id: str) -> str:
        """Return the traceback that stopped an agent. Empty without an error. Raises BadInput."""
        return self._runner(agent_id).error

    def decisions(self, agent_id: str) -> list[Decided]:
        """Return the newest decisions of an agent, oldest first. Raises BadInput if there are none.

        If the agent runs in this session, its newest decision counts the repetitions up to now.
        """
        made = {k: d for k, d in self._state.desk.decisions.items() if d.agent == agent_id}
        runner = self._runners.get(agent_id)
        if runner is not None and (newest := runner.decisions.newest) is not None:
            made[newest.key] = newest
        if not made:
            self._known(agent_id)
            cure = "its class can note them: self.decide('HOLD', 'why', price=tick.price)"
            raise BadInput(f"agent {agent_id} has noted no decision", cure)
        orders = self._state.books.orders
        return [Decided(d, orders.get(d.order)) for d in made.values()]

    def why(self, agent_id: str) -> pl.DataFrame:
        """Return the newest decisions of an agent, oldest first. Raises BadInput if there are none.

        Equal decisions that follow each other are one row. Columns: time and last (KST, its first
        and last moment), times (how often it was made), session, venue, code, action, why, inputs
        (in words), order (the order that it led to, and what became of that order).
        """
        return columns.frame(DECISION_COLUMNS, self.decisions(agent_id))

    def deliver(self, event: Event, now: Ns) -> None:
        """Deliver one event to every agent.

        Each agent's commands go to the desk at once, in order.
        """
        if now >= self._day_ends:
            self._roll_day(now)
        self._timetable.proceed(now)
        # A copy, because a handler may start or stop an agent.
        for runner in tuple(self._runners.values()):
            self.work.hand_over(runner, runner.deliver(event, now))
        self.work.records.note_late()
        if isinstance(event, PhaseChanged):
            self._renew_days(kst_day(now))

    def next_wake(self) -> Ns | None:
        """Return the earliest moment for which an agent or a schedule waits. None: none waits."""
        wakes = (self._timetable.due, *(r.next_wake() for r in self._runners.values()))
        return min((w for w in wakes if w is not None), default=None)

    # called by schedules

    async def _begin_scheduled(self, runner: AgentRunner) -> None:
        """Start an agent whose window has begun, with the bars of its day."""
        # A desk that is away has no bars. The agent starts all the same, and they come later.
        with suppress(DeskLost):
            await self._bring_bars(runner)
        # A person may have stopped or paused it meanwhile.
        if runner.state is AgentState.WAITING:
            self.work.hand_over(runner, runner.start(self._state.now))
        self._pace.reschedule()
        self._changes.publish()

    async def _end_scheduled(self, runner: AgentRunner) -> None:
        """Stop an agent whose last window is over, and cancel its open orders."""
        with suppress(DeskLost):
            await self.stop(runner.id)

    def _on_rest(self, runner: AgentRunner) -> None:
        """Send the record of an agent that now waits for its schedule, and redraw the panels."""
        self.work.records.note(runner)
        self._changes.publish()

    def _roll_day(self, now: Ns) -> None:
        """Begin a new Korean day. The prices of yesterday no longer count."""
        self._day_ends = kst(kst_day(now), 0) + DAY
        for runner in self._runners.values():
            runner.prices.roll_day()

    def _renew_days(self, day: date) -> None:
        """Fetch anew what agents know of the days before ``day``, when it is of an earlier day.

        An agent that runs over midnight decides on the days up to the newest one.
        """
        agents = [r.agent for r in self._runners.values() if r.state in LIVE]
        if not self._figures.are_of(day):
            self._pace.task(self._figures.bring_anew(agents), "figures of the days before this one")
        if not self._bars.are_of(day):
            self._pace.task(self._bring_days_anew(agents), "daily bars before this day")

    async def _bring_days_anew(self, agents: Sequence[Agent]) -> None:
        with suppress(DeskLost):
            for code in await self._bars.bring_days_anew(agents):
                self.rebuild_bars(code)

    def _keeps_going(self, runner: AgentRunner, plan: AgentSchedule | None) -> bool:
        """Return whether the agent runs already as the start wants it.

        Then the start changes nothing. Raises DeskBusy when the agent is being started, or runs
        with another schedule than ``plan``.
        """
        known = self._timetable.schedule_of(runner.id)
        if runner.id in self._starting:
            raise _started_already(runner.id)
        if runner.state is AgentState.RUNNING and plan is None:
            return True
        if runner.state not in (AgentState.RUNNING, AgentState.WAITING) or plan is None:
            return False
        if plan == known:
            return True
        named = "without a schedule" if known is None else f"with the schedule {known.text}"
        raise DeskBusy(
            f"agent {runner.id} is {runner.state} already, {named}",
            f"stop it: %kis agents stop {runner.id}",
        )

    def close(self) -> None:
        """Stop all agents. Their orders stay in the market."""
        with suppress(DeskLost):
            self.work.records.note_late(at_once=True)
            counted = [note for runner in self._runners.values() for note in _counted(runner)]
            released = [ReleaseAgent(agent_id) for agent_id in self.leased]
            self._link.submit([*counted, *released])
        self._timetable.close()
        # A start to which the desk grants a lease later finds that it was withdrawn.
        self._starting.clear()
        for runner in self._runners.values():
            if runner.state in LIVE:
                runner.stop()
        self.work.close()

    def frame(self) -> pl.DataFrame:
        """Return a DataFrame with one row per agent, shares and won.

        Columns: those of ``AgentView``, as strings, integers and, for the average, floats.
        """
        return columns.frame(AGENT_COLUMNS, self)

    def __repr__(self) -> str:
        lines = [view.line for view in self] or ["no agents"]
        return "\n".join([*lines, *([self.unassigned] if self.unassigned else [])])

    @property
    def trading(self) -> Trading:
        """The trading state of the desk in a sentence."""
        return self._link.state.confirmed(self._state.trading)

    @property
    def unassigned(self) -> str:
        """The shares of the account that no agent holds, in words. Empty when there are none."""
        free = sorted(self._state.books.unassigned.items())
        return f"unassigned: {', '.join(f'{qty:,} {code}' for code, qty in free)}" if free else ""

    def settle_leases(self) -> None:
        """Adjust the agents of this session to the leases that the next desk knows.

        Stop each agent whose lease another session got while the desk was away. Release the leases
        of agents that ended here during that time.
        """
        for agent_id in self.running:
            if self._elsewhere(agent_id):
                self._runners[agent_id].stop()
        mine = [
            lease.agent for lease in self._state.leases.values() if lease.session == self._link.name
        ]
        with suppress(DeskLost):
            self._link.submit(
                [ReleaseAgent(agent_id) for agent_id in mine if agent_id not in self.leased]
            )

    def _runs_there(self, agent_id: str) -> DeskBusy:
        """Return the error for a start of an agent whose lease a session has already."""
        where = self._state.leases[agent_id].where
        return DeskBusy(f"agent {agent_id} runs: {where}", "stop it there first")

    def _elsewhere(self, agent_id: str) -> bool:
        lease = self._state.leases.get(agent_id)
        return lease is not None and lease.session != self._link.name

    def _new(self, agent: Agent) -> AgentRunner:
        """Return a new runner for an agent. If the same agent runs already, return its runner.

        Raises BadInput. Raises DeskBusy when the agent is being started, or runs with other
        parameters.
        """
        check_agent(agent, self._rules.universe)
        agent_id = id_of(agent)
        if agent_id in self._starting:
            raise _started_already(agent_id)
        known = self._runners.get(agent_id)
        if known is not None:
            if known.state in (AgentState.RUNNING, AgentState.WAITING):
                if other := difference(known.agent, agent):
                    raise DeskBusy(
                        f"agent {agent_id} runs already, {other}",
                        f"stop it: %kis agents stop {agent_id}",
                    )
                return known
            # The old runner may sleep in a handler. Two runners of one id would both order.
            known.stop()
            self.work.cancel_tasks(known)
        run = uuid.uuid4().hex[:8]
        return AgentRunner(
            agent,
            agent_id,
            run,
            self._state.books,
            self._rules,
            self.work.await_foreign,
            cash=lambda: self._state.desk.cash,
            earlier=self._bars.earlier,
            flows=self._figures.flows,
            atr=self._figures.atr,
            last=self._state.data.prices.get,
            times=HandlerTimes(),
        )

    def _taken_back(self, runner: AgentRunner) -> Exception:
        """Return the error that a start raises when ``stop`` or ``close`` has withdrawn it."""
        if self._link.state.closed:
            return NotOpen("the session was closed", "open it again with %kis open")
        cure = f"start it again with %kis agents start {runner.id}"
        return BadInput(f"agent {runner.id} was stopped before it had started", cure)

    def _known(self, agent_id: str) -> None:
        """Raise BadInput for an id that no agent of the desk has or had."""
        if agent_id not in self._state.books.agents and agent_id not in self._state.leases:
            self._runner(agent_id)

    def _runner(self, agent_id: str) -> AgentRunner:
        """Return the runner of the agent with this id. Raises BadInput when there is none."""
        if agent_id not in self._runners:
            known = ", ".join(self._runners) or "none has been started"
            raise BadInput(f"there is no agent {agent_id!r}", f"the agents: {known}")
        return self._runners[agent_id]


def _running(runner: AgentRunner) -> Running:
    """Return what this session knows of an agent that it runs."""
    note = runner.agent.note if isinstance(runner.agent.note, str) else ""
    note = runner.failed_line or (runner.waits_for if runner.state is AgentState.WAITING else note)
    slow = () if runner.times is None else runner.times.slow
    return Running(
        runner.state,
        note,
        runner.prices.seen(runner.agent.code),
        runner.decisions.newest,
        tuple(f"{name}: {calls.text}" for name, calls in dict(slow).items()),
    )


def _counted(runner: AgentRunner) -> list[NoteDecision]:
    """Return the commands that report a decision's repetitions that the desk does not know yet."""
    return [NoteDecision(made) for made in runner.decisions.counted()]


def _started_already(agent_id: str) -> DeskBusy:
    return DeskBusy(f"agent {agent_id} is being started already", "wait for the first start")
