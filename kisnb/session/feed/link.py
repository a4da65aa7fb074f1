"""A session's link to its desk: what is handed over and asked, silence, and the next desk after a death.

    up ──► silent ──► up                 the desk stands still for a while: nothing is lost
     │       │
     ▼       ▼
    returning ──► up                     the desk died: the supervisor starts the next one
     │
     ▼
    given up                             no next desk comes, or the desk dismissed this session

What is shown while the link is not up is marked with the moment when the desk was heard last.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import msgspec

from kisnb.clock import Ns, clock_text
from kisnb.errors import BadInput, DeskLost
from kisnb.trading.halt.halt_words import Trading
from kisnb.trading.ports.commands import Command, Idle
from kisnb.trading.ports.desk_port import Back, Batch, Desk, Snapshot
from kisnb.trading.ports.queries import Query, R

Find: TypeAlias = Callable[[Back], Awaitable[tuple[Desk, Snapshot]]]
"""Waits for the next desk and attaches to it. Raises DeskLost when none will come."""
WAIT = "order again when the desk answers"
OPEN_HERE = "open one here: session = await kisnb.connect(...)"

log = logging.getLogger(__name__)


class Link:
    """The desk of the moment, and how the link to it stands. Belongs to the loop in which it was made."""

    def __init__(self, desk: Desk, find: Find | None) -> None:
        """``find`` gives the next desk when this one has died."""
        self.alert: Callable[[str], object] = log.warning
        """Tells a person at once, from any thread: the desk has fallen silent, or answers again."""
        self.readable: Callable[[asyncio.CancelledError], BaseException] = lambda error: error
        """What a wait raises instead of a cancellation; a notebook says that a person interrupted it."""
        self.stream_lost: Ns | None = None
        """Since when the desk receives nothing from KIS; None while it does."""
        self.returns = 0
        """How often the session went on with a next desk."""
        self.given_up: DeskLost | None = None
        self.closed = False
        self.back: Callable[[], Back]
        """What the session tells the next desk that it has already."""
        self.on_ready: Callable[[], object]
        """Called in the loop when there is something to drain, or the desk was lost."""
        self.on_death: Callable[[], object]
        """Called in the loop when the desk died and the next one is awaited."""
        self.on_return: Callable[[Snapshot], object]
        """Called in the loop when the next desk answers."""
        self.on_change: Callable[[str], object]
        """Called in the loop when the link changed; the text is a trouble for people, or empty."""
        self.on_end: Callable[[DeskLost], object]
        """Called in the loop when no next desk comes."""
        self._desk = desk
        self._find = find
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._returning: asyncio.Task[None] | None = None

    # how it stands

    @property
    def text(self) -> str:
        """``"up"``, or in two words what is wrong between here and KIS."""
        if self.given_up is not None:
            return "desk lost"
        if self._returning is not None:
            return "desk restarting"
        if self._desk.silence is not None:
            return "desk silent"
        return "up" if self.stream_lost is None else "down"

    def confirmed(self, known: Trading) -> Trading:
        """Return ``known``; while the desk cannot be heard, the same as what was known last."""
        gone = self.closed or self._returning is not None or self.given_up is not None
        return (
            known.last_known(clock_text(self._desk.last_received)) if gone or self.silent else known
        )

    @property
    def silence(self) -> str:
        """That the desk does not answer, since when, and what to do; empty while it answers."""
        seconds = self._desk.silence
        if seconds is None:
            return ""
        pid, since = self._desk.process, clock_text(self._desk.last_received)
        return (
            f"The desk (process {pid}) has not answered for {seconds:.0f} s. What is shown is as of {since}; what was "
            "handed over before waits, and goes on once when the desk answers; new orders are refused. If it stays "
            f"silent, kill -9 {pid}: the next desk goes on from the journal."
        )

    @property
    def doubt(self) -> str:
        """Why orders and positions may differ from what is shown, since when; empty while they are known."""
        since = self._desk.last_received
        if self.closed:
            why = "the session was closed"
        elif self.given_up is not None:
            why = self.given_up.text
        elif self._returning is not None:
            why = "the desk died and is being started again"
        elif self._desk.silence is not None:
            why = f"the desk (process {self._desk.process}) does not answer"
        elif self.stream_lost is not None:
            since, why = self.stream_lost, "the desk has lost its stream from KIS"
        else:
            return ""
        return f"not confirmed since {clock_text(since)}: {why[:1].lower()}{why[1:]}"

    @property
    def name(self) -> str:
        """What the desk calls this session."""
        return self._desk.session

    @property
    def seq(self) -> int:
        """Number of the newest event drained."""
        return self._desk.seq

    @property
    def last_received(self) -> Ns:
        """The desk's clock when it was heard last."""
        return self._desk.last_received

    @property
    def silent(self) -> bool:
        """The desk is there and does not answer."""
        return self._desk.silence is not None

    @property
    def lost(self) -> bool:
        """The link to the desk of the moment is gone."""
        return self._desk.lost

    # where it may be used

    def check_process(self) -> None:
        """Raises BadInput in a process that did not open the session, such as a fork."""
        if os.getpid() != self._process:
            raise BadInput("a session does not cross a process; nothing was sent", OPEN_HERE)

    def check_home(self) -> None:
        """Raises BadInput outside the event loop in which the session was opened: there an await would never end."""
        self.check_process()
        if asyncio.get_running_loop() is not self._loop:
            ended = self._loop.is_closed()
            where = "an event loop that has ended" if ended else "another event loop"
            cure = (
                "open and use it inside one asyncio.run"
                if ended
                else "use session.blocking here, or asyncio.run_coroutine_threadsafe with the notebook's loop"
            )
            raise BadInput(f"this session lives in {where}; nothing was sent", cure)

    # the desk's door

    def submit(self, commands: Sequence[Command]) -> None:
        """Hand commands to the desk, from any thread. Raises DeskLost, and BadInput for one it could not read."""
        self.check_process()
        for command in commands:
            _check_readable(command)
        self._desk.send(commands)

    async def ask(self, query: Query[R]) -> R:
        """The desk's reply; a query that a desk took to its grave is asked again."""
        await self.wait_for_return()
        with self.readably():
            try:
                return await self._desk.ask(query)
            except DeskLost:
                self._notice_death()
                if self._returning is None:
                    raise
            await self.wait_for_return()
            return await self._desk.ask(query)

    async def ask_once(self, query: Query[R]) -> R:
        """As ``ask``; raises DeskLost when the desk dies before it replies, once the next desk answers."""
        await self.wait_for_return()
        with self.readably():
            try:
                return await self._desk.ask(query)
            except DeskLost:
                await self.wait_for_return()
                raise

    def ask_blocking(self, query: Query[R], timeout: float) -> R:
        """As ``ask``, from any thread and without the loop. Raises TimeoutError."""
        self.check_process()
        return self._desk.ask_blocking(query, timeout)

    def drain(self) -> Batch | None:
        """The oldest batch of events that was not taken yet; None when there is none."""
        return self._desk.drain()

    def check(self) -> None:
        """Raises DeskLost when the desk is gone, unless the next one is on its way."""
        self._notice_death()
        if self._returning is None:
            self._desk.check()

    def not_taken(self) -> str:
        """That the desk does not answer and nothing was sent."""
        silent = self._desk.silence or 0
        return f"the desk (process {self._desk.process}) has not answered for {silent:.0f} s; nothing was sent"

    # silence, death and return

    def listen(self) -> None:
        """Begin to call ``on_ready``; what came before is announced at once."""
        self._desk.on_silence(self._silence_changed)
        self._desk.on_ready(lambda: self._loop.call_soon_threadsafe(self._ready))
        self._loop.call_soon(self._ready)

    async def wait_for_return(self) -> None:
        """Wait while the desk is being started again. Raises BadInput in another loop, DeskLost when none comes."""
        self.check_home()
        self._notice_death()
        while self._returning is not None and not self.closed:
            with self.readably():
                await asyncio.wait([self._returning])
        if self.given_up is not None:
            raise self.given_up

    @contextmanager
    def readably(self) -> Iterator[None]:
        """Around a wait: a person who interrupted it reads a sentence in place of CancelledError."""
        try:
            yield
        except asyncio.CancelledError as error:
            raise self.readable(error) from None

    def close(self) -> None:
        """Leave the desk, which goes on. A process that did not open the session leaves it alone."""
        if self.closed or os.getpid() != self._process:
            return
        self.closed = True
        if self._returning is not None:
            self._returning.cancel("the session was closed")
        self._desk.close()

    def _ready(self) -> None:
        if self._desk.lost:
            self._notice_death()
        elif not self.closed:
            self.on_ready()

    def _notice_death(self) -> None:
        """The desk's thread sees its end before this loop does: what a cell does then waits for the next desk."""
        if (
            not self._desk.lost
            or self.closed
            or self.given_up is not None
            or self._returning is not None
        ):
            return
        # What came before the end is handled first: of prices no journal would tell it again.
        self.on_ready()
        if self._find is not None and not self._desk.dismissed:
            self._desk.close()
            self._begin_return(self._find)
            self.on_death()
            return
        try:
            self._desk.check()
        except DeskLost as e:
            self._give_up(e)

    def _begin_return(self, find: Find) -> None:
        self._returning = self._loop.create_task(self._return(find), name="return to the next desk")
        self._returning.add_done_callback(lambda task: self._return_ended(task, find))

    def _return_ended(self, task: asyncio.Task[None], find: Find) -> None:
        """A cell that cancels all tasks must not keep the session from its desk."""
        if task.cancelled() and not self.closed:
            self._begin_return(find)

    async def _return(self, find: Find) -> None:
        """Attach to the next desk and go on where the last one died."""
        back = self.back()
        try:
            self._desk, snapshot = await find(back)
            if (snapshot.run, snapshot.first) != (back.run, back.published):
                self._desk.close()
                raise DeskLost(
                    "the desk that came back has another day", "open it again with %kis open"
                )
        except DeskLost as e:
            self._returning = self._find = None
            self._give_up(e)
            return
        self._returning = None
        self.returns += 1
        self.stream_lost = None
        self.on_return(snapshot)
        self.listen()

    def _give_up(self, why: DeskLost) -> None:
        self.given_up = why
        self.on_end(why)

    def _silence_changed(self) -> None:
        """From the thread that watches: a person is told although the loop may stand."""
        text = self.silence or "The desk answers again."
        self.alert(text)
        self._loop.call_soon_threadsafe(
            self.on_change, f"{clock_text(self._desk.last_received)} {text}"
        )


def _check_readable(command: Command) -> None:
    """Raises BadInput for a command with a value of a type that no desk can read."""
    if isinstance(command, Idle):
        return
    try:
        msgspec.convert(msgspec.to_builtins(command), type(command))
    except (msgspec.ValidationError, TypeError) as e:
        raise BadInput(
            f"the desk cannot read {type(command).__name__}: {e}", "give whole shares and won"
        ) from e
