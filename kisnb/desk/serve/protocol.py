"""The protocol of the desk's socket: length-prefixed MessagePack, both ways."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.errors import DeskError
from kisnb.events import Event
from kisnb.trading.ports.commands import Command
from kisnb.trading.ports.desk_port import Snapshot
from kisnb.trading.ports.queries import AnyQuery
from kisnb.trading.ports.replies import Reply

VERSION = 11
# With these limits a wrong length cannot use up the memory. A snapshot may have all rows of a day;
# a session sends commands. Before the Hello is read, any program of this machine's user may be
# writing.
MAX_FROM_DESK = 256 * 1024 * 1024
MAX_FROM_SESSION = 4 * 1024 * 1024
MAX_HELLO = 64 * 1024
PREFIX = 4


class Hello(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The first message of a session. The desk replies with a Snapshot.

    Other versions may add fields at the end. The first four fields never change, so that each
    version can name the other one.
    """

    version: int
    secret: str
    session: str
    pid: int
    where: str = ""
    """The session's notebook, for people."""
    run: str = ""
    published: int = 0
    """Number of the newest row that a returning session has.

    It needs the later rows of this run.
    """
    agents: tuple[str, ...] = ()
    """Agents that run in the session."""


class Commands(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A session's message with commands, in the order in which they were given."""

    commands: tuple[Command, ...]


class QueryAsked(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A session's message with a query.

    ``blocking`` True: the session's own loop waits for the reply.
    """

    number: int
    query: AnyQuery
    blocking: bool = False


class Ping(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Asks the desk for a Pong. It also shows the desk that the session answers."""


# In the protocol it keeps its former name, so that a session of an older version can read why it is
# refused.
class Dismissed(msgspec.Struct, frozen=True, tag="Refused", array_like=True):
    """Says why the desk ends the link to this session."""

    text: str
    cure: str


class Events(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Events with the numbers ``first``, ``first + 1``, … ``now`` is the desk's clock when sent.

    Events for one session alone repeat the numbers of the newest events.
    """

    first: int
    now: Ns
    events: tuple[Event, ...]
    published: int
    """Number of the newest journal row that sessions have received, these events included."""


class Pong(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Says that the desk runs and its clock is at ``now``.

    The desk has sent all its earlier messages before this one.
    """

    now: Ns


class QueryReplied(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The reply to the query with this number."""

    number: int
    reply: Reply


FromSession: TypeAlias = Hello | Commands | QueryAsked | Ping
FromDesk: TypeAlias = Snapshot | Dismissed | Events | QueryReplied | Pong

_encoder = msgspec.msgpack.Encoder()
decode_from_session = msgspec.msgpack.Decoder(FromSession).decode
decode_from_desk = msgspec.msgpack.Decoder(FromDesk).decode


def pack(message: FromSession | FromDesk) -> bytes:
    """Return a message as bytes, with its length before it."""
    body = _encoder.encode(message)
    return len(body).to_bytes(PREFIX, "big") + body


def length_of(prefix: bytes, most: int) -> int:
    """Return the length of a message. Raises DeskError when it is above ``most`` bytes."""
    length = int.from_bytes(prefix, "big")
    if length > most:
        raise DeskError(
            f"a message of {length:,} bytes came over the desk's socket", "open the desk again"
        )
    return length
