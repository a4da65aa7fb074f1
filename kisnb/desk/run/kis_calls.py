"""Makes the calls to KIS for the core's effects. Each call ends with a message to the core."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from kisnb.clock import Clock
from kisnb.errors import ConfigError, KisError, KisnbError, OrderDenied, TokenError
from kisnb.events import Depth, Event, StockDay, Trouble
from kisnb.orders import Account, OrderPage, SendReply
from kisnb.terms import Venue
from kisnb.trading.desk_core import CoreMessage
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.broker import Broker
from kisnb.trading.ports.effects import (
    AskDepth,
    AskOrders,
    AskReserved,
    AskStock,
    Cancel,
    CancelReply,
    CancelReserved,
    DepthRead,
    KisCall,
    OrdersRead,
    ReservedRead,
    Revise,
    Send,
    StockRead,
)

log = logging.getLogger(__name__)

LOG = "see the desk's log for the details"


class KisCalls:
    """Makes calls over one broker. When a call ends, ``submit`` gets a message with its result.

    A failed call makes a message too, because orders wait for it.
    """

    def __init__(
        self,
        broker: Broker,
        rules: Rules,
        clock: Clock,
        submit: Callable[[CoreMessage], None],
        publish: Callable[[Event], None],
    ) -> None:
        self._broker = broker
        self._rules = rules
        self._clock = clock
        self._submit = submit
        self._publish = publish

    def call_of(self, effect: KisCall) -> Coroutine[Any, Any, None]:
        """Return the coroutine that makes the call of an effect."""
        match effect:
            case Send() | Revise():
                return self._send(effect)
            case Cancel() | CancelReserved():
                return self._cancel(effect)
            case AskOrders():
                return self._ask_orders(effect)
            case AskReserved():
                return self._ask_reserved(effect)
            case AskDepth():
                return self._ask_depth(effect)
            case AskStock():
                return self._ask_stock(effect)

    # orders

    async def _send(self, send: Send | Revise) -> None:
        intent = send.intent
        try:
            if isinstance(send, Send):
                reply = await self._broker.submit(intent, send.route)
            else:
                reply = await self._broker.revise(
                    intent.key, send.ref, intent.qty, intent.price or 0
                )
        # This is raised before the first byte of the order, so nothing was sent.
        except OrderDenied as e:
            reply = SendReply(intent.key, "kept", text=str(e))
        # This is raised before the POST too: without a token nothing was sent.
        except (TokenError, ConfigError) as e:
            reply = SendReply(intent.key, "rejected", text=str(e))
        except Exception as e:
            # The POST may have reached KIS, which has no id of ours for an order (KIS's workbook,
            # order-cash). So it is not sent again: KIS's list of the day decides what became of it.
            reply = SendReply(intent.key, "unknown", text=f"{type(e).__name__}: {e}")
        self._submit(reply)

    async def _cancel(self, cancel: Cancel | CancelReserved) -> None:
        key = cancel.key
        try:
            if isinstance(cancel, Cancel):
                reply = await self._broker.cancel(key, cancel.ref, cancel.qty)
            else:
                reply = await self._broker.cancel_reserved(key, cancel.number, cancel.day)
        except Exception as e:
            # A cancel without a reply may have worked. The notice, or KIS's list, says so.
            reply = SendReply(key, "unknown", text=str(e))
        self._submit(CancelReply(reply))

    # readings

    async def _ask_orders(self, ask: AskOrders) -> None:
        account, page = None, None
        lacks: list[str] = []
        try:
            # The account is read before the list. A fill in between is in the list, so the core
            # sees that the two do not belong together. The other way round the fill would look like
            # a difference of the account.
            if ask.query.account:
                account = await self._broker.account()
                lacks += _missing("account", account)
            page = await self._broker.day_orders(ask.query.day)
            lacks += _missing("list of orders", page)
        except Exception as e:
            lacks.append(said(e))
            self._report("the orders of the day", e)
        # An incomplete list proves nothing: a missing order may be on its next page.
        whole = page if page is not None and page.complete else None
        part = page if whole is None else None
        self._submit(OrdersRead(ask.query, whole, account, part, tuple(lacks)))

    async def _ask_reserved(self, ask: AskReserved) -> None:
        rows = None
        try:
            rows = await self._broker.reserved_orders(ask.first, ask.last)
        except Exception as e:
            self._report("the reserved orders", e)
        self._submit(ReservedRead(ask, rows))

    async def read_depths(self, code: str, venues: Sequence[Venue]) -> tuple[Depth, ...]:
        """Read the depth of a stock at these venues from KIS.

        When KIS gives no depth for a venue, the result has none for that venue.
        """
        found = []
        for venue in venues:
            with suppress(KisError):
                found.append(await self._broker.depth(code, venue))
        return tuple(found)

    async def _ask_depth(self, ask: AskDepth) -> None:
        depths: tuple[Depth, ...] = ()
        try:
            depths = await self.read_depths(ask.code, ask.venues)
        except Exception as e:
            self._report(f"the depth of {ask.code}", e)
        self._submit(DepthRead(ask.code, depths))

    async def stock_day(self, code: str) -> StockDay:
        """Return the facts of a stock today. Ask KIS if the core does not know them yet.

        Raises KisError as ``Broker.stock_day`` does.
        """
        known = self._rules.stock_day(self._clock.now(), code)
        if known is not None:
            return known
        is_described = self._rules.days.is_described(code)
        stated = await self._broker.stock_day(code, is_described=is_described)
        self._submit(StockRead(code, stated))
        return stated

    async def _ask_stock(self, ask: AskStock) -> None:
        stated, why = None, ""
        try:
            stated = await self._broker.stock_day(ask.code, is_described=ask.is_described)
        except KisnbError as e:
            why = e.text
        except Exception as e:
            log.exception("the facts of %s could not be read", ask.code)
            why = f"{said(e)}; {LOG}"
        self._submit(StockRead(ask.code, stated, why))

    def _report(self, what: str, error: Exception) -> None:
        """Log and publish an error of a reading, unless it comes from KIS."""
        if not isinstance(error, KisError):
            log.error("%s could not be read", what, exc_info=error)
            text = f"{what} could not be read: {said(error)}; {LOG}"
            self._publish(Trouble(self._clock.now(), text))


def _missing(what: str, stated: OrderPage | Account) -> list[str]:
    """Return a sentence for each missing part of KIS's statement. Empty when it is complete."""
    if stated.complete:
        return []
    return list(stated.bad) or [f"KIS did not give all pages of the {what}"]


def said(error: BaseException) -> str:
    """Return the text of an error for a person. If the error has no text: its class."""
    return str(error) or type(error).__name__
