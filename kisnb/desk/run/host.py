"""Runs the core's effects on a real broker, strictly in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from kisnb.clock import Activity, Clock, Ns, clock_text
from kisnb.desk.record.journal import Journal, JournalLost
from kisnb.desk.record.kept_halt import KeptHalt
from kisnb.errors import ConfigError, KisError, KisnbError, OrderDenied, TokenError
from kisnb.events import (
    CommandDropped,
    Depth,
    Event,
    HaltStep,
    IntentTaken,
    StockDay,
    Tick,
    Trouble,
)
from kisnb.orders import Account, OrderPage, Permission, SendReply
from kisnb.terms import Venue
from kisnb.trading.desk_core import CoreMessage, DeskCore
from kisnb.trading.ports.broker import Broker
from kisnb.trading.ports.commands import CancelOrder, Halt, ReviseOrder, Submit
from kisnb.trading.ports.effects import (
    AskDepth,
    AskOrders,
    AskReserved,
    AskStock,
    Cancel,
    CancelReply,
    CancelReserved,
    DepthRead,
    Effect,
    KisCall,
    OrdersRead,
    Persist,
    Publish,
    ReservedRead,
    Revise,
    Send,
    StockRead,
    WakeAt,
    Woke,
)
from kisnb.trading.ports.journal_rows import Row

log = logging.getLogger(__name__)

SETTLE_SECONDS = 5.0
SETTLE_POLL = 0.002
LOG = "see the desk's log for the details"


class DeskHost:
    """Core, journal and broker of one account, on one event loop.

    With ``serial`` (lockstep) the calls to the broker run one after another, in the order in which
    they were begun, so that a run can be repeated. Else they run side by side.
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
        """Calls begun and not ended."""
        # The broker asks just before the first byte of an order goes out, which may be long after
        # the order was routed: it waits behind the rate limit.
        broker.may_send = self._may_send
        self.on_call_ended: Callable[[], None] = lambda: None
        """Called when a call has ended."""
        self.before_call: Callable[[], Awaitable[None]] = _at_once
        """With ``serial``: awaited before a call begins, so that what the last call set off is
        handled first."""
        self.journal = journal
        self.dropped: set[str] = set()
        """Keys of orders that were not taken because the journal could not be written."""
        self.broken: JournalLost | None = None
        """Why the journal could not be written; None when it can. Nothing is sent any more, and
        what is submitted is dropped."""
        self.kept_halt = KeptHalt(journal.path.parent)
        self._publish = publish
        self._lane = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakes: set[Ns] = set()

    @property
    def quiet(self) -> bool:
        """True when nothing is under way that could change anything before the clock moves."""
        return self.activity.quiet and (not self.pending or self.activity.at_rest > 0)

    def start(self) -> None:
        """Start the core, and carry out a halt that an earlier life could not journal."""
        self._run(self.core.start(self.clock.now()))
        if (wish := self.kept_halt.read()) is not None:
            self.submit(wish)
            # A kept halt is forgotten only when its row is written. Else the next life finds it
            # again.
            if self.broken is None:
                self.kept_halt.forget()

    def submit(self, message: CoreMessage) -> None:
        """Hand a message to the core and run its effects. A desk that cannot write drops it."""
        if self.broken is None:
            self._run(self.core.step(self.clock.now(), message))
            if isinstance(message, Halt):
                self._keep_unwritten(message)
        else:
            self._drop(message, self.broken)

    def receive(self, events: Sequence[Event]) -> None:
        """Submit the events of one frame, in order.

        An event that cannot be handled is reported, and keeps none of the others.
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
        """Begin a call to the broker. It belongs to this host and is cancelled with it."""
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
        # The stream ends before the journal: a notice that still comes must find it open.
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
        """Wait until nothing is under way, so that a session that attaches finds a settled state.

        Give up after SETTLE_SECONDS of wall time: the session then attaches to a busy desk."""
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
                    # The effects behind these rows would leave without them.
                    if not self._persist(rows):
                        return
                case WakeAt(t=t):
                    self._wake_at(t)
                case _:
                    self.call(self._call_of(effect))

    def _call_of(self, effect: KisCall) -> Coroutine[Any, Any, None]:
        """Return the call to KIS that an effect wants."""
        match effect:
            case Send() | Revise():
                return self._send(effect)
            case Cancel():
                return self._cancel(effect)
            case CancelReserved():
                return self._cancel_reserved(effect)
            case AskOrders():
                return self._ask(effect)
            case AskReserved():
                return self._ask_reserved(effect)
            case AskDepth(code=code, venues=venues):
                return self._ask_depth(code, venues)
            case AskStock():
                return self._ask_stock(effect)

    def _persist(self, rows: Sequence[Row]) -> bool:
        """Sync rows to the disk. Return whether they are there.

        If they are not, the core knows more than its journal and must not be used any more.
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
        """Send nothing any more. A desk that cannot write down what it does must not do it."""
        if self.broken is None:
            self.broken = why
            self._publish(Trouble(self.clock.now(), f"no order passes: {why}"))

    def _drop_order(self, key: str, why: JournalLost) -> None:
        self.dropped.add(key)
        self._publish(CommandDropped(self.clock.now(), key, why.text, why.cure))

    def _drop(self, message: object, why: JournalLost) -> None:
        now = self.clock.now()
        match message:
            # Prices are shown on, because a person may have to decide at KIS.
            case Tick() | Depth():
                self._publish(message)
            case Submit(intent=intent) | ReviseOrder(intent=intent):
                # The journal has this order from before it broke. The order lives on, so it is not
                # reported as dropped.
                if intent.key not in self.core.state.books.orders:
                    self._drop_order(intent.key, why)
            case CancelOrder(key=key):
                self._publish(CommandDropped(now, key, why.text, f"cancel it at KIS; {why.cure}"))
            case Halt():
                self._keep_unwritten(message)

    def _keep_unwritten(self, halt: Halt) -> None:
        """Keep a pull that was not journaled for the desk's next life.

        Publish each step as it is.
        """
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
        # The core asks again for the same moment in many turns. One task for each moment is enough.
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
        """Report a task that failed: what it was to do is not done."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
            self._publish(
                Trouble(self.clock.now(), f"{task.get_name()} failed: {said(error)}; {LOG}")
            )

    async def _wake_after(self, t: Ns) -> None:
        await self.clock.sleep_until(t)
        self._wakes.discard(t)
        self.submit(Woke(t))

    async def _send(self, send: Send | Revise) -> None:
        intent = send.intent
        try:
            if isinstance(send, Send):
                reply = await self.broker.submit(intent, send.route)
            else:
                reply = await self.broker.revise(
                    intent.key, send.ref, intent.qty, intent.price or 0
                )
        # Raised before the first byte of the order: nothing was sent.
        except OrderDenied as e:
            reply = SendReply(intent.key, "kept", text=str(e))
        # Raised before the POST as well: without a token nothing was sent.
        except (TokenError, ConfigError) as e:
            reply = SendReply(intent.key, "rejected", text=str(e))
        except Exception as e:
            # The POST may have reached KIS, which has no id of ours for an order (KIS's workbook,
            # order-cash). So it is not sent again: KIS's list of the day decides what became of it.
            reply = SendReply(intent.key, "unknown", text=f"{type(e).__name__}: {e}")
        self.submit(reply)

    def _may_send(self, key: str) -> Permission:
        """Return the last permission. What held when the order was routed may not hold any more."""
        if self.broken is not None:
            return Permission(self.broken.text, self.broken.cure)
        return self.core.may_send(self.clock.now(), key)

    async def _cancel(self, cancel: Cancel) -> None:
        try:
            reply = await self.broker.cancel(cancel.key, cancel.ref, cancel.qty)
        except Exception as e:
            reply = SendReply(cancel.key, "unknown", text=str(e))
        # A cancel without an answer may have worked. The notice, or KIS's list, says so.
        self.submit(CancelReply(reply))

    async def _cancel_reserved(self, cancel: CancelReserved) -> None:
        try:
            reply = await self.broker.cancel_reserved(cancel.key, cancel.number, cancel.day)
        except Exception as e:
            reply = SendReply(cancel.key, "unknown", text=str(e))
        self.submit(CancelReply(reply))

    async def _ask_reserved(self, ask: AskReserved) -> None:
        rows = None
        try:
            rows = await self.broker.reserved_orders(ask.first, ask.last)
        except Exception as e:
            # As for the orders of a day: it always ends with a message.
            if not isinstance(e, KisError):
                log.exception("the reserved orders could not be read")
                why = f"the reserved orders could not be read: {said(e)}; {LOG}"
                self._publish(Trouble(self.clock.now(), why))
        self.submit(ReservedRead(ask, rows))

    async def read_depths(self, code: str, venues: Sequence[Venue]) -> tuple[Depth, ...]:
        """Return the depth of a stock at these venues, from KIS.

        A depth that KIS does not give is missing.
        """
        found = []
        for venue in venues:
            with suppress(KisError):
                found.append(await self.broker.depth(code, venue))
        return tuple(found)

    async def _ask_depth(self, code: str, venues: Sequence[Venue]) -> None:
        depths: tuple[Depth, ...] = ()
        try:
            depths = await self.read_depths(code, venues)
        except Exception as e:
            # The reading always ends with a message. Else the orders of the stock would wait for
            # ever.
            log.exception("the depth of %s could not be read", code)
            self._publish(
                Trouble(
                    self.clock.now(), f"the depth of {code} could not be read: {said(e)}; {LOG}"
                )
            )
        self.submit(DepthRead(code, depths))

    async def stock_day(self, code: str) -> StockDay:
        """Return the facts of a stock today: those that the core knows, else KIS's.

        Raises KisError as ``Broker.stock_day`` does.
        """
        rules = self.core.rules
        known = rules.stock_day(self.clock.now(), code)
        if known is not None:
            return known
        stated = await self.broker.stock_day(code, is_described=rules.days.is_described(code))
        self.submit(StockRead(code, stated))
        return stated

    async def _ask_stock(self, ask: AskStock) -> None:
        stated, why = None, ""
        try:
            stated = await self.broker.stock_day(ask.code, is_described=ask.is_described)
        except KisnbError as e:
            why = e.text
        except Exception as e:
            # The reading always ends with a message, because buys wait for it.
            log.exception("the facts of %s could not be read", ask.code)
            why = f"{said(e)}; {LOG}"
        self.submit(StockRead(ask.code, stated, why))

    async def _ask(self, ask: AskOrders) -> None:
        account, page = None, None
        lacks: list[str] = []
        try:
            # The account is read before the list. A fill in between is in the list, so the core
            # sees that the two do not belong together. The other way round the fill would look like
            # a difference of the account.
            if ask.query.account:
                account = await self.broker.account()
                lacks += _missing("account", account)
            page = await self.broker.day_orders(ask.query.day)
            lacks += _missing("list of orders", page)
        except Exception as e:
            # An AskOrders always ends, or the core would wait for it.
            lacks.append(said(e))
            if not isinstance(e, KisError):
                log.exception("the orders of the day could not be read")
                self._publish(
                    Trouble(
                        self.clock.now(),
                        f"the orders of the day could not be read: {said(e)}; {LOG}",
                    )
                )
        # A list that broke off proves nothing: an order that it lacks may stand on its next page.
        whole = page if page is not None and page.complete else None
        part = page if whole is None else None
        self.submit(OrdersRead(ask.query, whole, account, part, tuple(lacks)))


def _missing(what: str, stated: OrderPage | Account) -> list[str]:
    """Return a sentence on each thing that KIS's statement lacks."""
    if stated.complete:
        return []
    return list(stated.bad) or [f"KIS did not give all pages of the {what}"]


def said(error: BaseException) -> str:
    """Return the text of an error for a person; its class when the error has no text."""
    return str(error) or type(error).__name__


async def _at_once() -> None:
    pass


async def _until(over: Callable[[], bool]) -> None:
    """Wait until ``over`` is true, or SETTLE_SECONDS of wall time have passed."""
    patience = time.monotonic() + SETTLE_SECONDS
    while not over() and time.monotonic() < patience:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(SETTLE_POLL)
