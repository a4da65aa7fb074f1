"""What the desk cannot read is refused alone: the session that sent it stays (A03, N03)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.protocol import PREFIX, Commands, QueryAsked, pack
from kisnb.errors import BadInput, OrderDenied
from kisnb.orders import Intent, OrderState
from kisnb.session.session import Session
from kisnb.terms import OrderKind, Side
from kisnb.trading.ports.commands import CancelOrder, Halt, ReviseOrder, Submit
from kisnb.trading.ports.queries import OutcomeOf
from tests.desk.served import Served, seen, served
from tests.trading.desk import CODE, price_of


def intent(key: str, qty: object = 1) -> Intent:
    return Intent(key, "", CODE, Side.BUY, qty, OrderKind.LIMIT, price_of())  # type: ignore[arg-type]


def test_a03_one_unreadable_command_is_refused_alone_and_the_others_are_carried_out(tmp_path: Path):
    async def begin(desk: Served, mine: Session, other: Session) -> None:
        send(mine, Submit(intent("a")), Submit(intent("bad", 2.5)), Submit(intent("b")))
        await seen(lambda: "b" in other.books.orders and bool(mine.troubles))
        assert desk.wire.submitted == ["a", "b"]
        assert "could not read Submit: Expected `int`, got `float`" in mine.troubles[-1]
        assert other.troubles == []
        assert "bad" not in other.books.orders

    run(begin, tmp_path)


def test_a03_an_order_that_cannot_be_read_is_denied_where_it_was_placed_and_nowhere_else(
    tmp_path: Path,
):
    async def begin(_desk: Served, mine: Session, other: Session) -> None:
        order = mine.books.add_pending(intent("bad"), mine.now)
        send(mine, Submit(intent("bad", 2.5)))
        await seen(lambda: order.state is OrderState.DENIED)
        assert "the desk could not read Submit" in order.text
        await mine.buy(CODE, 1, price_of())
        assert mine.status.link == other.status.link == "up"
        assert "bad" not in other.books.orders

    run(begin, tmp_path)


def test_a03_a_cancel_that_cannot_be_read_leaves_the_order_and_says_so(tmp_path: Path):
    async def begin(_desk: Served, mine: Session, other: Session) -> None:
        order = await mine.buy(CODE, 2, price_of())
        send(mine, CancelOrder(order.key, 1.5))  # type: ignore[arg-type]
        await seen(lambda: "cancel refused" in order.story)
        assert order.state is OrderState.ACCEPTED
        assert "cancel" not in other.books.orders[order.key].story

    run(begin, tmp_path)


def test_a_key_that_the_desk_has_is_not_denied_by_what_is_sent_again_under_it(tmp_path: Path):
    async def begin(_desk: Served, mine: Session, _other: Session) -> None:
        order = await mine.buy(CODE, 2, price_of())
        send(mine, Submit(intent(order.key, 2.5)), ReviseOrder(intent(order.key, 2.5)))
        await seen(lambda: len(mine.troubles) == 2)
        assert order.state is OrderState.ACCEPTED
        assert "refused" not in order.story

    run(begin, tmp_path)


def test_n03_a_question_that_cannot_be_read_is_answered_under_its_number(tmp_path: Path):
    async def begin(_desk: Served, mine: Session, _other: Session) -> None:
        with pytest.raises(
            BadInput, match=r"could not read OutcomeOf: .*\. Check the values of the call"
        ):
            await mine._parts.link.ask(OutcomeOf(5))  # type: ignore[arg-type]
        assert (await mine.balance()).complete

    run(begin, tmp_path)


NO_COMMANDS = pack(Commands(5))[PREFIX:]  # type: ignore[arg-type]
NO_MESSAGES = [b"\xc1\xc1", b"", NO_COMMANDS, b"\x92\xa8Commands" + b"\x91" * 5_000 + b"\xc0"]


@pytest.mark.parametrize("body", NO_MESSAGES, ids=["garbage", "nothing", "no commands", "too deep"])
def test_what_is_no_message_is_named_and_the_link_stays(tmp_path: Path, body: bytes):
    async def begin(_desk: Served, mine: Session, other: Session) -> None:
        send_raw(mine, body)
        await seen(lambda: bool(mine.troubles))
        assert "the desk could not read a message" in mine.troubles[0]
        await mine.buy(CODE, 1, price_of())
        assert other.troubles == []

    run(begin, tmp_path)


def test_a_text_that_is_no_utf_8_is_refused_like_any_other_value(tmp_path: Path):
    async def begin(_desk: Served, mine: Session, _other: Session) -> None:
        send_raw(
            mine, pack(Commands((CancelOrder("KEY"),)))[PREFIX:].replace(b"KEY", b"\xff\xfe\xff")
        )
        send_raw(
            mine,
            pack(QueryAsked(2**40, OutcomeOf("KEY")))[PREFIX:].replace(b"KEY", b"\xff\xfe\xff"),
        )
        await seen(lambda: bool(mine.troubles))
        await mine.buy(CODE, 1, price_of())

    run(begin, tmp_path)


def test_what_one_session_is_told_alone_moves_nobodys_place_in_the_events(tmp_path: Path):
    async def begin(desk: Served, mine: Session, other: Session) -> None:
        send(mine, *(Submit(intent(f"bad {n}", 2.5)) for n in range(5)))
        await seen(lambda: len(mine.troubles) == 5)
        assert client(mine).seq == desk.server.feed.seq
        await mine.buy(CODE, 1, price_of())
        await seen(lambda: client(mine).seq == client(other).seq == desk.server.feed.seq)

    run(begin, tmp_path)


def test_a07_a_halt_that_cannot_be_read_is_named(tmp_path: Path):
    async def begin(_desk: Served, mine: Session, _other: Session) -> None:
        send(mine, Halt("stop", "halt"))  # type: ignore[arg-type]
        await seen(lambda: bool(mine.troubles))
        assert "could not read Halt" in mine.troubles[0]

    run(begin, tmp_path)


def test_a_hello_that_is_no_utf_8_is_refused(tmp_path: Path):
    async def begin(desk: Served, mine: Session, _other: Session) -> None:
        reader, writer = await asyncio.open_unix_connection(desk.address.socket)
        body = msgspec.msgpack.encode(["Hello", 4, "KEY", "s", 1]).replace(b"KEY", b"\xff\xfe\xff")
        writer.write(len(body).to_bytes(PREFIX, "big") + body)
        assert b"could not be read" in await reader.read()
        writer.close()
        with pytest.raises(OrderDenied):
            await mine.buy(CODE, 10**9, price_of())

    run(begin, tmp_path)


def client(session: Session) -> DeskClient:
    assert isinstance(session._parts.link.state.desk, DeskClient)
    return session._parts.link.state.desk


def send(session: Session, *commands: object) -> None:
    client(session).send(commands)  # type: ignore[arg-type]


def send_raw(session: Session, body: bytes) -> None:
    link = client(session)
    link._out.put(len(body).to_bytes(PREFIX, "big") + body)


def run(begin: Callable[[Served, Session, Session], Awaitable[None]], folder: Path) -> None:
    """Two sessions at one desk; both are attached still when it is over."""

    async def whole() -> None:
        async with served(folder) as desk:
            mine, other = await desk.session(), await desk.session()
            await begin(desk, mine, other)
            assert len(desk.server.feed.connections) == 2
            await mine.close()
            await other.close()

    asyncio.run(asyncio.wait_for(whole(), 30))
