"""A session's hold on its desk: what the desk says is booked and handed on in order, waits, and the next desk."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from kisnb.clock import Ns, SimulatedClock, WallClock, clock_text, kst_day
from kisnb.errors import DeskLost, NotOpen
from kisnb.events import (
    AccountOpened,
    AgentLeased,
    AgentReleased,
    Armed,
    CancelRefused,
    ClockMoved,
    CommandDropped,
    DecisionRefused,
    Denied,
    Depth,
    Disarmed,
    Event,
    ExpectedMatch,
    GapFound,
    HaltSet,
    HaltStep,
    HoldingAdopted,
    LinkUp,
    MarketOperation,
    OrderFact,
    ProgramTrades,
    SpeedSet,
    SubscriptionChanged,
    Tick,
    Trouble,
    Unresolved,
    is_order_fact,
)
from kisnb.events import LinkLost as LinkWasLost
from kisnb.market import sessions
from kisnb.orders import OrderState, Want
from kisnb.session.desk_line import DeskLine, Find
from kisnb.session.market_data import MarketData
from kisnb.session.waits import Waits
from kisnb.terms import Mode, SessionId, Venue
from kisnb.trading.commands import Command, FastForward, Idle, Query, Reply, WatchCodes
from kisnb.trading.desk_port import Back, Batch, Desk, Snapshot
from kisnb.trading.journal_rows import is_told
from kisnb.trading.order_book import Books
from kisnb.trading.state import State

if TYPE_CHECKING:
    from kisnb.session.backfill import Backfill
    from kisnb.session.roster import Roster

_OF_THE_MARKET = (Tick, Depth, ExpectedMatch, MarketOperation, ProgramTrades)


class Attachment(DeskLine):
    """One loop's view of a desk. A session is one, with all that a person may look at and do."""

    agents: Roster
    backfill: Backfill

    def __init__(self, desk: Desk, snapshot: Snapshot, find: Find | None = None) -> None:
        """``find`` gives the next desk when this one has died."""
        super().__init__(desk, find)
        self.mode = snapshot.mode
        self.label = snapshot.label
        self.scope = snapshot.scope
        self.run = snapshot.run
        self.name = desk.session
        self.data = MarketData()
        self.decisions_refused: dict[str, str] = {}
        """By key of an order of unknown fate: why a decision about it was refused last."""
        self.halt_state = snapshot.halt
        self.halt_steps: list[HaltStep] = []
        """What the kill switch did since this session was opened, oldest first."""
        self._state = State.fold(snapshot.rows())
        self.armed = self._state.armed
        """Until when, and for how many won, buys pass at live."""
        self._told = snapshot.told
        self._clock = SimulatedClock(snapshot.now, snapshot.speed) if snapshot.mode is Mode.SIM else WallClock()
        self._waits = Waits()
        self._wants: dict[Want, None] = {}
        self._listeners: list[Callable[[], None]] = []
        self._said: Idle | None = None
        self._reporting = False
        self._hurrying = 0
        """Waits that simulated time runs ahead for."""
        self._agents_wake: Ns | None = None
        self._agents_alarm: asyncio.Task[None] | None = None
        self._own_tasks: set[asyncio.Task[None]] = set()
        self._home = threading.get_ident()
        self._unheard: deque[tuple[Event, Ns]] = deque()
        """What is booked already while a cell blocks the loop; agents hear of it when the loop turns."""
        self._handling = False

    @property
    def now(self) -> Ns:
        """The session's clock, UTC nanoseconds: simulated time in sim."""
        return self._clock.now()

    @property
    def today(self) -> date:
        return kst_day(self.now)

    def clock_text(self) -> str:
        """``"09:10:00"``, KST."""
        return clock_text(self.now)

    @property
    def books(self) -> Books:
        return self._state.books

    # the desk's door

    def ask_blocking(self, query: Query, timeout: float = 15.0) -> Reply:
        """As ``ask``, from any thread and without the loop; raises TimeoutError."""
        reply = self._desk.ask_blocking(query, timeout)
        self.catch_up()
        return reply

    def catch_up(self) -> None:
        """Book what has come while a cell blocks the loop. No handler of an agent runs; in other threads it does
        nothing, for the books are the home thread's."""
        if self._handling or threading.get_ident() != self._home:
            return
        while not self._closed and (batch := self._drained()) is not None:
            self._unheard += [(heard, batch.now) for event in batch.events for heard in self._booked(event)]

    # panels

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` in the notebook's loop after each batch of events; returns what ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def changed(self) -> None:
        """Tell panels; one that fails is dropped and named."""
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as e:
                self._listeners.remove(listener)
                self.troubles.append(f"a panel stopped: {e!r}")

    # waiting

    async def _wait_for(self, t: Ns) -> None:
        alarm = self.task(self._alarm(t), f"wait until {clock_text(t)}")
        try:
            await self._until(lambda: self.now >= t, t)
        finally:
            alarm.cancel("what it was set for is over")

    async def _until(self, over: Callable[[], bool], wake: Ns | None) -> None:
        self._notice_death()
        if self._returning is None:
            self._desk.check()
        await self._waits.until(over, wake, self._report_soon)

    async def _carried_out(self, commands: Callable[[], Sequence[Command]], over: Callable[[], bool]) -> None:
        """Hand commands over until it is ``over``: what a desk took to its grave is told to the next one.

        Commands for which twice is as good as once.
        """
        while not over():
            await self._returned()
            returns = self._returns
            self.tell(commands())
            await self._until(lambda: over() or self._returns != returns, None)  # noqa: B023 - awaited in this round

    async def _alarm(self, t: Ns) -> None:
        """A clock that runs free reaches ``t`` without any event."""
        await self._clock.sleep_until(t)
        self._waits.look()

    def task(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """A task of this session, which ends with it."""
        task = self._loop.create_task(work, name=what)
        self._own_tasks.add(task)
        task.add_done_callback(self._own_tasks.discard)
        return task

    @property
    def _runs_free(self) -> bool:
        """The clock moves without the desk; in lockstep every move of it comes as an event."""
        return not isinstance(self._clock, SimulatedClock) or self._clock.speed > 0

    def agents_moved(self) -> None:
        """What agents and gaps wait for may be another moment now: set their alarm, and say so to the desk."""
        wake = self._next_wake() if self._runs_free and not self._closed else None
        if wake != self._agents_wake:
            self._agents_wake = wake
            if self._agents_alarm is not None:
                self._agents_alarm.cancel("the agents wait for another moment")
            self._agents_alarm = None if wake is None else self.task(self._wake_agents(wake), "wake of the agents")
        self._report_soon()

    async def _wake_agents(self, t: Ns) -> None:
        await self._clock.sleep_until(t)
        self._agents_wake = self._agents_alarm = None
        self.agents.deliver(ClockMoved(self.now), self.now)
        self.backfill.look(self.now)
        self.changed()
        self.agents_moved()

    def _next_wake(self) -> Ns | None:
        return min((t for t in (self.agents.next_wake(), self.backfill.next_wake()) if t is not None), default=None)

    def _report_soon(self) -> None:
        """Say Idle after the cells and agents that were just woken had their turn."""
        if self.mode is Mode.SIM and not self._reporting and not self._closed:
            self._reporting = True
            self._loop.call_soon(self._loop.call_soon, self._loop.call_soon, self._report)

    def _report(self) -> None:
        self._reporting = False
        wakes = [t for t in (self._waits.next_wake(), self._next_wake()) if t is not None]
        # A handler that awaits something foreign is not at rest: -1 has handled nothing.
        seq = -1 if self.agents.busy or self._unheard else self._desk.seq
        idle = Idle(seq, min(wakes, default=None), bool(self._waits))
        if idle != self._said and not self._closed and not self._desk.lost:
            self._said = idle
            self.tell([idle])

    # what the desk says

    def _listen(self) -> None:
        self._desk.on_silence(self._silence_changed)
        self._desk.on_ready(lambda: self._loop.call_soon_threadsafe(self._pump))
        self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Handle all that came, in order: books first, then the agents, then those who wait."""
        self._handling = True
        try:
            self._handle_all()
        finally:
            self._handling = False
        if self._desk.lost and not self._closed:
            self._lost()
        else:
            self.backfill.look(self.now)
            self.agents_moved()

    def _handle_all(self) -> None:
        if self._unheard:
            while self._unheard and not self._closed:
                self.agents.deliver(*self._unheard.popleft())
            self._waits.look()
            self.changed()
        while not self._closed and (batch := self._drained()) is not None:
            for event in batch.events:
                self._handle(event, batch.now)
            self._waits.look()
            self.changed()

    def _drained(self) -> Batch | None:
        """The next batch of the desk's, with the clock of lockstep set to it."""
        batch = self._desk.drain()
        if batch is not None and isinstance(self._clock, SimulatedClock) and not self._clock.speed:
            self._clock.set(batch.now)
        return batch

    def _handle(self, event: Event, now: Ns) -> None:
        for heard in self._booked(event):
            self.agents.deliver(heard, now)

    def _booked(self, event: Event) -> tuple[Event, ...]:
        """Take an event over into books and data; what agents are to hear of it."""
        if is_told(event):
            self._told += 1
        if isinstance(event, CommandDropped):
            return self._dropped(event)
        if isinstance(event, _OF_THE_MARKET):
            self.data.add(event)
            if event.venue is Venue.NXT and sessions.session_id(event.t) is SessionId.KRX_REG:
                # In KRX's regular session a strategy follows KRX's price; Nextrade's is the router's matter.
                return ()
        else:
            self._note(event)
        return (event,)

    def _note(self, event: Event) -> None:
        """Take over what an event says of orders, the desk and its connection."""
        match event:
            case HaltSet() | HaltStep() | Armed() | Disarmed():
                self._control(event)
            case AccountOpened() | HoldingAdopted():
                self.books.hold(event)
            case SpeedSet(t=t, speed=speed):
                assert isinstance(self._clock, SimulatedClock)
                self._clock.set(t, speed)
            case AgentLeased() | AgentReleased():
                self.agents.lease_changed(event)
            case Trouble(text=text) | Unresolved(text=text):
                self.troubles.append(text)
            case DecisionRefused(key=key, text=text):
                self.decisions_refused[key] = text
            case SubscriptionChanged(state="refused", channel=channel, code=code, text=text):
                self.troubles.append(f"subscription to {channel} {code} refused: {text}")
            case LinkWasLost() | LinkUp() | GapFound():
                self._note_link(event)
            case _ if is_order_fact(event):
                self.books.apply(event)

    def _note_link(self, event: LinkWasLost | LinkUp | GapFound) -> None:
        """Take over what an event says of the stream: from when to when trades were not heard."""
        match event:
            case GapFound():
                self.backfill.found(event)
            case LinkWasLost():
                # The stream connects again by itself; when the simulator is gone, its desk ends and says so.
                self._stream_lost = self._stream_lost or event.t
                self.backfill.link_lost(event.t)
            case LinkUp():
                self._stream_lost = None
                self.backfill.link_up(event.t, {(w.code, w.venue or Venue.KRX) for w in self._wants if _trades(w)})

    def _control(self, event: HaltSet | HaltStep | Armed | Disarmed) -> None:
        match event:
            case HaltSet(state=state):
                self.halt_state = state
            case HaltStep(step=step, done=done, text=text):
                self.halt_steps.append(event)
                if not done or step == "notify":
                    self.troubles.append(f"{clock_text(event.t)} kill switch, {step}: {text}")
            case Armed() | Disarmed():
                self.armed = event if isinstance(event, Armed) else None

    def _dropped(self, dropped: CommandDropped) -> tuple[Event, ...]:
        """The desk did not take it. No row says so, so it is told to the books and the agents of this session alone."""
        order = self.books.orders.get(dropped.key)
        if order is None or order.is_ended:
            return ()
        fact: OrderFact
        if order.state is OrderState.NEW:
            fact = Denied(dropped.t, dropped.key, dropped.reason, dropped.cure)
        else:
            fact = CancelRefused(dropped.t, dropped.key, "", f"{dropped.reason}; {dropped.cure}")
        self.books.apply(fact)
        return (fact,)

    def _handle_dropped(self, dropped: CommandDropped) -> None:
        self._handle(dropped, dropped.t)
        self._waits.look()
        self.changed()

    # a desk that dies, and the next one

    def _lost(self) -> None:
        if self._find is not None and not self._desk.dismissed:
            if self._returning is None:
                self._desk.close()
                self._returning = self._loop.create_task(self._return(self._find, self.now))
                self.changed()
            return
        try:
            self._desk.check()
        except DeskLost as e:
            self._give_up(e)

    def _give_up(self, why: DeskLost) -> None:
        self._given_up = why
        self._waits.fail(why)
        self.changed()

    async def _return(self, find: Find, since: Ns) -> None:
        """Attach to the next desk and go on where the last one died."""
        try:
            self._desk, snapshot = await find(Back(self._desk.session, self.run, self._told, self.agents.running))
            if (snapshot.run, snapshot.first) != (self.run, self._told):
                self._desk.close()
                raise DeskLost("the desk that came back has another day", "open it again with %kis open")
        except DeskLost as e:
            self._returning = self._find = None
            self._give_up(e)
            return
        self._returning = None
        self._returns += 1
        # What was on its way to the dead desk and is not in its journal was never sent.
        untaken = [o for o in self.books.live.values() if not o.facts]
        if isinstance(self._clock, SimulatedClock):
            self._clock.set(snapshot.now, snapshot.speed)
        self._stream_lost, self._said, self.scope = None, None, snapshot.scope
        self.agents.leased(snapshot.leases)
        for row in snapshot.rows():
            # DESK_ONLY rows are not in a snapshot, so every row is an event as well.
            self._handle(row, snapshot.now)  # type: ignore[arg-type]
        for order in (o for o in untaken if not o.facts):
            cure = "order it again if it is still wanted"
            self._handle(CommandDropped(snapshot.now, order.key, "the desk died before it took it", cure), snapshot.now)
        self._mark_gap(since, snapshot.now)
        with suppress(DeskLost):
            self.tell([WatchCodes(tuple(self._wants))] if self._wants else [])
            self.tell([FastForward(on=True)] if self._hurrying else [])
        self._waits.look()
        self.changed()
        self._listen()

    def _mark_gap(self, died: Ns, now: Ns) -> None:
        since = self.backfill.down_since(died)
        self._handle(
            Trouble(now, f"the desk died at {clock_text(died)} and is back: trades in between are missing"), now
        )
        for want in self._wants:
            if _trades(want):
                self._handle(GapFound(now, want.code, since, 0, want.venue or Venue.KRX), now)

    # end

    async def close(self) -> None:
        """Leave the desk; agents of this session stop, their orders stay in the market."""
        if self._closed:
            return
        self._closed = True
        self.agents.close()
        self.agents_moved()
        if self._returning is not None:
            self._returning.cancel("the session was closed")
        self._waits.fail(NotOpen("the session was closed", "open it again with %kis open"))
        for task in self._own_tasks:
            task.cancel("the session was closed")
        self._desk.close()
        self.changed()

    @property
    def closed(self) -> bool:
        """Whether the session has left its desk."""
        return self._closed


def _trades(want: Want) -> bool:
    return want.channel == "ticks"
