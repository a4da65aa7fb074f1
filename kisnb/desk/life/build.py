"""Builds a desk: core, journal, broker, clock, server and, for the simulator, the conductor."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from kisnb.clock import Activity, Clock, SimulatedClock, day_number, kst_day
from kisnb.config import Config, load_config
from kisnb.desk.address import desk_folder
from kisnb.desk.life.child_process import FOLDER, python
from kisnb.desk.life.launch import start_desk
from kisnb.desk.life.simulator_process import (
    SimAddress,
    SimulatedDay,
    StartingSimulator,
    check_same_day,
    find_simulator,
    run_folder,
    sim_folder,
)
from kisnb.desk.life.supervisor import RESTART
from kisnb.desk.locks import CustomerLocks, Lock
from kisnb.desk.record.archive import open_journal, put_away
from kisnb.desk.record.desk_tape import DeskTape
from kisnb.desk.record.journal import JOURNAL, JournalLost
from kisnb.desk.record.tape_worker import TapeLimits
from kisnb.desk.run.conductor import Conductor
from kisnb.desk.run.control import ControlClient
from kisnb.desk.run.halt_file import HaltFile
from kisnb.desk.run.host import DeskHost
from kisnb.desk.run.hybrid import HybridBroker, QuotesDesk
from kisnb.desk.run.safety import Safety, note
from kisnb.desk.run.steady_clock import SteadyClock
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.server import DeskServer
from kisnb.desk.serve.snapshot import DeskName
from kisnb.errors import ConfigError, LinkLost
from kisnb.events import Event, Trouble
from kisnb.events import LinkDown as LinkWasLost
from kisnb.kis.broker import KisBroker
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.transport import Network, Transport
from kisnb.kis.recording.recorder import Recording, open_recording
from kisnb.market import calendar, uncertain
from kisnb.market.costs import read_fees
from kisnb.market.universe import Universe
from kisnb.paths import data_dir, private_dir, state_dir
from kisnb.terms import Mode
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.desk_port import Desk
from kisnb.trading.ports.limits import limits_of
from kisnb.trading.state import State

ALONE_SECONDS = 600.0
"""Wall time after which a simulator's desk without a session stops, together with its simulator."""
CHECK_SECONDS = 5.0
FOLDER_GONE = (
    "the state folder was removed under the desk, which stopped",
    "look at the open orders at KIS; then open the desk again with %kis open",
)
SIMULATOR_GONE = (
    "the simulator is gone, and its desk with it",
    "begin a new day with %kis open sim",
)

log = logging.getLogger(__name__)


class Connected(NamedTuple):
    """A broker connection, and the clock, locks and names that belong to it."""

    broker: KisBroker
    clock: Clock
    activity: Activity
    name: DeskName
    folder: Path
    control: ControlClient | None
    is_tail: Callable[[str], bool] | None
    """Returns whether a text is the end of the account number. None: this mode needs no arming."""
    locks: CustomerLocks
    """The locks on account and appkey. They are held while the desk uses these."""
    universe: Universe
    hide: Callable[[str], str]
    """Returns a text without the customer's secrets."""


class BuiltDesk:
    """A desk with all its parts. ``run`` serves sessions until the desk must close."""

    def __init__(
        self, server: DeskServer, host: DeskHost, connected: Connected, secret: str, file: HaltFile
    ) -> None:
        self.server = server
        self._file = file
        self.secret = secret
        self.label = connected.name.label
        self._host = host
        self._connected = connected
        self._conducting: asyncio.Task[None] | None = None
        self._status = 0
        self._day = kst_day(connected.clock.now())

    @property
    def locks(self) -> list[Lock]:
        """The locks of the customer: account and appkey."""
        return self._connected.locks.locks

    def stop(self) -> None:
        """Ask the desk to end for good. Sessions get a farewell."""
        self.server.farewell = ("the desk was stopped", "open it again with %kis open")
        self.server.closing.set()

    async def run(self) -> int:
        """Serve sessions until the desk must end. Return the exit status for the supervisor.

        0: the desk ends for good. RESTART: the supervisor starts it again at once.
        """
        conductor = self.server.feed.conductor
        if conductor is not None:
            self._conducting = asyncio.create_task(conductor.run(), name="conductor")
            # Without its conductor the clock would stand still, and no wait would end.
            self._conducting.add_done_callback(self._conducted)
        while not self.server.closing.is_set():
            try:
                await asyncio.wait_for(self.server.closing.wait(), CHECK_SECONDS)
            except TimeoutError:
                self.server.sweep()
                self._report_clock_jumps()
                self._check_journal()
                self._check_day()
                await self._check_simulator()
        return self._status

    def _report_clock_jumps(self) -> None:
        clock = self._connected.clock
        if isinstance(clock, SteadyClock):
            for jump in clock.take_jumps():
                self.server.publish(Trouble(clock.now(), jump))

    def _check_day(self) -> None:
        """Ask for a restart on a new day, once no order of the old day is open.

        Each day has its own journal and its own keys of orders.
        """
        now = self._connected.clock.now()
        # The list of orders and their numbers belong to one day. So the desk that sent an order
        # follows it until it ends.
        today = day_number(now)
        # KIS keeps a reserved order. The desk of its day follows it.
        live = self._host.core.state.books.live.values()
        rests = self._host.quiet and all(order.intent.day >= today for order in live)
        if self._connected.control is None and kst_day(now) > self._day and rests:
            self._status = RESTART
            self.server.closing.set()

    def _check_journal(self) -> None:
        """Check that the journal can be written. Stop sending orders while it cannot.

        When it can be written again, ask for a restart: a new desk continues from the journal's
        rows.
        """
        try:
            self._host.journal.check()
        except JournalLost as e:
            self._host.break_off(e)
            if not self._connected.folder.exists():
                # The locks are gone too, so another desk may begin beside this one.
                self.server.farewell = FOLDER_GONE
                self.server.closing.set()
            return
        # This core has applied facts that are in no row, so it is not used again. A halt that was
        # pulled meanwhile is written first. Otherwise the next desk would not know it.
        if self._host.broken and self._host.kept_halt.write():
            self._status = RESTART
            self.server.closing.set()

    def _conducted(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the conductor failed", exc_info=error)
        # If a person stopped the desk, it has a farewell already, and that farewell stays.
        self.server.farewell = self.server.farewell or SIMULATOR_GONE
        self.server.closing.set()

    async def _check_simulator(self) -> None:
        """Close the desk if its simulator is gone.

        Stop both if no session was attached for long.
        """
        control = self._connected.control
        if control is None:
            return
        alone = asyncio.get_running_loop().time() - self.server.left_alone_at
        try:
            if self.server.feed.connections or alone < ALONE_SECONDS:
                # This call is the check: it raises LinkLost when the simulator is gone.
                await control.state(None)
                return
            await control.stop()
        except LinkLost as e:
            self.server.publish(LinkWasLost(self._connected.clock.now(), str(e)))
        self.server.farewell = SIMULATOR_GONE
        self.server.closing.set()

    async def close(self) -> None:
        """Close all parts. Each part closes before the parts that it needs."""
        # The watch of the HALT file submits halts and the server submits commands, so both end
        # before the host. The locks are released last, because then another desk may begin on this
        # account.
        await self._file.close()
        await self.server.close()
        if self._conducting is not None:
            self._conducting.cancel("the desk closes")
            await asyncio.gather(self._conducting, return_exceptions=True)
        await self._host.close()
        if (tape := self.server.feed.tape) is not None:
            tape.close(self._connected.clock.now())
        if self._connected.control is not None:
            await self._connected.control.close()
        self._connected.locks.close()


async def build_desk(
    mode: Mode,
    day: SimulatedDay,
    simulator: StartingSimulator | None = None,
    *,
    again: bool,
    secret: str,
    quotes: Mode | None = None,
) -> BuiltDesk:
    """Connect, read the journal, start the core, and return the desk. Raises KisnbError.

    ``simulator`` is a simulator that was just started for a new day. None: use the running
    simulator. ``again`` continues the day of a desk that died. ``quotes`` is the mode of the desk
    that gives the prices. None: this desk has its own prices.
    """
    # The user's own holidays come first, because everything below uses the calendar.
    calendar.use_local()
    config = load_config()
    uncertain.use(uncertain.read(config.assume))
    simulated = mode is Mode.SIM
    connected = await (
        _simulated(config, day, simulator, again=again)
        if simulated
        else _real(config, mode, quotes)
    )
    # The connection is made before: it has the locks of account and appkey, so no other desk writes
    # to this journal. Its clock shows the day of the journal.
    journal, rows = open_journal(connected.folder / JOURNAL, connected.clock.now())
    speed = config.speed if mode is Mode.SIM else 1.0
    limits = limits_of(config, speed=speed, needs_arming=mode is Mode.LIVE)
    # The state is computed from the rows alone. So the next desk continues from the rows on the
    # disk, and not from the plans of the dead desk.
    rules = Rules(
        connected.universe,
        connected.broker.capabilities,
        read_fees(config.fees),
        by_cost=config.routing == "cost",
    )
    core = DeskCore(rules, limits, State.fold(rows))

    def publish(event: Event) -> None:
        """Publish the event. Also log it if it is a step of the kill switch."""
        note(event)
        server.publish(event)

    host = DeskHost(core, journal, connected.broker, connected.clock, connected.activity, publish)
    server = DeskServer(host, connected.name, secret, speed)
    if config.tape == "on":
        server.feed.tape = _tape(config, connected, server)
    file = HaltFile(host, publish)
    # It is set here because the parts need one another: the HALT file needs ``publish``, and
    # ``publish`` needs the server.
    server.queries.safety = Safety(host, mode, connected.is_tail, file)
    await _begin(server, host, connected, speed)
    # The core runs now, and no session can attach yet. So a HALT file that exists already halts the
    # desk before the first order.
    file.start()
    return BuiltDesk(server, host, connected, secret, file)


async def _begin(server: DeskServer, host: DeskHost, connected: Connected, speed: float) -> None:
    broker, clock = connected.broker, connected.clock
    host.on_call_ended = server.on_call_ended
    # Without a simulator a frame goes to the core at once. With one, the conductor holds frames
    # back until all frames of one moment have come.
    receive = host.receive
    if connected.control is not None:
        assert isinstance(clock, SimulatedClock)
        conductor = Conductor(
            host,
            clock,
            connected.control,
            lambda: server.feed.connections,
            lambda: server.feed.seq,
            server.publish,
        )
        server.feed.conductor = conductor
        host.before_call = conductor.catch_up
        connected.activity.on_rest = conductor.wake
        receive = conductor.receive
    # Before ``start``: frames may come with the first subscription, and a frame that nobody
    # receives is lost.
    broker.listen(receive)
    # In lockstep the questions at the first connection wait their turn too, so that a run can be
    # repeated.
    host.serial = server.feed.conductor is not None and not speed
    # The wants are set before the connection is made, so that the notices of orders are among the
    # first subscriptions.
    broker.want(server.subscriptions.wants())
    await broker.start()
    if server.feed.conductor is not None:
        await server.feed.conductor.switch(speed)
    # The core starts last, because its first effects call KIS. They need the connection, and in
    # lockstep the conductor.
    host.start()


async def _simulated(
    config: Config, day: SimulatedDay, simulator: StartingSimulator | None, *, again: bool
) -> Connected:
    state = state_dir()
    # A simulator that was started together with this desk plays a new day. Otherwise a simulator
    # may be running already, and its day goes on.
    address = await _running(state, day) if simulator is None else None
    if address is None:
        if again:
            # A new day would replace the day to which the sessions and their orders belong.
            raise ConfigError(*SIMULATOR_GONE)
        simulator = simulator or StartingSimulator(state, day, config)
        # These two wait for a pipe and move files, so they run in a thread. The journals of earlier
        # days are moved only once the new day is certain.
        address = await asyncio.to_thread(simulator.ready)
        await asyncio.to_thread(put_away, sim_folder(state), address.run)
    control = ControlClient(address.control)
    now = (await control.state(None)).now
    clock, activity = SimulatedClock(now), Activity()
    credentials = (simulator and simulator.credentials) or Credentials.from_yaml(
        sim_folder(state) / "kis_devlp.yaml", paper=False
    )
    locks = CustomerLocks(Mode.SIM, credentials)
    # Each simulated day has its own folder, because its journal and token end with its simulator.
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
    name = DeskName(Mode.SIM, address.label, address.run)
    hide = credentials.masking().text
    return Connected(broker, clock, activity, name, folder, control, None, locks, universe, hide)


async def _running(state: Path, day: SimulatedDay) -> SimAddress | None:
    """Return the address of the running simulator; None when no simulator replies.

    Raises ConfigError when it plays another day.
    """
    address = find_simulator(state)
    if address is None:
        return None
    control = ControlClient(address.control)
    try:
        check_same_day(day, address)
        await control.state(None)
    except LinkLost:
        return None
    finally:
        await control.close()
    return address


async def _real(config: Config, mode: Mode, quotes: Mode | None) -> Connected:
    credentials = Credentials.find(mode, config.credentials)
    given = Path(config.credentials).expanduser() if config.credentials else None  # noqa: ASYNC240
    # The locks are taken before any call to KIS. KIS refuses a second WebSocket session with the
    # same appkey with OPSP8996 (KIS's notices), and it would share the rate limit of the first.
    locks = CustomerLocks(mode, credentials)
    clock, activity = SteadyClock(), Activity()
    # The name of the folder is a digest, because paths appear in logs and messages, and an account
    # number must not.
    account = hashlib.sha256(f"{mode}:{credentials.account.reveal()}".encode()).hexdigest()[:12]
    folder = private_dir(desk_folder(mode) / account)
    endpoint = Endpoint.from_yaml(given, mode) if given else Endpoint.of(mode)
    universe = Universe.for_kis(data_dir(), kst_day(clock.now()))
    own = (endpoint.limited(config.calls_per_second), credentials, clock, activity)
    # Tokens are kept across starts. KIS issues one a minute for an appkey and refuses the next with
    # EGW00133 (README of KIS's samples), so a desk that is restarted needs the old one.
    cache = private_dir(state_dir() / "tokens")
    transport = _transport(config, clock, credentials)
    if quotes is not None:
        broker: KisBroker = HybridBroker(
            QuotesDesk(quotes, clock, _desk_of),
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
    # Only a live desk is armed, so only a live desk can check the digits for it.
    is_tail = credentials.account.reveal().endswith if mode is Mode.LIVE else None
    return Connected(
        broker,
        clock,
        activity,
        DeskName(mode, label, account),
        folder,
        None,
        is_tail,
        locks,
        universe,
        credentials.masking().text,
    )


def _tape(config: Config, connected: Connected, server: DeskServer) -> DeskTape:
    """Begin and return the tape of this desk's day."""
    name = connected.name
    simulated = name.mode is Mode.SIM

    def report(text: str) -> None:
        """Publish a trouble of the tape like the desk's other troubles."""
        server.publish(Trouble(connected.clock.now(), text))

    return DeskTape(
        # The folder of a simulated day is temporary, but its tape must stay.
        (connected.folder.parent if simulated else connected.folder) / "tapes",
        name.label,
        connected.clock.now(),
        TapeLimits(config.tape_max_mb * 1_000_000, config.tape_days),
        report,
        _close_tapes,
        connected.hide,
        name.run if simulated else "",
    )


def _close_tapes(paths: Sequence[Path], wait: bool) -> None:
    """Start a process that closes tapes. With ``wait``, wait for its end. Raises OSError."""
    child = subprocess.Popen(  # noqa: S603 - our own interpreter
        python("kisnb.history.tape.closing", *map(str, paths)),
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    if wait:
        child.wait()


def _desk_of(mode: Mode) -> Desk:
    """Find or start the desk of another mode. Return its client, not attached yet."""
    return DeskClient(start_desk(mode, SimulatedDay()))


def _transport(config: Config, clock: Clock, credentials: Credentials) -> Transport:
    """Return the network for calls to KIS. If the configuration names a file, calls are recorded.

    Raises ConfigError.
    """
    network = Network(config.order_timeout)
    if not config.record:
        return network
    write = open_recording(Path(config.record).expanduser(), "KISNB_RECORD", append=True)
    return Recording(network, write, clock, credentials.masking())
