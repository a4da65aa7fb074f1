"""The calls of a session about orders: buy, sell, reserve, revise, cancel, and routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from kisnb.market.routing.evidence import Evidence
from kisnb.orders import Order, Orders
from kisnb.session.parts import SessionCalls
from kisnb.session.questions import Questions, awaited
from kisnb.session.typed_orders.pending import Pending, pending
from kisnb.session.typed_orders.reserved_frame import reserved_frame
from kisnb.session.typed_orders.typed_order import (
    Line,
    OrderOptions,
    TypedOrder,
    TypedRevise,
    for_next_day,
    read_batch,
    read_order,
    read_revise,
    spelt_out,
)
from kisnb.terms import OrderKind, Side
from kisnb.trading.order_books.order_book import OrderBook, OrderBooks
from kisnb.trading.ports.queries import RoutesOf
from kisnb.values import member

if TYPE_CHECKING:
    import polars as pl


class OrderCalls(SessionCalls):
    """Calls of a session about orders. Prices in won, quantities in shares."""

    balance = awaited(Questions.balance)
    route = awaited(Questions.route)
    route_of = awaited(Questions.route_of)
    preview = awaited(Questions.preview)

    @property
    def books(self) -> OrderBooks:
        """The order books of the account and of the agents."""
        return self._parts.state.books

    @property
    def book(self) -> OrderBook:
        """The account's order book."""
        return self.books.account

    def orders(self) -> OrderBook:
        """Return all orders of the day. Its method ``frame()`` returns them as a DataFrame."""
        return self.book

    @spelt_out
    def buy(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Pending[Order]:
        """Buy ``qty`` shares. Await it: it returns when the exchange has accepted the order.

        Without a price it is a market order. Without a venue the router chooses one. ``stop`` makes
        it a stop-limit order. The same call in the same cell is the same order: if the cell is run
        again, the call sends nothing and returns the existing order. ``again=1`` sends one more
        order. The 1 is the ordinal of that order: when the cell is run again, the call returns the
        order with this ordinal.
        ``requote=True`` lets the desk move a limit order that nobody fills to the best price of
        the other side once, and then end it (``kisnb.Requote``). That needs no running cell.

        Raises OrderDenied (kisnb refused the order), OrderRejected (KIS refused it), OrderUnknown.
        """
        return self._order(Side.BUY, code, qty, price, **options)

    @spelt_out
    def sell(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Pending[Order]:
        """Sell ``qty`` shares. Parameters, return value and errors are those of ``buy``."""
        return self._order(Side.SELL, code, qty, price, **options)

    def reserve(
        self,
        side: Side | str,
        code: str,
        qty: int,
        price: int | None = None,
        *,
        kind: OrderKind | str | None = None,
        key: str | None = None,
        again: int | bool = False,
    ) -> Pending[Order]:
        """Let KIS keep an order until the next trading day (예약주문).

        Await it: it returns when KIS has reserved the order, in state ``reserved``. KIS accepts
        such orders from 15:40 to 7:30, except from 23:40 to 0:10, and only at live and sim. In the
        morning KIS sends the order to KRX, and then it is like any other order. ``kind`` is limit,
        market, conditional or pre-close. The same wish for the same day in the same cell is the
        same order. ``key`` and ``again`` are those of ``buy``.

        Raises BadInput outside these hours, and the errors of ``buy``.
        """
        options = OrderOptions(kind=kind, key=key, again=again)
        sided = member(Side, side, "side")
        return self.place_reserved(
            read_order(self._parts.universe, sided, code, qty, price, **options)
        )

    def place_reserved(self, typed: TypedOrder) -> Pending[Order]:
        """Return an awaitable that reserves an order at KIS that a person typed in a cell.

        The ``%kis reserve`` command calls this method, too.
        """
        return self.place(for_next_day(typed, self._parts.state.now))

    @pending
    async def reserved(self) -> pl.DataFrame:
        """Return KIS's list of reserved orders for today and the next 30 days, newest first.

        Columns: number (of the reserved order), day (YYYYMMDD), side, code, quantity (shares),
        price (won), order (its number once KIS has sent it; 0 before), result (KIS's words).
        Orders from the phone are among them. Raises NotOffered at paper, KisError.
        """
        return await reserved_frame(self._parts.link, self._parts.state.now)

    def _order(
        self, side: Side, code: str, qty: int, price: int | None, **options: Unpack[OrderOptions]
    ) -> Pending[Order]:
        return self.place(read_order(self._parts.universe, side, code, qty, price, **options))

    def place(self, typed: TypedOrder | TypedRevise) -> Pending[Order]:
        """Return an awaitable that hands a typed order or revise to the desk.

        ``%kis`` calls it too.
        """
        # The order gets its naming here, while the calling cell runs, and not when the call is
        # awaited. By then another cell may run.
        placing = self._parts.placing
        call = placing.call(typed)
        return Pending(call.what, lambda: placing.submit(call))

    def batch(
        self, lines: Sequence[Line], *, key: str | None = None, again: int | bool = False
    ) -> Pending[OrderBook]:
        """Send several orders: each line is ``(side, code, qty)`` or ``(side, code, qty, price)``.

        They go to KIS one at a time. Awaited, the call returns an order book of them in the given
        order, when each is accepted, filled, denied, rejected or unknown. An order that is denied
        or rejected raises nothing, and the other orders are sent all the same; its state and text
        say the outcome. Each line gets its own naming from the cell, as in ``buy``; with ``key``
        its name is the key and the number of the line. Raises BadInput for a line that cannot be
        read. Raises OrderDenied when a line is a repetition that a person has to confirm. In both
        cases nothing is sent.
        """
        # The lines get their namings here, and not when the batch is awaited, as in ``place``.
        placing = self._parts.placing
        calls = placing.batch(read_batch(self._parts.universe, lines, key, again))
        return Pending(f"batch of {len(calls)} orders", lambda: placing.submit_batch(calls))

    def revise(
        self,
        what: Order | int | str,
        price: int,
        qty: int | None = None,
        *,
        key: str | None = None,
        again: int | bool = False,
    ) -> Pending[Order]:
        """Move ``qty`` shares (None: all leaves) of an open order to another price, won.

        ``what`` is the order itself, its number or its key. ``key`` and ``again`` are those of
        ``buy``. Awaited, the call returns the new order that has the moved shares. The new order
        may lose its place in the exchange's queue, and its log says so. Raises OrderDenied,
        OrderRejected, OrderUnknown, as ``buy`` does.
        """
        return self.place(read_revise(what, price, qty, key, again))

    @pending
    async def cancel(self, what: Order | int | str) -> Orders:
        """Cancel an order (the order itself, its number or its key), or ``"all"`` open orders.

        Return the orders when each has ended, or its cancel was refused. Raises BadInput.
        """
        return await self._parts.open_orders.cancel(what)

    @pending
    async def resolve(self, adopt: int | None, what: Order | str | None = None) -> Order:
        """Decide the outcome of an order with unknown outcome.

        ``adopt`` is its order number at KIS; None says that it was never sent. ``what`` may be left
        out when only one order is unknown. Raises BadInput while KIS's list of orders contradicts
        the decision.
        """
        return await self._parts.open_orders.resolve(adopt, what)

    @pending
    async def settle(self) -> None:
        """Wait until the outcome of every order that was sent is known.

        Write it as the last line of a notebook that runs without a person.
        """
        await self._parts.open_orders.settle()

    @pending
    async def routes(self, code: str = "") -> list[Evidence]:
        """Return the desk's newest routing decisions, of one stock or of all, oldest first."""
        query = RoutesOf(code=self._parts.code(code) if code else "")
        return list((await self._parts.link.ask(query)).decisions)
