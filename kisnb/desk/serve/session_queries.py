"""Replies to queries of a session, at once from the desk's state, or after a call to KIS."""

from __future__ import annotations

import asyncio

from kisnb.desk.run.host import DeskHost
from kisnb.desk.run.safety import Safety
from kisnb.desk.run.standing import standing
from kisnb.desk.serve.connection import Connection
from kisnb.desk.serve.event_feed import EventFeed
from kisnb.desk.serve.published_leases import PublishedLeases
from kisnb.desk.serve.typed_requests import TypedRequests
from kisnb.errors import BadInput, DeskBusy, DeskError, KisnbError
from kisnb.events import Depth, Quote, Trouble
from kisnb.market.price_venue import price_venue
from kisnb.orders import Intent
from kisnb.terms import Venue
from kisnb.trading.ports.queries import (
    AcceptDifference,
    AccountNow,
    AdoptHolding,
    AnyQuery,
    ArmDesk,
    CallApi,
    CloseDesk,
    DayOrders,
    DepthOf,
    JournalOf,
    LeaseAgent,
    LiftHalt,
    OutcomeOf,
    PlaceOrders,
    QuoteOf,
    RecordsOf,
    RouteOf,
    RoutesOf,
    StatusNow,
    StockOf,
    TapeOf,
    TasksNow,
)
from kisnb.trading.ports.replies import (
    AccountReply,
    Done,
    Failed,
    JournalReply,
    OrdersReply,
    RecordsReply,
    Reply,
    RoutesReply,
    RowsReply,
    TapeReply,
)


class SessionQueries:
    """Replies to the queries of sessions. Sets ``closing`` when a session asks the desk to stop."""

    def __init__(
        self,
        host: DeskHost,
        feed: EventFeed,
        leases: PublishedLeases,
        typed: TypedRequests,
        closing: asyncio.Event,
    ) -> None:
        self.safety: Safety | None = None
        """The checks for lifting a halt, arming and the like. None: these queries are unknown."""
        self._host = host
        self._feed = feed
        self._leases = leases
        self._typed = typed
        self._closing = closing
        self._asking: set[asyncio.Task[None]] = set()

    def receive(self, connection: Connection, number: int, query: AnyQuery) -> None:
        """Reply to a query now, or begin the call to KIS whose result is the reply."""
        match query:
            case OutcomeOf(key=key):
                connection.outcomes[number] = key
                # The desk publishes an order's facts before it replies with their outcome.
                self._feed.flush()
                self._feed.reply_outcomes(connection)
            # These queries reach the core only here, after their checks.
            case LiftHalt() | ArmDesk() | AcceptDifference() | TasksNow() if (
                self.safety is not None
            ):
                self._reply(connection, number, self.safety.reply(query))
            case StatusNow():
                others = [self._named(c) for c in self._feed.connections if c is not connection]
                self._reply(connection, number, standing(self._host, others))
            case PlaceOrders(requests=requests):
                self._reply(connection, number, self._typed.place(requests))
            case AdoptHolding():
                self._reply(connection, number, self._typed.adopt(query))
            case LeaseAgent(agent=agent):
                self._reply(connection, number, self._lease(connection, agent))
            case JournalOf():
                self._reply(connection, number, JournalReply(str(self._host.journal.path)))
            case TapeOf():
                # This runs in a thread, because a slow disk must not delay other queries.
                asking = asyncio.create_task(self._ask_tape(connection, number), name="tape")
                self._asking.add(asking)
                asking.add_done_callback(self._asking.discard)
            case CloseDesk():
                # The reply is sent before the desk begins to close its connections.
                self._reply(connection, number, Done())
                self._closing.set()
            case _:
                # All other queries need KIS. They wait in tasks of the host, and end with the host.
                self._host.call(self._ask(connection, number, query))

    def _reply(self, connection: Connection, number: int, reply: Reply) -> None:
        """Send the events that the query has published, then the reply.

        So a session has applied what its query changed when the reply comes.
        """
        self._feed.flush()
        connection.reply(number, reply)

    async def _ask_tape(self, connection: Connection, number: int) -> None:
        # The tape gets events when they are sent.
        self._feed.flush()
        tape = self._feed.tape
        path = "" if tape is None else str(await tape.written())
        self._reply(connection, number, TapeReply(path))

    def _named(self, connection: Connection) -> str:
        agents = ", ".join(self._leases.agents_of(connection))
        return f"{connection.where}{f' with {agents}' if agents else ''}"

    def _lease(self, connection: Connection, agent: str) -> Reply:
        try:
            self._leases.acquire(connection, agent)
        except DeskBusy as e:
            return Failed(type(e).__name__, e.text, e.cure)
        return Done()

    async def _ask(self, connection: Connection, number: int, query: AnyQuery) -> None:
        """Read from KIS and reply. If that fails, the reply is an error.

        Without a reply the session would wait for ever.
        """
        try:
            reply = await self._read_from_kis(query)
        except KisnbError as e:
            reply = Failed(type(e).__name__, e.text, e.cure)
        except Exception as e:
            reply = Failed("KisError", f"{type(e).__name__}: {e}")
            text = f"{type(query).__name__} failed: {e!r}"
            self._feed.publish(Trouble(self._host.clock.now(), text))
        if isinstance(reply, Quote | Depth) and self._feed.tape is not None:
            # The tape keeps the order of events and replies.
            self._feed.flush()
            # A price that a person asked for is not published to other sessions.
            self._feed.tape.add(self._host.clock.now(), (reply,))
        self._reply(connection, number, reply)

    async def _read_from_kis(self, query: AnyQuery) -> Reply:
        broker = self._host.broker
        match query:
            case QuoteOf(code=code, venue=venue):
                return await broker.quote(code, self._price_venue(code, venue))
            case StockOf(code=code):
                return await self._host.kis.stock_day(code)
            case DepthOf(code=code, venue=venue):
                return await broker.depth(code, self._price_venue(code, venue))
            case RouteOf(intent=intent):
                return await self._preview(intent)
            case RoutesOf(key=key, code=code):
                routes = self._host.core.state.routes
                found = routes.of(key) if key else routes.select(code=code or None)
                return RoutesReply(tuple(found))
            case AccountNow():
                return AccountReply(await broker.account())
            case CallApi(name=name, params=params):
                return RowsReply(*await broker.call(name, params))
            case RecordsOf(tr_id=tr_id, key=key):
                return RecordsReply(await broker.records(tr_id, key))
            case DayOrders(day=day):
                return OrdersReply(await broker.day_orders(day))
            case _:
                raise DeskError(f"the desk does not know the question {type(query).__name__}")

    def _price_venue(self, code: str, named: Venue | None) -> Venue:
        """Return the venue whose price is read from KIS.

        ``named`` is the venue that the session gave. None: choose a venue to which this desk sends
        orders, so that an order goes to the market whose price was shown. Raises BadInput if the
        named venue does not list the stock.
        """
        rules, can = self._host.core.rules, self._host.broker.capabilities
        item = rules.instrument(code)
        if named is None:
            venues = tuple(venue for venue in can.venues if venue in can.priced)
            now = self._host.clock.now()
            return Venue.KRX if item is None else price_venue(now, item, venues)
        if named is Venue.NXT and item is not None and not item.nxt:
            # For such a question KIS replies with a price of 0.
            raise BadInput(f"NXT does not list {item.name} ({code})", "leave the venue out")
        return named

    async def _preview(self, intent: Intent) -> Reply:
        """Return where an order would go now, without sending it. Missing depths are read first."""
        core, now = self._host.core, self._host.clock.now()
        if intent.code not in core.rules.universe:
            await self._host.kis.stock_day(intent.code)
        missing = core.rules.depths_missing(now, intent.code, core.depths.of(intent.code))
        for depth in await self._host.kis.read_depths(intent.code, missing):
            core.depths.add(depth)
        return RoutesReply((core.rules.preview(now, intent, core.depths.of(intent.code)).evidence,))
