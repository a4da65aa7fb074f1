"""The desk's end of the socket: sessions attach, send commands and queries, and get all events.

connect ──► Hello ──► refused: Dismissed, and the connection ends
              │
              ▼
          Snapshot ──► Commands, QueryAsked, Ping ◄──► Events, QueryReplied, Pong
                                  │
                                  ▼
          gone: the leases end, the subscriptions too, the orders stay in the market
"""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from contextlib import suppress
from pathlib import Path

import msgspec

from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.connection import Connection
from kisnb.desk.serve.desk_wants import DeskWants
from kisnb.desk.serve.event_feed import EventFeed
from kisnb.desk.serve.leases import Leases
from kisnb.desk.serve.pacing import Pacing
from kisnb.desk.serve.protocol import (
    MAX_FROM_SESSION,
    MAX_HELLO,
    PREFIX,
    VERSION,
    Commands,
    Dismissed,
    Hello,
    Ping,
    Pong,
    QueryAsked,
    decode_from_session,
    length_of,
    pack,
)
from kisnb.desk.serve.published_leases import PublishedLeases
from kisnb.desk.serve.session_commands import CHECK, SessionCommands
from kisnb.desk.serve.session_queries import SessionQueries
from kisnb.desk.serve.silent_sessions import SilentSessions
from kisnb.desk.serve.snapshot import DeskName, snapshot
from kisnb.desk.serve.typed_requests import TypedRequests
from kisnb.desk.serve.unreadable import RawCommands, RawQuery, Unreadable, parts_of, unreadable
from kisnb.errors import DeskBusy, KisnbError
from kisnb.events import (
    AccountOpened,
    Event,
    Filled,
    PriceAlertEnded,
    PriceAlertFired,
    PriceAlertSet,
    ProtectionEnded,
    ProtectionSet,
    StockDay,
    Trouble,
)
from kisnb.trading.ports.replies import Failed

HELLO_SECONDS = 5.0
"""The longest wall time for which the desk waits for the Hello of a connection."""
STRANGER = Dismissed("the desk does not know this session", "open the desk again with %kis open")

_CHANGE_WANTS: frozenset[type] = frozenset(
    {
        Filled, AccountOpened, StockDay,
        ProtectionSet, ProtectionEnded, PriceAlertSet, PriceAlertFired, PriceAlertEnded,
    }
)  # fmt: skip
"""Events after which the broker may need other subscriptions."""


class DeskServer:
    """Listens on a Unix socket and serves sessions, with one connection for each."""

    def __init__(self, host: DeskHost, name: DeskName, secret: str, speed: float) -> None:
        self.feed = EventFeed(host)
        self.leases = Leases()
        self.subscriptions = DeskWants(host, self.feed)
        self.closing = asyncio.Event()
        """Set when the desk must end."""
        self.farewell: tuple[str, str] | None = None
        """The sentence for sessions when the desk ends for good, with the cure.

        Without it, sessions wait for the next desk.
        """
        self.left_alone_at = asyncio.get_running_loop().time()
        """When the last attached session left, seconds on the loop's clock."""
        self._host = host
        self._name = name
        self._secret = secret
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[object]] = set()
        self._silent = SilentSessions()
        self._pacing = Pacing(host, self.feed, speed)
        self._published_leases = PublishedLeases(host, self.feed, self.leases)
        self._commands = SessionCommands(
            host, self.feed, self._published_leases, self.subscriptions, self._pacing
        )
        typed = TypedRequests(host, name.run)
        self.queries = SessionQueries(host, self.feed, self._published_leases, typed, self.closing)

    async def listen(self, path: Path) -> None:
        """Listen at ``path``, and no longer at the former path. Attached sessions stay attached.

        Raises OSError.
        """
        if self._server is not None:
            # This comes first, because newer versions of asyncio remove the path of a server that
            # they close.
            self._server.close()
        self._server = await asyncio.start_unix_server(self._serve, sock=_bound(path))

    async def close(self) -> None:
        """Send the published events, then end the links to all sessions."""
        if self._server is not None:
            self._server.close()
        self.feed.flush()
        for connection in list(self.feed.connections):
            if self.farewell is not None:
                connection.dismiss(*self.farewell)
            else:
                connection.close()
        if self._serving:
            # Written messages must go out, but a session that reads nothing must not stop the desk
            # from ending.
            await asyncio.wait(self._serving, timeout=1)

    def publish(self, event: Event) -> None:
        """Publish an event to all sessions, and update the subscriptions if it changes holdings."""
        self.feed.publish(event)
        # The first two change the holdings, the third may name a venue of a holding, the others
        # begin or end the watch of a price. A desk that closes makes no more subscriptions.
        if type(event) in _CHANGE_WANTS and not self.closing.is_set():
            self.subscriptions.follow()

    def on_call_ended(self) -> None:
        """Wake the conductor, because a call to the broker has ended."""
        self.feed.wake_conductor(calls=True)

    def sweep(self) -> None:
        """End the links to sessions whose process is gone, and report sessions that are silent.

        The socket of a dead process stays open while a child of that process holds it.
        """
        for connection in list(self.feed.connections):
            if not connection.alive:
                connection.close()
        now = asyncio.get_running_loop().time()
        for text in self._silent.check(now, self.feed.connections):
            self.publish(Trouble(self._host.clock.now(), text))

    # one session, from its Hello to its end

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: Connection | None = None
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            hello = await self._greet(reader, writer)
            if hello is None:
                return
            connection = Connection(hello, writer)
            self._welcome(connection, hello)
            while True:
                self._receive(connection, await _read(reader, MAX_FROM_SESSION))
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            text = f"a message could not be read: {e}"
            writer.write(pack(Dismissed(text, "open the desk again")))
        except KisnbError as e:
            writer.write(pack(Dismissed(e.text, e.cure or "open the desk again")))
        finally:
            writer.close()
            if connection is not None:
                self._on_gone(connection)
            self.feed.wake_conductor()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Hello | None:
        """Wait for the Hello of a session and return it. None when the session is refused.

        If the session attached before, end its former link first.
        """
        async with asyncio.timeout(HELLO_SECONDS):
            hello = decode_from_session(await _read(reader, MAX_HELLO))
        refused = self._refusal(hello)
        if refused is not None or not isinstance(hello, Hello):
            writer.write(pack(refused or STRANGER))
            return None
        await self._end_former(hello.session)
        # In lockstep the snapshot is made when nothing is under way, so that a repeated run begins
        # with the same one.
        if self._host.serial:
            await self._host.wait_until_quiet()
        return hello

    def _refusal(self, hello: object) -> Dismissed | None:
        # The secret is checked first, so that a stranger learns nothing, not even the version. The
        # comparison takes the same time for every wrong secret.
        if not isinstance(hello, Hello) or not hmac.compare_digest(
            hello.secret.encode(), self._secret.encode()
        ):
            return STRANGER
        if self.closing.is_set():
            return Dismissed("the desk is stopping", "open the desk again with %kis open")
        # The first fields of a Hello are the same in each version, so the versions can be compared
        # although the rest may differ.
        versions = f"(protocol {hello.version}, the desk {VERSION})"
        if hello.version < VERSION:
            text = f"this notebook runs an older kisnb than the desk {versions}"
            return Dismissed(text, "restart the kernel")
        if hello.version > VERSION:
            return Dismissed(
                f"this notebook runs a newer kisnb than the desk {versions}",
                "stop the desk with: kisnb desk stop; then open it again with %kis open",
            )
        return None

    async def _end_former(self, name: str) -> None:
        """End the former link of a session that attaches again, and wait for its end.

        No message of the former link may be carried out after the new snapshot.
        """
        for connection in [c for c in self.feed.connections if c.name == name]:
            connection.cut()
            await connection.ended.wait()

    def _welcome(self, connection: Connection, hello: Hello) -> None:
        """Send the snapshot, and register the session for all later events."""
        for agent in hello.agents:
            # If another session has leased an agent meanwhile, the agent stays there. The snapshot
            # says so.
            with suppress(DeskBusy):
                self._published_leases.acquire(connection, agent)
        # Events that were published but not sent are part of the snapshot, so they must not be sent
        # again.
        self.feed.flush()
        leases = self.leases.all()
        connection.send(pack(snapshot(self._host, self._name, leases, self.feed.seq, hello)))
        # There is no await between the snapshot and this line, so no event is missed and none comes
        # twice.
        self.feed.connections.append(connection)
        self.feed.publish_unheard(connection)

    def _on_gone(self, connection: Connection) -> None:
        """Remove a session that has left or was lost, and end its leases. Its orders stay."""
        # The session is not in the list when its welcome failed.
        if connection in self.feed.connections:
            self.feed.connections.remove(connection)
        connection.ended.set()
        self.left_alone_at = asyncio.get_running_loop().time()
        self._published_leases.drop(connection)
        if self.closing.is_set():
            return
        if connection.wants:
            self.subscriptions.update()
        if connection.hurry:
            self._pacing.update()

    # its messages

    def _receive(self, connection: Connection, body: bytes) -> None:
        connection.received_at = asyncio.get_running_loop().time()
        try:
            message = decode_from_session(body)
        # A text that is not UTF-8, or nested too deep, raises errors of its own.
        except Exception as e:
            self._receive_in_parts(connection, body, e)
            return
        match message:
            case Ping():
                # A Pong says that all earlier messages have been sent.
                self.feed.flush()
                connection.send(pack(Pong(self._host.clock.now())))
            case Commands(commands=commands):
                for command in commands:
                    self._commands.execute(connection, command)
            case QueryAsked(number=number, query=query, blocking=blocking):
                if blocking:
                    connection.blocking.add(number)
                self.queries.receive(connection, number, query)

    def _receive_in_parts(self, connection: Connection, body: bytes, error: Exception) -> None:
        """Carry out the readable parts of a message.

        The unreadable parts are reported only to the sender.
        """
        match parts_of(body):
            case RawCommands() as raw:
                self._commands.execute_readable(connection, raw)
            case RawQuery(number=number, query=query):
                self.feed.flush()
                refused = unreadable(query, error)
                connection.reply(number, Failed("BadInput", refused.text, CHECK))
            case None:
                self._commands.refuse(connection, Unreadable("", str(error)))


def _bound(path: Path) -> socket.socket:
    """Bind and return a Unix socket at ``path``, mode 0600. An old file there is removed."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode must be right from the beginning: between a bind and a chmod others could connect.
    mask = os.umask(0o177)
    try:
        bound.bind(str(path))
    except BaseException:
        bound.close()
        raise
    finally:
        os.umask(mask)
    return bound


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    return await reader.readexactly(length_of(await reader.readexactly(PREFIX), most))
