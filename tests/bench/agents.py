"""Agents under load, their start and stop, and an exit while the notebook is blocked.

The desk runs as a process of its own with its real host, journal, socket and core; only the wire is
cut, as in ``hops``. ``python -m tests.bench.agents``
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kisnb.clock import SECOND, Activity
from kisnb.desk.address import DeskAddress
from kisnb.desk.record.journal import Journal
from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.server import DeskServer
from kisnb.desk.serve.snapshot import DeskName
from kisnb.events import Depth, Event, Notice, Tick
from kisnb.exits import Protection
from kisnb.kis.feed import frames, market_frames
from kisnb.market.universe import Universe
from kisnb.orders import Intent
from kisnb.session.session import Session
from kisnb.terms import Mode, OrderKind, Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.commands import Protect, Submit
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.bench.hops import CODE, CutWire, NoonClock, frame_text

STOCKS, AGENTS = 20, 10
TICKS_PER_SECOND = 2_000
"""Of all stocks together, of KRX and NXT in turn."""
FRAME = 5
"""Trades in one frame of KIS."""
SECONDS = 10
STARTS = 100
EXITS = 200
LAG_EVERY = 0.01
"""Pause of the task that measures the loop's lag."""
CODES = tuple(
    item.code for item in Universe.packaged() if item.nxt and not item.halted
)[:STOCKS]  # fmt: skip


class Listener(Agent):
    """Notes how long each trade took from the desk's hand to its handler."""

    def __init__(self, took: list[int], code: str) -> None:
        super().__init__(code=code)
        self._took = took

    def on_tick(self, tick: Tick) -> None:
        self._took.append(time.monotonic_ns() - tick.received)


class _Desk:
    """One desk in this process, over a cut wire."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wire, self.clock = CutWire(), NoonClock()
        core = DeskCore(Rules(Universe.packaged(), self.wire.capabilities), Limits(), State())
        self.core = core
        self.host = DeskHost(
            core, Journal(folder / "journal.sqlite"), self.wire, self.clock, Activity(),  # type: ignore[arg-type]
            lambda e: self.server.publish(e),
        )  # fmt: skip
        self.server = DeskServer(self.host, DeskName(Mode.LIVE, "bench", ""), "secret", 1.0)

    async def attached(self, pipe: Connection) -> None:
        """Serve, and return when a session is attached."""
        await self.server.listen(self.folder / "desk.sock")
        pipe.send("ready")
        while not self.server.feed.connections:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


async def _busy_market(pipe: Connection, folder: Path) -> None:
    """Play the trades of all stocks as soon as the session says that its agents run."""
    desk = _Desk(folder)
    await desk.attached(pipe)
    await asyncio.to_thread(pipe.recv)
    sent, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        while sent < passed * TICKS_PER_SECOND:
            received, t = time.monotonic_ns(), desk.clock.now()
            venue = Venue.NXT if sent // FRAME % 2 else Venue.KRX
            code = CODES[sent // FRAME // 2 % STOCKS]
            ticks = [
                Tick(t, code, venue, 70_000, 1, Side.BUY, sent + i, 0, 70_000, 69_900, received)
                for i in range(FRAME)
            ]
            desk.host.receive(ticks)
            sent += FRAME
            await asyncio.sleep(0)
        await asyncio.sleep(0.0005)
    await asyncio.sleep(1)
    pipe.send(sent)
    await desk.server.close()


async def _exits(pipe: Connection, folder: Path) -> None:
    """Let an exit sell a share, again and again, and note how long from the frame to the bytes."""
    desk = _Desk(folder)
    await desk.attached(pipe)
    await asyncio.to_thread(pipe.recv)
    base, took = Universe.packaged().get(CODE).base, []
    exits = desk.core.state.exits

    def held() -> int:
        return desk.core.state.books.of("bench").position(CODE).qty

    for n in range(1, EXITS + 1):
        t = desk.clock.now()
        top = Depth(t, CODE, Venue.KRX, ((base, 100),), ((base - 100, 100),), t)
        desk.host.receive([top])
        # Back above the stop: an exit that would sell at once is refused.
        desk.host.receive(_trade(desk, 2 * n, base))
        buy = Intent(f"bench:{n}", "bench", CODE, Side.BUY, 1, OrderKind.LIMIT, base)
        desk.wire.left = asyncio.get_running_loop().create_future()
        desk.host.submit(Submit(buy))
        await asyncio.wait_for(desk.wire.left, 30)
        _fill(desk, Side.BUY, base)
        await _until(lambda: held() == 1)
        desk.host.submit(Protect(Protection(f"p:{n}", "bench", CODE, stop_price=base - 50)))
        await _until(lambda: bool(exits.watches))
        await asyncio.sleep(0.002)
        desk.wire.left = asyncio.get_running_loop().create_future()
        began = time.perf_counter_ns()
        desk.host.receive(_trade(desk, 2 * n + 1, base - 100))
        took.append(await asyncio.wait_for(desk.wire.left, 30) - began)
        _fill(desk, Side.SELL, base - 100)
        await _until(lambda: not held() and not exits.watches)
    pipe.send(took)
    await desk.server.close()


def _trade(desk: _Desk, n: int, price: int) -> Sequence[Event]:
    """Return the trade of a frame of KIS, decoded."""
    return market_frames.decode_ticks(frames.parse(frame_text(n, price)), desk.clock.now())


async def _until(over: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not over():  # noqa: ASYNC110 - a core tells nobody
            await asyncio.sleep(0.001)


def _fill(desk: _Desk, side: Side, price: int) -> None:
    number = desk.wire.number
    notice = Notice(desk.clock.now(), "filled", number, 0, CODE, side, 1, price, "1", Venue.KRX)
    desk.host.receive([notice])


async def _session(folder: Path) -> Session:
    address = DeskAddress(str(folder / "desk.sock"), "secret", os.getpid(), Mode.LIVE, "bench")
    client = DeskClient(address)
    return Session(client, await client.attach(), Universe.packaged())


async def _lag(found: list[int]) -> None:
    while True:
        began = time.monotonic_ns()
        await asyncio.sleep(LAG_EVERY)
        found.append(time.monotonic_ns() - began - int(LAG_EVERY * SECOND))


async def _loaded(pipe: Connection, folder: Path) -> dict[str, Any]:
    session = await _session(folder)
    took: list[int] = []
    lags: list[int] = []
    starts: list[int] = []
    stops: list[int] = []
    for _ in range(STARTS):
        began = time.monotonic_ns()
        view = await session.agents.start(Listener(took, CODES[0]))
        starts.append(time.monotonic_ns() - began)
        began = time.monotonic_ns()
        await session.agents.stop(view.id)
        stops.append(time.monotonic_ns() - began)
    for code in CODES:
        session._parts.watched.follow(code)
    for code in CODES[:AGENTS]:
        await session.agents.start(Listener(took, code))
    measuring = asyncio.get_running_loop().create_task(_lag(lags))
    pipe.send("go")
    busy = time.process_time()
    sent = await asyncio.to_thread(pipe.recv)
    busy = time.process_time() - busy
    measuring.cancel()
    await session.close()
    return {
        "sent": sent, "took": took, "lags": lags, "starts": starts, "stops": stops, "busy": busy,
    }  # fmt: skip


async def _blocked(pipe: Connection, folder: Path) -> list[int]:
    """Attach a session, and block its loop as a long cell does until the desk has sold."""
    session = await _session(folder)
    pipe.send("go")
    took: list[int] = pipe.recv()
    await session.close()
    return took


def _run(work: Callable[[Connection, Path], Coroutine[Any, Any, None]], pipe: Connection,
         folder: Path) -> None:  # fmt: skip
    asyncio.run(work(pipe, folder))


def _measured(
    desk_work: Callable[[Connection, Path], Coroutine[Any, Any, None]],
    session_work: Callable[[Connection, Path], Coroutine[Any, Any, Any]],
) -> Any:
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = multiprocessing.Pipe()
        desk = multiprocessing.get_context("fork").Process(
            target=_run, args=(desk_work, theirs, Path(name)), daemon=True
        )
        desk.start()
        # Only the desk's process holds the other end: when it dies, ``recv`` says so.
        theirs.close()
        assert ours.recv() == "ready"
        found = asyncio.run(session_work(ours, Path(name)))
        desk.join()
    return found


def _at(values: list[int], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] / 1e6


def show() -> None:
    loaded = _measured(_busy_market, _loaded)
    print(f"\n{AGENTS} agents, {STOCKS} stocks of both venues, {TICKS_PER_SECOND:,} ticks a second")
    for what, values, target in (
        ("tick to handler", loaded["took"], "p99 target < 5 ms"),
        ("lag of the loop", loaded["lags"], "p99 target < 50 ms"),
        ("agent start", loaded["starts"], ""),
        ("agent stop", loaded["stops"], ""),
        (
            "exit, notebook blocked: tick to bytes",
            _measured(_exits, _blocked),
            "p99 target < 10 ms",
        ),
    ):
        print(
            f"  {what:38s} p50 {_at(values, 50):7.2f} ms   p99 {_at(values, 99):7.2f} ms   {target}"
        )
    print(f"  trades sent {loaded['sent']:,}, handled by agents {len(loaded['took']):,}")
    print(
        f"  processor of the notebook, a trade     {loaded['busy'] / loaded['sent'] * 1e6:7.0f} µs"
    )


if __name__ == "__main__":
    show()
