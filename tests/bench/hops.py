"""Frame in the desk → agent in the notebook process → synced order row → bytes about to leave,
broken down; the wire.

The desk runs as a process of its own with its real host, journal, socket and core; only the wire is
cut: frames are handed to it as text, and the clock stops where the POST would begin. The wire is
measured by itself, from the order to its answer, by the real broker at a simulated host in a
process of its own: ``python -m tests.bench.hops``.
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

from kisnb.clock import Activity, WallClock, day_number, kst
from kisnb.desk.address import DeskAddress
from kisnb.desk.record.journal import Journal
from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.server import DeskServer
from kisnb.desk.serve.snapshot import DeskName
from kisnb.events import Event, Notice, Tick
from kisnb.kis.broker import KisBroker
from kisnb.kis.credentials import Credentials, Secret
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.feed import frames, market_frames
from kisnb.market.universe import Universe
from kisnb.orders import Account, Capabilities, Intent, OrderPage, OrderRef, Route, SendReply, Want
from kisnb.session.session import Session
from kisnb.terms import Mode, OrderKind, Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.desk_core import CoreMessage, DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.commands import Submit
from kisnb.trading.ports.effects import Effect
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.bench.simulator import served

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
    pace = ""

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
    """Buys one share on every trade, and notes when."""

    code: str = CODE

    def __init__(self, called: list[int]) -> None:
        super().__init__()
        self._called = called

    def on_tick(self, tick: Tick) -> None:
        self._called.append(time.perf_counter_ns())
        self.buy(1)


def frame_text(n: int, price: int) -> str:
    t = kst(DAY, 12 * 3600 + n % 3600)
    tick = Tick(t, CODE, Venue.KRX, price, 1, Side.BUY, n, n * price, price, price)
    return frames.encode(frames.TRADES, [frames.encode_tick(tick)])


class TimedJournal(Journal):
    """Notes how long each row took to be on the disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.took: list[int] = []

    def append(self, rows: Sequence[Row]) -> None:
        began = time.perf_counter_ns()
        super().append(rows)
        self.took.append(time.perf_counter_ns() - began)


class TimedCore(DeskCore):
    """Notes when each order came and when the gate was through with it."""

    def __init__(self, wire: CutWire) -> None:
        super().__init__(Rules(Universe.packaged(), wire.capabilities), Limits(), State())
        self.took: list[tuple[int, int]] = []

    def step(self, now: int, said: CoreMessage) -> list[Effect]:
        began = time.perf_counter_ns()
        effects = super().step(now, said)
        if isinstance(said, Submit):
            self.took.append((began, time.perf_counter_ns()))
        return effects


async def _desk(pipe: Connection, folder: Path) -> None:
    clock, wire, journal = NoonClock(), CutWire(), TimedJournal(folder / "journal.sqlite")
    core = TimedCore(wire)
    host = DeskHost(core, journal, wire, clock, Activity(), lambda e: server.publish(e))  # type: ignore[arg-type]
    server = DeskServer(host, DeskName(Mode.LIVE, "bench", ""), "secret", 1.0)
    await server.listen(folder / "desk.sock")
    pipe.send("ready")
    while not server.feed.connections:  # noqa: ASYNC110 - the server tells nobody, and only here is it asked
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    price = Universe.packaged().get(CODE).base
    marks: list[tuple[int, int, int, int]] = []
    for n in range(1, ROUNDS + 1):
        text = frame_text(n, price)
        wire.left = asyncio.get_running_loop().create_future()
        began = time.perf_counter_ns()
        events = market_frames.decode_ticks(frames.parse(text), clock.now())
        decoded = time.perf_counter_ns()
        written = len(journal.took)
        host.receive(events)
        left = await wire.left
        marks.append((began, decoded, journal.took[written], left))
        await asyncio.sleep(0)
        order = next(iter(reversed(core.state.books.orders.values())))
        notice = Notice(
            clock.now(), "filled", wire.number, 0, CODE, order.side, 1, price, "1", Venue.KRX
        )
        host.receive([notice])
        await asyncio.sleep(0.005)
    assert day_number(clock.now()) == 20261120
    pipe.send((marks, core.took))
    await server.close()


def _run_desk(pipe: Connection, folder: Path) -> None:
    asyncio.run(_desk(pipe, folder))


async def _session(pipe: Connection, folder: Path) -> dict[str, list[int]]:
    client = DeskClient(
        DeskAddress(str(folder / "desk.sock"), "secret", os.getpid(), Mode.LIVE, "bench")
    )
    session = Session(client, await client.attach(), Universe.packaged())
    called: list[int] = []
    await session.agents.start(Echo(called))
    marks, gate = await asyncio.to_thread(pipe.recv)
    await session.close()
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for (began, decoded, row, left), asked, (came, through) in zip(
        marks, called, gate, strict=True
    ):
        hops = decoded - began, asked - decoded, came - asked
        took = (*hops, through - came, row, left - through - row, left - began)
        for part, ns in zip(PARTS, took, strict=True):
            parts[part].append(ns)
    return parts


PARTS = (
    "frame decoded",
    "hop to the notebook, its agent called",
    "hop back with its order",
    "gate: reserved, routed",
    "row of the order synced",
    "from there to the POST",
    "frame → order bytes",
)


def measure() -> dict[str, tuple[float, float]]:
    """p50 and p99 in ms of each part, over 400 rounds."""
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = multiprocessing.Pipe()
        desk = multiprocessing.get_context("fork").Process(
            target=_run_desk, args=(theirs, Path(name))
        )
        desk.start()
        assert ours.recv() == "ready"
        parts = asyncio.run(_session(ours, Path(name)))
        desk.join()
    parts["wire: order sent and answered by the host"] = wire()
    return {part: (_at(values, 50), _at(values, 99)) for part, values in parts.items()}


def wire() -> list[int]:
    """ns of each of 400 orders that the broker sends to a simulated host, one after the other,
    until its answer."""
    with served() as said:
        return asyncio.run(_orders(said))


async def _orders(said: dict[str, str]) -> list[int]:
    account, product = said["account"].split("-")
    keys = Credentials(
        Secret(said["appkey"]), Secret(said["appsecret"]), Secret(account), product, Secret("bench")
    )
    host = Endpoint(said["rest"], said["ws"], Mode.LIVE, limit=1_000_000)
    took = []
    with tempfile.TemporaryDirectory() as cache:
        broker = KisBroker(host, keys, NoonClock(), Activity(), cache=Path(cache))
        for n in range(ROUNDS + 1):
            intent = Intent(f"bench:{n}", "", CODE, Side.BUY, 1, OrderKind.MARKET)
            began = time.perf_counter_ns()
            reply = await broker.submit(intent, Route(Venue.KRX, OrderKind.MARKET, "the bench's"))
            took.append(time.perf_counter_ns() - began)
            assert reply.outcome == "sent", reply
        await broker.close()
    return took[1:]


def _at(values: list[int], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] / 1e6


def show() -> None:
    print(f"\nfrom a frame in the desk to the bytes of an agent's order, p50 and p99 of {ROUNDS}")
    for part, (p50, p99) in measure().items():
        print(f"  {part:44s} {p50:8.2f} ms {p99:8.2f} ms")


if __name__ == "__main__":
    show()
