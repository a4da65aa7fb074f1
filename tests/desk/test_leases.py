"""An agent runs once (row A02)."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

import kisnb
from kisnb.desk.address import DeskAddress
from kisnb.desk.record.journal import Journal
from kisnb.desk.run.halt_file import HaltFile
from kisnb.desk.run.safety import Safety
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.protocol import (
    PREFIX,
    Events,
    FromDesk,
    QueryReplied,
    decode_from_desk,
)
from kisnb.errors import BadInput, DeskBusy, DeskLost
from kisnb.events import Depth
from kisnb.terms import Mode
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.ports.commands import Halt
from kisnb.trading.ports.desk_port import Back
from kisnb.trading.ports.queries import LeaseAgent, LiftHalt
from tests.desk.served import Served, seen, served

ID = "Watcher-005930"


class Watcher(kisnb.Agent):
    """Does nothing."""

    code = "005930"
    level: int = 3

    def on_depth(self, depth: Depth) -> None:
        self.note = f"{depth.t}"


def test_a02_a_second_start_in_another_notebook_is_refused_and_the_first_goes_on(tmp_path: Path):
    async def begin(desk: Served) -> None:
        first, second = await desk.session(), await desk.session()
        await first.agents.start(Watcher())
        with pytest.raises(
            DeskBusy, match=rf"{ID} runs in .*process {os.getpid()}.*agents stop {ID}"
        ):
            await second.agents.start(Watcher())
        assert [a.state for a in first.agents] == [AgentState.RUNNING]
        await seen(lambda: [a.state for a in second.agents] == [AgentState.ELSEWHERE])
        assert f"process {os.getpid()}" in next(iter(second.agents)).note
        assert len(second.agents) == 0
        await first.agents.stop(ID)
        await seen(lambda: not desk.server.leases.all())
        await second.agents.start(Watcher())
        await seen(lambda: [a.state for a in first.agents] == [AgentState.ELSEWHERE])
        await first.close()
        await second.close()

    run(begin, tmp_path)


def test_a02_the_cell_that_started_an_agent_may_be_run_again(tmp_path: Path):
    async def begin(desk: Served) -> None:
        session = await desk.session()
        await session.agents.start(Watcher())
        assert (await session.agents.start(Watcher())).state is AgentState.RUNNING
        assert (await session.agents.start(ID)).state is AgentState.RUNNING
        with pytest.raises(DeskBusy, match=r"level=3, not 4"):
            await session.agents.start(Watcher(level=4))
        assert [a.state for a in session.agents] == [AgentState.RUNNING]
        await session.close()

    run(begin, tmp_path)


def test_a02_a_class_whose_cell_was_changed_is_not_taken_for_the_one_that_runs(tmp_path: Path):
    def defined(threshold: int) -> type[kisnb.Agent]:
        scope: dict[str, object] = {"Agent": kisnb.Agent}
        source = (
            f"class Mine(Agent):\n  code = '005930'\n  def on_tick(self, tick):\n"
            f"    self.n = {threshold}\n"
        )
        exec(compile(source, "<cell>", "exec"), scope)
        return scope["Mine"]  # type: ignore[return-value]

    async def begin(desk: Served) -> None:
        session = await desk.session()
        await session.agents.start(defined(1)())
        await session.agents.start(defined(1)())
        with pytest.raises(DeskBusy, match="as it was before it was changed"):
            await session.agents.start(defined(2)())
        await session.close()

    run(begin, tmp_path)


def test_a02_an_agent_that_failed_or_whose_session_left_may_be_started_elsewhere(tmp_path: Path):
    class Failing(Watcher):
        def on_depth(self, depth: Depth) -> None:
            raise ValueError(depth)

    async def begin(desk: Served) -> None:
        first, second = await desk.session(), await desk.session()
        await first.agents.start(Failing())
        desk.host.receive([Depth(1, "005930", kisnb.terms.Venue.KRX, (), ())])
        await seen(lambda: next(iter(first.agents)).state is AgentState.FAILED)
        await seen(lambda: not desk.server.leases.all())
        await second.agents.start(Failing())
        await second.close()
        await seen(lambda: not desk.server.leases.all())
        await first.close()

    run(begin, tmp_path)


def test_a_class_or_another_object_is_no_agent(tmp_path: Path):
    async def begin(desk: Served) -> None:
        session = await desk.session()
        with pytest.raises(BadInput, match=r"Watcher is a class.*Watcher\(code="):
            await session.agents.start(Watcher)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="is not an agent"):
            await session.agents.start(7)  # type: ignore[arg-type]
        await session.close()

    run(begin, tmp_path)


def hold_socket(address: DeskAddress, pipe: object) -> None:
    """A notebook whose child holds its socket open after it was killed."""

    async def begin() -> None:
        client = DeskClient(address)
        from kisnb.market.universe import Universe
        from kisnb.session.session import Session

        session = Session(client, await client.attach(), Universe.packaged())
        await session.agents.start(Watcher())
        if os.fork() == 0:
            pipe.send(os.getpid())  # type: ignore[attr-defined]
            signal.pause()
        await asyncio.sleep(60)

    asyncio.run(begin())


def test_a02_the_lease_of_a_dead_kernel_is_reclaimed_even_when_its_socket_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # A worker of pytest-xdist has a __main__ that spawning cannot read.
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)

    async def begin(desk: Served) -> None:
        ours, theirs = multiprocessing.Pipe()
        kernel = multiprocessing.get_context("spawn").Process(
            target=hold_socket, args=(desk.address, theirs)
        )
        kernel.start()
        child = await asyncio.to_thread(ours.recv)
        try:
            session = await desk.session()
            with pytest.raises(DeskBusy, match=f"process {kernel.pid}"):
                await session.agents.start(Watcher())
            kernel.kill()
            await asyncio.to_thread(kernel.join)
            assert len(desk.server.feed.connections) == 2
            await session.agents.start(Watcher())
            assert [a.state for a in session.agents] == [AgentState.RUNNING]
            desk.server.sweep()
            await seen(lambda: len(desk.server.feed.connections) == 1)
            await session.close()
        finally:
            os.kill(child, signal.SIGKILL)

    run(begin, tmp_path)


def test_a02_a_session_has_what_its_query_published_before_the_reply(tmp_path: Path):
    async def begin(desk: Served) -> None:
        session = await desk.session()
        (connection,) = desk.server.feed.connections
        sent: list[FromDesk] = []
        send = connection.send

        def record(message: bytes) -> None:
            sent.append(decode_from_desk(message[PREFIX:]))
            send(message)

        connection.send = record  # type: ignore[method-assign]
        file = HaltFile(desk.host, desk.server.publish)
        desk.server.queries.safety = Safety(desk.host, Mode.LIVE, None, file)
        link = session._parts.link
        link.submit([Halt("the feed is wrong")])
        for query in (LeaseAgent(ID), LiftHalt("the feed is back")):
            sent.clear()
            await link.ask(query)  # type: ignore[type-var]
            kinds = [type(message) for message in sent]
            assert Events in kinds[: kinds.index(QueryReplied)], query
        await session.close()

    run(begin, tmp_path)


def test_a02_a_session_that_the_desk_could_not_welcome_leaves_no_lease_behind(tmp_path: Path):
    async def begin(desk: Served) -> None:
        path = desk.journal.path
        desk.journal.close()
        coming_back = DeskClient(desk.address, Back(session="s", agents=(ID,)))
        with pytest.raises(DeskLost, match="journal cannot be read"):
            await coming_back.attach()
        coming_back.close()
        await seen(lambda: not desk.server.leases.all())
        desk.host.journal = Journal(path)
        session = await desk.session()
        await session.agents.start(Watcher())
        assert [a.state for a in session.agents] == [AgentState.RUNNING]
        await session.close()
        desk.host.journal.close()

    run(begin, tmp_path)


def test_a02_silence_keeps_the_lease(tmp_path: Path):
    async def begin(desk: Served) -> None:
        silent, other = await desk.session(), await desk.session()
        await silent.agents.start(Watcher())
        silent._parts.link.on_ready = lambda: None
        desk.server.sweep()
        with pytest.raises(DeskBusy, match="runs in"):
            await other.agents.start(Watcher())
        await silent.close()
        await other.close()

    run(begin, tmp_path)


def run(begin: object, folder: Path) -> None:
    async def whole() -> None:
        async with served(folder) as desk:
            await begin(desk)  # type: ignore[operator]

    asyncio.run(asyncio.wait_for(whole(), 60))
