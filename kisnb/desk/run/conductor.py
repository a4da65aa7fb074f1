"""Lockstep: moves the simulator's clock while a session awaits something and everything is at rest.

At rest means three things:

- no call to the broker is under way;
- every frame that the simulator has sent was received;
- every session has handled every event.

Frames are held back until all frames of a moment have come, so that a run can be repeated.

    woken ─► calls under way? ─► wait ─► frames missing? ─► receive them
                                              │ no
                                              ▼
             sessions busy? ─► wait, then name them ─► step the clock to the next moment
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from kisnb.clock import Ns, SimulatedClock
from kisnb.desk.run.control import ControlClient
from kisnb.desk.run.host import DeskHost
from kisnb.errors import LinkLost
from kisnb.events import ClockMoved, Depth, Event, Tick, Trouble
from kisnb.events import LinkDown as LinkWasLost

PATIENCE = 5.0
"""The longest wall time for which a busy session may stop the clock, seconds.

After that the clock moves on without it, and a trouble names it.
"""
POLL = 0.02


class Rider(Protocol):
    """The facts about a session that the conductor needs."""

    name: str
    handled: int
    wake: Ns | None
    waiting: bool

    @property
    def blocked(self) -> bool:
        """True while the session's own loop waits for a reply of the desk."""
        ...


class Conductor:
    """Drives one simulator in lockstep for one desk."""

    def __init__(
        self,
        host: DeskHost,
        clock: SimulatedClock,
        control: ControlClient,
        riders: Callable[[], Sequence[Rider]],
        published: Callable[[], int],
        publish: Callable[[Event], None],
    ) -> None:
        self._host = host
        self._clock = clock
        self._control = control
        self._riders = riders
        self._published = published
        self._publish = publish
        self._held: list[Sequence[Event]] = []
        self._due = asyncio.Event()
        # Frames that the simulator sent before are not counted yet.
        self._unsynced = True
        self._named: set[str] = set()
        self._moving = asyncio.Lock()
        """Held during each turn, so that the speed is switched only between two turns."""
        self.lockstep = False

    def receive(self, events: Sequence[Event]) -> None:
        """Receive the events of a frame.

        In lockstep they are handled once all frames of their moment have come.
        """
        if self.lockstep:
            self._held.append(events)
            self._due.set()
        else:
            self._host.receive(events)

    def wake(self, *, calls: bool = False) -> None:
        """Let ``run`` check again.

        ``calls`` True: a call to the broker has ended, so frames may be coming.
        """
        self._unsynced = self._unsynced or calls
        self._due.set()

    async def switch(self, speed: float) -> None:
        """Switch to lockstep (0) or to a free-running speed, without losing simulated time."""
        async with self._moving:
            await self._control.set_speed(speed)
            state = await self._control.state(self._host.broker.local_port)
            self.lockstep = self._host.serial = speed == 0
            self._unsynced = True
            # When the clock runs free, frames are no longer held back, so waiting frames are
            # handled now.
            self._release()
            self._clock.set(state.now, speed)
            self._due.set()

    async def catch_up(self) -> None:
        """Receive all frames that earlier calls have caused, before the next call begins.

        Otherwise a call that reads could show a fill before its notice.
        """
        # ``_wait_for_busy`` checks again which sessions are busy.
        self._due.set()
        # ``run`` reports a simulator that is gone.
        with suppress(LinkLost):
            async with self._moving:
                await self._drain_frames()

    async def _drain_frames(self) -> None:
        while self.lockstep and (self._unsynced or self._held):
            if await self._all_here():
                self._release()

    async def run(self) -> None:
        """Move the clock until cancelled, or until the simulator is gone."""
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                while await self._next():
                    pass
        except LinkLost as e:
            now = self._clock.now()
            self._publish(Trouble(now, str(e)))
            self._publish(LinkWasLost(now, str(e)))

    async def _next(self) -> bool:
        async with self._moving:
            return self.lockstep and await self._turn()

    async def _turn(self) -> bool:
        """Check once, and move the clock at most once. Return True to be called again at once."""
        await _settle()
        if not self._host.quiet or not self._host.broker.settled:
            return self._later(not self._host.broker.settled)
        if self._unsynced or self._held:
            return await self._sync()
        # Time moves only while a call waits for it. Otherwise the day would go on while a person
        # thinks about the next line.
        if not any(r.waiting for r in self._followed()) and not self._host.activity.at_rest:
            return False
        if not self._all_idle():
            return await self._wait_for_busy()
        return await self._step()

    def _later(self, poll: bool) -> bool:
        if poll:
            # The end of a call wakes the conductor. The confirmation of a subscription does not, so
            # it is polled.
            asyncio.get_running_loop().call_later(POLL, self._due.set)
        return False

    async def _sync(self) -> bool:
        """Receive the frames that the simulator has sent, without moving its clock.

        Return whether more can be done at once. If a call has begun meanwhile, its frames are
        received after the call has ended, because its reply may still be missing.
        """
        if not await self._all_here() or not self._host.quiet:
            self._unsynced = True
            return self._host.quiet
        self._release()
        return True

    async def _all_here(self) -> bool:
        """Wait for all frames that the simulator has sent.

        Return False when it has sent more since.
        """
        broker, port = self._host.broker, self._host.broker.local_port
        # This is cleared before the question, because a call that ends during the question sets it
        # again.
        self._unsynced = False
        state = await self._control.state(port)
        await self._receive(port, state.frames)
        # A new connection counts its frames from zero, so the two numbers cannot be compared.
        more = port is not None and broker.frames != state.frames
        return not (self._unsynced or more or broker.local_port != port)

    async def _step(self) -> bool:
        broker = self._host.broker
        wakes = [r.wake for r in self._followed() if r.wake is not None]
        own = self._clock.next_wake()
        target = min([*wakes, *([own] if own is not None else [])], default=None)
        if target is None:
            return False
        before, port = broker.frames, broker.local_port
        # A past moment is due now, because time does not go back. The simulator does not move while
        # frames are on their way; ``before`` tells it that.
        stepped = await self._control.step(max(target, self._clock.now()), port, before)
        await self._receive(port, stepped.frames)
        if stepped.moved:
            self._clock.set(stepped.now)
            await _settle()
        # Events contain the time. After a step without events, sessions learn the time from this
        # event.
        if not self._release() and stepped.moved:
            self._publish(ClockMoved(stepped.now))
        return True

    async def _receive(self, port: int | None, frames: int) -> None:
        """Wait until this number of frames of this connection has arrived. Raises LinkLost.

        Stop waiting when the connection ends, because its frames never arrive then.
        """
        broker = self._host.broker
        patience = time.monotonic() + PATIENCE
        while broker.frames < frames and broker.local_port == port:
            if time.monotonic() > patience:
                raise LinkLost(
                    "frames of the simulator did not arrive",
                    "begin a new day with %kis open sim --fresh",
                )
            self._due.clear()
            await self._seen(POLL)

    async def _seen(self, seconds: float) -> None:
        """Wait for a change, at most for ``seconds`` of wall time."""
        with suppress(TimeoutError):
            # wait_for of Python 3.11 loses a cancellation that comes together with the change.
            async with asyncio.timeout(seconds):
                await self._due.wait()

    def _release(self) -> bool:
        held, self._held = self._held, []
        now = self._clock.now()
        for events in held:
            self._host.receive([_received_at(now, event) for event in events])
        return bool(held)

    def _followed(self) -> list[Rider]:
        """Return the sessions whose last report still says what they wait for.

        A session whose own loop is blocked is left out. It has sent no report since it was woken,
        so its last report names a wait that is over.
        """
        return [r for r in self._riders() if not r.blocked]

    def _all_idle(self) -> bool:
        published = self._published()
        return all(
            r.handled >= published or r.blocked or r.name in self._named for r in self._riders()
        )

    async def _wait_for_busy(self) -> bool:
        """Wait for busy sessions. After PATIENCE seconds name them once and go on without them.

        Return True: the turn must check everything again.
        """
        deadline = time.monotonic() + PATIENCE
        while not self._all_idle():
            left = deadline - time.monotonic()
            if left <= 0:
                for rider in self._riders():
                    if rider.handled < self._published():
                        self._named.add(rider.name)
                        self._publish(
                            Trouble(
                                self._clock.now(),
                                f"session {rider.name} is busy: the clock moves on without it, and "
                                "its agents see events late; wait until its cell ends",
                            )
                        )
                break
            self._due.clear()
            await self._seen(left)
            # A session has ordered meanwhile. The call comes first, and then everything is checked
            # again.
            if not self._host.quiet:
                return True
        return True

    def caught_up(self, name: str) -> None:
        """Note that the session ``name`` has reported. From now on the clock waits for it again."""
        self._named.discard(name)


async def _settle() -> None:
    """Let the tasks that were woken at this moment run until they wait again."""
    # The first round of the loop wakes the tasks, the others let them run.
    for _ in range(3):
        await asyncio.sleep(0)


def _received_at(now: Ns, event: Event) -> Event:
    """Return the event with ``now`` as its time of receipt.

    The frame arrived earlier, while the clock was still at the previous moment.
    """
    return (
        msgspec.structs.replace(event, received=now) if isinstance(event, Tick | Depth) else event
    )
