"""Waits for a time of day, for which a simulated day runs ahead."""

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
    """Waits for a moment. Asks the simulator to run there as fast as all sessions can follow."""

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
        # At paper and live time cannot run ahead, so only a simulated day comes to here.
        await self._link.wait_for_return()
        self._waiting += 1
        try:
            self._link.submit([FastForward(on=True)])
            await self._pace.until_time(t)
        finally:
            self._waiting -= 1
            # The desk keeps one switch for each session. While another wait of this session still
            # runs, the day goes on ahead. A desk that is gone runs ahead for nobody, and the next
            # one is asked by ``commands`` alone.
            if not self._waiting:
                with suppress(DeskLost):
                    self._link.submit([FastForward(on=False)])

    def commands(self) -> list[Command]:
        """Return the command that repeats the request to the next desk. Empty when no wait runs."""
        return [FastForward(on=True)] if self._waiting else []
