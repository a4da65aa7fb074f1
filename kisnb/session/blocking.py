"""The synchronous twins of a session's calls, for places where await cannot be.

They need nothing of the notebook's loop: they look and order through the desk's socket thread, and no handler of an
agent runs meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from kisnb.errors import DeskError, DeskLost
from kisnb.events import Depth, Quote
from kisnb.market.routing_evidence import Evidence
from kisnb.orders import Account, Order, Orders, OrderState
from kisnb.session.typed import OrderOptions, orders_named, spelt_out, verdict
from kisnb.terms import Side
from kisnb.trading.commands import (
    AccountIs,
    AccountNow,
    CancelOrder,
    Decided,
    DepthOf,
    OutcomeOf,
    Query,
    QuoteOf,
    Reply,
    RoutesOf,
)
from kisnb.trading.order_book import OrderBook

if TYPE_CHECKING:
    from kisnb.session.session import Session


class Blocking:
    """Each call returns its result, or raises what the awaited one raises; DeskError when the desk stays silent."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def quote(self, code: str) -> Quote:
        return self._session.named(self._asked(QuoteOf(self._session.universe.get(code).code)))

    def depth(self, code: str) -> Depth:
        reply = self._asked(DepthOf(self._session.universe.get(code).code))
        assert isinstance(reply, Depth)
        return reply

    def balance(self) -> Account:
        reply = self._asked(AccountNow())
        assert isinstance(reply, AccountIs)
        return reply.account

    def route(self, what: Order | int | str) -> Evidence:
        return self._session.decision(self._asked(RoutesOf(orders_named(self._session.books, what)[-1].key)), what)

    @spelt_out
    def route_of(
        self, side: Side | str, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Evidence:
        return self._session.decision(self._asked(self._session.preview(side, code, qty, price, **options)), code)

    def orders(self) -> OrderBook:
        self._session.catch_up()
        return self._session.orders()

    @spelt_out
    def buy(self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]) -> Order:
        return self._order(Side.BUY, code, qty, price, **options)

    @spelt_out
    def sell(self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]) -> Order:
        return self._order(Side.SELL, code, qty, price, **options)

    def cancel(self, what: Order | int | str) -> Orders:
        """Hands the cancels to the desk; their outcome comes into the book with a later call, or after the cell."""
        orders = orders_named(self._session.books, what)
        self._session.tell([CancelOrder(o.key) for o in orders if o.is_open])
        return orders

    def _asked(self, query: Query) -> Reply:
        try:
            return self._session.ask_blocking(query)
        except TimeoutError as e:
            raise DeskError(str(e), "ask again, or open the desk again with %kis open") from None

    def _order(self, side: Side, code: str, qty: int, price: int | None, **options: Unpack[OrderOptions]) -> Order:
        session = self._session
        intent = session.intent(side, code, qty, price, **options)
        order = session.begin(intent)
        try:
            decided = session.ask_blocking(OutcomeOf(order.key))
        except (TimeoutError, DeskLost) as e:
            # It was handed over: whether the desk took it shows when the desk answers again.
            return verdict(order, OrderState.UNKNOWN, str(e), "")
        assert isinstance(decided, Decided)
        return verdict(order, decided.state, decided.text, decided.msg_cd)
