"""A session's link to its desk: commands, queries, silence, and the next desk after a death.

    up ──► silent ──► up                 the desk does not answer for a while: nothing is lost
     │       │
     ▼       ▼
    returning ──► up                     the desk died: the supervisor starts the next one
     │
     ▼
    given up                             no next desk comes, or the desk dismissed this session

While the link is not up, everything on the screen shows when the desk's last message came.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import msgspec

from kisnb.clock import Ns, clock_text
from kisnb.errors import BadInput, DeskLost
from kisnb.session.feed.home import Home
from kisnb.session.feed.link_state import LinkState
from kisnb.trading.ports.commands import Command, Idle
from kisnb.trading.ports.desk_port import Back, Batch, Desk, Snapshot
from kisnb.trading.ports.queries import Query, R

Find: TypeAlias = Callable[[Back], Awaitable[tuple[Desk, Snapshot]]]
"""Waits for the next desk and attaches to it. Raises DeskLost when none comes."""
WAIT = "order again when the desk answers"

log = logging.getLogger(__name__)


class Link:
    """The connection to the current desk. It belongs to the event loop in which it was made."""

    def __init__(self, desk: Desk, find: Find | None) -> None:
        """Connect to ``desk``.

        ``find`` returns the next desk after a death; None: no next desk comes.
        """
        self.alert: Callable[[str], object] = log.warning
        """Shows a person at once, from any thread, that the desk is silent or answers again."""
        self.error_for_people: Callable[[asyncio.CancelledError], BaseException] = lambda error: (
            error
        )
        """Makes the error that a cancelled wait raises in place of CancelledError.

        In a notebook it says that a person interrupted the cell.
        """
        self.back: Callable[[], Back]
        """Returns what the next desk needs to know: the session's name, run, newest row, leases."""
        self.on_ready: Callable[[], object]
        """Called in the loop when there is a batch to drain, or the desk was lost."""
        self.on_death: Callable[[], object]
        """Called in the loop when the desk died and the next one is awaited."""
        self.on_return: Callable[[Snapshot], object]
        """Called in the loop when the next desk answers."""
        self.on_change: Callable[[str], object]
        """Called in the loop when silence begins or ends. The text is a trouble for people."""
        self.on_end: Callable[[DeskLost], object]
        """Called in the loop when no next desk comes."""
        self.home = Home()
        self.state = LinkState(desk)
        self._find = find

    # the current desk

    @property
    def name(self) -> str:
        """The name that the desk gave this session."""
        return self.state.desk.session

    @property
    def seq(self) -> int:
        """The number of the newest event that was drained."""
        return self.state.desk.seq

    @property
    def last_received(self) -> Ns:
        """The desk's clock in its last message."""
        return self.state.desk.last_received

    @property
    def lost(self) -> bool:
        """True when the connection to the current desk is gone."""
        return self.state.desk.lost

    # commands and queries

    def submit(self, commands: Sequence[Command]) -> None:
        """Send commands to the desk. May be called from any thread.

        Raises DeskLost. Raises BadInput for a command that the desk could not read.
        """
        self.home.check_process()
        # The command is checked here, because the desk could only drop it, and the caller would
        # wait for an outcome for ever.
        for command in commands:
            _check_command(command)
        self.state.desk.send(commands)

    async def ask(self, query: Query[R]) -> R:
        """Ask the desk and return its reply. When the desk dies, ask the next desk again.

        Raises the error that the desk names, and DeskLost when no next desk comes.
        """
        await self.wait_for_return()
        with self.errors_for_people():
            try:
                return await self.state.desk.ask(query)
            except DeskLost:
                # The desk died before it replied, and it is not known what it did before. Queries
                # that come through this method may be asked twice. If no next desk comes, DeskLost
                # is raised.
                self._notice_death()
                if self.state.returning is None:
                    raise
            await self.wait_for_return()
            return await self.state.desk.ask(query)

    async def ask_once(self, query: Query[R]) -> R:
        """Ask the desk and return its reply. The query is never asked a second time.

        Raises DeskLost when the desk dies before it replies. By then this session is attached to
        the next desk.
        """
        await self.wait_for_return()
        with self.errors_for_people():
            try:
                return await self.state.desk.ask(query)
            # An order is not asked for twice, because the dead desk may have sent it. After this
            # wait, the next desk's journal is applied here, and it says whether the order exists.
            except DeskLost:
                await self.wait_for_return()
                raise

    def ask_blocking(self, query: Query[R], timeout: float) -> R:
        """Ask the desk and return its reply, without the event loop. May be called from any thread.

        ``timeout`` is in seconds of wall time. Raises TimeoutError.
        """
        self.home.check_process()
        return self.state.desk.ask_blocking(query, timeout)

    def drain(self) -> Batch | None:
        """Remove and return the oldest batch of events. None when there is none."""
        return self.state.desk.drain()

    def check(self) -> None:
        """Raise DeskLost when the desk is gone and no next desk is awaited.

        If this call is the first to see the death, it begins the return to the next desk.
        """
        self._notice_death()
        if self.state.returning is None:
            self.state.desk.check()

    # silence, death and return

    def listen(self) -> None:
        """Call ``on_ready`` for the batches that have come, and each time another batch comes."""
        self.state.desk.on_silence(self._silence_changed)
        self.state.desk.on_ready(lambda: self.home.loop.call_soon_threadsafe(self._ready))
        # Batches may have come before the callback was set.
        self.home.loop.call_soon(self._ready)

    async def wait_for_return(self) -> None:
        """Wait while the desk is being started again.

        Raises BadInput when it is called in another event loop than the session's, and DeskLost
        when no new desk starts.
        """
        self.home.check_loop()
        self._notice_death()
        while self.state.returning is not None and not self.state.closed:
            with self.errors_for_people():
                # ``wait`` and not ``await``: a cell that is interrupted here must not cancel the
                # return, which belongs to the session.
                await asyncio.wait([self.state.returning])
        if self.state.given_up is not None:
            raise self.state.given_up

    @contextmanager
    def errors_for_people(self) -> Iterator[None]:
        """Within the block, replace a CancelledError by the error of ``error_for_people``."""
        try:
            yield
        except asyncio.CancelledError as error:
            raise self.error_for_people(error) from None

    def close(self) -> None:
        """Leave the desk, which goes on. Outside the session's process this does nothing."""
        if self.state.closed or not self.home.is_this_process:
            return
        self.state.closed = True
        if self.state.returning is not None:
            # The state is closed by now, so ``_return_ended`` does not begin the return again.
            self.state.returning.cancel("the session was closed")
        self.state.desk.close()

    def _ready(self) -> None:
        if self.state.desk.lost:
            self._notice_death()
        elif not self.state.closed:
            self.on_ready()

    def _notice_death(self) -> None:
        """Begin the return to the next desk when the current desk is lost.

        The I/O thread sees a desk's end before the event loop does. A cell may make a call in
        between, and that call must already wait for the next desk.
        """
        if not self.state.desk.lost or self.state.is_over or self.state.is_returning:
            return
        # Events that came before the death are handled first. The next desk cannot publish old
        # prices again, because prices are not journaled.
        self.on_ready()
        if self._find is not None and not self.state.desk.dismissed:
            # This ends the threads that served the dead desk. Its last batches have been drained.
            self.state.desk.close()
            self._begin_return(self._find)
            self.on_death()
            return
        try:
            self.state.desk.check()
        except DeskLost as e:
            self._give_up(e)

    def _begin_return(self, find: Find) -> None:
        self.state.returning = self.home.loop.create_task(
            self._return(find), name="return to the next desk"
        )
        self.state.returning.add_done_callback(lambda task: self._return_ended(task, find))

    def _return_ended(self, task: asyncio.Task[None], find: Find) -> None:
        """Begin the return to the next desk again if its task was cancelled.

        A cell that cancels all tasks of the loop cancels this task too.
        """
        if task.cancelled() and not self.state.closed:
            self._begin_return(find)

    async def _return(self, find: Find) -> None:
        """Attach to the next desk and go on where the last one died."""
        back = self.back()
        try:
            self.state.desk, snapshot = await find(back)
            # The next desk's rows must continue where ours end. If it has another day, or a row is
            # missing in between, positions would be wrong without a message.
            if (snapshot.run, snapshot.first) != (back.run, back.published):
                self.state.desk.close()
                raise DeskLost(
                    "the desk that came back has another day", "open it again with %kis open"
                )
        except DeskLost as e:
            self.state.returning = self._find = None
            self._give_up(e)
            return
        # This is cleared first, because ``on_return`` submits commands, and calls of cells wait
        # while it is set.
        self.state.returning = None
        self.state.returns += 1
        self.state.stream_lost = None
        self.on_return(snapshot)
        self.listen()

    def _give_up(self, why: DeskLost) -> None:
        self.state.given_up = why
        self.on_end(why)

    def _silence_changed(self) -> None:
        """Tell a person that the desk fell silent, or that it answers again."""
        # This runs in the I/O thread, because a cell may block the loop.
        text = self.state.silence or "The desk answers again."
        self.alert(text)
        self.home.loop.call_soon_threadsafe(
            self.on_change, f"{clock_text(self.state.desk.last_received)} {text}"
        )


def _check_command(command: Command) -> None:
    """Raise BadInput for a command with a value of a type that no desk can read."""
    # Only this package makes Idle, and it is sent after every batch, so it needs no check.
    if isinstance(command, Idle):
        return
    try:
        msgspec.convert(msgspec.to_builtins(command), type(command))
    except (msgspec.ValidationError, TypeError) as e:
        raise BadInput(
            f"the desk cannot read {type(command).__name__}: {e}", "give whole shares and won"
        ) from e
