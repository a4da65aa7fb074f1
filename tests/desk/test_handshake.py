"""Who may talk to the desk, and what it hears (row K12, bad input): a clear sentence, and the
others go on."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import msgspec
import pytest

from kisnb.desk.serve import server as desk_server
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.protocol import (
    MAX_FROM_SESSION,
    MAX_HELLO,
    PREFIX,
    VERSION,
    Dismissed,
    Hello,
    decode_from_desk,
    pack,
)
from kisnb.errors import DeskLost
from kisnb.events import Trouble
from tests.desk.served import SECRET, Served, seen, served
from tests.trading.desk import NOON, price_of


def test_a_wrong_secret_is_refused_before_anything_is_told(tmp_path: Path):
    assert "does not know" in said(tmp_path, pack(Hello(VERSION, "guessed", "s", os.getpid())))


@pytest.mark.parametrize(
    ("version", "cure"), [(VERSION - 1, "restart the kernel"), (VERSION + 1, "kisnb desk stop")]
)
def test_versions_that_differ_are_named_with_the_cure(tmp_path: Path, version: int, cure: str):
    told = said(tmp_path, pack(Hello(version, SECRET, "s", os.getpid())))
    assert f"protocol {version}" in told
    assert cure in told


def test_a_hello_of_another_version_with_more_or_fewer_fields_is_understood(tmp_path: Path):
    """The first four fields stay as they are."""
    for extra in ([], ["x", "y", 3, ["a"], {"new": 1}, 7]):
        body = msgspec.msgpack.encode(["Hello", VERSION + 5, SECRET, "s", os.getpid(), *extra])
        assert f"protocol {VERSION + 5}" in said(tmp_path, len(body).to_bytes(PREFIX, "big") + body)


def test_a_kernel_with_a_wrong_secret_reads_why_it_is_refused(tmp_path: Path):
    async def begin(desk: Served) -> None:
        wrong = DeskClient(msgspec.structs.replace(desk.address, secret="other"))
        with pytest.raises(DeskLost, match="does not know this session"):
            await wrong.attach()
        assert wrong.dismissed

    run(begin, tmp_path)


@pytest.mark.parametrize(
    "message",
    [
        (MAX_HELLO + 1).to_bytes(PREFIX, "big"),
        b"\xff\xff\xff\xff",
        (3).to_bytes(PREFIX, "big") + b"\xc1\xc1\xc1",
        pack(Dismissed("a message of the desk's own", "")),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["oversized", "huge", "garbage", "wrong kind", "a browser"],
)
def test_what_cannot_be_a_hello_is_refused_and_the_desk_goes_on(tmp_path: Path, message: bytes):
    assert said(tmp_path, message)


@pytest.mark.parametrize("size", [MAX_FROM_SESSION + 1, 2**32 - 1])
def test_an_oversized_message_of_a_session_ends_that_session_alone(tmp_path: Path, size: int):
    async def begin(desk: Served) -> None:
        other = await desk.session()
        reader, writer = await asyncio.open_unix_connection(desk.address.socket)
        writer.write(pack(Hello(VERSION, SECRET, "s", os.getpid())))
        await message(reader)
        writer.write(size.to_bytes(PREFIX, "big"))
        refused = await message(reader)
        assert isinstance(refused, Dismissed)
        assert f"{size:,} bytes" in refused.text
        await seen(lambda: len(desk.server.feed.connections) == 1)
        await other.buy("005930", 1, price_of())
        writer.close()
        await other.close()

    run(begin, tmp_path)


def test_a_connection_that_never_says_who_it_is_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(desk_server, "HELLO_SECONDS", 0.05)

    async def begin(desk: Served) -> None:
        reader, writer = await asyncio.open_unix_connection(desk.address.socket)
        assert await reader.read() == b""
        writer.close()

    run(begin, tmp_path)


def test_a_session_that_reads_nothing_is_cut_off_and_comes_back_for_what_it_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kisnb.desk.serve.connection.MOST_UNREAD", 100_000)

    async def begin(desk: Served) -> None:
        _, writer = await asyncio.open_unix_connection(desk.address.socket, limit=1)
        writer.write(pack(Hello(VERSION, SECRET, "asleep", os.getpid())))
        await seen(lambda: len(desk.server.feed.connections) == 1)
        for _ in range(60):
            desk.server.publish(Trouble(1, "x" * 50_000))
            await asyncio.sleep(0)
        await seen(lambda: not desk.server.feed.connections)
        writer.close()

    run(begin, tmp_path)


def test_a_link_that_comes_back_silences_its_former_self(tmp_path: Path):
    """K12: a half-open socket of the same session must not be heard after the new one has its
    snapshot."""

    async def begin(desk: Served) -> None:
        links = []
        for _ in range(2):
            reader, writer = await asyncio.open_unix_connection(desk.address.socket)
            writer.write(pack(Hello(VERSION, SECRET, "same", os.getpid())))
            await message(reader)
            links.append((reader, writer))
        assert len(desk.server.feed.connections) == 1
        assert await links[0][0].read() == b""
        for _, writer in links:
            writer.close()

    run(begin, tmp_path)


def test_the_socket_is_its_owners_alone(tmp_path: Path):
    modes: list[int] = []

    async def begin(desk: Served) -> None:
        modes.append(Path(desk.address.socket).stat().st_mode)  # noqa: ASYNC240

    run(begin, tmp_path)
    assert stat.S_IMODE(modes[0]) == 0o600


def said(folder: Path, first: bytes) -> str:
    """What the desk answers to these first bytes.

    Afterwards a proper session must still be served.
    """
    answers: list[str] = []

    async def begin(desk: Served) -> None:
        reader, writer = await asyncio.open_unix_connection(desk.address.socket)
        writer.write(first)
        refused = await message(reader)
        assert isinstance(refused, Dismissed)
        assert await reader.read() == b""
        answers.append(f"{refused.text}; {refused.cure}")
        writer.close()
        session = await desk.session()
        await session.balance()
        await session.close()

    run(begin, folder)
    return answers[0]


async def message(reader: asyncio.StreamReader) -> object:
    async with asyncio.timeout(10):
        return decode_from_desk(
            await reader.readexactly(int.from_bytes(await reader.readexactly(PREFIX), "big"))
        )


def run(begin: object, folder: Path) -> None:
    async def whole() -> None:
        async with served(folder) as desk:
            await begin(desk)  # type: ignore[operator]

    asyncio.run(asyncio.wait_for(whole(), 20))


def test_troubles_from_before_the_first_session_reach_that_session_and_no_later_one(
    tmp_path: Path,
):
    async def begin(desk: Served) -> None:
        desk.server.publish(Trouble(NOON, "the tape cannot be written; trading goes on"))
        await asyncio.sleep(0)
        first = await desk.session()
        await seen(lambda: bool(first.troubles))
        second = await desk.session()
        desk.server.publish(Trouble(NOON, "another one"))
        await seen(lambda: len(second.troubles) == 1 and len(first.troubles) == 2)
        assert "the tape cannot be written" in first.troubles[0]
        assert "another one" in second.troubles[0]
        await first.close()
        await second.close()

    run(begin, tmp_path)
