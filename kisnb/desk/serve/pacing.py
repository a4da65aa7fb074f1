"""Sets the pace of the simulated clock: lockstep while a session fast-forwards."""

from __future__ import annotations

import asyncio

from kisnb.desk.run.conductor import Conductor
from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.event_feed import EventFeed
from kisnb.events import SpeedSet


class Pacing:
    """Switches the conductor between lockstep and the desk's own speed."""

    def __init__(self, host: DeskHost, feed: EventFeed, speed: float) -> None:
        self._host = host
        self._feed = feed
        self._speed = speed
        """The desk's own speed. If it is 0 (lockstep), the speed is never switched."""
        self._switching = asyncio.Lock()

    def update(self) -> None:
        """Begin to switch the speed if the sessions need another speed now.

        While any session fast-forwards, the clock runs in lockstep. Otherwise it runs at the desk's
        own speed.
        """
        if self._feed.conductor is not None and self._speed:
            # This is a call of the host, so that the desk counts it as under way and cancels it
            # when it closes.
            self._host.call(self._switch(self._feed.conductor))

    async def _switch(self, conductor: Conductor) -> None:
        # Only one switch runs at a time. Each uses the sessions' wishes at the moment when it
        # begins.
        async with self._switching:
            speed = 0.0 if any(c.hurry for c in self._feed.connections) else self._speed
            if conductor.lockstep != (speed == 0):
                await conductor.switch(speed)
                self._feed.publish(SpeedSet(self._host.clock.now(), speed))
