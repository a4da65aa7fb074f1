"""The host of the core: what it does when the disk fails, and what it keeps until the end."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from kisnb.clock import Activity, SimulatedClock
from kisnb.desk.record.journal import Journal, JournalLost
from kisnb.desk.run.host import DeskHost
from kisnb.errors import OrderDenied
from kisnb.events import CommandDropped, Depth, Event, HaltStep, Trouble
from kisnb.market.universe import Universe
from kisnb.orders import ALLOWED, Intent, OrderPage, OrderState, Route, SendReply
from kisnb.terms import Venue
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.commands import Halt, Submit
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.trading.desk import CAN, NOON, intent, notice, ref


class Wire:
    """The broker as the host calls it: takes every order, and pushes a last notice while
    it closes."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.host: DeskHost | None = None

    async def submit(self, wanted: Intent, route: Route) -> SendReply:
        self.submitted.append(wanted.key)
        return SendReply(wanted.key, "sent", ref())

    async def depth(self, code: str, venue: Venue) -> Depth:
        raise ValueError("no defect of the reading may stop an order for good")

    async def day_orders(self, day: date) -> OrderPage:
        return OrderPage((), complete=True)

    async def close(self) -> None:
        if self.host is not None:
            self.host.receive([notice("filled")])


def host_on(journal: Journal, wire: Wire, heard: list[Event]) -> DeskHost:
    core = DeskCore(Rules(Universe.packaged(), CAN), Limits(), State.fold(journal.rows()))
    return DeskHost(core, journal, wire, SimulatedClock(NOON), Activity(), heard.append)  # type: ignore[arg-type]


def test_o01_without_its_row_nothing_is_sent_and_each_order_is_told_so(tmp_path: Path):
    async def begin() -> None:
        journal, wire, heard = Journal(tmp_path / "j.sqlite"), Wire(), list[Event]()
        host = host_on(journal, wire, heard)
        journal.close()
        host.submit(Submit(intent("a")))
        host.submit(Submit(intent("b")))
        await asyncio.sleep(0)
        assert wire.submitted == []
        assert [type(e) for e in heard] == [Trouble, CommandDropped, CommandDropped]
        assert [e.key for e in heard if isinstance(e, CommandDropped)] == ["a", "b"]

    asyncio.run(begin())


def test_an_order_does_not_wait_for_ever_for_a_book_that_cannot_be_read(tmp_path: Path):
    async def begin() -> None:
        wire, heard, rested = Wire(), list[Event](), asyncio.Event()
        host = host_on(Journal(tmp_path / "j.sqlite"), wire, heard)
        host.core.gate.limits = Limits(max_quote_age=1)
        host.on_call_ended = rested.set
        host.submit(Submit(intent("k")))
        await rested.wait()
        assert host.core.state.books.orders["k"].is_ended
        assert any(
            "the depth of 005930 could not be read" in e.text
            for e in heard
            if isinstance(e, Trouble)
        )
        await host.close()

    asyncio.run(begin())


def test_a07_a_kill_switch_that_cannot_be_written_down_is_told_so(tmp_path: Path):
    async def begin() -> None:
        journal, heard = Journal(tmp_path / "j.sqlite"), list[Event]()
        host = host_on(journal, Wire(), heard)
        journal.close()
        host.submit(Submit(intent("a")))
        heard.clear()
        host.submit(Halt("enough"))
        assert [(e.step, e.done) for e in heard if isinstance(e, HaltStep)] == [
            ("block", True), ("cancel", False), ("state", True), ("notify", False),
        ]  # fmt: skip

    asyncio.run(begin())


def test_a_notice_that_comes_while_the_desk_closes_is_kept(tmp_path: Path):
    path = tmp_path / "j.sqlite"

    async def begin() -> None:
        wire, sent = Wire(), asyncio.Event()
        wire.host = host_on(Journal(path), wire, [])
        wire.host.on_call_ended = sent.set
        wire.host.submit(Submit(intent("k")))
        await sent.wait()
        await wire.host.close()

    asyncio.run(begin())
    assert State.fold(Journal(path).rows()).books.orders["k"].filled == 10


class SlowWire(Wire):
    """Its limiter lets an order through when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = asyncio.Event()
        self.may_send = lambda _: ALLOWED

    async def submit(self, wanted: Intent, route: Route) -> SendReply:
        await self.turn.wait()
        if not (permission := self.may_send(wanted.key)):
            raise OrderDenied(permission.reason, permission.cure)
        return await super().submit(wanted, route)


@pytest.mark.parametrize(
    ("limits", "state", "text"),
    [
        (
            Limits(windows=((12 * 3600, 12 * 3600 + 60),)),
            OrderState.NEW,
            "blackout until 12:01:00: journaled",
        ),
        (Limits(needs_arming=True), OrderState.DENIED, "is not armed: buys are blocked"),
    ],
)
def test_a08_n06_what_waited_in_the_limiter_is_kept_by_what_has_changed_meanwhile(
    tmp_path: Path, limits: Limits, state: OrderState, text: str
):
    async def begin() -> None:
        wire, rested = SlowWire(), asyncio.Event()
        host = host_on(Journal(tmp_path / "j.sqlite"), wire, [])
        host.on_call_ended = rested.set
        host.submit(Submit(intent("k")))
        host.core.gate.limits = limits
        wire.turn.set()
        await rested.wait()
        order = host.core.state.books.orders["k"]
        assert wire.submitted == []
        assert order.state is state
        assert text in order.text
        await host.close()

    asyncio.run(begin())


def test_o01_nothing_leaves_a_desk_that_cannot_write_any_more_however_long_it_has_waited(
    tmp_path: Path,
):
    async def begin() -> None:
        wire, rested = SlowWire(), asyncio.Event()
        host = host_on(Journal(tmp_path / "j.sqlite"), wire, [])
        host.on_call_ended = rested.set
        host.submit(Submit(intent("k")))
        host.break_off(JournalLost("the disk is full", "make room"))
        wire.turn.set()
        await rested.wait()
        assert wire.submitted == []
        await host.close()

    asyncio.run(begin())
