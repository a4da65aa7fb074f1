"""A02: starts, stops and closes that come at once end in one state, and an agent runs once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import kisnb
from kisnb.errors import BadInput, DeskBusy, DeskLost, NotOpen
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.ports.desk_port import Lease
from kisnb.trading.ports.queries import JournalOf
from tests.desk.served import Served, seen, served

ID = "Once-005930"


class Once(kisnb.Agent):
    """Orders when it starts."""

    code = "005930"
    starts = 0

    def on_start(self) -> None:
        self.starts += 1
        self.buy(1)


def run(work: Callable[[Served], Awaitable[None]], folder: Path) -> None:
    async def begin() -> None:
        async with served(folder) as desk:
            await asyncio.wait_for(work(desk), 60)

    asyncio.run(begin())


@pytest.mark.parametrize("known", [True, False])
def test_a02_a_stop_while_an_agent_starts_wins_and_another_session_may_start_it(
    tmp_path: Path, known: bool
):
    async def work(desk: Served) -> None:
        session, other = await desk.session(), await desk.session()
        agent = Once()
        if known:
            await session.agents.start(agent)
            await session.agents.stop(ID)
        before = agent.starts
        starting = asyncio.create_task(session.agents.start(ID if known else agent))
        await asyncio.sleep(0)
        assert (await session.agents.stop(ID)).state is AgentState.STOPPED
        with pytest.raises(BadInput, match=f"{ID} was stopped before it had started"):
            await starting
        assert agent.starts == before
        # The desk has no lease of it, so another session may start it: then only that one orders.
        await other.agents.start(Once())
        assert [lease.session for lease in desk.server.leases.all()] == [other.status.name]
        assert session.agents[ID].host.state is AgentState.STOPPED
        await session.close()
        await other.close()

    run(work, tmp_path)


def test_a02_a_start_after_a_stop_keeps_its_lease_when_the_start_before_the_stop_ends(
    tmp_path: Path,
):
    async def work(desk: Served) -> None:
        session, agent = await desk.session(), Once()
        first = asyncio.create_task(session.agents.start(agent))
        await asyncio.sleep(0)
        await session.agents.stop(ID)
        second = asyncio.create_task(session.agents.start(ID))
        ends = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(ends[0], BadInput)
        assert agent.starts == 1
        # Whatever the first start still says to the desk is answered before this.
        await session._parts.link.ask(JournalOf())
        assert [lease.agent for lease in desk.server.leases.all()] == [ID]
        await session.close()

    run(work, tmp_path)


def test_a02_a_start_ends_when_the_next_desk_gave_the_lease_to_another_session(tmp_path: Path):
    async def work(desk: Served) -> None:
        session, agent = await desk.session(), Once()
        state, bring = session._parts.state, session.agents._bring_bars

        async def bring_late(runner: AgentRunner) -> None:
            await bring(runner)
            # The desk that granted the lease died, and its next life says this.
            state.leases[ID] = Lease(ID, "other", "other.ipynb")
            session.agents.settle_leases()

        session.agents._bring_bars = bring_late  # type: ignore[method-assign]
        with pytest.raises(DeskBusy, match=rf"{ID} runs: other\.ipynb"):
            await session.agents.start(agent)
        assert agent.starts == 0
        assert session.agents.running == ()
        await session.close()

    run(work, tmp_path)


def test_a02_a_start_that_is_refused_leaves_what_a_paused_agent_awaits(tmp_path: Path):
    async def work(desk: Served) -> None:
        session, agent = await desk.session(), Once()
        await session.agents.start(agent)
        await session.agents.pause(ID)
        resuming = asyncio.create_task(session.agents.start(ID))
        await asyncio.sleep(0)
        with pytest.raises(DeskBusy, match="is being started already"):
            await session.agents.start(Once())
        await resuming
        # It went on after its pause and did not begin anew.
        assert agent.starts == 1
        await session.close()

    run(work, tmp_path)


def test_a_session_that_closes_while_an_agent_starts_runs_no_handler_of_it(tmp_path: Path):
    async def work(desk: Served) -> None:
        for turns in range(2):
            session, agent = await desk.session(), Once()
            answered = asyncio.Event()
            ask = session._parts.link.ask

            async def answer(query: object) -> object:
                reply = await ask(query)  # type: ignore[arg-type, var-annotated] # noqa: B023
                answered.set()  # noqa: B023
                # The lease is there, and the start has not gone on yet.
                await asyncio.sleep(0)
                return reply

            session._parts.link.ask = answer  # type: ignore[method-assign, assignment]
            starting = asyncio.create_task(session.agents.start(agent))
            if turns:
                await answered.wait()
            else:
                await asyncio.sleep(0)
            await session.close()
            with pytest.raises((NotOpen, DeskLost)):
                await starting
            assert agent.starts == 0
            await seen(lambda: not desk.server.leases.all())

    run(work, tmp_path)
