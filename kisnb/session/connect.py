"""``connect``: find or start the desk of a mode and attach a session to it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from datetime import date, time
from functools import partial

from kisnb.clock import kst_day, parse_time
from kisnb.config import load_config
from kisnb.desk.address import DeskAddress, find_desk, is_up
from kisnb.desk.life.launch import check_quotes, start_desk
from kisnb.desk.life.simulator_process import SimulatedDay
from kisnb.desk.life.supervisor import farewell_path
from kisnb.desk.serve.client import CURE, DeskClient
from kisnb.errors import BadInput, DeskBusy, DeskLost
from kisnb.market import calendar, uncertain
from kisnb.market.universe import Universe
from kisnb.paths import data_dir
from kisnb.session.feed.stock_list import list_trouble
from kisnb.session.kernel import KernelSessions
from kisnb.session.session import Session
from kisnb.session.typed_orders.cells import Cells, running_shell
from kisnb.session.typed_orders.pending import pending
from kisnb.terms import Mode
from kisnb.trading.ports.desk_port import Back, Desk, Snapshot

DYING_SECONDS = 5.0
"""Wall time for which a killed desk may still hold its lock and its socket."""
LOOK_SECONDS = 0.02
"""Wall time between two searches for the next desk."""


@pending
async def connect(
    mode: str = "sim",
    *,
    quotes: str | None = None,
    seed: int | None = None,
    date: date | str | None = None,
    start: time | str | None = None,
    fresh: bool = False,
) -> Session:
    """Open a session: ``"sim"``, ``"paper"`` or ``"live"``. Live accepts buys only while armed.

    ``seed``, ``date`` (YYYY-MM-DD) and ``start`` (HH:MM[:SS], KST) choose the simulated day.
    Without them, a day that is already running continues. If no day is running, a new day begins
    with the simulator's defaults. ``fresh`` always begins a new day. With ``quotes="live"`` a paper
    desk gets its prices from the desk that owns the live appkey.

    An IPython kernel has one session for each mode. The same call again returns that session; with
    ``fresh`` it is closed first. Raises BadInput, ConfigError, DeskBusy, DeskError.
    """
    try:
        wanted = Mode(mode)
    except ValueError:
        raise BadInput(f"{mode!r} is not a valid mode", "open sim, paper or live") from None
    # All values are read before a desk is started: a wrong one must not leave a desk behind.
    if seed is not None and not isinstance(seed, int):
        raise BadInput(f"{seed!r} is not a valid seed", "give a whole number, such as 7")
    day = SimulatedDay(seed, _date(date), _time(start))
    if wanted is not Mode.SIM and (day != SimulatedDay() or fresh):
        raise BadInput(
            "seed, date, start and fresh make a simulated day", "leave them out, or open sim"
        )
    given = _quotes(wanted, quotes)
    calendar.use_local()
    # The kernel uses the same holidays and assumptions as its desk, because both read the same
    # files.
    uncertain.use(uncertain.read(load_config().assume))
    shell = running_shell()
    if shell is None:
        return await _opened(wanted, day, fresh, given, None)
    kernel = KernelSessions.of(shell)
    async with kernel.lock(wanted):
        # This is checked under the lock, because another cell may have opened a session while this
        # cell waited.
        session = kernel.open(wanted)
        if session is not None and not fresh:
            # This raises the cure when the options differ from those of the open day.
            await _aside(partial(start_desk, wanted, day, fresh=False, quotes=given))
            return session
        session = await _opened(wanted, day, fresh, given, kernel.cells)
        # The new session is open before the other one is closed, so that a failure to open leaves
        # the other one.
        await kernel.replace(session)
        return session


async def _opened(
    mode: Mode, day: SimulatedDay, fresh: bool, quotes: Mode | None, cells: Cells | None
) -> Session:
    client, snapshot = await _attached(mode, day, fresh, quotes)
    try:
        # The desk says which day it is, because a simulated day has the issues and prices of its
        # own date. The file is large, so a thread reads it.
        load = Universe.load if mode is Mode.SIM else Universe.for_kis
        universe = await asyncio.to_thread(load, data_dir(), kst_day(snapshot.now))
        session = Session(client, snapshot, universe, partial(next_desk, mode), cells)
        if trouble := list_trouble(universe, kst_day(snapshot.now)):
            session.troubles.append(trouble)
        return session
    except BaseException:
        # Nobody else knows this client: its threads would run on.
        client.close()
        raise


def _quotes(mode: Mode, quotes: str | None) -> Mode | None:
    if quotes is None:
        return None
    try:
        return check_quotes(mode, Mode(quotes))
    except ValueError:
        raise BadInput(f"{quotes!r} is not a valid mode", "write quotes='live'") from None


async def _attached(
    mode: Mode, day: SimulatedDay, fresh: bool, quotes: Mode | None
) -> tuple[DeskClient, Snapshot]:
    """Start or find the desk, attach to it, and return its client and its snapshot.

    A desk that was killed a moment ago may still hold its lock and its socket. So attaching is
    tried again for ``DYING_SECONDS``. After that it raises DeskLost.
    """
    deadline = asyncio.get_running_loop().time() + DYING_SECONDS
    while True:
        address = await _aside(partial(start_desk, mode, day, fresh=fresh, quotes=quotes))
        client = DeskClient(address)
        try:
            return client, await client.attach()
        except BaseException as e:
            client.close()
            # A desk that refuses will refuse again, and an interrupt must end the wait. Only a desk
            # that is going down is tried again.
            if not isinstance(e, DeskLost) or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)


async def next_desk(mode: Mode, back: Back) -> tuple[Desk, Snapshot]:
    """Wait for the desk that the supervisor starts after a death, and attach to it.

    Return its client and its snapshot. ``back`` is the state of this session. Raises DeskLost when
    no desk comes.
    """
    while True:
        client = _client(mode, back)
        if client is not None:
            try:
                return client, await client.attach()
            except BaseException as e:
                client.close()
                if not isinstance(e, DeskLost):
                    raise
        # No address is on file. As long as a supervisor holds its lock, a next desk may still come.
        # The lock is checked in a thread, because its file may be on a network disk.
        elif not await asyncio.to_thread(is_up, mode):
            why = farewell_path(mode)
            text = (
                why.read_text("utf-8").strip()
                if why.exists()
                else "the desk died, and nothing starts it again"
            )
            raise DeskLost(text, CURE)
        await asyncio.sleep(LOOK_SECONDS)


async def _aside(work: Callable[[], DeskAddress]) -> DeskAddress:
    """Run ``work`` in a daemon thread and return its result."""
    # A kernel that ends waits for threads of ``asyncio.to_thread``, and starting a desk may take
    # long. So the thread is a daemon thread.
    done: concurrent.futures.Future[DeskAddress] = concurrent.futures.Future()

    def run() -> None:
        try:
            value = work()
        except BaseException as e:
            # False when the waiting cell was interrupted. Then nobody takes the result, and the
            # started desk goes on.
            if done.set_running_or_notify_cancel():
                done.set_exception(e)
        else:
            if done.set_running_or_notify_cancel():
                done.set_result(value)

    threading.Thread(target=run, name="kisnb-start", daemon=True).start()
    return await asyncio.wrap_future(done)


def _client(mode: Mode, back: Back) -> DeskClient | None:
    try:
        address = find_desk(mode)
    except DeskBusy:
        return None
    return DeskClient(address, back) if address is not None else None


def _date(value: date | str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(date.fromisoformat(str(value)))
    except ValueError:
        raise BadInput(f"{value!r} is not a date", "write it as YYYY-MM-DD") from None


def _time(value: time | str | None) -> str | None:
    if value is None:
        return None
    try:
        return (parse_time(value) if isinstance(value, str) else value).isoformat()
    except ValueError as e:
        raise BadInput(str(e)) from None
