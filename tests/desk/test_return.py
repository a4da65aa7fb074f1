"""A session comes back to the next desk (rows O12, O14): what it missed comes once, what was never
taken is said."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import SECOND
from kisnb.desk.record.journal import Journal
from kisnb.desk.serve.client import DeskClient
from kisnb.errors import BadInput, DeskError, DeskLost, Interrupted, OrderDenied, OrderUnknown
from kisnb.events import Accepted, Filled, GapFound, IntentTaken, LinkDown, LinkUp
from kisnb.orders import OrderState, SendReply
from kisnb.session.session import Session
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.ports.commands import CancelOrder, Halt, Submit
from kisnb.trading.ports.desk_port import Back, Desk, Snapshot
from kisnb.trading.ports.journal_rows import DESK_ONLY, Row, decode_rows, is_published
from kisnb.trading.ports.queries import LiftHalt
from tests.desk.served import Served, seen
from tests.trading.desk import NOON, intent, notice, price_of, ref
from tests.trading.desk import Desk as CoreAlone


class Next:
    """Where a session finds the next desk, once there is one."""

    def __init__(self) -> None:
        self.desk: asyncio.Future[Served] = asyncio.get_running_loop().create_future()

    async def __call__(self, back: Back) -> tuple[Desk, Snapshot]:
        desk = await asyncio.shield(self.desk)
        client = DeskClient(desk.address, back)
        return client, await client.attach()


class Listener(Agent):
    """Keeps what it was told."""

    code = "005930"

    def on_start(self) -> None:
        self.heard: list[object] = []
        self.buy(3, price_of())

    def on_order(self, _order: object, fact: object) -> None:
        self.heard.append(fact)

    def on_gap(self, gap: GapFound) -> None:
        self.heard.append(gap)


async def restarted(desk: Served, session: Session, meanwhile: object = None) -> Served:
    """The desk dies without a word.

    The next one is up when this returns, and the session with it.
    """
    find = session._parts.link._find
    assert isinstance(find, Next)
    await desk.end()
    await seen(lambda: session.status.link == "desk restarting")
    if callable(meanwhile):
        meanwhile()
    following = Served(desk.folder)
    await following.start()
    find.desk.set_result(following)
    await seen(lambda: session.status.link == "up")
    return following


def test_o14_what_was_missed_comes_once_and_in_order_to_book_and_agent(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        agent = Listener()
        await session.agents.start(agent)
        await seen(
            lambda: any(o.state is OrderState.ACCEPTED for o in session.book.orders.values())
        )
        heard = len(agent.heard)
        (key,) = session.book.orders
        (order,) = session.book.orders.values()
        again = await restarted(desk, session, lambda: append(tmp_path, notice_rows(key)))
        assert session.book.orders[key] is order
        assert (order.filled, order.state) == (3, OrderState.FILLED)
        assert [type(f).__name__ for f in agent.heard[heard:]] == ["Filled", "GapFound"]
        assert session._parts.state.published == again.journal.published
        assert again.wire.submitted == []
        assert [lease.session for lease in again.server.leases.all()] == [session.status.name]
        await seen(lambda: bool(again.wire.wanted))
        await session.close()
        await again.end()

    run(begin())


def test_o14_an_order_that_no_journal_holds_was_never_sent_and_is_denied(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        asked: list[object] = []
        desk.server.queries.receive = lambda *query: asked.append(query)  # type: ignore[method-assign]
        buying = asyncio.create_task(session.buy("005930", 1, price_of(), key="k"))
        await seen(lambda: bool(asked))
        again = await restarted(desk, session)
        with pytest.raises(OrderDenied, match="died before it took it"):
            await buying
        assert again.wire.submitted == []
        # The next order goes on through the next desk.
        await session.buy("005930", 1, price_of(), key="l")
        assert again.wire.submitted == ["l@20261120"]
        await session.close()
        await again.end()

    run(begin())


@pytest.mark.parametrize("wish", ["cancel", "halt", "resolve"])
def test_o14_what_a_desk_took_to_its_grave_is_told_to_the_next_and_no_cell_waits_for_ever(
    tmp_path: Path, wish: str
):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        if wish == "resolve":
            desk.wire.submit = None  # type: ignore[assignment, method-assign]
        if wish != "halt":
            with suppress(OrderUnknown):
                await session.buy("005930", 3, price_of(), key="k")
        received = asyncio.Event()
        desk.server._commands.execute = lambda *_: received.set()  # type: ignore[method-assign]
        cells = {
            "cancel": lambda: session.cancel("k"),
            "halt": lambda: session.halt("enough"),
            "resolve": lambda: session.resolve(None, "k"),
        }
        waiting = asyncio.ensure_future(cells[wish]())
        await received.wait()
        again = await restarted(desk, session)
        with (
            pytest.raises(BadInput, match="can still come to light")
            if wish == "resolve"
            else nullcontext()
        ):
            await waiting
        assert wish != "halt" or session.halt_state == "halted"
        assert wish != "cancel" or "cancel refused" in session.book.orders["k@20261120"].story
        await session.close()
        await again.end()

    run(begin())


def test_a07_a_lift_that_died_with_its_desk_is_not_asked_for_again(tmp_path: Path):
    """It may have ended a flatten. Asked again, it would lift the halt too."""

    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        await session.halt("enough")
        asked: list[object] = []
        desk.server.queries.receive = lambda *query: asked.append(query)  # type: ignore[method-assign]
        lifting = asyncio.ensure_future(session.resume("it is clear"))
        await seen(lambda: bool(asked))
        again = await restarted(desk, session)
        with pytest.raises(DeskError, match=r"the next one says.*halted"):
            await lifting
        assert session.halt_state == "halted"
        await session.close()
        await again.end()

    run(begin())


def test_k11_trades_are_missing_since_the_stream_broke_not_since_the_desk_died_after_that(
    tmp_path: Path,
):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        await session.watch("005930")
        desk.host.submit(LinkDown(NOON - 60 * SECOND, "cut"))
        await seen(lambda: session.status.link == "down")
        again = await restarted(desk, session)
        since = session.gaps("005930")["since"].to_list()
        assert [f"{t:%H:%M:%S}" for t in since] == ["11:59:00"]
        # What breaks later is another gap.
        again.host.submit(LinkDown(NOON + SECOND, "cut"))
        again.host.submit(LinkUp(NOON + 2 * SECOND))
        await seen(lambda: len(session.gaps("005930")) == 2)
        assert f"{session.gaps('005930')['since'][-1]:%H:%M:%S}" == "12:00:01"
        await session.close()
        await again.end()

    run(begin())


def test_an_order_typed_while_the_desk_is_away_waits_for_the_next(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        typed: list[asyncio.Task[object]] = []

        def meanwhile() -> None:
            typed.append(asyncio.create_task(session.buy("005930", 1, price_of(), key="k")))
            typed.append(asyncio.create_task(session.balance()))

        again = await restarted(desk, session, meanwhile)
        await asyncio.gather(*typed)
        assert again.wire.submitted == ["k@20261120"]
        await session.close()
        await again.end()

    run(begin())


def test_a02_an_agent_that_another_notebook_took_meanwhile_stops_here(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        await session.agents.start(Listener())
        await desk.end()
        again = Served(tmp_path)
        await again.start()
        other = await again.session()
        await other.agents.start(Listener())
        session._parts.link._find.desk.set_result(again)  # type: ignore[union-attr]
        await seen(lambda: session.status.link == "up")
        assert [a.state for a in session.agents] == [AgentState.ELSEWHERE]
        assert session.agents.running == ()
        assert other.agents.running == ("Listener-005930",)
        await session.close()
        await other.close()
        await again.end()

    run(begin())


def test_a_desk_of_another_day_is_not_gone_on_with(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        desk.host.submit(Submit(intent("a")))
        await seen(lambda: "a" in session.book.orders)
        waiting = asyncio.create_task(session.sleep(60))
        await asyncio.sleep(0)
        await desk.end()
        other = Served(tmp_path / "other") if (tmp_path / "other").mkdir() is None else desk
        await other.start()
        session._parts.link._find.desk.set_result(other)  # type: ignore[union-attr]
        with pytest.raises(DeskLost, match="another day"):
            await waiting
        assert session.status.link == "desk lost"
        await session.close()
        await other.end()

    run(begin())


def test_a_desk_that_says_farewell_is_not_waited_for(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        waiting = asyncio.create_task(session.sleep(60))
        await asyncio.sleep(0)
        desk.server.farewell = ("the desk was stopped", "open it again")
        await desk.end()
        with pytest.raises(DeskLost, match="was stopped"):
            await waiting
        await session.close()

    run(begin())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["order", "fill", "unseen fill"]), max_size=12), st.integers(0, 12))
def test_rows_are_numbered_for_good_whoever_asks(steps: list[str], known: int):
    """Rows after any number a session may know, followed by the rows before, are all rows."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "j.sqlite")
        told = []
        for n, step in enumerate(steps):
            rows = (
                [notice("filled", n)] if step == "unseen fill" else notice_rows(f"k{n}", taken=True)
            )
            journal.append(rows)
            told += [r for r in rows if type(r).__name__ != "Notice"]
        first, array = journal.published_after(known)
        assert first == (known if known <= len(told) else 0)
        assert decode_rows(array) == told[first:]
        assert journal.published == len(told)
        journal.close()


def notice_rows(key: str, *, taken: bool = False) -> list[Row]:
    fill = Filled(NOON, key, 3, price_of(), 10, 0, Venue.KRX)
    return [IntentTaken(NOON, intent(key)), Accepted(NOON, key, ref(1)), fill] if taken else [fill]


def append(folder: Path, rows: list[Row]) -> None:
    journal = Journal(folder / "journal.sqlite")
    journal.append(rows)
    journal.close()


def run(work: object) -> None:
    asyncio.run(asyncio.wait_for(work, 20))  # type: ignore[arg-type]


ACTIONS = st.sampled_from(
    ["submit", "sent", "unknown", "accepted", "filled", "cancel", "refused", "halt", "active"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ACTIONS, st.integers(0, 2)), max_size=20))
def test_every_row_but_the_desks_own_is_published_once_and_in_order(steps: list[tuple[str, int]]):
    """What a session that comes back counts on: the rows it was told are the first of those that
    the journal holds."""
    desk = CoreAlone()
    for what, n in steps:
        key, number = f"k{n}", n + 1
        match what:
            case "submit":
                desk.submit(key, qty=3)
            case "sent" | "unknown" if key in desk.core.state.books.orders:
                if desk.order(key).state is OrderState.SENDING:
                    desk.say(SendReply(key, what, ref(number) if what == "sent" else None))
            case "accepted" | "filled" | "refused":
                desk.say(notice(what, number, qty=3))
            case "cancel":
                desk.say(CancelOrder(key))
            case "halt" | "active":
                desk.say(Halt("test") if what == "halt" else LiftHalt("test"))
    told = [row for row in desk.rows if not isinstance(row, DESK_ONLY)]
    assert [event for event in desk.published if is_published(event)] == told


def test_a07_an_interrupt_ends_the_wait_for_a_halt_and_not_the_halt(tmp_path: Path):
    async def begin() -> None:
        desk = Served(tmp_path)
        await desk.start()
        session = await desk.session(Next())
        cells: list[asyncio.Task[object]] = []

        def halt_while_no_desk_runs() -> None:
            cells.append(asyncio.create_task(session.halt("enough")))
            asyncio.get_running_loop().call_soon(
                asyncio.get_running_loop().call_soon, cells[0].cancel
            )

        again = await restarted(desk, session, halt_while_no_desk_runs)
        with pytest.raises(Interrupted, match="the halt goes on"):
            await cells[0]
        await seen(lambda: again.host.core.state.halt == "halted")
        await session.close()
        await again.end()

    run(begin())
