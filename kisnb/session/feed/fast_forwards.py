"""Waits for a time of day. On a simulated day, time runs ahead meanwhile."""

from __future__ import annotations

from contextlib import suppress

from kisnb.clock import Ns
from kisnb.errors import DeskLost
from kisnb.session.feed.link import Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Command, FastForward


class FastForwards:
    """Waits for a moment, and lets simulated time run there as fast as all sessions can follow."""

    def __init__(self, link: Link, state: SessionState, pace: Pace) -> None:
        self._link = link
        self._state = state
        self._pace = pace
        self._waiting = 0

    async def until(self, t: Ns) -> None:
        """Wait until the session's clock is at ``t`` or later. Raises DeskLost."""
        if self._state.mode is not Mode.SIM or self._state.now >= t:
            await self._pace.until_time(t)
            return
        # Only a simulated day gets here, because time cannot run ahead at paper and live.
        await self._link.wait_for_return()
        self._waiting += 1
        try:
            self._link.submit([FastForward(on=True)])
            await self._pace.until_time(t)
        finally:
            self._waiting -= 1
            # The desk keeps one switch for each session, so the last wait turns it off. A lost desk
            # needs no command, and the next desk gets only what ``commands`` returns.
            if not self._waiting:
                with suppress(DeskLost):
                    self._link.submit([FastForward(on=False)])

    def commands(self) -> list[Command]:
        """Return the command that repeats a pending fast-forward at the next desk.

        Empty: none is pending.
        """
        return [FastForward(on=True)] if self._waiting else []
