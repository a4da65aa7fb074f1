"""A hybrid desk: orders and account are paper, prices and market channels come from a live desk.

KIS allows one WebSocket session per appkey. So for prices this desk asks the desk that owns the
live appkey, and never KIS. It starts the live desk when that does not run, also later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from kisnb.clock import Activity, Clock
from kisnb.errors import ConfigError, KisnbError
from kisnb.events import (
    Depth,
    Event,
    ExpectedMatch,
    GapFound,
    LinkDown,
    LinkUp,
    MarketOperation,
    ProgramTrades,
    Quote,
    StockDay,
    SubscriptionChanged,
    Tick,
    Trouble,
)
from kisnb.kis.broker import KisBroker
from kisnb.kis.catalogue import APIS
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.transport import Transport
from kisnb.kis.modes import HOST_RULES, of_account
from kisnb.orders import Want
from kisnb.terms import Mode, Venue
from kisnb.trading.ports.commands import WatchCodes
from kisnb.trading.ports.desk_port import Desk
from kisnb.trading.ports.queries import CallApi, DepthOf, Query, QuoteOf, R, RecordsOf, StockOf

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0
"""Wall time between two attempts to attach to the quotes desk again."""
_MARKET = (Tick, Depth, ExpectedMatch, MarketOperation, ProgramTrades, GapFound)


class QuotesDesk:
    """The client of the desk of another mode that gives the prices. It attaches like a session."""

    def __init__(self, mode: Mode, clock: Clock, find: Callable[[Mode], Desk]) -> None:
        """Prepare the client. ``find`` starts or finds the desk of a mode; it runs in a thread."""
        self.on_events: Callable[[Sequence[Event]], None] = lambda _: None
        self.mode = mode
        self._clock = clock
        self._find = find
        self._client: Desk | None = None
        self._wants: tuple[Want, ...] = ()
        self._again: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find or start the quotes desk and attach to it.

        Raises the desk's own error, such as missing keys.
        """
        client = await asyncio.to_thread(self._find, self.mode)
        loop = asyncio.get_running_loop()
        # This comes before ``attach``, because the first events may come right after the snapshot.
        # The client calls it in its own thread.
        client.on_ready(lambda: loop.call_soon_threadsafe(self._pump))
        try:
            await client.attach()
        except BaseException:
            client.close()
            raise
        self._client = client
        self.want(self._wants)
        # Until now no client was there to drain, so earlier events still wait.
        self._pump()

    async def close(self) -> None:
        """End the link to the quotes desk, which itself goes on."""
        if self._again is not None:
            self._again.cancel("the desk closes")
            await asyncio.gather(self._again, return_exceptions=True)
        if self._client is not None:
            client, self._client = self._client, None
            await asyncio.to_thread(client.close)

    def want(self, wants: Sequence[Want]) -> None:
        """Set the desired market channels. They are sent again after each new attach."""
        self._wants = tuple(wants)
        if self._client is not None and not self._client.lost:
            self._client.send([WatchCodes(self._wants)])

    async def quote(self, code: str, venue: Venue) -> Quote:
        """Ask the quotes desk for the current price of a stock at a venue."""
        return await self._asked(QuoteOf(code, venue))

    async def stock_day(self, code: str) -> StockDay:
        """Ask the quotes desk for the facts of a stock today."""
        return await self._asked(StockOf(code))

    async def depth(self, code: str, venue: Venue) -> Depth:
        """Ask the quotes desk for the depth of a stock at a venue."""
        return await self._asked(DepthOf(code, venue))

    async def call(
        self, name: str, params: Mapping[str, str]
    ) -> tuple[dict[str, list[dict[str, str]]], bool]:
        """Make a call that only reads.

        Return its rows by block, and whether the rows are complete.
        """
        reply = await self._asked(CallApi(name, dict(params)))
        return reply.blocks, reply.complete

    async def records(self, tr_id: str, key: str) -> list[list[str]]:
        """Return the newest records of a market channel that was wanted as ``records``."""
        return (await self._asked(RecordsOf(tr_id, key))).rows

    async def _asked(self, query: Query[R]) -> R:
        if self._client is None:
            raise ConfigError(
                f"the {self.mode} desk that gives the quotes is gone",
                "it is being started again; wait",
            )
        return await self._client.ask(query)

    def _pump(self) -> None:
        client = self._client
        if client is None:
            return
        while (batch := client.drain()) is not None:
            if events := [
                passed for event in batch.events if (passed := self._handed_on(event)) is not None
            ]:
                self.on_events(events)
        if client.lost:
            self._client = None
            client.close()
            self._publish_trouble("is gone: prices stand still until it is back")
            self._again = asyncio.create_task(self._come_back(), name="quotes desk")

    def _handed_on(self, event: Event) -> Event | None:
        match event:
            # The notices of that desk belong to another account, and its lost connection is not
            # ours. With LinkDown agents would think that the stream of their own orders is lost.
            case SubscriptionChanged(channel=channel):
                return event if channel != "notices" else None
            case LinkDown(t=t, text=text):
                return Trouble(
                    t, f"the {self.mode} desk that gives the quotes has lost KIS: {text}"
                )
            case LinkUp(t=t):
                return Trouble(t, f"the {self.mode} desk that gives the quotes is connected to KIS")
        return event if isinstance(event, _MARKET) else None

    async def _come_back(self) -> None:
        while True:
            try:
                await self.start()
            # Whatever the error is, it may pass. If the desk gave up, prices would stop without a
            # message.
            except Exception as e:
                if not isinstance(e, KisnbError):
                    log.exception("the quotes desk")
                self._publish_trouble(f"does not come back: {e}")
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self._publish_trouble("is back")
                return

    def _publish_trouble(self, what: str) -> None:
        self.on_events(
            [Trouble(self._clock.now(), f"the {self.mode} desk that gives the quotes {what}")]
        )


class HybridBroker(KisBroker):
    """A broker whose prices and market channels come from a ``QuotesDesk``.

    Orders, account and notices go over this desk's own connection to KIS.
    """

    def __init__(
        self,
        quotes: QuotesDesk,
        endpoint: Endpoint,
        credentials: Credentials,
        clock: Clock,
        activity: Activity,
        *,
        cache: Path,
        timeout: float = 10.0,
        can_order: bool = True,
        why_not: str = "",
        transport: Transport | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            credentials,
            clock,
            activity,
            cache=cache,
            timeout=timeout,
            can_order=can_order,
            why_not=why_not,
            transport=transport,
        )
        self._quotes = quotes
        self.capabilities = msgspec.structs.replace(
            self.capabilities, quotes=quotes.mode, priced=HOST_RULES[quotes.mode].stream_venues
        )

    def listen(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        """Register ``on_events``, which is called with the events of both desks."""
        super().listen(on_events)
        self._quotes.on_events = on_events

    async def start(self) -> None:
        """Attach to the quotes desk, then start this desk's own connection to KIS."""
        # The prices come first: if a desk should have live quotes and cannot get them, it does not
        # start.
        await self._quotes.start()
        try:
            await super().start()
        except BaseException:
            await self._quotes.close()
            raise

    async def close(self) -> None:
        """End the link to the quotes desk and this desk's own connection."""
        await self._quotes.close()
        await super().close()

    def want(self, subscriptions: Sequence[Want]) -> None:
        """Subscribe to notices over this desk's own connection, to all else at the quotes desk."""
        # The notices of paper orders come over the paper host alone (H0STCNI9). That host lacks
        # most market channels, so all of these come from the other desk. Source: KIS's workbook.
        super().want([want for want in subscriptions if want.channel == "notices"])
        self._quotes.want([want for want in subscriptions if want.channel != "notices"])

    async def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        """Ask the quotes desk for the current price of a stock at a venue."""
        return await self._quotes.quote(code, venue)

    async def stock_day(self, code: str, *, is_described: bool) -> StockDay:  # noqa: ARG002
        """Ask the quotes desk for the facts of a stock today.

        ``is_described`` is not used, because the quotes desk has its own list of stocks.
        """
        return await self._quotes.stock_day(code)

    async def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth:
        """Ask the quotes desk for the depth of a stock at a venue."""
        return await self._quotes.depth(code, venue)

    async def call(
        self, name: str, params: Mapping[str, str]
    ) -> tuple[dict[str, list[dict[str, str]]], bool]:
        """Make a call over this desk's own connection if it is about the account.

        Any other call goes to the quotes desk.
        """
        api = APIS.get(name)
        # The account is this desk's own. Most calls about the market do not exist at the paper
        # server and end with EGW02006 (KIS's workbook: not offered in 모의투자).
        if api is None or of_account(api):
            return await super().call(name, params)
        return await self._quotes.call(name, params)

    async def records(self, tr_id: str, key: str) -> list[list[str]]:
        """Ask the quotes desk for the newest records of a market channel."""
        return await self._quotes.records(tr_id, key)
