"""Sessions with a defect, planted to see whether the campaign finds it."""

from __future__ import annotations

import asyncio
from operator import attrgetter

from kisnb.desk.serve.event_feed import EventFeed
from kisnb.desk.serve.protocol import Events, pack
from kisnb.desk.serve.server import DeskServer
from kisnb.desk.serve.snapshot import snapshot
from kisnb.session.agents.agent_work import AgentWork
from kisnb.session.agents.roster import Roster
from kisnb.session.feed.link import Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.pump import Pump
from kisnb.session.feed.state import SessionState
from kisnb.session.session import Session
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.ports.commands import ReleaseAgent
from kisnb.trading.ports.journal_rows import is_published

from .notebooks import Plant


def in_part(name: str, kind: type) -> Plant:
    """A session one of whose parts is of another class."""

    def plant(part: Session | DeskServer) -> None:
        if isinstance(part, Session):
            attrgetter(name)(part._parts).__class__ = kind
            # The parts hold methods of one another.
            part._parts.connect()

    return plant


def in_runners(kind: type) -> Plant:
    """A session whose agents are driven by another class."""

    class Roster_(Roster):  # noqa: N801
        def _new(self, agent):
            runner = super()._new(agent)
            runner.__class__ = kind
            return runner

    return in_part("agents", Roster_)


def in_server(kind: type) -> Plant:
    """A desk whose end of the socket, or the feed of its events, is of another class."""

    def plant(part: Session | DeskServer) -> None:
        if isinstance(part, DeskServer):
            planted = part.feed if issubclass(kind, EventFeed) else part
            planted.__class__ = kind

    return plant


# how rows are counted and cut


class CountsEveryEvent(SessionState):
    """Numbers the newest row by the events of the batch."""

    def apply_batch(self, batch):
        before = self.published
        told = super().apply_batch(batch)
        if any(is_published(event) for event in batch.events):
            self.published = before + len(batch.events)
        return told


class CountsWhatWasDelivered(Pump):
    """Tells the next desk the number of the batch before the newest."""

    def _apply_next(self):
        before = self._state.published
        there = super()._apply_next()
        if there and len(self._undelivered) > 1:
            self._state.published = before
        return there


class TellsTheNumberBefore(EventFeed):
    """Puts the number of the newest row into a message before the last row of its batch."""

    def flush(self):
        rows = [event for event in self._batch if is_published(event)]
        journal = self._host.journal
        if len(rows) > 3:
            self._host.journal = _Short(journal)
        super().flush()
        self._host.journal = journal


class _Short:
    def __init__(self, journal):
        self.published = journal.published - 1


class SkipsTheFlush(DeskServer):
    """A session that attaches in the middle of a batch hears its first half again."""

    def _welcome(self, connection, hello):
        for agent in hello.agents:
            self.leases.acquire(agent, connection)
        leases = self.leases.all()
        connection.send(pack(snapshot(self._host, self._name, leases, self.feed.seq, hello)))
        self.feed.connections.append(connection)


# how events are booked and delivered


class DeliversWhileItBooks(Pump):
    """Each event is delivered before the next one of its batch is booked."""

    def _apply_next(self):
        batch = self._link.drain()
        if batch is None:
            return False
        for n, event in enumerate(batch.events):
            one = Events(batch.first + n, batch.now, (event,), batch.published)
            self._undelivered += [(told, batch.now) for told in self._state.apply_batch(one)]
            if n + 1 < len(batch.events):
                self._deliver()
        return True


class DeliversInACell(Pump):
    """While a cell blocks the loop handlers run, too."""

    def catch_up(self):
        self.run()


class ForgetsWhatACellBooked(Pump):
    """What was booked while a cell blocked the loop is delivered to nobody."""

    def catch_up(self):
        super().catch_up()
        self._undelivered.clear()


class BooksTwiceAfterARestart(Link):
    """Asks the next desk for the newest row again."""

    async def _return(self, find):
        back = self.back
        self.back = lambda: _with(back(), told=max(back().published - 1, 0))
        try:
            await super()._return(find)
        finally:
            self.back = back


def _with(back, told):
    return type(back)(back.session, back.run, told, back.agents)


class LetsOrdersWait(Pump):
    """An order that the dead desk never took waits for ever."""

    def desk_returned(self, snapshot):
        inject, self.inject = (
            self.inject,
            lambda event: None if hasattr(event, "cure") else inject(event),
        )
        super().desk_returned(snapshot)
        del self.inject


class TellsOnce(Pace):
    """A cancel that a desk took to its grave is not told to the next one."""

    async def carry_out(self, commands, over):
        await self._link.wait_for_return()
        if not over():
            self._link.submit(commands())
            await self.until(over)


# agents that raise


class StopsAtTheFirstFailure(Roster):
    """One agent that fails keeps the event from the agents after it."""

    def deliver(self, event, now):
        for runner in tuple(self._runners.values()):
            before = runner.state
            self.work.hand_over(runner, runner.deliver(event, now))
            if runner.state is AgentState.FAILED and before is not AgentState.FAILED:
                return


class DropsTheRestOfABatch(Pump):
    """When an agent fails, what waits to be delivered is forgotten."""

    def _deliver(self):
        failed = self._failed()
        while self._undelivered:
            event, now = self._undelivered.popleft()
            self._note_link(event)
            self._agents.deliver(event, now)
            if self._failed() > failed:
                self._undelivered.clear()
        self._pace.end_waits()
        self._changes.publish()

    def _failed(self):
        roster = getattr(self._agents, "_roster", self._agents)
        return sum(runner.state is AgentState.FAILED for runner in roster._runners.values())


class KeepsTheLease(AgentWork):
    """An agent that failed keeps its lease: nobody else can start it."""

    def _announce(self, runner):
        tell, self._link.submit = (
            self._link.submit,
            lambda commands: [tell([c]) for c in commands if not isinstance(c, ReleaseAgent)],
        )
        try:
            super()._announce(runner)
        finally:
            self._link.submit = tell


class LetsThemRunTwice(Roster):
    """An agent that another session took while the desk was gone runs here, too."""

    def settle_leases(self):
        pass


class DropsOrdersBeforeTheError(AgentRunner):
    """What a handler ordered before it raised stays NEW for ever."""

    def deliver(self, event, now):
        commands = super().deliver(event, now)
        return [] if self.state is AgentState.FAILED else commands


class RunsOnAfterAnInterrupt(AgentRunner):
    """A KeyboardInterrupt leaves the agent running."""

    def failed(self, error, coroutine=None):
        if not isinstance(error, KeyboardInterrupt):
            super().failed(error, coroutine)


class LetsExitsThrough(AgentRunner):
    """SystemExit of a handler that awaited something of the loop ends the kernel."""

    def failed(self, error, coroutine=None):
        super().failed(error, coroutine)
        if isinstance(error, SystemExit) and coroutine is not None:
            raise error


class TakesACancelForAStop(AgentRunner):
    """A handler that raises CancelledError ends, and its agent runs on."""

    def failed(self, error, coroutine=None):
        if not isinstance(error, asyncio.CancelledError):
            super().failed(error, coroutine)


DEFECTS: dict[str, Plant] = {
    "counts every event as a row": in_part("state", CountsEveryEvent),
    "tells the next desk the number of an older batch": in_part("pump", CountsWhatWasDelivered),
    "is told the number before the last row": in_server(TellsTheNumberBefore),
    "hears half a batch again": in_server(SkipsTheFlush),
    "delivers while it books": in_part("pump", DeliversWhileItBooks),
    "delivers in a cell": in_part("pump", DeliversInACell),
    "forgets what a cell booked": in_part("pump", ForgetsWhatACellBooked),
    "books twice after a restart": in_part("link", BooksTwiceAfterARestart),
    "lets orders wait that no desk took": in_part("pump", LetsOrdersWait),
    "tells a cancel to one desk alone": in_part("pace", TellsOnce),
    "stops at the first failure": in_part("agents", StopsAtTheFirstFailure),
    "drops the rest of a batch": in_part("pump", DropsTheRestOfABatch),
    "keeps the lease of a failed agent": in_part("agents.work", KeepsTheLease),
    "lets an agent run twice": in_part("agents", LetsThemRunTwice),
    "drops orders before the error": in_runners(DropsOrdersBeforeTheError),
    "runs on after an interrupt": in_runners(RunsOnAfterAnInterrupt),
    "lets an exit through": in_runners(LetsExitsThrough),
    "takes a cancel for a stop": in_runners(TakesACancelForAStop),
}
