"""Frame in the desk → agent in the notebook process → synced order row → bytes about to leave, broken down.

The desk runs as a process of its own with its real host, journal, socket and core; only the wire is cut: frames are
handed to it as text, and the clock stops where the POST would begin.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

from kisnb.clock import Activity, WallClock, kst
from kisnb.desk.address import DeskAddress
from kisnb.desk.client import DeskClient
from kisnb.desk.host import DeskHost
from kisnb.desk.journal import Journal
from kisnb.desk.server import DeskServer
from kisnb.desk.snapshot import DeskName
from kisnb.events import Event, Notice, Tick
from kisnb.kis import frames, market_frames
from kisnb.market.instruments import Universe
from kisnb.orders import Account, Capabilities, Intent, OrderPage, OrderRef, Route, SendReply, Want
from kisnb.session.session import Session
from kisnb.terms import Mode, OrderKind, Side, Venue
from kisnb.trading.agent import Agent
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.journal_rows import Row
from kisnb.trading.limits import Limits
from kisnb.trading.order_book import day_number
from kisnb.trading.risk import Rules
from kisnb.trading.state import State

CODE = "005930"
DAY = date(2026, 11, 20)
ROUNDS = 400


class NoonClock(WallClock):
    """The machine's clock, shifted to a trading noon."""

    def __init__(self) -> None:
        self._shift = kst(DAY, 12 * 3600) - time.time_ns()

    def now(self) -> int:
        return time.time_ns() + self._shift


class CutWire:
    """A broker whose POST is a time stamp; accepts and fills at once."""

    capabilities = Capabilities((Venue.KRX,), tuple(OrderKind), can_order=True)
    frames = 0
    local_port = None
    settled = True

    def __init__(self) -> None:
        self.left: asyncio.Future[int] | None = None
        self.number = 0

    async def submit(self, intent: Intent, route: Route) -> SendReply:
        assert self.left is not None
        self.left.set_result(time.perf_counter_ns())
        self.number += 1
        return SendReply(intent.key, "sent", OrderRef(20261120, "1", self.number, route.venue))

    def want(self, subscriptions: Sequence[Want]) -> None: ...
    def listen(self, on_events: Callable[[Sequence[Event]], None]) -> None: ...
    async def account(self) -> Account: ...
    async def day_orders(self, day: date) -> OrderPage: ...


class Echo(Agent):
    """Buys one share on every trade."""

    code: str = CODE

    def on_tick(self, tick: Tick) -> None:
        self.buy(1)


def frame_text(n: int, price: int) -> str:
    t = kst(DAY, 12 * 3600 + n % 3600)
    tick = Tick(t, CODE, Venue.KRX, price, 1, Side.BUY, n, n * price, price, price)
    return frames.encode(frames.TRADES, [frames.encode_tick(tick)])


async def _desk(pipe: Connection, folder: Path) -> None:
    clock, wire = NoonClock(), CutWire()
    core = DeskCore(Rules(Universe.packaged(), wire.capabilities), Limits(), State())
    stamps: dict[str, list[int]] = {"decoded": [], "journal": [], "all": []}

    class TimedJournal(Journal):
        def append(self, rows: Sequence[Row]) -> None:
            began = time.perf_counter_ns()
            super().append(rows)
            stamps["journal"].append(time.perf_counter_ns() - began)

    journal = TimedJournal(folder / "journal.sqlite")
    host = DeskHost(core, journal, wire, clock, Activity(), lambda e: server.publish(e))  # type: ignore[arg-type]

    server = DeskServer(host, DeskName(Mode.LIVE, "bench", ""), "secret", 1.0)
    await server.listen(folder / "desk.sock")
    pipe.send("ready")
    while not server.connections:  # noqa: ASYNC110 - the server tells nobody, and only here is it asked
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    price = Universe.packaged().get(CODE).base
    for n in range(1, ROUNDS + 1):
        text = frame_text(n, price)
        wire.left = asyncio.get_running_loop().create_future()
        began = time.perf_counter_ns()
        events = market_frames.decode_ticks(frames.parse(text), clock.now())
        stamps["decoded"].append(time.perf_counter_ns() - began)
        host.take(events)
        stamps["all"].append(await wire.left - began)
        await asyncio.sleep(0)
        order = next(iter(reversed(core.state.books.orders.values())))
        notice = Notice(clock.now(), "filled", wire.number, 0, CODE, order.side, 1, price, "1", Venue.KRX)
        host.take([notice])
        await asyncio.sleep(0.005)
    assert day_number(clock.now()) == 20261120
    pipe.send(stamps)
    await server.close()


def _run_desk(pipe: Connection, folder: Path) -> None:
    asyncio.run(_desk(pipe, folder))


async def _session(pipe: Connection, folder: Path) -> dict[str, list[int]]:
    client = DeskClient(DeskAddress(str(folder / "desk.sock"), "secret", os.getpid(), Mode.LIVE, "bench"))
    session = Session(client, await client.attach(), Universe.packaged())
    await session.agents.start(Echo())
    stamps: dict[str, list[int]] = await asyncio.to_thread(pipe.recv)
    await session.close()
    return stamps


def measure() -> dict[str, tuple[float, float]]:
    """p50 and p99 in ms of each part, over 400 rounds."""
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = multiprocessing.Pipe()
        desk = multiprocessing.get_context("fork").Process(target=_run_desk, args=(theirs, Path(name)))
        desk.start()
        assert ours.recv() == "ready"
        stamps = asyncio.run(_session(ours, Path(name)))
        desk.join()
    sends = stamps["journal"][::2]
    parts = {
        "frame decoded": stamps["decoded"],
        "row of the order synced": sends,
        "frame → order bytes": stamps["all"],
    }
    hops = [a - d - j for a, d, j in zip(stamps["all"], stamps["decoded"], sends, strict=False)]
    parts["two process hops, agent, gate"] = hops
    return {part: (_at(values, 50), _at(values, 99)) for part, values in parts.items()}


def _at(values: list[int], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] / 1e6
