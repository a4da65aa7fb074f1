"""A session's line to its desk: what is handed over and asked, and what counts as known while no answer comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from kisnb.clock import Ns, clock_text
from kisnb.errors import DeskLost, OrderDenied
from kisnb.events import CommandDropped
from kisnb.trading.commands import Command, Query, Reply, Submit
from kisnb.trading.desk_port import Back, Desk, Snapshot

Find: TypeAlias = Callable[[Back], Awaitable[tuple[Desk, Snapshot]]]
"""Waits for the next desk and attaches to it. Raises DeskLost when none will come."""
WAIT = "order again when the desk answers"

log = logging.getLogger(__name__)


class DeskLine:
    """The desk of the moment, and how it stands with it. What is known is known as of when it was heard last."""

    def __init__(self, desk: Desk, find: Find | None) -> None:
        self.alert: Callable[[str], object] = log.warning
        """Tells a person at once, from any thread: the desk has fallen silent, or is heard again."""
        self.troubles: list[str] = []
        """What the desk wants a person to read, oldest first."""
        self._desk = desk
        self._find = find
        self._loop = asyncio.get_running_loop()
        self._stream_lost: Ns | None = None
        """Since when the desk hears nothing of KIS."""
        self._returning: asyncio.Task[None] | None = None
        self._returns = 0
        """How often a next desk was gone on with."""
        self._given_up: DeskLost | None = None
        self._closed = False

    @property
    def link(self) -> str:
        """``"up"``, or in two words what is wrong between here and KIS."""
        if self._given_up is not None:
            return "desk lost"
        if self._returning is not None:
            return "desk restarting"
        if self._desk.silence is not None:
            return "desk silent"
        return "up" if self._stream_lost is None else "down"

    @property
    def silence(self) -> str:
        """That the desk does not answer, since when, and what to do; empty while it does."""
        seconds = self._desk.silence
        if seconds is None:
            return ""
        pid, since = self._desk.process, clock_text(self._desk.heard)
        return (
            f"The desk (process {pid}) has not answered for {seconds:.0f} s. What is shown is as of {since}; what was "
            "handed over before waits, and goes on once when the desk answers; new orders are refused. If it stays "
            f"silent, kill -9 {pid}: the next desk goes on from the journal."
        )

    @property
    def doubt(self) -> str:
        """Why orders and positions as they are shown may not be so any more, since when; empty while they are known."""
        since = self._desk.heard
        if self._closed:
            why = "the session was closed"
        elif self._given_up is not None:
            why = self._given_up.text
        elif self._returning is not None:
            why = "the desk died and is being started again"
        elif self._desk.silence is not None:
            why = f"the desk (process {self._desk.process}) does not answer"
        elif self._stream_lost is not None:
            since, why = self._stream_lost, "the desk has lost its stream from KIS"
        else:
            return ""
        return f"not confirmed since {clock_text(since)}: {why[:1].lower()}{why[1:]}"

    # the desk's door

    def tell(self, commands: Sequence[Command]) -> None:
        """Hand commands to the desk; raises DeskLost. A silent desk is handed no order: who knows when it would send
        it."""
        if self._desk.silence is not None:
            for command in commands:
                if isinstance(command, Submit):
                    self._loop.call_soon(self._held_back, command.intent.key)
            commands = [command for command in commands if not isinstance(command, Submit)]
        if commands:
            self._desk.send(commands)

    async def ask(self, query: Query) -> Reply:
        """The answer of the desk; a question that a desk took to its grave is asked again."""
        await self._returned()
        try:
            return await self._desk.ask(query)
        except DeskLost:
            self._pump()
            if self._returning is None:
                raise
        await self._returned()
        return await self._desk.ask(query)

    def check_answers(self, key: str) -> None:
        """Raises OrderDenied when the desk is known not to answer."""
        if (seconds := self._desk.silence) is not None:
            raise OrderDenied(self._not_taken(seconds), WAIT, key=key)

    def _held_back(self, key: str) -> None:
        self._handle_dropped(CommandDropped(self._desk.heard, key, self._not_taken(self._desk.silence or 0), WAIT))

    def _not_taken(self, seconds: float) -> str:
        return f"the desk (process {self._desk.process}) has not answered for {seconds:.0f} s; nothing was sent"

    # silence, and a desk that dies

    def _silence_changed(self) -> None:
        """From the thread that watches: a person is told although the loop may stand."""
        text = self.silence or "The desk answers again."
        self.alert(text)
        self._loop.call_soon_threadsafe(self._note_silence, f"{clock_text(self._desk.heard)} {text}")

    def _note_silence(self, text: str) -> None:
        self.troubles.append(text)
        self.changed()

    async def _returned(self) -> None:
        """Wait while the desk is being started again. Raises DeskLost when it is not."""
        self._notice_death()
        if self._returning is not None:
            await asyncio.wait([self._returning])
        if self._given_up is not None:
            raise self._given_up

    def _notice_death(self) -> None:
        """The desk's thread sees its end before this loop does: what a cell does in between waits for the next one."""
        if self._desk.lost and self._returning is None and not self._closed:
            self._pump()

    # what is made of it

    def _pump(self) -> None:
        raise NotImplementedError

    def _handle_dropped(self, dropped: CommandDropped) -> None:
        raise NotImplementedError

    def changed(self) -> None:
        raise NotImplementedError
