"""The kernel's end of the desk's socket, against a peer that the test plays."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kisnb.desk.address import DeskAddress
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.protocol import (
    MAX_FROM_SESSION,
    PREFIX,
    Commands,
    Dismissed,
    Hello,
    QueryAsked,
    decode_from_session,
    length_of,
    pack,
)
from kisnb.errors import DeskLost
from kisnb.terms import Mode
from kisnb.trading.ports.commands import CancelOrder
from kisnb.trading.ports.queries import AccountNow


class Peer:
    """Listens where a desk would, and says nothing; keeps what it is told."""

    def __init__(self, path: Path) -> None:
        self.address = DeskAddress(str(path), "the secret of the desk", 4711, Mode.SIM, "sim")
        self.heard: list[object] = []
        self.left = threading.Event()
        self.said: dict[type, threading.Event] = {
            Hello: threading.Event(),
            QueryAsked: threading.Event(),
        }
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        stream = connection.makefile("rb")
        while prefix := stream.read(PREFIX):
            self.heard.append(decode_from_session(stream.read(length_of(prefix, MAX_FROM_SESSION))))
            if (event := self.said.get(type(self.heard[-1]))) is not None:
                event.set()
        self.left.set()


@pytest.fixture
def peer() -> Iterator[Peer]:
    with tempfile.TemporaryDirectory() as folder:
        yield Peer(Path(folder) / "desk.sock")


def test_close_hands_over_all_that_was_sent_before(peer: Peer):
    client = DeskClient(peer.address)
    client._connect()
    for number in range(1_000):
        client.send([CancelOrder(f"k{number}")])
    client.close()
    assert peer.left.wait(10)
    assert isinstance(peer.heard[0], Hello)
    assert peer.heard[1:] == [Commands((CancelOrder(f"k{number}"),)) for number in range(1_000)]


def test_a_farewell_is_read_although_the_link_broke_while_something_was_sent(tmp_path: Path):
    address = DeskAddress(
        str(tmp_path / "desk.sock"), "the secret of the desk", 4711, Mode.SIM, "sim"
    )
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(address.socket)
    listening.listen()
    client = DeskClient(address)
    take, ended = client._receive, threading.Event()
    client._receive = lambda body: (ended.wait(10), take(body))  # type: ignore[method-assign,assignment,return-value]
    client._connect()
    desk, _ = listening.accept()
    desk.sendall(pack(Dismissed("the desk was stopped", "open it again")))
    desk.close()
    listening.close()
    writer = client._writer
    assert writer is not None
    while writer.is_alive():
        client.send([CancelOrder("k")])
    ended.set()
    with pytest.raises(DeskLost, match="The desk was stopped"):
        client._snapshot.result(10)
    assert client.dismissed
    client.close()


def test_a_desk_that_says_nothing_is_named_with_the_cure(peer: Peer):
    client = DeskClient(peer.address)
    with pytest.raises(DeskLost, match=r"process 4711.*kill -9 4711"):
        client.attach_blocking(0.05)
    client.close()


def test_a_cancelled_attach_leaves_the_desk(peer: Peer):
    async def begin() -> None:
        client = DeskClient(peer.address)
        attaching = asyncio.create_task(client.attach())
        await asyncio.to_thread(peer.said[Hello].wait, 10)
        attaching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attaching
        client.close()

    asyncio.run(begin())
    assert peer.left.wait(10)


def test_a_session_that_was_closed_while_it_connected_stays_away(peer: Peer):
    client = DeskClient(peer.address)
    client.close()
    with pytest.raises(DeskLost, match="closed"):
        client.attach_blocking(1)
    assert peer.left.wait(10)
    assert peer.heard == []


def test_a_question_that_is_given_up_does_not_hurt_the_link(peer: Peer):
    async def ask() -> None:
        client = DeskClient(peer.address)
        client._connect()
        asking = asyncio.create_task(client.ask(AccountNow()))
        await asyncio.to_thread(peer.said[QueryAsked].wait, 10)
        asking.cancel()
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        client.on_ready(lambda: loop.call_soon_threadsafe(woken.set))
        client._lose("the desk is gone")
        await asyncio.wait_for(woken.wait(), 10)
        with pytest.raises(DeskLost):
            client.check()
        client.close()

    asyncio.run(ask())


def test_n11_an_address_shows_no_secret(peer: Peer):
    assert peer.address.secret not in repr(peer.address)
