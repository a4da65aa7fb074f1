"""The desk's socket: sessions attach, tell and ask; every event goes to every session, in order."""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from kisnb.desk.run.conductor import Conductor
from kisnb.desk.run.host import DeskHost
from kisnb.desk.run.safety import Safety
from kisnb.desk.run.standing import standing
from kisnb.desk.serve.connection import Connection
from kisnb.desk.serve.leases import Leases
from kisnb.desk.serve.protocol import (
    MAX_FROM_SESSION,
    MAX_HELLO,
    PREFIX,
    VERSION,
    Commands,
    Dismissed,
    Events,
    Hello,
    Ping,
    Pong,
    QueryAsked,
    decode_from_session,
    length_of,
    pack,
)
from kisnb.desk.serve.silent_sessions import SilentSessions
from kisnb.desk.serve.snapshot import DeskName, snapshot
from kisnb.desk.serve.unreadable import (
    RawCommands,
    RawQuery,
    Unreadable,
    parts_of,
    pieces,
    unreadable,
)
from kisnb.errors import DeskBusy, DeskError, KisnbError
from kisnb.events import (
    AccountOpened,
    AgentLeased,
    AgentReleased,
    CommandDropped,
    Event,
    Filled,
    SpeedSet,
    Trouble,
)
from kisnb.orders import Intent, Naming, Order, OrderState, Want
from kisnb.terms import Venue
from kisnb.trading.gate.adoption import adopt
from kisnb.trading.gate.risk import No
from kisnb.trading.order_books.order_book import UNDECIDED, is_of_flatten
from kisnb.trading.ports.commands import (
    AccountNow,
    AccountReply,
    Adopt,
    AdoptHolding,
    AnyQuery,
    ArmDesk,
    CallApi,
    CancelOrder,
    CloseDesk,
    Command,
    DayOrders,
    DepthOf,
    Done,
    Failed,
    FastForward,
    Halt,
    Idle,
    JournalOf,
    JournalReply,
    LeaseAgent,
    LiftHalt,
    OrderRequest,
    OrdersPlaced,
    OrdersReply,
    OutcomeOf,
    OutcomeReply,
    PlaceAnswer,
    PlaceOrders,
    QuoteOf,
    ReleaseAgent,
    Reply,
    ResolveOrder,
    ReviseOrder,
    RouteOf,
    RoutesOf,
    RoutesReply,
    RowsReply,
    StatusNow,
    Submit,
    TasksNow,
    TextReply,
    WatchCodes,
)
from kisnb.trading.typed_orders.naming_rule import NamingRule, Refuse, ShowKnown
from kisnb.trading.typed_orders.placing import (
    adoption_asked,
    adoption_text,
    commands,
    naming_rule,
    place,
    refusal,
    show,
    shown_text,
)

HELLO_SECONDS = 5.0
"""Wall time that a connection may take to say who it is."""
HELD = 1
"""Priority of the trades of a held stock: after notices (0), before what sessions watch (2). (K06)"""

STRANGER = Dismissed("the desk does not know this session", "open the desk again with %kis open")
CHECK = "check the values of the call; after an update of kisnb restart the kernel"


class DeskServer:
    """Listens on a Unix socket; one connection per session."""

    def __init__(self, host: DeskHost, name: DeskName, secret: str, speed: float) -> None:
        self.host = host
        self.seq = 0
        self.connections: list[Connection] = []
        self.leases = Leases()
        self.conductor: Conductor | None = None
        self.safety: Safety | None = None
        self.closing = asyncio.Event()
        self.farewell: tuple[str, str] | None = None
        """What sessions are told when the desk ends, with the cure; without it they wait for the next desk."""
        self.left_alone_at = asyncio.get_running_loop().time()
        self._secret = secret
        self._name = name
        self._speed = speed
        self._batch: list[Event] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[object]] = set()
        self._pacing = asyncio.Lock()
        self._holds: list[str] = []
        """The stocks that the account held when the broker was last told what to follow."""
        self._silent = SilentSessions()

    async def listen(self, path: Path) -> None:
        """Listen at ``path``, and no longer where it listened before; attached sessions stay. Raises OSError."""
        if self._server is not None:
            # First, because newer versions of asyncio remove the path of a server that they close.
            self._server.close()
        self._server = await asyncio.start_unix_server(self._serve, sock=_bound(path))

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._flush()
        for connection in list(self.connections):
            if self.farewell is not None:
                connection.dismiss(*self.farewell)
            else:
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
        if isinstance(event, Filled | AccountOpened):
            self._follow_holdings()

    def _flush(self) -> None:
        if not self._batch:
            return
        events, self._batch = tuple(self._batch), []
        first, told = self.seq - len(events) + 1, self.host.journal.published
        message = pack(Events(first, self.host.clock.now(), events, told))
        for connection in self.connections:
            connection.send(message)
            self._reply_outcomes(connection)
        self._wake_conductor()

    def _reply_outcomes(self, connection: Connection) -> None:
        for number, key in list(connection.outcomes.items()):
            order = self._order(key)
            if key in self.host.dropped:
                del connection.outcomes[number]
                connection.answer(
                    number, OutcomeReply(OrderState.DENIED, None, "", str(self.host.broken))
                )
            elif order is not None and order.state not in UNDECIDED:
                del connection.outcomes[number]
                decided = OutcomeReply(order.state, order.number, order.msg_cd, order.text)
                connection.answer(number, decided)

    def _wake_conductor(self, *, calls: bool = False) -> None:
        if self.conductor is not None:
            self.conductor.wake(calls=calls)

    def on_call_ended(self) -> None:
        """A call to the broker ended."""
        self._wake_conductor(calls=True)

    # sessions in

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
            writer.write(
                pack(Dismissed(f"a message could not be read: {e}", "open the desk again"))
            )
        except KisnbError as e:
            writer.write(pack(Dismissed(e.text, e.cure or "open the desk again")))
        finally:
            writer.close()
            if connection is not None:
                self._on_gone(connection)
            self._wake_conductor()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Hello | None:
        """Who comes; None for one who is refused."""
        async with asyncio.timeout(HELLO_SECONDS):
            hello = decode_from_session(await _read(reader, MAX_HELLO))
        refused = self._refusal(hello)
        if refused is not None or not isinstance(hello, Hello):
            writer.write(pack(refused or STRANGER))
            return None
        await self._end_former(hello.session)
        if self.host.serial:
            await self.host.wait_until_quiet()
        return hello

    def _welcome(self, connection: Connection, hello: Hello) -> None:
        """The snapshot, and from the next event on all that is published."""
        for agent in hello.agents:
            # An agent that another session has leased meanwhile stays with it: the snapshot says so.
            with suppress(DeskBusy):
                self._lease(connection, agent)
        self._flush()
        connection.send(pack(snapshot(self.host, self._name, self.leases.all(), self.seq, hello)))
        self.connections.append(connection)

    async def _end_former(self, name: str) -> None:
        """A session that comes back gave its former link up: nothing of that may be heard after the new snapshot."""
        for connection in [c for c in self.connections if c.name == name]:
            connection.cut()
            await connection.ended.wait()

    def _refusal(self, hello: object) -> Dismissed | None:
        if not isinstance(hello, Hello) or not hmac.compare_digest(
            hello.secret.encode(), self._secret.encode()
        ):
            return STRANGER
        if self.closing.is_set():
            return Dismissed("the desk is stopping", "open the desk again with %kis open")
        if hello.version < VERSION:
            return Dismissed(
                f"this notebook runs an older kisnb than the desk (protocol {hello.version}, the desk {VERSION})",
                "restart the kernel",
            )
        if hello.version > VERSION:
            return Dismissed(
                f"this notebook runs a newer kisnb than the desk (protocol {hello.version}, the desk {VERSION})",
                "stop the desk with: kisnb desk stop; then open it again with %kis open",
            )
        return None

    def _on_gone(self, connection: Connection) -> None:
        """A session has left, or was lost: its agents may run elsewhere, its orders stay in the market."""
        if connection in self.connections:
            self.connections.remove(connection)
        connection.ended.set()
        self.left_alone_at = asyncio.get_running_loop().time()
        now = self.host.clock.now()
        for agent in self.leases.drop(connection):
            self.publish(AgentReleased(now, agent, connection.name, lost=True))
            self.publish(
                Trouble(
                    now,
                    f"{connection.where} is gone and its agent {agent} with it; its orders stay",
                )
            )
        self._rewant(connection)

    def _lease(self, connection: Connection, agent: str) -> None:
        """Raises DeskBusy when the agent runs in another session that lives."""
        stale = self.leases.owner(agent)
        if not self.leases.acquire(agent, connection):
            return
        now = self.host.clock.now()
        if stale is not None:
            self.publish(AgentReleased(now, agent, stale.name, lost=True))
        self.publish(AgentLeased(now, agent, connection.name, connection.where))

    def sweep(self) -> None:
        """Hang up on sessions whose process is gone although their socket is open: a child of theirs holds it. Name
        those that have fallen silent."""
        for connection in list(self.connections):
            if not connection.alive:
                connection.close()
        for text in self._silent.check(asyncio.get_running_loop().time(), self.connections):
            self.publish(Trouble(self.host.clock.now(), text))

    def _receive(self, connection: Connection, body: bytes) -> None:
        connection.received_at = asyncio.get_running_loop().time()
        try:
            message = decode_from_session(body)
        # A text that is no UTF-8, or nested too deep, raises errors of its own.
        except Exception as e:
            self._receive_in_parts(connection, body, e)
            return
        match message:
            case Ping():
                # Who hears that all is sent has it before.
                self._flush()
                connection.send(pack(Pong(self.host.clock.now())))
            case Commands(commands=commands):
                for command in commands:
                    self._execute(connection, command)
            case QueryAsked(number=number, query=query, blocking=blocking):
                if blocking:
                    connection.blocking.add(number)
                self._answer(connection, number, query)

    def _receive_in_parts(self, connection: Connection, body: bytes, error: Exception) -> None:
        """Carry out what can be read of a message; its sender alone is told what cannot."""
        match parts_of(body):
            case RawCommands() as tell:
                for piece in pieces(tell):
                    if isinstance(piece, Unreadable):
                        self._refuse(connection, piece)
                    else:
                        self._execute(connection, piece)
            case RawQuery(number=number, query=query):
                self._flush()
                refused = unreadable(query, error)
                connection.answer(number, Failed("BadInput", refused.text, CHECK))
            case None:
                self._refuse(connection, Unreadable("", str(error)))

    def _refuse(self, connection: Connection, refused: Unreadable) -> None:
        now, known = self.host.clock.now(), self.host.core.state.books.orders
        events: list[Event] = [Trouble(now, f"{refused.text}; it was not carried out")]
        # An order that the desk has lives on, whatever was sent again under its key.
        if refused.key and (refused.cancels or refused.key not in known):
            events.append(CommandDropped(now, refused.key, refused.text, CHECK))
        self._publish_to(connection, tuple(events))

    def _publish_to(self, connection: Connection, events: tuple[Event, ...]) -> None:
        """Send events to one session.

        They take no new numbers, for the others would miss those: they end at the number of the
        newest event of all. So an Idle of this session still says how far it has followed.
        """
        self._flush()
        first = self.seq - len(events) + 1
        connection.send(
            pack(Events(first, self.host.clock.now(), events, self.host.journal.published))
        )

    def _execute(self, connection: Connection, command: Command) -> None:
        match command:
            case Submit(intent=intent) | ReviseOrder(intent=intent) if is_of_flatten(intent):
                why = "the key of an order may not begin with 'flatten:'"
                self._refuse(connection, Unreadable(type(command).__name__, why, intent.key))
            case Halt() | Submit() | CancelOrder() | ReviseOrder() | ResolveOrder():
                self.host.submit(command)
            case WatchCodes(wants=wants):
                connection.wants = wants
                self.host.broker.want(self.wants())
                self._wake_conductor(calls=True)
            case Idle(seq=seq, wake=wake, waiting=waiting):
                connection.handled, connection.wake, connection.waiting = seq, wake, waiting
                if self.conductor is not None:
                    if seq >= 0:
                        self.conductor.caught_up(connection.name)
                    self.conductor.wake()
            case FastForward(on=on):
                connection.hurry = on
                self._pace()
            case ReleaseAgent(agent=agent):
                if self.leases.release(agent, connection):
                    self.publish(AgentReleased(self.host.clock.now(), agent, connection.name))

    def _rewant(self, gone: Connection) -> None:
        if self.closing.is_set():
            return
        if gone.wants:
            self.host.broker.want(self.wants())
            self._wake_conductor(calls=True)
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

    def wants(self) -> list[Want]:
        """Notices, then the trades of all that the account holds, then what sessions watch.

        What looks after holdings, the breaker to begin with, must see their prices whoever is attached.
        """
        core = self.host.core
        self._holds = core.state.books.account.holds
        held = [want for code in self._holds for want in core.rules.trade_channels(code, HELD)]
        held.sort(key=lambda want: want.venue is not Venue.KRX)
        watched = {w: None for c in self.connections for w in c.wants}
        return [Want("notices", priority=0), *held, *watched]

    def _follow_holdings(self) -> None:
        if self.host.core.state.books.account.holds != self._holds and not self.closing.is_set():
            self.host.broker.want(self.wants())
            self._wake_conductor(calls=True)

    # questions

    def _answer(self, connection: Connection, number: int, query: AnyQuery) -> None:
        match query:
            case OutcomeOf(key=key):
                connection.outcomes[number] = key
                # Who is told an outcome has its facts before it.
                self._flush()
                self._reply_outcomes(connection)
            case LiftHalt() | ArmDesk() | TasksNow() if self.safety is not None:
                connection.answer(number, self.safety.answer(query))
            case StatusNow():
                others = [self._named(c) for c in self.connections if c is not connection]
                connection.answer(number, standing(self.host, others))
            case PlaceOrders(requests=requests):
                placed = self._place(requests)
                # The desk publishes the rows of an order before it answers who asked for it.
                self._flush()
                connection.answer(number, placed)
            case AdoptHolding(wish=wish):
                reply = self._adopt(wish)
                self._flush()
                connection.answer(number, reply)
            case LeaseAgent(agent=agent):
                connection.answer(number, self._lease_reply(connection, agent))
            case JournalOf():
                connection.answer(number, JournalReply(str(self.host.journal.path)))
            case CloseDesk():
                connection.answer(number, Done())
                self.closing.set()
            case _:
                self.host.call(self._ask(connection, number, query))

    def _place(self, requests: Sequence[OrderRequest]) -> OrdersPlaced:
        """How these orders are answered by row O11; what is sent or shown is journaled by then."""
        core = self.host.core
        answers = place(self.host.clock.now(), core.state, self._name.run, requests)
        for command in commands(core.state, requests, answers):
            if self.host.broken is None:
                self.host.submit(command)
        return OrdersPlaced(tuple(self._checked_answer(answer) for answer in answers))

    def _checked_answer(self, answer: PlaceAnswer) -> PlaceAnswer:
        """The answer, or that the journal could not be written: then nothing of the order was sent."""
        key, broken = answer.intent.key, self.host.broken
        journaled = self._order(key) is not None and key not in self.host.dropped
        if broken is None or answer.outcome != "sent" or journaled:
            return answer
        return PlaceAnswer("refused", answer.intent, broken.text, broken.cure)

    def _adopt(self, wish: Adopt) -> Reply:
        """What was taken over; its row is synced by then."""
        now, state = self.host.clock.now(), self.host.core.state
        if wish.naming is not None:
            rule, asked = naming_rule(now, state, self._name.run), adoption_asked(wish)
            outcome = rule.answer(wish.naming)
            if isinstance(outcome, Refuse):
                return Failed("OrderDenied", *refusal(state, rule, asked, wish.naming, outcome))
            if isinstance(outcome, ShowKnown):
                return self._show_adoption(rule, wish.naming, outcome.key)
            wish = msgspec.structs.replace(wish, key=outcome.key)
        taken = adopt(now, state.books, wish)
        if isinstance(taken, No):
            return Failed("BadInput", taken.reason, taken.cure)
        self.host.submit(wish)
        if self.host.broken is not None:
            return Failed("DeskError", str(self.host.broken))
        return TextReply(
            f"{wish.agent} took over {taken.qty:,} {wish.code} that cost {taken.cost:,} won"
        )

    def _show_adoption(self, rule: NamingRule, naming: Naming, key: str) -> Reply:
        state = self.host.core.state
        if (shown := show(state.names, key, naming)) is not None:
            self.host.submit(shown)
        if self.host.broken is not None:
            return Failed("DeskError", str(self.host.broken))
        taken = state.books.adoptions[key]
        return TextReply(f"{adoption_text(taken)} was {shown_text(state, rule, naming, key)}")

    def _named(self, connection: Connection) -> str:
        agents = ", ".join(
            lease.agent for lease in self.leases.all() if lease.session == connection.name
        )
        return f"{connection.where}{f' with {agents}' if agents else ''}"

    def _lease_reply(self, connection: Connection, agent: str) -> Reply:
        try:
            self._lease(connection, agent)
        except DeskBusy as e:
            return Failed(type(e).__name__, e.text, e.cure)
        return Done()

    async def _ask(self, connection: Connection, number: int, query: AnyQuery) -> None:
        try:
            reply = await self._read_from_kis(query)
        except KisnbError as e:
            reply = Failed(type(e).__name__, e.text, e.cure)
        except Exception as e:
            reply = Failed("KisError", f"{type(e).__name__}: {e}")
            self.publish(Trouble(self.host.clock.now(), f"{type(query).__name__} failed: {e!r}"))
        self._flush()
        connection.answer(number, reply)

    async def _read_from_kis(self, query: AnyQuery) -> Reply:
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
                return RoutesReply(
                    tuple(routes.of(key) if key else routes.select(code=code or None))
                )
            case AccountNow():
                return AccountReply(await broker.account())
            case CallApi(name=name, params=params):
                return RowsReply(*await broker.call(name, params))
            case DayOrders(day=day):
                return OrdersReply(await broker.day_orders(day))
            case _:
                raise DeskError(f"the desk does not know the question {type(query).__name__}")

    async def _preview(self, intent: Intent) -> Reply:
        core, now = self.host.core, self.host.clock.now()
        missing = core.rules.blank(now, intent.code, core.depths.of(intent.code))
        for depth in await self.host.read_depths(intent.code, missing):
            core.depths.add(depth)
        return RoutesReply((core.rules.preview(now, intent, core.depths.of(intent.code)).evidence,))

    def _order(self, key: str) -> Order | None:
        return self.host.core.state.books.orders.get(key)


def _bound(path: Path) -> socket.socket:
    """A Unix socket at ``path``, mode 0600; a file that was left there is removed."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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
