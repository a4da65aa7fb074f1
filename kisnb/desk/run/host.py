"""Runs the core's effects on a real broker, strictly in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from kisnb.clock import Activity, Clock, Ns, clock_text
from kisnb.desk.record.journal import Journal, JournalLost
from kisnb.desk.record.kept_halt import KeptHalt
from kisnb.desk.run.kis_calls import LOG, KisCalls, said
from kisnb.events import CommandDropped, Depth, Event, HaltStep, IntentTaken, Tick, Trouble
from kisnb.orders import Permission
from kisnb.trading.desk_core import CoreMessage, DeskCore
from kisnb.trading.ports.broker import Broker
from kisnb.trading.ports.commands import CancelOrder, Halt, ReviseOrder, Submit
from kisnb.trading.ports.effects import Effect, Persist, Publish, WakeAt, Woke
from kisnb.trading.ports.journal_rows import Row

log = logging.getLogger(__name__)

SETTLE_SECONDS = 5.0
SETTLE_POLL = 0.002


class DeskHost:
    """Core, journal and broker of one account, on one event loop.

    With ``serial`` (lockstep) the calls to the broker run one after another, in the order in which
    they began, so that a run can be repeated. Otherwise they run at the same time.
    """

    def __init__(
        self,
        core: DeskCore,
        journal: Journal,
        broker: Broker,
        clock: Clock,
        activity: Activity,
        publish: Callable[[Event], None],
    ) -> None:
        self.core = core
        self.broker = broker
        self.clock = clock
        self.activity = activity
        self.serial = False
        self.pending = 0
        """Number of calls that have begun and not ended."""
        # The broker asks right before the first byte of an order goes out. That may be long after
        # the order was routed, because it waits in the rate limiter.
        broker.may_send = self._may_send
        self.on_call_ended: Callable[[], None] = lambda: None
        """Called when a call has ended."""
        self.before_call: Callable[[], Awaitable[None]] = _at_once
        """With ``serial``: awaited before a call begins.

        All effects of the last call come first.
        """
        self.journal = journal
        self.dropped: set[str] = set()
        """Keys of orders that were dropped because the journal could not be written."""
        self.broken: JournalLost | None = None
        """Why the journal could not be written. None: it can be written.

        If it is set, nothing is sent any more, and submitted messages are dropped.
        """
        self.kept_halt = KeptHalt(journal.path.parent)
        self._publish = publish
        self.kis = KisCalls(broker, core.rules, clock, self.submit, publish)
        self._lane = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakes: set[Ns] = set()

    @property
    def quiet(self) -> bool:
        """True when no call is under way whose result could come before the clock moves."""
        return self.activity.quiet and (not self.pending or self.activity.at_rest > 0)

    def start(self) -> None:
        """Start the core, and carry out a halt that an earlier desk process could not journal."""
        self._run(self.core.start(self.clock.now()))
        if (wish := self.kept_halt.read()) is not None:
            self.submit(wish)
            # A kept halt is forgotten only when its row is written. Otherwise the next desk finds
            # it again.
            if self.broken is None:
                self.kept_halt.forget()

    def submit(self, message: CoreMessage) -> None:
        """Submit a message to the core and run its effects.

        Drop it if the journal cannot be written.
        """
        if self.broken is None:
            self._run(self.core.step(self.clock.now(), message))
            if isinstance(message, Halt):
                self._keep_unwritten(message)
        else:
            self._drop(message, self.broken)

    def receive(self, events: Sequence[Event]) -> None:
        """Submit the events of one frame, in order.

        An event that cannot be handled is reported. The other events of the frame are submitted.
        """
        for event in events:
            try:
                self.submit(event)
            except Exception as e:
                log.exception("an event of KIS could not be handled")
                self._publish(
                    Trouble(
                        self.clock.now(),
                        f"{type(event).__name__} of KIS could not be handled: {said(e)}; {LOG}",
                    )
                )

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a call to the broker. ``close`` cancels it if it has not ended."""
        self.pending += 1
        task = asyncio.get_running_loop().create_task(
            self._in_lane(work), name="host: a call to KIS"
        )
        self._tasks.add(task)
        task.add_done_callback(self._on_call_ended)

    async def close(self) -> None:
        """Cancel all calls, then close broker and journal."""
        for task in list(self._tasks):
            task.cancel("the desk closes")
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The stream ends before the journal, because the row of a last notice must still be
        # written.
        await self.broker.close()
        self.journal.close()

    async def _in_lane(self, work: Coroutine[Any, Any, None]) -> None:
        async with AsyncExitStack() as stack:
            if self.serial:
                await stack.enter_async_context(self._lane)
                # Whether a session sees the trade of its own order must not depend on which
                # subscription is confirmed first.
                await _until(lambda: self.broker.settled)
                await self.before_call()
            await work

    async def wait_until_quiet(self) -> None:
        """Wait until no call is under way, so that an attaching session finds a clear state.

        After SETTLE_SECONDS of wall time the wait ends all the same. Then the session attaches to a
        busy desk.
        """
        await _until(lambda: self.quiet)

    def _on_call_ended(self, task: asyncio.Task[None]) -> None:
        self.pending -= 1
        self._tasks.discard(task)
        self._report_failure(task)
        self.on_call_ended()

    def _run(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Publish(event=event):
                    self._publish(event)
                case Persist(rows=rows):
                    # The effects after these rows must not run without them.
                    if not self._persist(rows):
                        return
                case WakeAt(t=t):
                    self._wake_at(t)
                case _:
                    self.call(self.kis.call_of(effect))

    def _persist(self, rows: Sequence[Row]) -> bool:
        """Write and sync rows to the disk. Return whether that worked.

        If it failed, the core has applied more than its journal has, and must not be used any more.
        """
        try:
            self.journal.append(rows)
        except JournalLost as e:
            self.break_off(e)
            for row in rows:
                if isinstance(row, IntentTaken):
                    self._drop_order(row.intent.key, e)
        return self.broken is None

    def break_off(self, why: JournalLost) -> None:
        """Stop sending for good, because the journal cannot be written, and publish why."""
        if self.broken is None:
            self.broken = why
            self._publish(Trouble(self.clock.now(), f"no order passes: {why}"))

    def _drop_order(self, key: str, why: JournalLost) -> None:
        self.dropped.add(key)
        self._publish(CommandDropped(self.clock.now(), key, why.text, why.cure))

    def _drop(self, message: object, why: JournalLost) -> None:
        now = self.clock.now()
        match message:
            # Prices go on, because a person may have to act in KIS's app.
            case Tick() | Depth():
                self._publish(message)
            case Submit(intent=intent) | ReviseOrder(intent=intent):
                # The journal had this order before it broke. The order may be in the market, so it
                # is not reported as dropped.
                if intent.key not in self.core.state.books.orders:
                    self._drop_order(intent.key, why)
            case CancelOrder(key=key):
                self._publish(CommandDropped(now, key, why.text, f"cancel it at KIS; {why.cure}"))
            case Halt():
                self._keep_unwritten(message)

    def _keep_unwritten(self, halt: Halt) -> None:
        """Keep a pull that was not journaled for the next desk process, and publish its steps."""
        now, why = self.clock.now(), self.broken
        if why is None:
            return
        is_kept = self.kept_halt.keep(halt)
        sells = ", and sell all that is held," if halt.flatten else ""
        state = f"the desk will be {halt.state}{sells} when it can write"
        if not is_kept:
            lost = "the halt could not be kept on the disk"
            state = f"FAILED: {state}, if its process lives until then: {lost}"
        for step in (
            HaltStep(now, "block", True, f"no order passes: {why.text}"),
            HaltStep(
                now,
                "cancel",
                False,
                f"FAILED: nothing can be cancelled: {why}. Cancel at KIS what is open",
            ),
            HaltStep(now, "state", is_kept, state),
            HaltStep(now, "notify", False, "FAILED: the kill switch could only block new orders"),
        ):
            self._publish(step)

    def _wake_at(self, t: Ns) -> None:
        # The core asks for the same moment in many turns. One task for each moment is enough.
        if t in self._wakes:
            return
        self._wakes.add(t)
        task = asyncio.get_running_loop().create_task(
            self._wake_after(t), name=f"host: wake at {clock_text(t)}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._woken)

    def _woken(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._report_failure(task)

    def _report_failure(self, task: asyncio.Task[None]) -> None:
        """Log and publish the failure of a task, if it has failed."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
            self._publish(
                Trouble(self.clock.now(), f"{task.get_name()} failed: {said(error)}; {LOG}")
            )

    async def _wake_after(self, t: Ns) -> None:
        await self.clock.sleep_until(t)
        self._wakes.discard(t)
        self.submit(Woke(t))

    def _may_send(self, key: str) -> Permission:
        """Return the Permission for an order.

        It is asked for right before the order's first byte.
        """
        if self.broken is not None:
            return Permission(self.broken.text, self.broken.cure)
        return self.core.may_send(self.clock.now(), key)


async def _at_once() -> None:
    pass


async def _until(over: Callable[[], bool]) -> None:
    """Wait until ``over`` is true, or SETTLE_SECONDS of wall time have passed."""
    patience = time.monotonic() + SETTLE_SECONDS
    while not over() and time.monotonic() < patience:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(SETTLE_POLL)
