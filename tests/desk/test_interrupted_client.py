"""A04: an interrupt between any two steps of a blocking call leaves the link to the desk whole."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from kisnb.desk.address import DeskAddress
from kisnb.desk.serve.client import DeskClient
from kisnb.desk.serve.protocol import (
    MAX_FROM_SESSION,
    PREFIX,
    QueryAsked,
    QueryReplied,
    decode_from_session,
    length_of,
    pack,
)
from kisnb.session.feed.uninterrupted import Uninterrupted
from kisnb.terms import Mode
from kisnb.trading.ports.commands import CancelOrder
from kisnb.trading.ports.queries import TasksNow
from kisnb.trading.ports.replies import TextReply


def interrupted_at(step: int, call: Callable[[], object]) -> bool:
    """Press the interrupt button at the ``step``-th step of ``call``.

    Returns whether it had that many.

    A step is the start of a function of Python or the return of one of C: there Python looks
    whether a signal has come.
    """
    steps = 0

    def watch(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal steps
        if event in ("call", "c_return"):
            steps += 1
            if steps == step:
                signal.raise_signal(signal.SIGINT)

    try:
        sys.setprofile(watch)
        call()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    return steps >= step


def pressed_within(shield: Uninterrupted, whole: list[bool]) -> None:
    with shield:
        signal.raise_signal(signal.SIGINT)
        whole.append(True)


def ends_within(seconds: float, call: Callable[[], object]) -> bool:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


@pytest.fixture(autouse=True)
def button() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[DeskClient]:
    """A client of a desk that answers every question."""
    address = DeskAddress(str(tmp_path / "desk.sock"), "secret", 4711, Mode.SIM, "sim")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(address.socket)
    listening.listen()

    def serve() -> None:
        connection, _ = listening.accept()
        stream = connection.makefile("rb")
        while prefix := stream.read(PREFIX):
            told = decode_from_session(stream.read(length_of(prefix, MAX_FROM_SESSION)))
            if isinstance(told, QueryAsked):
                connection.sendall(pack(QueryReplied(told.number, TextReply("tasks"))))

    threading.Thread(target=serve, daemon=True).start()
    client = DeskClient(address)
    client._connect()
    yield client
    # In a thread, so that a lock that was left behind fails the test and does not hang it.
    ends_within(10, client.close)
    listening.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.ask_blocking(TasksNow(), 10),
        lambda client: client.send([CancelOrder("k")]),
    ],
    ids=["a question", "a command"],
)
def test_a04_the_link_works_after_an_interrupt_at_any_step_of_a_call(
    client: DeskClient, call: Callable[[DeskClient], object]
):
    step = 1
    while interrupted_at(step, lambda: call(client)):
        assert ends_within(10, lambda: client.ask_blocking(TasksNow(), 10)), step
        step += 1
    assert step > 5


def test_a04_the_shield_works_after_an_interrupt_at_any_step_of_it():
    shield, step = Uninterrupted(), 1

    def shielded() -> None:
        with shield:
            pass

    while interrupted_at(step, shielded):
        whole: list[bool] = []
        with pytest.raises(KeyboardInterrupt):
            pressed_within(shield, whole)
        assert whole == [True], step
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        step += 1
    assert step > 5
