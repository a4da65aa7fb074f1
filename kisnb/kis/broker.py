"""KIS as a broker: orders, account, prices and the stream of one account. Won and shares."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypeAlias

import msgspec

from kisnb.clock import Activity, Clock, kst_day
from kisnb.errors import ApiError, BadInput, FrameError, LinkLost, OrderDenied, Unreachable
from kisnb.events import Depth, Event, Quote, StockDay
from kisnb.kis.calls.account_messages import balance_params, orderable_params, read_account
from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.calls.order_messages import (
    cancel_body,
    day_orders_api,
    day_orders_params,
    order_api,
    order_body,
    read_orders,
    read_ref,
    revise_body,
)
from kisnb.kis.calls.quote_messages import MARKET_DIV, read_depth, read_quote
from kisnb.kis.calls.reserved_messages import (
    cancel_reserved_body,
    read_reserved_number,
    read_reserved_orders,
    reserve_body,
    reserved_params,
)
from kisnb.kis.calls.stock_day import read_stock_day
from kisnb.kis.calls.stock_messages import read_stock, stock_params
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.error_codes import outcome_of
from kisnb.kis.feed.stream import ACK_SECONDS, Stream
from kisnb.kis.http.limiter import Lane
from kisnb.kis.http.rest import Rest, always_may_send
from kisnb.kis.http.transport import Transport
from kisnb.orders import (
    ALLOWED,
    Account,
    Intent,
    OrderPage,
    OrderRef,
    Permission,
    ReservedRow,
    Route,
    SendReply,
    Want,
)
from kisnb.terms import Mode, Venue

ReadReply: TypeAlias = Callable[[str, ApiReply], SendReply]
"""Makes the outcome of an order from the order's key and KIS's reply. Raises FrameError."""


class KisBroker:
    """One account at one host; implements ``trading.ports.broker``.

    Call ``listen`` before ``start``.
    """

    def __init__(
        self,
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
        nxt_listed: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Build the broker. ``cache`` is the folder of the token file.

        After ``timeout`` seconds of wall time a call counts as unanswered. ``can_order`` False
        opens the account for reading only, and ``why_not`` is the cure to show then. ``transport``
        carries requests and frames: the network by default, a ``Recording`` of it, or a ``Replay``.
        ``nxt_listed`` returns whether Nextrade lists a stock. Such a stock is followed on another
        channel in each market session.
        """
        self.capabilities = endpoint.rules.capabilities(can_order=can_order, why_not=why_not)
        """Venues and kinds of orders that this server accepts, for the desk."""
        self.may_send: Callable[[str], Permission] = lambda _: ALLOWED
        """The last permission: called with an order's key right before its first byte goes out.

        It is called for revises too, and not for cancels. Without a permission nothing is sent.
        """
        self._endpoint = endpoint
        self._account = credentials.account_params
        self._clock = clock
        self._rest = Rest(
            endpoint, credentials, clock, activity, cache, timeout=timeout, transport=transport
        )
        self._stream = Stream(
            endpoint,
            credentials,
            self._rest,
            clock,
            activity,
            ack_seconds=min(timeout, ACK_SECONDS),
            nxt_listed=nxt_listed,
        )
        # The stream gets its approval keys from ``rest``, so ``rest`` is built first. Troubles
        # while a token is waited for go to the one listener that the desk sets.
        self._rest.on_events = self._stream.publish

    def __repr__(self) -> str:
        return f"<KisBroker {self._endpoint.persona} at {self._endpoint.rest}>"

    # connection

    def listen(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        """Set the listener of events.

        It is called once for each received frame that has facts, with all of them, in order.
        """
        self._stream.on_events = on_events

    async def start(self) -> None:
        """Connect, and stay connected. Raises KisError when the first attempt fails."""
        try:
            await self._stream.start()
        # A cancelled start comes here as well. Without this the client's sockets would stay open.
        except BaseException:
            await self._rest.close()
            raise

    async def close(self) -> None:
        """End the stream and close all connections."""
        # The stream ends first, because its next attempt to connect would call ``rest``.
        await self._stream.close()
        await self._rest.close()

    def want(self, subscriptions: Sequence[Want]) -> None:
        """Set the desired subscriptions; events report which are confirmed or refused."""
        self._stream.want(subscriptions)

    @property
    def frames(self) -> int:
        """Frames received on the current connection, or on the last one while there is none."""
        return self._stream.frames

    @property
    def local_port(self) -> int | None:
        """TCP port of our end of the current connection; None without one."""
        return self._stream.local_port

    @property
    def settled(self) -> bool:
        """True when no frame can come before the clock moves.

        Either KIS has answered every subscription, or the stream waits for its next attempt to
        connect.
        """
        return self._stream.settled

    @property
    def desired(self) -> frozenset[Want]:
        """Subscriptions that fit on the connection."""
        return self._stream.desired

    @property
    def confirmed(self) -> frozenset[Want]:
        """Subscriptions that KIS has confirmed on the current connection."""
        return self._stream.confirmed

    @property
    def pace(self) -> str:
        """A sentence about the calls a second that KIS takes from this appkey.

        Empty while KIS has refused no call for its speed.
        """
        return self._rest.pace

    def last_record(self, want: Want) -> dict[str, str]:
        """Return all columns of the channel's newest record, by name, as KIS sent them.

        Unknown columns are named ``COLUMN_<index>``. Empty before the first record, and for
        notices.
        """
        return self._stream.last_record(want)

    async def records(self, tr_id: str, key: str) -> list[list[str]]:
        """Return the newest records of a channel and key, oldest first.

        Empty unless a want of the kind ``records`` asks for them. At most the records of 1,000
        frames of the channel are kept. Columns are texts in KIS's order.
        """
        return self._stream.kept_records(tr_id, key)

    @property
    def dead_letters(self) -> deque[str]:
        """Frames that could not be read, newest last, shortened and without secrets."""
        return self._stream.dead_letters

    # orders

    async def submit(self, intent: Intent, route: Route) -> SendReply:
        """Post an order once and return the outcome. A lost reply is ``unknown``.

        ``again`` in the outcome means that KIS turned the call away for its speed or token. The
        caller decides then.

        In three cases nothing is sent. OrderDenied is raised when this desk takes no such order, or
        when ``may_send`` refuses at the last moment. TokenError is raised when there is no token.
        """
        self._check_can_order(intent.key)
        # The server would refuse such an order in any market. A refusal here needs no call of the
        # rate limit.
        self._endpoint.rules.check_order(intent, route)
        if intent.day:
            body = reserve_body(intent, route, self._account)
            return await self._post(intent.key, APIS["order_resv"], body, Lane.ORDER, _reserved)
        body = order_body(intent, route, self._account)
        read = self._reader_of_number(route.venue)
        return await self._post(intent.key, order_api(intent.side), body, Lane.ORDER, read)

    async def cancel(self, key: str, ref: OrderRef, qty: int | None) -> SendReply:
        """Send a cancel of ``qty`` shares once, and return the outcome; ``qty`` None: all leaves.

        The outcome's ``ref`` has the number of the cancel itself. Raises OrderDenied and
        TokenError; then nothing was sent.
        """
        self._check_can_order(key)
        body = cancel_body(ref, qty, self._account)
        read = self._reader_of_number(ref.venue)
        return await self._post(key, APIS["order_rvsecncl"], body, Lane.CANCEL, read)

    async def cancel_reserved(self, key: str, number: int, day: int) -> SendReply:
        """Send a cancel of the reserved order ``number`` once, and return the outcome.

        ``day`` is the order's trading day (YYYYMMDD). The outcome has no ``ref``. Raises
        OrderDenied and TokenError; then nothing was sent.
        """
        self._check_can_order(key)
        body = cancel_reserved_body(number, day, self._account)
        api = APIS["order_resv_rvsecncl_cancel"]
        return await self._post(key, api, body, Lane.CANCEL, _unnumbered)

    async def revise(self, key: str, ref: OrderRef, qty: int, price: int) -> SendReply:
        """Send a revise once, and return the outcome: it moves ``qty`` shares to ``price`` (won).

        The outcome's ``ref`` has the number that these shares have from now on. Raises OrderDenied
        and TokenError; then nothing was sent.
        """
        self._check_can_order(key)
        body = revise_body(ref, qty, price, self._account)
        read = self._reader_of_number(ref.venue)
        return await self._post(key, APIS["order_rvsecncl"], body, Lane.ORDER, read)

    def _reader_of_number(self, venue: Venue) -> ReadReply:
        """Return a function that reads a reply with the number of an order at ``venue``."""
        return lambda key, reply: SendReply(key, "sent", read_ref(reply, venue, self._clock.now()))

    async def _post(
        self, key: str, api: Api, body: dict[str, str], lane: Lane, read: ReadReply
    ) -> SendReply:
        """Send an order, a revise or a cancel once, and return the outcome."""
        try:
            # A cancel only lowers the risk, so it needs no permission.
            may_send = always_may_send if lane is Lane.CANCEL else (lambda: self.may_send(key))
            return read(key, await self._rest.send_order(api, body, lane, may_send))
        except ApiError as e:
            # Some codes do not prove a refusal. A timeout of the gateway (EGW00301, EGW00302) may
            # come after KIS took the order: its text asks to check the last transaction.
            outcome = outcome_of(e.msg_cd, e.status)
            # The cure of such a code is to wait, and the desk waits itself.
            text = e.text if outcome == "again" else str(e)
            return SendReply(key, outcome, msg_cd=e.msg_cd, text=text)
        # Unreachable is a LinkLost, so it has to be caught before it.
        except Unreachable as e:
            # There was no connection, so no byte of the order went out.
            return SendReply(key, "rejected", text=str(e))
        # KIS takes no order id from a client (workbook: order-cash). A second POST could be a
        # second order, so the desk reads KIS's list of orders instead.
        except (LinkLost, FrameError) as e:
            return SendReply(key, "unknown", text=e.text)

    def _check_can_order(self, key: str) -> None:
        if not self.capabilities.can_order:
            raise OrderDenied(
                f"{self._endpoint.persona} is open for reading only",
                self.capabilities.why_not,
                key=key,
            )

    # account

    async def day_orders(self, day: date) -> OrderPage:
        """Ask KIS for all orders of a day, and return them, newest first.

        A row that cannot be read is named in ``bad``, and the result is then not complete. Raises
        KisError when not even the first page came.
        """
        # Without ALL, orders at NXT and by SOR are missing; paper knows KRX alone (workbook).
        venue = "KRX" if self._endpoint.persona is Mode.PAPER else "ALL"
        params = day_orders_params(day, self._account, venue)
        api = day_orders_api(day, kst_day(self._clock.now()))
        pages, complete = await self._rest.read_pages(api, params)
        rows, bad = read_orders(row for page in pages for row in page.rows("output1"))
        return OrderPage(rows, complete and not bad, self._masked(bad))

    async def reserved_orders(self, first: date, last: date) -> tuple[ReservedRow, ...] | None:
        """Ask KIS for the reserved orders from ``first`` to ``last``. None: a row cannot be read.

        Raises KisError.
        """
        params = reserved_params(first, last, self._account)
        pages, complete = await self._rest.read_pages(APIS["order_resv_ccnl"], params)
        rows, bad = read_reserved_orders(row for page in pages for row in page.rows())
        return rows if complete and not bad else None

    async def account(self) -> Account:
        """Ask KIS for cash and holdings, and return them. Raises KisError."""
        pages, complete = await self._rest.read_pages(
            APIS["inquire_balance"], balance_params(self._account)
        )
        # The balance does not state the orderable cash, which is a separate query.
        orderable = await self._rest.read(
            APIS["inquire_psbl_order"], orderable_params(self._account)
        )
        account = read_account(pages, orderable, complete=complete)
        return msgspec.structs.replace(account, bad=self._masked(account.bad))

    def _masked(self, sentences: tuple[str, ...]) -> tuple[str, ...]:
        # These sentences quote KIS's text, and a shifted column may contain the account's number.
        return tuple(self._rest.mask.text(text) for text in sentences)

    # prices

    async def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        """Ask KIS for a stock's quote at a venue, and return it. Its ``name`` is empty.

        Raises NotOffered for a venue whose prices this host lacks, and KisError.
        """
        self._endpoint.rules.check_price(venue)
        return read_quote(await self._price(code, venue), code, venue, self._clock.now())

    async def stock_day(self, code: str, *, is_described: bool) -> StockDay:
        """Ask KIS for the facts of a stock today, and return them: base price, limits, halts.

        ``is_described`` False: KIS is asked for name, board and venues, too. Paper does not state
        them. Raises KisError when KIS states no base price, as for a code that it does not know.
        """
        quote, info = await self._price(code, Venue.KRX), None
        # search-stock-info is not offered at the paper host (workbook).
        if not is_described and self._endpoint.persona is Mode.LIVE:
            info = read_stock(await self._rest.read(*stock_params(code)), code)
        return read_stock_day(quote, info, code, self._clock.now())

    async def _price(self, code: str, venue: Venue) -> ApiReply:
        api = APIS["inquire_price"]
        params = encode_params(api, FID_COND_MRKT_DIV_CODE=MARKET_DIV[venue], FID_INPUT_ISCD=code)
        return await self._rest.read(api, params)

    async def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth:
        """Ask KIS for a stock's depth at a venue, and return it. Raises NotOffered and KisError."""
        self._endpoint.rules.check_price(venue)
        api = APIS["inquire_asking_price_exp_ccn"]
        params = encode_params(api, FID_COND_MRKT_DIV_CODE=MARKET_DIV[venue], FID_INPUT_ISCD=code)
        return read_depth(await self._rest.read(api, params), code, venue, self._clock.now())

    # anything else

    async def call(
        self, name: str, params: Mapping[str, str]
    ) -> tuple[dict[str, list[dict[str, str]]], bool]:
        """Make any call that only reads; return its rows by block, and True when all pages came.

        The broker adds the account, and the blank keys that KIS wants for the first page. Raises
        BadInput for an unknown name or parameter, and for a call that places orders or issues keys.
        Raises NotOffered and KisError.
        """
        api = APIS.get(name)
        if api is None or api.post:
            what = "places orders or keys" if api else "is not a call of KIS"
            raise BadInput(
                f"{name} {what}", "read with the calls of kisnb.kis.catalogue.APIS that are GETs"
            )
        # The broker adds the account number, so that it never appears in a cell. On the first page
        # the keys of the next page must be present and blank (workbook).
        own = {**self._account, **dict.fromkeys(api.ctx, "")}
        added = {name: value for name, value in own.items() if name in api.params}
        asked = encode_params(
            api, **(added | {name.upper(): value for name, value in params.items()})
        )
        if not api.paged:
            return (await self._rest.read(api, asked)).blocks, True
        pages, complete = await self._rest.read_pages(api, asked)
        return {
            b.name: [row for page in pages for row in page.rows(b.name)] for b in api.blocks
        }, complete


def _reserved(key: str, reply: ApiReply) -> SendReply:
    return SendReply(key, "sent", reserved_as=read_reserved_number(reply))


def _unnumbered(key: str, _reply: ApiReply) -> SendReply:
    return SendReply(key, "sent")
