"""A desk in this process: its real core, journal, host and socket; only the wire to KIS is cut."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from kisnb.clock import Activity, SimulatedClock
from kisnb.desk.address import DeskAddress
from kisnb.desk.record.journal import Journal
from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.server import DeskServer
from kisnb.desk.serve.snapshot import DeskName
from kisnb.market.universe import Universe
from kisnb.orders import Account, Capabilities, Intent, OrderPage, Route, SendReply, Want
from kisnb.session.session import Session
from kisnb.terms import Mode
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.desk_port import Back
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.trading.desk import CAN, NOON, notice, ref
from tests.waiting import until

SECRET = "the secret of the desk"


class Wire:
    """The broker as host and server call it: gives every order a number, and shows no market."""

    frames = 0
    local_port = None
    settled = True
    pace = ""
    capabilities: Capabilities = CAN

    host: DeskHost

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.wanted: list[Want] = []

    async def submit(self, wanted: Intent, _route: Route) -> SendReply:
        self.submitted.append(wanted.key)
        number = len(self.submitted)
        asyncio.get_running_loop().call_later(
            0.01, lambda: self.host.receive([notice("accepted", number)])
        )
        return SendReply(wanted.key, "sent", ref(len(self.submitted)))

    async def day_orders(self, _day: date) -> OrderPage:
        return OrderPage((), complete=True)

    async def account(self) -> Account:
        return Account(10**9, 10**9, 10**9, 10**9, (), complete=True)

    def want(self, wants: list[Want]) -> None:
        self.wanted = wants

    async def close(self) -> None: ...


class Served:
    """One desk of the run ``"run"`` on a folder.

    Another one on the same folder goes on with its journal.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = DeskAddress(
            str(folder / "desk.sock"), SECRET, os.getpid(), Mode.LIVE, "desk"
        )
        self.wire = Wire()
        self.journal = Journal(folder / "journal.sqlite")
        core = DeskCore(Rules(Universe.packaged(), CAN), Limits(), State.fold(self.journal.rows()))
        clock = SimulatedClock(NOON)
        self.host = DeskHost(
            core, self.journal, self.wire, clock, Activity(), lambda e: self.server.publish(e)
        )  # type: ignore[arg-type]
        self.wire.host = self.host
        self.server = DeskServer(self.host, DeskName(Mode.LIVE, "desk", "run"), SECRET, 1.0)

    async def start(self) -> None:
        await self.server.listen(Path(self.address.socket))
        self.host.start()

    async def end(self) -> None:
        await self.server.close()
        await self.host.close()

    async def session(self, find: Callable[[Back], object] | None = None) -> Session:
        client = DeskClient(self.address)
        return Session(client, await client.attach(), Universe.packaged(), find)  # type: ignore[arg-type]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    desk = Served(folder)
    await desk.start()
    try:
        yield desk
    finally:
        await desk.end()


async def seen(over: Callable[[], bool]) -> None:
    """Wait until ``over()`` is true; fails after 20 s."""
    await until(over)
