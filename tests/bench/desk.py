"""The desk process: restart with a long journal, and ticks to several sessions at once.

The desk of the fan-out is the real host, core and socket in a process of its own; the market is
played into it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from kisnb.clock import Activity
from kisnb.desk.address import DeskAddress
from kisnb.desk.record.journal import JOURNAL, Journal
from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.server import DeskServer
from kisnb.desk.serve.snapshot import DeskName
from kisnb.events import Accepted, Filled, IntentTaken, SendStarted, Sent, Tick
from kisnb.market.universe import Universe
from kisnb.orders import Intent, OrderRef, Route
from kisnb.session.session import Session
from kisnb.terms import Mode, OrderKind, Side, Venue
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.bench.hops import CODE, CutWire, NoonClock

ROWS = 100_000
SESSIONS = 4
TICKS_PER_SECOND = 20_000 // SESSIONS
"""Delivered to all sessions together: 20,000 a second."""
FRAME = 5
"""Trades in one frame of KIS."""
SECONDS = 10
FOLD = """
import sys, time
began = time.process_time()
from pathlib import Path
from kisnb.desk.record.archive import open_journal
from kisnb.trading.state import State
imported = time.process_time()
journal, rows = open_journal(Path(sys.argv[1]), int(sys.argv[2]))
read = time.process_time()
state = State.fold(rows)
folded = time.process_time()
first, array = journal.published_after(0)
told = time.process_time()
assert len(rows) == int(sys.argv[3])
print(imported - began, read - imported, folded - read, told - folded)
"""


def rows_of_a_long_day(count: int, now: int) -> list[Row]:
    """Orders with their five rows each, bought and sold in turn."""
    rows: list[Row] = []
    for n in range(count // 5):
        side = Side.SELL if n % 2 else Side.BUY
        intent = Intent(f"agent:a:{n}", f"a{n % 8 // 2}", CODE, side, 1, OrderKind.LIMIT, 70_000)
        ref = OrderRef(20261120, "06010", n + 1)
        rows += [
            IntentTaken(now + n, intent),
            SendStarted(now + n, intent.key, Route(Venue.KRX, OrderKind.LIMIT, "cheapest venue")),
            Sent(now + n, intent.key, ref),
            Accepted(now + n, intent.key, ref),
            Filled(now + n, intent.key, 1, 70_000, 10, 100 if n % 2 else 0, Venue.KRX),
        ]
    return rows


def restart() -> dict[str, float]:
    """Processor seconds of each part of a restart with a journal of ``ROWS`` rows, in a fresh
    process."""
    now = NoonClock().now()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / JOURNAL
        journal = Journal(path)
        journal.append(rows_of_a_long_day(ROWS, now))
        journal.close()
        command = [sys.executable, "-c", FOLD, str(path), str(now), str(ROWS)]
        runs = [
            [
                float(x)
                for x in subprocess.run(
                    command, capture_output=True, text=True, check=True
                ).stdout.split()
            ]
            for _ in range(3)
        ]
    parts = ("imports", "journal checked and read", "folded", "snapshot for a session")
    return dict(
        zip(parts, (statistics.median(column) for column in zip(*runs, strict=True)), strict=True)
    )


async def restart_of_a_desk() -> tuple[float, float]:
    """With ``ROWS`` rows: seconds until a desk that is started is ready, and from kill -9 of it to
    an answer again."""
    import kisnb
    from kisnb.desk.address import find_desk
    from kisnb.desk.life.launch import start_desk, stop_desk
    from kisnb.desk.life.simulator_process import SimulatedDay
    from kisnb.desk.record.journal_frame import find_journal

    async with await kisnb.connect("sim", seed=1, fresh=True) as session:
        now = session.now
    stop_desk(Mode.SIM)
    journal = Journal(find_journal(Mode.SIM))
    journal.append(rows_of_a_long_day(ROWS, now))
    journal.close()
    began = time.perf_counter()
    start_desk(Mode.SIM, SimulatedDay())
    ready = time.perf_counter() - began
    async with await kisnb.connect("sim") as session:
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGKILL)
        began = time.perf_counter()
        await session.quote(CODE)
        return ready, time.perf_counter() - began


async def _desk(pipe: Connection, folder: Path) -> None:
    wire, clock = CutWire(), NoonClock()
    core = DeskCore(Rules(Universe.packaged(), wire.capabilities), Limits(), State())
    host = DeskHost(
        core, Journal(folder / JOURNAL), wire, clock, Activity(), lambda e: server.publish(e)
    )  # type: ignore[arg-type]
    server = DeskServer(host, DeskName(Mode.LIVE, "bench", "run"), "secret", 1.0)
    await server.listen(folder / "desk.sock")
    pipe.send("ready")
    while len(server.feed.connections) < SESSIONS:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    process = psutil.Process()
    before, busy = process.memory_info().rss, process.cpu_times()
    sent, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        while sent < passed * TICKS_PER_SECOND:
            now = time.monotonic_ns()
            ticks = [
                Tick(now, CODE, Venue.KRX, 70_000, 1, Side.BUY, sent + i, 0, 70_000, 69_900, now)
                for i in range(FRAME)
            ]
            host.receive(ticks)
            sent += FRAME
            await asyncio.sleep(0)
        await asyncio.sleep(0.0005)
    used = process.cpu_times()
    await asyncio.sleep(1)
    grown = process.memory_info().rss - before
    pipe.send(
        {"ticks": sent, "grown": grown, "cpu": used.user + used.system - busy.user - busy.system}
    )
    await asyncio.sleep(1)
    await server.close()


async def _session(pipe: Connection, folder: Path) -> None:
    client = DeskClient(
        DeskAddress(str(folder / "desk.sock"), "secret", os.getpid(), Mode.LIVE, "bench")
    )
    session = Session(client, await client.attach(), Universe.packaged())
    took: list[int] = []
    plain = session.agents.deliver

    def deliver(event: object, now: int) -> None:
        plain(event, now)  # type: ignore[arg-type]
        if isinstance(event, Tick):
            took.append(time.monotonic_ns() - event.received)

    session.agents.deliver = deliver  # type: ignore[method-assign]
    while not client.lost:  # noqa: ASYNC110 - the pump is the session's own
        await asyncio.sleep(0.1)
    pipe.send(took)
    await session.close()


def _run(work: object, pipe: Connection, folder: Path) -> None:
    asyncio.run(work(pipe, folder))  # type: ignore[operator]


def fan_out() -> dict[str, float]:
    """Delay from the desk's hand to the session's handled event, ms. What came of what was sent.

    The desk's share.
    """
    fork = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = multiprocessing.Pipe()
        desk = fork.Process(target=_run, args=(_desk, theirs, Path(name)))
        desk.start()
        assert ours.recv() == "ready"
        pipes = [multiprocessing.Pipe() for _ in range(SESSIONS)]
        sessions = [fork.Process(target=_run, args=(_session, end, Path(name))) for _, end in pipes]
        for process in sessions:
            process.start()
        said = ours.recv()
        took = [mine.recv() for mine, _ in pipes]
        for process in (desk, *sessions):
            process.join()
    delays = sorted(ns for session in took for ns in session)
    quantiles = statistics.quantiles(delays, n=1000)
    return {
        "delivered": len(delays) / (said["ticks"] * SESSIONS),
        "per second": len(delays) / SECONDS,
        "p50": quantiles[499] / 1e6,
        "p99": quantiles[989] / 1e6,
        "p99.9": quantiles[998] / 1e6,
        "cpu": said["cpu"] / SECONDS,
        "grown": said["grown"] / 1e6,
    }


async def memory_over_a_day() -> list[tuple[str, float]]:
    """Memory of the desk of a simulated day, MB, at each full hour.

    Ten stocks are watched, an agent trades.
    """
    import kisnb
    from kisnb.desk.address import find_desk
    from kisnb.strategies.volume_trigger import VolumeTrigger

    async with await kisnb.connect("sim", seed=1, start="09:00", fresh=True) as session:
        await session.watch(*[i.code for i in session.universe.search("")][:10])
        await session.agents.start(
            VolumeTrigger(code=CODE, rise=0.001, trend=0.0005, surge=1.1, profit=0.002)
        )
        found = []
        for hour in range(10, 16):
            await session.until(f"{hour}:00")
            desk = find_desk(Mode.SIM)
            assert desk is not None
            found.append((f"{hour}:00", psutil.Process(desk.pid).memory_info().rss / 1e6))
        return found


def show() -> None:
    print(f"\nrestart with {ROWS:,} rows, ms of the processor")
    parts = restart()
    for part, seconds in parts.items():
        print(f"  {part:32s} {seconds * 1000:8.0f}")
    ready, answered = asyncio.run(restart_of_a_desk())
    print(f"  {'start → ready, wall':32s} {ready * 1000:8.0f}   target < 2000")
    print(f"  {'kill -9 → a session is answered':32s} {answered * 1000:8.0f}")
    print("\nmemory of the desk over a simulated day, MB")
    for clock, megabytes in asyncio.run(memory_over_a_day()):
        print(f"  {clock:32s} {megabytes:8.1f}")
    out = fan_out()
    print(
        f"\n{TICKS_PER_SECOND:,} ticks a second to {SESSIONS} sessions: "
        f"{out['per second']:,.0f} a second in total"
    )
    print(f"  delivered                        {out['delivered']:8.2%}")
    for quantile in ("p50", "p99", "p99.9"):
        print(f"  {quantile:32s} {out[quantile]:8.2f} ms")
    print(f"  one core of the desk             {out['cpu']:8.0%}")
    print(f"  memory of the desk, grown        {out['grown']:8.1f} MB")


if __name__ == "__main__":
    show()
