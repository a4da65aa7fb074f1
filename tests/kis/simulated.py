"""A broker on a real simulator in lockstep: what it heard, and what the simulator recorded
of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import date, time
from pathlib import Path
from typing import Any, TypeVar

from kisnb.clock import Activity, Ns, SimulatedClock, kst
from kisnb.events import Event, Notice, Trouble
from kisnb.kis.broker import KisBroker
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.transport import Transport
from kisnb.market.universe import Universe
from kisnb.orders import Want
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.keys import made_up
from kisnb.simulator.host.personas import LIVE, Persona
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.serve.control import Day
from kisnb.simulator.serve.server import Addresses, Server
from kisnb.terms import Mode
from tests.waiting import until

DAY = date(2026, 11, 20)
START = kst(DAY, time(9, 0, 30))
CODE = "005930"
WANTS = (Want("ticks", CODE), Want("depth", CODE), Want("notices", priority=0))
T = TypeVar("T")


class Desk:
    """A broker, its simulator, and the clock of both."""

    def __init__(
        self, broker: KisBroker, server: Server, clock: SimulatedClock, activity: Activity
    ) -> None:
        self.broker = broker
        self.server = server
        self.clock = clock
        self.activity = activity
        self.heard: list[Event] = []
        self.lines: list[bytes] = []
        self.keys: Credentials
        self.addresses: Addresses
        self.cache: Path
        broker.listen(self.heard.extend)

    def control(self, verb: str, **body: Any) -> dict[str, Any]:
        return self.server.control.answer("POST", verb, json.dumps(body).encode())

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition, 30)

    async def received(self) -> None:
        """Wait until every frame that was sent to us is here."""
        await self.until(lambda: self.broker.settled and self.broker.frames >= self.sent())

    def sent(self) -> int:
        said = self.server.control.answer("GET", "state", b"")
        return next(
            (s["frames"] for s in said["sockets"] if s["port"] == self.broker.local_port), 0
        )

    async def move(self, to: Ns) -> None:
        """Step both clocks to a moment, receiving on the way."""
        while self.clock.now() < to:
            now = self.control("step", until=to)["now"]
            await self.received()
            self.clock.set(now)

    async def stepped(self, call: Awaitable[T]) -> T:
        """Await a call, and step both clocks to whatever it sleeps for."""
        task = asyncio.ensure_future(call)
        while not task.done():
            await asyncio.sleep(0.002)
            wake = self.clock.next_wake()
            if wake is not None and self.activity.quiet and not task.done():
                while self.control("step", until=wake)["now"] < wake:
                    pass
                self.clock.set(wake)
        return await task

    # what was said

    def notices(self) -> list[tuple[str, int]]:
        return [(e.kind, e.qty) for e in self.heard if isinstance(e, Notice)]

    def troubles(self) -> list[str]:
        return [e.text for e in self.heard if isinstance(e, Trouble)]

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.lines) if line["kind"] == kind]

    def calls(self, path: str) -> list[dict[str, Any]]:
        """Requests that reached the simulator."""
        return [line for line in self.recorded("request") if line["path"].endswith(path)]

    def refusals(self) -> list[str]:
        return [
            line["body"]["msg_cd"]
            for line in self.recorded("reply")
            if line["body"].get("rt_cd", "0") != "0"
        ]


def on_simulator(
    cache: Path,
    body: Callable[[Desk], Awaitable[None]],
    *,
    wants: tuple[Want, ...] = WANTS,
    limit: int = 0,
    timeout: float = 5.0,
    transport: Callable[[SimulatedClock, Credentials], Transport] | None = None,
    start: Ns = START,
    mode: Mode = Mode.SIM,
    persona: Persona = LIVE,
) -> None:
    """Run ``body`` on a broker that is connected and has what it wants."""

    async def main() -> None:
        keys, lines = made_up(persona.mode), list[bytes]()
        market = Market(Universe.packaged(), DAY, 1, start, {})
        core = Core(market, keys, recorder=DayRecorder(lines.append), persona=persona)
        server = Server(core, Day("run", 1, str(DAY), "09:00:30"), 0.0)
        addresses = await server.start()
        clock, activity = SimulatedClock(start), Activity()
        as_mode = Mode.PAPER if persona.mode is Mode.PAPER else mode
        endpoint = Endpoint(addresses.rest, addresses.ws, persona.mode, mode=as_mode, limit=limit)
        carried = transport(clock, keys) if transport else None
        broker = KisBroker(
            endpoint,
            keys,
            clock,
            activity,
            cache=cache,
            timeout=timeout,
            transport=carried,
            nxt_listed=Universe.packaged().on_nxt,
        )
        desk = Desk(broker, server, clock, activity)
        desk.keys, desk.addresses, desk.cache, desk.lines = keys, addresses, cache, lines
        try:
            await desk.stepped(broker.start())
            broker.want(wants)
            await desk.received()
            await body(desk)
        finally:
            await broker.close()
            await server.close()

    asyncio.run(main())
