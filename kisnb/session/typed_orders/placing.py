"""Sends the orders that a person types to the desk, each once, and waits for their outcome.

    a typed order ──► named          by the place of its call          ``call_naming.py``
                  ──► claimed        in this kernel's table of runs    ``call_claims.py``
                  ──► handed over    the desk compares its journal     ``PlaceOrders``
                  ──► decided        or its caller leaves before

A claim of the kernel's own runs may refuse a call, or take it over (letters f and g of row O11).
Otherwise the desk compares the call with its whole journal, and the desk's answer counts. While the
desk does not answer, a call whose order exists already is still shown that order. (Rows O10, O11)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import msgspec

from kisnb.errors import BadInput, DeskLost, OrderDenied, OrderRejected, OrderUnknown
from kisnb.orders import Intent, Order, OrderState, Wish
from kisnb.session.feed.link import WAIT, Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.call_claims import CallClaims, departure_check
from kisnb.session.typed_orders.call_naming import Call, named_call, ticket
from kisnb.session.typed_orders.cells import Cells
from kisnb.session.typed_orders.named_orders import check_leaves, check_movable, orders_named
from kisnb.session.typed_orders.run_calls import Claim, RunCalls
from kisnb.session.typed_orders.typed_order import TypedOrder, TypedRevise, read_name
from kisnb.terms import OrderKind, Side
from kisnb.trading.order_books.order_book import UNDECIDED, OrderBook
from kisnb.trading.order_books.order_words import order_line
from kisnb.trading.ports.queries import AdoptHolding, OrderRequest, OutcomeOf, PlaceOrders
from kisnb.trading.ports.replies import PlaceAnswer
from kisnb.trading.typed_orders.placing import adoption_asked, place
from kisnb.values import ordinal, whole

BLOCKING_SECONDS = 15.0
"""Wall time that a blocking call waits for the desk."""
NEVER_TAKEN = "the desk died before it took it"
ANEW = "order it again if it is still wanted"


class Placing:
    """Sends the typed orders of one session to the desk, and waits for their outcomes."""

    def __init__(self, link: Link, state: SessionState, pace: Pace, cells: Cells | None) -> None:
        """Prepare the calls. ``cells`` finds the place of a call; it is None outside IPython."""
        self.follow: Callable[..., None]
        """Subscribes to the stocks of these codes."""
        self.catch_up: Callable[[], None]
        """Applies the events that have come while a cell blocks the loop."""
        self.say: Callable[[str], object] | None = None
        """Prints a line below the cell that ordered. None when no person reads it."""
        self._link = link
        self._state = state
        self._pace = pace
        self._cells = cells
        runs = RunCalls() if cells is None else cells.calls(state.run)
        self._claims = CallClaims(runs, state)
        self.on_the_way = 0
        """Calls that were handed to the desk and have no answer yet.

        This session does not know their orders.
        """

    # naming a call

    def call(self, typed: TypedOrder | TypedRevise, index: int = 0) -> Call:
        """Return the call of a typed order or revise, named by the place where it is typed.

        Call it while the calling cell runs. ``index`` is the line of a batch. Raises BadInput, also
        when an order cannot be revised.
        """
        if isinstance(typed, TypedRevise):
            return self._revise(typed)
        intent = typed.intent(ticket())
        return named_call(self._cells, intent, typed.wish, typed.name, typed.ordinal, index)

    def batch(self, orders: Sequence[TypedOrder]) -> list[Call]:
        """Return the calls of a batch. Each gets a naming with its line. Raises BadInput."""
        return [self.call(order, index) for index, order in enumerate(orders)]

    def _revise(self, typed: TypedRevise) -> Call:
        old = orders_named(self._state.books, typed.what)[-1]
        check_movable(old)
        kind, agent = old.intent.kind, old.intent.agent
        # An order without leaves is refused below. Until then the quantity does not matter.
        qty = (old.leaves or old.quantity) if typed.qty is None else typed.qty
        intent = Intent(
            ticket(), agent, old.code, old.side, qty, kind, typed.price, supersedes=old.key
        )
        wish = Wish(old.code, old.side, typed.qty, kind, typed.price, revises=old.key)
        call = named_call(self._cells, intent, wish, typed.name, typed.ordinal)
        if not old.leaves:
            # If the cell is run again, the call returns the revise that it made before. A new
            # revise is refused.
            request = OrderRequest(intent, call.naming, self._claims.answered_keys(call))
            if self._place_locally([request])[0].outcome == "sent":
                check_leaves(old)
        return call

    # handing over

    async def submit(self, call: Call) -> Order:
        """Send an order to the desk, once. Return it when its outcome is known.

        Raises OrderDenied, OrderRejected, OrderUnknown.
        """
        # There are two waits. First the desk says whether the call is a new order. Then KIS says
        # whether it accepts the order. The claim ends with the second wait.
        (order,), claims = await self._place([call])
        await self._wait_decided([order], claims)
        check_outcome(order, order.state, order.text, order.msg_cd)
        # An error says itself what became of the order, so only an order that exists is printed.
        self._announce([call], [order])
        return order

    async def submit_batch(self, calls: Sequence[Call]) -> OrderBook:
        """Send several orders at once. Return one order book of them when each outcome is known."""
        book = OrderBook("batch")
        if not calls:
            return book
        orders, claims = await self._place(calls)
        for order in orders:
            book.orders[order.key] = order
        await self._wait_decided(orders, claims)
        self._announce(
            [c for c, o in zip(calls, orders, strict=True) if o.repeated],
            [o for o in orders if o.repeated],
        )
        return book

    def submit_blocking(self, call: Call) -> Order:
        """Do what ``submit`` does, without the event loop."""
        self._link.home.check_process()
        claims = self._claims.claim([call])
        try:
            requests = self._claims.requests([call], claims)
            (order,) = self._orders_of(claims, self._ask_blocking(requests))
            decided = self._link.ask_blocking(OutcomeOf(order.key), BLOCKING_SECONDS)
        # There are three ends. A refused call leaves no claim. If the caller did not get the
        # outcome, the next equal call gets it. If the caller got it, the next equal call of the run
        # is a loop.
        except OrderDenied:
            self._claims.forget(claims)
            raise
        except (TimeoutError, DeskLost) as e:
            # The order was sent to the desk. The desk's next answer shows whether the desk has it.
            self._claims.lose(claims)
            key = "" if claims[0] is None else claims[0].key
            unknown = self._state.books.orders.get(key) or Order(call.intent, self._state.now)
            return check_outcome(unknown, OrderState.UNKNOWN, str(e), "")
        except BaseException:
            self._claims.lose(claims)
            raise
        self._claims.reach(claims)
        self.catch_up()
        check_outcome(order, decided.state, decided.text, decided.msg_cd)
        if self.say is not None and not call.displayed:
            # Only the home thread may apply events to the order books. In another thread only the
            # desk's reply is sure to be current.
            stale = order.state in UNDECIDED
            self.say(f"{order.intent.text}: {decided.state}" if stale else order_line(order))
        return order

    async def adopt(self, wish: Wish, key: str | None, again: object) -> str:
        """Let an agent take over shares, once. Return a sentence about it.

        ``key`` and ``again`` are read here. Raises BadInput, OrderDenied.
        """
        if wish.qty is not None:
            wish = msgspec.structs.replace(wish, qty=whole(wish.qty, "the quantity"))
        n = ordinal(again)
        # An adoption sends no order, but its call is named and claimed like an order.
        nothing = Intent("", wish.agent, wish.code, Side.BUY, 0, OrderKind.MARKET)
        call = named_call(self._cells, nothing, wish, read_name(key), n)
        asked = adoption_asked(AdoptHolding("", wish.agent, wish.code, wish.qty))
        call = call._replace(asked=asked)
        claims = self._claims.claim([call], departure_check())
        naming = self._claims.requests([call], claims)[0].naming
        minted = "" if naming is not None else f"adopt:{uuid.uuid4()}"
        request = AdoptHolding(minted, wish.agent, wish.code, wish.qty, naming)
        try:
            reply = await self._link.ask(request)
        except (BadInput, OrderDenied):
            self._claims.forget(claims)
            raise
        except BaseException:
            self._claims.lose(claims)
            raise
        self._claims.reach(claims)
        return reply.text

    def orders_of_cell(self) -> list[Order]:
        """Return the orders of the current cell that are open or have fills, oldest first."""
        run = None if self._cells is None else self._cells.run_now()
        if run is None:
            return []
        books = self._state.books
        orders = [books.orders[k] for k in self._claims.keys_of_run(run) if k in books.orders]
        return [order for order in orders if order.is_open or order.fills]

    # inside

    async def _place(self, calls: Sequence[Call]) -> tuple[list[Order], list[Claim | None]]:
        """Send calls to the desk. Return the orders that were sent or shown.

        Raises OrderDenied. Then nothing is sent.
        """
        # This is checked before anything is claimed, because an await in another loop would never
        # end.
        self._link.home.check_loop()
        claims = self._claims.claim(calls, departure_check())
        self.on_the_way += 1
        try:
            await self._link.wait_for_return()
            requests = self._claims.requests(calls, claims)
            orders = self._orders_of(claims, await self._ask(requests))
        except OrderDenied:
            self._claims.forget(claims)
            raise
        except BaseException:
            self._claims.lose(claims)
            raise
        finally:
            self.on_the_way -= 1
            self._pace.end_waits()
        return orders, claims

    def _ask_blocking(self, requests: tuple[OrderRequest, ...]) -> Sequence[PlaceAnswer]:
        if self._link.state.is_silent:
            return self._answered_here(requests)
        # The stock is watched before it is traded, so that no tick is missed when the order is
        # filled.
        self.follow(*(request.intent.code for request in requests))
        return self._link.ask_blocking(PlaceOrders(requests), BLOCKING_SECONDS).answers

    async def _ask(self, requests: tuple[OrderRequest, ...]) -> Sequence[PlaceAnswer]:
        if self._link.state.is_silent:
            return self._answered_here(requests)
        self.follow(*(request.intent.code for request in requests))
        try:
            return (await self._link.ask_once(PlaceOrders(requests))).answers
        except DeskLost:
            if self._link.state.is_over:
                raise
        # The journal of the dead desk says whether it had these orders.
        known = self._place_locally(requests)
        return [self._found(*pair) for pair in zip(requests, known, strict=True)]

    def _found(self, request: OrderRequest, known: PlaceAnswer) -> PlaceAnswer:
        """Return the answer that the dead desk gave to a request, as its journal shows it.

        ``known`` is the next desk's answer to the same request. If that answer is to send the
        order, the request is refused instead: a person decides whether the order is still wanted.
        """
        naming, books = request.naming, self._state.books
        key = (
            request.intent.key
            if naming is None
            else self._state.desk.names.answered_with(naming.token)
        )
        if key and (order := books.orders.get(key)) is not None:
            return PlaceAnswer("sent", order.intent)
        if known.outcome != "sent":
            return known
        return PlaceAnswer("refused", request.intent, NEVER_TAKEN, ANEW)

    def _answered_here(self, requests: Sequence[OrderRequest]) -> Sequence[PlaceAnswer]:
        """Return the answers to repeated calls that a silent desk would give.

        Raises OrderDenied when one of the calls is new, so that the desk would send its order.
        """
        answers = self._place_locally(requests)
        if any(answer.outcome == "sent" for answer in answers):
            # It is not known when a silent desk would send the order.
            raise OrderDenied(self._link.state.not_taken, WAIT)
        return answers

    def _place_locally(self, requests: Sequence[OrderRequest]) -> Sequence[PlaceAnswer]:
        return place(self._state.now, self._state.desk, self._state.run, requests)

    def _orders_of(
        self, claims: Sequence[Claim | None], answers: Sequence[PlaceAnswer]
    ) -> list[Order]:
        """Return the orders of the answers. Raises OrderDenied when one call was refused."""
        for answer in answers:
            if answer.outcome == "refused":
                raise OrderDenied(answer.text, answer.cure, key=answer.intent.key)
        orders = []
        for answer, claim in zip(answers, claims, strict=True):
            # The reply may come before the order's facts are applied here. The order is made now,
            # and its facts find it later by its key.
            order = self._state.books.add_pending(answer.intent, self._state.now)
            if answer.outcome == "shown":
                order.repeated = answer.text
            self._claims.answer(claim, order.key)
            orders.append(order)
        return orders

    async def _wait_decided(self, orders: Sequence[Order], claims: Sequence[Claim | None]) -> None:
        try:
            await self._pace.until(lambda: all(map(self._is_decided, orders)))
        except BaseException:
            self._claims.lose(claims)
            raise
        self._claims.reach(claims)

    def _is_decided(self, order: Order) -> bool:
        """Return whether a call need wait no longer for the outcome of this order."""
        # KIS has accepted the order. If KIS's lists cannot be read and no notice has come, waiting
        # does not help. ``session.status.readings`` says so, and later facts still reach the order.
        if order.state is OrderState.SENT and self._state.readings_failed is not None:
            return True
        return order.state not in UNDECIDED

    def _announce(self, calls: Sequence[Call], orders: Sequence[Order]) -> None:
        """Print a line for each order, unless its cell shows the order or ends with a semicolon."""
        if self.say is None:
            return
        for call, order in zip(calls, orders, strict=True):
            if not call.displayed:
                self.say(order_line(order))


def check_outcome(order: Order, state: OrderState, text: str, msg_cd: str) -> Order:
    """Return the order, or raise the error for an order in this ``state``.

    The error is OrderDenied, OrderRejected or OrderUnknown.
    """
    if state is OrderState.DENIED:
        raise OrderDenied(text, key=order.key)
    if state is OrderState.REJECTED:
        cure = f"%kis why {msg_cd}" if msg_cd else ""
        raise OrderRejected(
            f"KIS refused {order.intent.text}: {text}", cure, key=order.key, msg_cd=msg_cd
        )
    if state is OrderState.UNKNOWN:
        what = f"whether {order.intent.text} lives is not known: {text}"
        raise OrderUnknown(what, "look at %kis orders before you order again", key=order.key)
    return order
