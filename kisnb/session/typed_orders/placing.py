"""Orders that a person types: read, named, handed to the desk once, and answered. (Rows O10, O11)

What names a call is taken where the call is written; the journal is looked up when the call is handed over. First the
kernel looks whether its own runs answer the call (letters f and g of the row), then the desk looks with the whole
journal and its answer counts. While the desk does not answer, an order that stands already is shown all the same.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, Unpack

import msgspec

from kisnb.clock import kst_day
from kisnb.errors import BadInput, DeskLost, OrderDenied
from kisnb.market.universe import Universe
from kisnb.orders import Intent, Naming, Order, OrderState, Place, Wish
from kisnb.session.feed.link import WAIT, Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.cells import Cells, Ticket
from kisnb.session.typed_orders.magic_line import MagicLine, current_line
from kisnb.session.typed_orders.run_calls import Claim, RunCalls, stays
from kisnb.session.typed_orders.typed import (
    Line,
    OrderOptions,
    check_leaves,
    check_movable,
    line_of,
    name_of,
    number_of,
    orders_named,
    typed_intent,
    verdict,
)
from kisnb.terms import OrderKind, Side
from kisnb.trading.agents.agent_runner import acting_agent
from kisnb.trading.order_books.order_book import UNDECIDED, OrderBook
from kisnb.trading.order_books.order_words import order_line
from kisnb.trading.ports.commands import (
    Adopt,
    AdoptHolding,
    OrderRequest,
    OutcomeOf,
    PlaceAnswer,
    PlaceOrders,
)
from kisnb.trading.typed_orders.naming_rule import Refuse
from kisnb.trading.typed_orders.placing import adoption_asked, is_dead, naming_rule, place, refusal
from kisnb.values import whole

BLOCKING_SECONDS = 15.0
"""Wall time that a blocking call waits for the desk."""
MOST_LINES = 10_000
"""More than the lines of one batch."""
PROCESS = uuid.uuid4().hex
"""Stands for the kernel in a process that is none."""
NEVER_TAKEN = "the desk died before it took it"
ANEW = "order it again if it is still wanted"
OWN = "write self.buy(...) or self.sell(...) in a handler; or name the order: key='NAME'"


class Call(NamedTuple):
    """One typed order as it was written."""

    intent: Intent
    naming: Naming | None
    """None: the key of the intent names it, and each call is an order."""
    position: Hashable = None
    """The chain of code positions that leads to the call."""
    displayed: bool = False
    """The cell shows the order as its value, or is to be silent."""
    asked: str = ""
    """What is asked for, in words."""


class Placing:
    """The typed orders of one session."""

    def __init__(
        self, link: Link, state: SessionState, pace: Pace, universe: Universe, cells: Cells | None
    ) -> None:
        """``cells`` tells where a call is typed; None outside IPython, where every call is an order of its own."""
        self.follow: Callable[..., None]
        """Subscribe to the stocks of these codes."""
        self.catch_up: Callable[[], None]
        """Apply what has come while a cell blocks the loop."""
        self.say: Callable[[str], object] | None = None
        """Print a line for a person below the cell that ordered; None where nobody reads along."""
        self._link = link
        self._state = state
        self._pace = pace
        self._universe = universe
        self._cells = cells
        self._runs = RunCalls() if cells is None else cells.calls(state.run)
        self.on_the_way = 0
        """Calls that were handed over and not answered yet: their orders stand in no order book here."""

    # reading what was typed

    def order(
        self, side: Side, code: str, qty: object, price: object = None, index: int = 0,
        **options: Unpack[OrderOptions],
    ) -> Call:  # fmt: skip
        """An order as it was written. Raises BadInput with the cure."""
        intent = typed_intent(
            side, self._universe.get(code).code, qty, price, venue=options.get("venue"), kind=options.get("kind"),
            stop=options.get("stop"),
        )  # fmt: skip
        wish = Wish(
            intent.code,
            intent.side,
            intent.qty,
            intent.kind,
            intent.price,
            intent.venue,
            intent.stop,
        )
        return self._named(intent, wish, options.get("key"), options.get("again", False), index)

    def batch(self, lines: Sequence[Line], key: str | None, again: int | bool) -> list[Call]:
        """The orders of a batch, each with its line as index. Raises BadInput for a line that cannot be read."""
        names = [None if key is None else f"{key}:{n}" for n in range(1, len(lines) + 1)]
        return [
            self.order(*line_of(line), index=n, key=name, again=again)
            for n, (line, name) in enumerate(zip(lines, names, strict=True))
        ]

    def revise(
        self,
        what: Order | int | str,
        price: object,
        qty: object,
        key: str | None,
        again: int | bool,
    ) -> Call:
        """A revise as it was written. Raises BadInput, also when nothing of the order is left to revise."""
        old = orders_named(self._state.books, what)[-1]
        check_movable(old)
        shares = (old.leaves or old.quantity) if qty is None else qty
        plain = typed_intent(old.side, old.code, shares, price, kind=old.intent.kind)
        intent = msgspec.structs.replace(plain, agent=old.intent.agent, supersedes=old.key)
        asked = None if qty is None else intent.qty
        wish = Wish(old.code, old.side, asked, intent.kind, intent.price, revises=old.key)
        call = self._named(intent, wish, key, again)
        if not old.leaves:
            request = OrderRequest(intent, call.naming, self._answered_keys(call))
            if self._place_locally([request])[0].outcome == "sent":
                check_leaves(old)
        return call

    def _named(
        self, intent: Intent, wish: Wish, key: object, again: object, index: int = 0
    ) -> Call:
        number, name = number_of(again), "" if key is None else name_of(key)
        if self._cells is None:
            # Outside IPython a call has no cell: without a name each call is an order of its own.
            return Call(intent, Naming(wish, Place(PROCESS), number, name) if name else None)
        if (agent := acting_agent()) and not name:
            # It would be the order of the cell that happens to run, or of none.
            raise BadInput(
                f"a handler of agent {agent} ordered through the session; nothing was sent", OWN
            )
        line = current_line() or MagicLine("")
        try:
            origin = self._cells.origin(line.words, line.place * MOST_LINES + index)
        except BadInput:
            if not name:
                raise
            # A name needs no cell.
            return Call(
                intent, Naming(wish, self._cells.kernel_place(), number, name), asked=intent.text
            )
        if isinstance(origin, Ticket):
            return Call(
                intent, Naming(wish, self._cells.kernel_place(), number, name) if name else None
            )
        displayed = line.shown or line.silent or origin.shown or origin.silent
        return Call(
            intent,
            Naming(wish, origin.place, number, name),
            origin.position,
            displayed,
            intent.text,
        )

    # handing over

    async def submit(self, call: Call) -> Order:
        """Hand an order over, once, and wait until it is decided. Raises OrderDenied, OrderRejected, OrderUnknown."""
        (order,), claims = await self._place([call])
        await self._wait_decided([order], claims)
        verdict(order, order.state, order.text, order.msg_cd)
        # What raises says itself what became of the order.
        self._announce([call], [order])
        return order

    async def submit_batch(self, calls: Sequence[Call]) -> OrderBook:
        """Hand several orders over at once; returns them in one order book when each is decided."""
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
        """As ``submit``, without the loop."""
        self._link.home.check_process()
        claims = self._claim_calls([call])
        try:
            (order,) = self._orders_of(claims, self._ask_blocking(self._requests([call], claims)))
            decided = self._link.ask_blocking(OutcomeOf(order.key), BLOCKING_SECONDS)
        except OrderDenied:
            self._forget(claims)
            raise
        except (TimeoutError, DeskLost) as e:
            # It was handed over: whether the desk took it shows when the desk answers again.
            self._mark_lost(claims)
            key = "" if claims[0] is None else claims[0].key
            unknown = self._state.books.orders.get(key) or Order(call.intent, self._state.now)
            return verdict(unknown, OrderState.UNKNOWN, str(e), "")
        except BaseException:
            self._mark_lost(claims)
            raise
        self._mark_reached(claims)
        self.catch_up()
        verdict(order, decided.state, decided.text, decided.msg_cd)
        if self.say is not None and not call.displayed:
            # The order books belong to the home thread: another one has the desk's word alone.
            stale = order.state in UNDECIDED
            self.say(f"{order.intent.text}: {decided.state}" if stale else order_line(order))
        return order

    async def adopt(self, wish: Wish, key: str | None, again: object) -> str:
        """Let an agent take shares over, once; what was done, for people. Raises BadInput, OrderDenied."""
        if wish.qty is not None:
            wish = msgspec.structs.replace(wish, qty=whole(wish.qty, "the quantity"))
        nothing = Intent("", wish.agent, wish.code, Side.BUY, 0, OrderKind.MARKET)
        call = self._named(nothing, wish, key, again)
        asked = adoption_asked(Adopt("", wish.agent, wish.code, wish.qty))
        call = call._replace(asked=asked)
        claims = self._claim_calls([call], _has_left())
        naming = self._requests([call], claims)[0].naming
        minted = "" if naming is not None else f"adopt:{uuid.uuid4()}"
        request = AdoptHolding(Adopt(minted, wish.agent, wish.code, wish.qty, naming))
        try:
            reply = await self._link.ask(request)
        except (BadInput, OrderDenied):
            self._forget(claims)
            raise
        except BaseException:
            self._mark_lost(claims)
            raise
        self._mark_reached(claims)
        return reply.text

    def orders_of_cell(self) -> list[Order]:
        """The orders of the cell that runs now which live or were filled, oldest first."""
        run = None if self._cells is None else self._cells.run_now()
        if run is None:
            return []
        names, books = self._state.desk.names, self._state.books
        keys = [
            claim.key or names.answered_with(claim.token) or "" for claim in self._runs.of_run(run)
        ]
        orders = [books.orders[key] for key in dict.fromkeys(keys) if key in books.orders]
        return [order for order in orders if order.is_open or order.fills]

    # inside

    async def _place(self, calls: Sequence[Call]) -> tuple[list[Order], list[Claim | None]]:
        """Hand calls to the desk; the orders that are sent or shown. Raises OrderDenied; then nothing is sent."""
        # Before anything is claimed: an await in another loop would never end.
        self._link.home.check_loop()
        claims = self._claim_calls(calls, _has_left())
        self.on_the_way += 1
        try:
            await self._link.wait_for_return()
            orders = self._orders_of(claims, await self._ask(self._requests(calls, claims)))
        except OrderDenied:
            # Refused, and nothing was sent: it counts for nothing.
            self._forget(claims)
            raise
        except BaseException:
            self._mark_lost(claims)
            raise
        finally:
            self.on_the_way -= 1
            self._pace.end_waits()
        return orders, claims

    def _ask_blocking(self, requests: tuple[OrderRequest, ...]) -> Sequence[PlaceAnswer]:
        if self._link.state.is_silent:
            return self._answered_here(requests)
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
        # The journal of the dead desk tells whether it took them, and what had been sent before.
        known = self._place_locally(requests)
        return [self._found(*pair) for pair in zip(requests, known, strict=True)]

    def _found(self, request: OrderRequest, known: PlaceAnswer) -> PlaceAnswer:
        """How the desk that died answered a request, by what its journal holds.

        ``known`` is how the next desk would answer. What it would send anew is refused: a person
        decides whether it is still wanted.
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
        """What the desk would show, while it does not answer. Raises OrderDenied for what it would send."""
        answers = self._place_locally(requests)
        if any(answer.outcome == "sent" for answer in answers):
            # Nobody knows when a silent desk would send it.
            raise OrderDenied(self._link.state.not_taken, WAIT)
        return answers

    def _place_locally(self, requests: Sequence[OrderRequest]) -> Sequence[PlaceAnswer]:
        return place(self._state.now, self._state.desk, self._state.run, requests)

    def _requests(
        self, calls: Sequence[Call], claims: Sequence[Claim | None]
    ) -> tuple[OrderRequest, ...]:
        """The calls as the desk gets them, each with the token of its claim."""
        requests = []
        for call, claim in zip(calls, claims, strict=True):
            naming = call.naming
            if naming is None or claim is None:
                requests.append(OrderRequest(call.intent))
                continue
            named = msgspec.structs.replace(naming, token=claim.token)
            requests.append(OrderRequest(call.intent, named, self._answered_keys(call)))
        return tuple(requests)

    def _answered_keys(self, call: Call) -> tuple[str, ...]:
        return () if call.naming is None else self._runs.answered(call.naming.place.run)

    def _claim_calls(
        self, calls: Sequence[Call], has_left: Callable[[], bool] = stays
    ) -> list[Claim | None]:  # fmt: skip
        """Look the calls up in this kernel's own runs. Raises OrderDenied for a loop; then nothing is claimed."""
        claims: list[Claim | None] = []
        for call in calls:
            try:
                claim = self._claim(call, has_left)
            except OrderDenied:
                self._forget(claims)
                raise
            claims.append(claim)
        return claims

    def _claim(self, call: Call, has_left: Callable[[], bool]) -> Claim | None:
        if call.naming is None:
            return None
        now, known, naming = self._state.now, self._state.desk, call.naming
        found = self._runs.begin(
            naming, call.position, uuid.uuid4().hex, lambda key: is_dead(known.books, key), day=kst_day(now),
            first_free=lambda asked: known.names.first_free(kst_day(now), asked),
            has_left=has_left,
        )  # fmt: skip
        if isinstance(found, Refuse):
            rule = naming_rule(now, known, self._state.run)
            text, cure = refusal(known, rule, call.asked, naming, found)
            raise OrderDenied(text, cure, key=found.key)
        return found

    def _orders_of(
        self, claims: Sequence[Claim | None], answers: Sequence[PlaceAnswer]
    ) -> list[Order]:
        """The orders of the answers. Raises OrderDenied when one call was refused."""
        for answer in answers:
            if answer.outcome == "refused":
                raise OrderDenied(answer.text, answer.cure, key=answer.intent.key)
        orders = []
        for answer, claim in zip(answers, claims, strict=True):
            order = self._state.books.add_pending(answer.intent, self._state.now)
            if answer.outcome == "shown":
                order.repeated = answer.text
            if claim is not None:
                self._runs.answer(claim, order.key)
            orders.append(order)
        return orders

    async def _wait_decided(self, orders: Sequence[Order], claims: Sequence[Claim | None]) -> None:
        try:
            await self._pace.until(lambda: not any(order.state in UNDECIDED for order in orders))
        except BaseException:
            self._mark_lost(claims)
            raise
        self._mark_reached(claims)

    def _announce(self, calls: Sequence[Call], orders: Sequence[Order]) -> None:
        """Print a line for each order, unless the cell shows it as its value or ends with a semicolon."""
        if self.say is None:
            return
        for call, order in zip(calls, orders, strict=True):
            if not call.displayed:
                self.say(order_line(order))

    def _mark_lost(self, claims: Sequence[Claim | None]) -> None:
        """The outcome never reached its caller: the next equal call returns the order."""
        for claim in claims:
            if claim is not None:
                self._runs.lose(claim)

    def _mark_reached(self, claims: Sequence[Claim | None]) -> None:
        for claim in claims:
            if claim is not None:
                self._runs.reach(claim)

    def _forget(self, claims: Sequence[Claim | None]) -> None:
        for claim in claims:
            if claim is not None:
                self._runs.drop(claim)


def _has_left() -> Callable[[], bool]:
    """Return what says later whether the task that asks now was cancelled since, or has ended."""
    task = asyncio.current_task()
    if task is None:
        return stays
    before = task.cancelling()
    return lambda: task.done() or task.cancelling() > before
