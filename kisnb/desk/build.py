"""Puts a desk together: core, journal, broker, clock, server and, for the simulator, the conductor."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

from kisnb.clock import Activity, Clock, SimulatedClock, WallClock, kst_day
from kisnb.config import Config, load_config
from kisnb.desk.address import desk_folder, lock_or_fail
from kisnb.desk.conductor import Conductor, Rider
from kisnb.desk.control import Control
from kisnb.desk.host import DeskHost
from kisnb.desk.hybrid import HybridBroker, QuotesDesk
from kisnb.desk.journal import Journal
from kisnb.desk.safety import Safety, note
from kisnb.desk.server import DeskServer
from kisnb.desk.simulator_process import (
    SimAddress,
    SimulatedDay,
    check_same_day,
    find_simulator,
    run_folder,
    sim_folder,
    start_simulator,
)
from kisnb.errors import LinkLost
from kisnb.events import Event
from kisnb.events import LinkLost as LinkWasLost
from kisnb.kis.broker import KisBroker
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.recorder import Recording, open_recording
from kisnb.kis.transport import Network, Transport
from kisnb.market import calendar
from kisnb.market.instruments import Universe
from kisnb.orders import Want
from kisnb.paths import data_dir, private_dir, state_dir
from kisnb.terms import Mode
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.desk_port import Snapshot
from kisnb.trading.journal_rows import RouteDecided
from kisnb.trading.limits import limits_of
from kisnb.trading.risk import Rules
from kisnb.trading.state import State

ALONE_SECONDS = 600.0
"""Wall time after which a simulator's desk without a session stops, and the simulator with it."""
LOOK_SECONDS = 5.0

log = logging.getLogger(__name__)


class Connected(NamedTuple):
    """A broker connection and what belongs to it."""

    broker: KisBroker
    clock: Clock
    activity: Activity
    scope: str
    label: str
    folder: Path
    control: Control | None
    address: SimAddress | None
    is_tail: Callable[[str], bool] | None
    """Whether these are the last digits of the account; None where no arming is needed."""
    lock: IO[bytes]
    """Held as long as the desk uses the appkey."""
    universe: Universe


class BuiltDesk:
    """A desk that can run: ``run`` returns when it is told to close."""

    def __init__(self, server: DeskServer, host: DeskHost, connected: Connected, secret: str) -> None:
        self.server = server
        self.secret = secret
        self.label = connected.label
        self._host = host
        self._connected = connected
        self._conducting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        conductor = self.server.conductor
        if conductor is not None:
            self._conducting = asyncio.create_task(conductor.run(), name="conductor")
            # Without its conductor the clock would stand, and every wait with it.
            self._conducting.add_done_callback(self._conducted)
        while not self.server.closing.is_set():
            try:
                await asyncio.wait_for(self.server.closing.wait(), LOOK_SECONDS)
            except TimeoutError:
                await self._look_after_simulator()

    def _conducted(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the conductor failed", exc_info=error)
        self.server.closing.set()

    async def _look_after_simulator(self) -> None:
        """A desk ends with its simulator, and ends it when both have been left alone."""
        control = self._connected.control
        if control is None:
            return
        alone = asyncio.get_running_loop().time() - self.server.left_alone_at
        try:
            if self.server.connections or alone < ALONE_SECONDS:
                await control.state(None)
                return
            await control.stop()
        except LinkLost as e:
            self.server.publish(LinkWasLost(self._connected.clock.now(), str(e)))
        self.server.closing.set()

    async def close(self) -> None:
        if self.server.safety is not None:
            await self.server.safety.close()
        await self.server.close()
        if self._conducting is not None:
            self._conducting.cancel("the desk closes")
            await asyncio.gather(self._conducting, return_exceptions=True)
        await self._host.close()
        if self._connected.control is not None:
            await self._connected.control.close()
        self._connected.lock.close()


async def build_desk(
    mode: Mode, day: SimulatedDay, *, fresh: bool, secret: str, quotes: Mode | None = None
) -> BuiltDesk:
    """Connect, fold the journal, be ready for sessions; ``quotes`` names the mode whose desk gives the prices.

    Raises KisnbError with the cure.
    """
    calendar.use_local()
    config = load_config()
    connected = await (_simulated(config, day, fresh=fresh) if mode is Mode.SIM else _real(config, mode, quotes))
    journal = Journal(connected.folder / "journal.sqlite")
    speed = config.speed if mode is Mode.SIM else 1.0
    limits = limits_of(config, speed=speed, needs_arming=mode is Mode.LIVE)
    core = DeskCore(Rules(connected.universe, connected.broker.capabilities), limits, State.fold(journal.rows()))

    def snapshot(seq: int) -> Snapshot:
        return Snapshot(
            seq,
            connected.clock.now(),
            mode,
            connected.scope,
            connected.label,
            connected.clock.speed if isinstance(connected.clock, SimulatedClock) else 1.0,
            connected.address.run if connected.address else "",
            connected.broker.capabilities,
            limits,
            tuple(row for row in journal.rows() if not isinstance(row, RouteDecided)),
            core.state.halt,
        )

    def publish(event: Event) -> None:
        note(event)
        server.publish(event)

    host = DeskHost(core, journal, connected.broker, connected.clock, connected.activity, publish)
    server = DeskServer(host, secret, snapshot, speed)
    server.safety = Safety(host, mode, connected.is_tail)
    await _begin(server, host, connected, speed)
    return BuiltDesk(server, host, connected, secret)


async def _begin(server: DeskServer, host: DeskHost, connected: Connected, speed: float) -> None:
    broker, clock = connected.broker, connected.clock
    host.on_rest = server.rested
    host.on_broken = server.closing.set
    take = host.take
    if connected.control is not None:
        assert isinstance(clock, SimulatedClock)
        conductor = Conductor(
            host, clock, connected.control, lambda: list[Rider](server.connections), lambda: server.seq, server.publish
        )
        server.conductor = conductor
        connected.activity.on_rest = conductor.look
        take = conductor.hold
    broker.listen(take)
    await broker.start()
    broker.want([Want("notices", priority=0)])
    if server.conductor is not None:
        await server.conductor.switch(speed)
    host.start()
    assert server.safety is not None
    server.safety.start()


async def _simulated(config: Config, day: SimulatedDay, *, fresh: bool) -> Connected:
    state = state_dir()
    address = find_simulator(state)
    if address is not None:
        control = Control(address.control)
        try:
            if fresh:
                await control.stop()
                address = None
            else:
                check_same_day(day, address)
                await control.state(None)
        except LinkLost:
            address = None
        finally:
            await control.close()
    if address is None:
        address = await asyncio.to_thread(start_simulator, state, day, config.sim_speed)
    control = Control(address.control)
    now = (await control.state(None)).now
    clock, activity = SimulatedClock(now), Activity()
    credentials = Credentials.from_yaml(sim_folder(state) / "kis_devlp.yaml", paper=False)
    lock = lock_appkey(credentials)
    folder = run_folder(state, address.run)
    universe = Universe.load(data_dir(), kst_day(now))
    broker = KisBroker(
        Endpoint(address.rest, address.ws, Mode.LIVE, mode=Mode.SIM, limit=config.calls_per_second),
        credentials,
        clock,
        activity,
        cache=folder,
        timeout=config.order_timeout,
        transport=_transport(config, clock, credentials),
        nxt_listed=universe.on_nxt,
    )
    scope = f"{address.run}:{kst_day(now)}"
    return Connected(broker, clock, activity, scope, address.label, folder, control, address, None, lock, universe)


async def _real(config: Config, mode: Mode, quotes: Mode | None) -> Connected:
    credentials = Credentials.find(mode, config.credentials)
    given = Path(config.credentials).expanduser() if config.credentials else None  # noqa: ASYNC240 - no I/O
    lock = lock_appkey(credentials)
    clock, activity = WallClock(), Activity()
    account = hashlib.sha256(f"{mode}:{credentials.account.reveal()}".encode()).hexdigest()[:12]
    folder = private_dir(desk_folder(mode) / account)
    endpoint = Endpoint.from_yaml(given, mode) if given else Endpoint.of(mode)
    universe = Universe.load(data_dir(), kst_day(clock.now()))
    own = (endpoint.limited(config.calls_per_second), credentials, clock, activity)
    cache = private_dir(state_dir() / "tokens")
    transport = _transport(config, clock, credentials)
    if quotes is not None:
        broker: KisBroker = HybridBroker(
            QuotesDesk(quotes, clock),
            *own,
            cache=cache,
            timeout=config.order_timeout,
            transport=transport,
        )
    else:
        broker = KisBroker(
            *own,
            cache=cache,
            timeout=config.order_timeout,
            transport=transport,
            nxt_listed=universe.on_nxt,
        )
    label = f"{mode} with quotes of {quotes}" if quotes else str(mode)
    is_tail = credentials.account.reveal().endswith if mode is Mode.LIVE else None
    scope = f"{account}:{kst_day(clock.now())}"
    return Connected(broker, clock, activity, scope, label, folder, None, None, is_tail, lock, universe)


def _transport(config: Config, clock: Clock, credentials: Credentials) -> Transport:
    """The network, recorded when a file for it is named. Raises ConfigError."""
    network = Network(config.order_timeout)
    if not config.record:
        return network
    write = open_recording(Path(config.record).expanduser(), "KISNB_RECORD", append=True)
    return Recording(network, write, clock, credentials.masking())


def lock_appkey(credentials: Credentials) -> IO[bytes]:
    """KIS takes one WebSocket session per appkey, so one desk may use it. Raises DeskBusy."""
    name = hashlib.sha256(credentials.appkey.reveal().encode()).hexdigest()[:16]
    return lock_or_fail(private_dir(state_dir() / "locks") / name, "this appkey")
