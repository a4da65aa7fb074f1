"""The calls of a session that block, for code that cannot await.

They need nothing from the notebook's event loop: they use the desk's socket thread. No handler of
an agent runs while such a call waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from kisnb.errors import DeskError
from kisnb.market.universe import Universe
from kisnb.orders import Order, Orders
from kisnb.session.api import BlockingCalls, NamedQuestions
from kisnb.session.asking import AskingNow, finish
from kisnb.session.bars.shown_bars import ShownBars
from kisnb.session.feed.link import Link
from kisnb.session.feed.pump import Pump
from kisnb.session.feed.state import SessionState
from kisnb.session.questions import Questions, R, T, TypedQuery, blocking
from kisnb.session.typed_orders.named_orders import orders_to_cancel
from kisnb.session.typed_orders.placing import BLOCKING_SECONDS, Placing
from kisnb.session.typed_orders.typed_order import OrderOptions, TypedOrder, read_order, spelt_out
from kisnb.terms import Side, Venue
from kisnb.trading.order_books.order_book import OrderBook
from kisnb.trading.ports.commands import CancelOrder

if TYPE_CHECKING:
    import polars as pl


class Blocking:
    """Calls that block until they have their result.

    They raise the same errors as the awaited calls. They raise DeskError when the desk does not
    answer.
    """

    def __init__(
        self,
        link: Link,
        state: SessionState,
        pump: Pump,
        placing: Placing,
        questions: Questions,
        universe: Universe,
        named: NamedQuestions,
        shown_bars: ShownBars,
    ) -> None:
        self.questions = questions
        self.api = BlockingCalls(named, self)
        """Every call of KIS that reads, by name: ``session.blocking.api.inquire_price(...)``."""
        self._link = link
        self._state = state
        self._pump = pump
        self._placing = placing
        self._universe = universe
        self._shown_bars = shown_bars

    quote = blocking(Questions.quote)
    depth = blocking(Questions.depth)
    balance = blocking(Questions.balance)
    route = blocking(Questions.route)
    route_of = blocking(Questions.route_of)
    preview = blocking(Questions.preview)

    def bars(self, code: str, every: str = "1m", venue: Venue | str | None = None) -> pl.DataFrame:
        """Return bars as ``session.bars`` does."""
        frame = finish(self._shown_bars.frame(AskingNow(self._link), code, every, venue))
        # The desk sends events before its reply.
        self._pump.catch_up()
        self._shown_bars.say_missing(self._universe.spell(code), frame)
        return frame

    def orders(self) -> OrderBook:
        """Return all orders of the day, also those that have come while a cell blocks the loop."""
        # The event loop does not run while this cell runs. Without this call the order books would
        # stay as they were when the cell began.
        self._pump.catch_up()
        return self._state.books.account

    @spelt_out
    def buy(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Order:
        """Buy ``qty`` shares, as ``session.buy``.

        Return the order when the exchange has accepted it.
        """
        return self._order(Side.BUY, code, qty, price, **options)

    @spelt_out
    def sell(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Order:
        """Sell ``qty`` shares. Parameters, return value and errors are those of ``buy``."""
        return self._order(Side.SELL, code, qty, price, **options)

    def cancel(self, what: Order | int | str) -> Orders:
        """Ask the desk to cancel orders, and return the orders without waiting.

        ``what`` is the order itself, its number or its key, or ``"all"``. A later call, or the end
        of the cell, shows the outcome.
        """
        orders = orders_to_cancel(self._state, what)
        # The call does not wait for an outcome. The outcome comes as an event, and this call must
        # need nothing from the loop.
        self._link.submit([CancelOrder(o.key) for o in orders if o.is_open])
        return orders

    def answer(self, question: TypedQuery[R, T]) -> T:
        """Ask the desk a question and return the answer.

        Raises DeskError when the desk does not answer.
        """
        try:
            reply = self._link.ask_blocking(question.query, BLOCKING_SECONDS)
        except TimeoutError as e:
            raise DeskError(str(e), "ask again, or open the desk again with %kis open") from None
        # The desk sends events before its reply. They are applied first, so that the reply is never
        # newer than the order books.
        self._pump.catch_up()
        return question.read(reply)

    def place(self, typed: TypedOrder) -> Order:
        """Hand over a typed order, and return the order once it is decided.

        ``buy`` and ``%kis`` call this method.
        """
        return self._placing.submit_blocking(self._placing.call(typed))

    def _order(
        self, side: Side, code: str, qty: int, price: int | None, **options: Unpack[OrderOptions]
    ) -> Order:
        return self.place(read_order(self._universe, side, code, qty, price, **options))
