"""The desk's socket: sessions attach, tell and ask; every event goes to every session, in order."""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.desk.conductor import Conductor
from kisnb.desk.host import DeskHost
from kisnb.desk.protocol import (
    PREFIX,
    VERSION,
    Answered,
    Asked,
    Events,
    Hello,
    Refused,
    Tell,
    decode_from_session,
    length_of,
    pack,
)
from kisnb.desk.safety import Safety
from kisnb.errors import DeskError, KisnbError
from kisnb.events import Event, SpeedSet, Trouble
from kisnb.orders import Intent, Order, Want
from kisnb.trading.commands import (
    AccountIs,
    AccountNow,
    ArmDesk,
    CancelOrder,
    CloseDesk,
    Command,
    DayOrders,
    Decided,
    DepthOf,
    Done,
    Failed,
    FastForward,
    Halt,
    Idle,
    LiftHalt,
    OrdersAre,
    OutcomeOf,
    Query,
    QuoteOf,
    Reply,
    ResolveOrder,
    ReviseOrder,
    RouteOf,
    RoutesAre,
    RoutesOf,
    SetHalt,
    Submit,
    TasksNow,
    WatchCodes,
)
from kisnb.trading.desk_port import Snapshot
from kisnb.trading.order_book import UNDECIDED

Snap: TypeAlias = Callable[[int], Snapshot]


class Connection:
    """One attached session."""

    def __init__(self, name: str, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self.handled = -1
        self.wake: Ns | None = None
        self.waiting = False
        self.wants: tuple[Want, ...] = ()
        self.hurry = False
        self.outcomes: dict[int, str] = {}
        """Questions about orders that are not decided yet: number → key."""
        self.blocking: set[int] = set()
        """Questions that the session's own loop stands for; it counts as idle meanwhile."""
        self._writer = writer

    @property
    def blocked(self) -> bool:
        return bool(self.blocking)

    def send(self, message: bytes) -> None:
        self._writer.write(message)

    def answer(self, number: int, reply: Reply) -> None:
        self.blocking.discard(number)
        self.send(pack(Answered(number, reply)))

    def close(self) -> None:
        self._writer.close()


class DeskServer:
    """Listens on a Unix socket; one connection per session."""

    def __init__(self, host: DeskHost, secret: str, snapshot: Snap, speed: float) -> None:
        self.host = host
        self.seq = 0
        self.connections: list[Connection] = []
        self.conductor: Conductor | None = None
        self.safety: Safety | None = None
        self.closing = asyncio.Event()
        self.left_alone_at = asyncio.get_running_loop().time()
        self._secret = secret
        self._snapshot = snapshot
        self._speed = speed
        self._batch: list[Event] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[object]] = set()
        self._pacing = asyncio.Lock()

    async def listen(self, path: Path) -> None:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - before anything else runs on this loop
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path)
        finally:
            os.umask(mask)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._flush()
        for connection in list(self.connections):
            connection.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=1)

    # events out

    def publish(self, event: Event) -> None:
        """Number an event and send it with the rest of this turn of the loop."""
        if not self._batch:
            asyncio.get_running_loop().call_soon(self._flush)
        self.seq += 1
        self._batch.append(event)

    def _flush(self) -> None:
        if not self._batch:
            return
        events, self._batch = tuple(self._batch), []
        message = pack(Events(self.seq - len(events) + 1, self.host.clock.now(), events))
        for connection in self.connections:
            connection.send(message)
            self._decide(connection)
        self._look()

    def _decide(self, connection: Connection) -> None:
        for number, key in list(connection.outcomes.items()):
            order = self._order(key)
            if order is not None and order.state not in UNDECIDED:
                del connection.outcomes[number]
                decided = Decided(order.state, order.number, order.msg_cd, order.text)
                connection.answer(number, decided)

    def _look(self, *, calls: bool = False) -> None:
        if self.conductor is not None:
            self.conductor.look(calls=calls)

    def rested(self) -> None:
        """A call to the broker ended."""
        self._look(calls=True)

    # sessions in

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: Connection | None = None
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            connection = await self._greet(reader, writer)
            while connection is not None:
                self._hear(connection, await _read(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (msgspec.MsgspecError, DeskError) as e:
            writer.write(pack(Refused(f"a message could not be read: {e}", "open the desk again")))
        finally:
            if connection is not None:
                self.connections.remove(connection)
                self.left_alone_at = asyncio.get_running_loop().time()
                self._rewant(connection)
            writer.close()
            self._look()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection | None:
        hello = decode_from_session(await _read(reader))
        refused = None
        if not isinstance(hello, Hello) or not hmac.compare_digest(hello.secret, self._secret):
            refused = Refused("the desk does not know this session", "open the desk again")
        elif self.closing.is_set():
            refused = Refused("the desk is stopping", "open the desk again with %kis open")
        elif hello.version != VERSION:
            refused = Refused("the desk runs another version of kisnb", "stop it with: kisnb desk stop")
        if refused is not None:
            writer.write(pack(refused))
            await writer.drain()
            return None
        self._flush()
        connection = Connection(hello.session, writer)
        connection.send(pack(self._snapshot(self.seq)))
        self.connections.append(connection)
        return connection

    def _hear(self, connection: Connection, body: bytes) -> None:
        match decode_from_session(body):
            case Tell(commands=commands):
                for command in commands:
                    self._obey(connection, command)
            case Asked(number=number, query=query, blocking=blocking):
                if blocking:
                    connection.blocking.add(number)
                self._answer(connection, number, query)

    def _obey(self, connection: Connection, command: Command) -> None:
        match command:
            case Halt():
                self.host.say(command)
            case Submit() | CancelOrder() | ReviseOrder() | ResolveOrder() | SetHalt():
                self.host.say(command)
            case WatchCodes(wants=wants):
                connection.wants = wants
                self.host.broker.want(self._wants())
                self._look(calls=True)
            case Idle(seq=seq, wake=wake, waiting=waiting):
                connection.handled, connection.wake, connection.waiting = seq, wake, waiting
                if self.conductor is not None:
                    if seq >= 0:
                        self.conductor.caught_up(connection.name)
                    self.conductor.look()
            case FastForward(on=on):
                connection.hurry = on
                self._pace()

    def _rewant(self, gone: Connection) -> None:
        if self.closing.is_set():
            return
        if gone.wants:
            self.host.broker.want(self._wants())
            self._look(calls=True)
        if gone.hurry:
            self._pace()

    def _pace(self) -> None:
        if self.conductor is not None and self._speed:
            self.host.call(self._set_pace(self.conductor))

    async def _set_pace(self, conductor: Conductor) -> None:
        """Lockstep while somebody is in a hurry, else the desk's own speed; one switch at a time."""
        async with self._pacing:
            speed = 0.0 if any(c.hurry for c in self.connections) else self._speed
            if conductor.lockstep != (speed == 0):
                await conductor.switch(speed)
                self.publish(SpeedSet(self.host.clock.now(), speed))

    def _wants(self) -> list[Want]:
        wanted = {w: None for c in self.connections for w in c.wants}
        return [Want("notices", priority=0), *wanted]

    # questions

    def _answer(self, connection: Connection, number: int, query: Query) -> None:
        match query:
            case OutcomeOf(key=key):
                connection.outcomes[number] = key
                self._decide(connection)
            case LiftHalt() | ArmDesk() | TasksNow() if self.safety is not None:
                connection.answer(number, self.safety.answer(query))
            case CloseDesk():
                connection.answer(number, Done())
                self.closing.set()
            case _:
                self.host.call(self._ask(connection, number, query))

    async def _ask(self, connection: Connection, number: int, query: Query) -> None:
        try:
            reply = await self._read_from_kis(query)
        except KisnbError as e:
            reply = Failed(type(e).__name__, e.text, e.cure)
        except Exception as e:
            reply = Failed("KisError", f"{type(e).__name__}: {e}")
            self.publish(Trouble(self.host.clock.now(), f"{type(query).__name__} failed: {e!r}"))
        self._flush()
        connection.answer(number, reply)

    async def _read_from_kis(self, query: Query) -> Reply:
        broker = self.host.broker
        match query:
            case QuoteOf(code=code):
                return await broker.quote(code)
            case DepthOf(code=code, venue=venue):
                return await broker.depth(code, venue)
            case RouteOf(intent=intent):
                return await self._preview(intent)
            case RoutesOf(key=key, code=code):
                routes = self.host.core.state.routes
                return RoutesAre(tuple(routes.of(key) if key else routes.select(code=code or None)))
            case AccountNow():
                return AccountIs(await broker.account())
            case DayOrders(day=day):
                return OrdersAre(await broker.day_orders(day))
            case _:
                raise DeskError(f"the desk does not know the question {type(query).__name__}")

    async def _preview(self, intent: Intent) -> Reply:
        core, now = self.host.core, self.host.clock.now()
        missing = core.rules.unseen(now, intent, core.market.of(intent.code))
        for book in await self.host.read_books(intent.code, missing):
            core.market.add(book)
        return RoutesAre((core.rules.preview(now, intent, core.market.of(intent.code)).evidence,))

    def _order(self, key: str) -> Order | None:
        return self.host.core.state.books.orders.get(key)


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(length_of(await reader.readexactly(PREFIX)))
