"""What a session asks its desk: one table, from which the awaited and the blocking calls are made."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, Unpack

import msgspec

from kisnb.errors import BadInput
from kisnb.events import Depth, Quote
from kisnb.market.routing_evidence import Evidence
from kisnb.market.universe import Universe
from kisnb.orders import Account, Order
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.pending import Pending, pending
from kisnb.session.typed_orders.typed import OrderOptions, orders_named, spelt_out, typed_intent
from kisnb.terms import Side
from kisnb.trading.agents.agent_runner import agent_saw
from kisnb.trading.ports.commands import (
    AccountNow,
    AccountReply,
    DepthOf,
    Query,
    QuoteOf,
    RouteOf,
    RoutesOf,
    RoutesReply,
)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class TypedQuery(NamedTuple, Generic[R, T]):
    """A query, and what is made of its reply."""

    query: Query[R]
    read: Callable[[R], T]


class Questions:
    """The questions of one session. Prices in won, quantities in shares."""

    def __init__(self, universe: Universe, link: Link, state: SessionState) -> None:
        self._universe = universe
        self._link = link
        self._state = state

    async def answer(self, question: TypedQuery[R, T]) -> T:
        """Ask the desk a question and read the reply. Raises what the desk names, and DeskLost."""
        return question.read(await self._link.ask(question.query))

    def quote(self, code: str) -> TypedQuery[Quote, Quote]:
        """The current price, asked from KIS. Raises UnknownInstrument, ApiError, DeskLost."""
        return TypedQuery(QuoteOf(self._universe.get(code).code), self._named)

    def depth(self, code: str) -> TypedQuery[Depth, Depth]:
        """Bids and asks now, asked from KIS."""
        return TypedQuery(DepthOf(self._universe.get(code).code), _shown_to_agent)

    def balance(self) -> TypedQuery[AccountReply, Account]:
        """Cash and holdings as the broker states them, won and shares."""
        return TypedQuery(AccountNow(), lambda reply: reply.account)

    def route(self, what: Order | int | str) -> TypedQuery[RoutesReply, Evidence]:
        """Why an order (itself, its number or its key) went where it went.

        ``.score(order.fills)`` says what the choice was worth. Raises BadInput when the desk has decided nothing
        about it.
        """
        order = orders_named(self._state.books, what)[-1]
        return TypedQuery(RoutesOf(order.key), lambda reply: _newest(reply, what))

    @spelt_out
    def route_of(
        self,
        side: Side | str,
        code: str,
        qty: int,
        price: int | None = None,
        **options: Unpack[OrderOptions],
    ) -> TypedQuery[RoutesReply, Evidence]:
        """Where such an order would go now, and what it may cost on each venue, won; nothing is sent."""
        intent = typed_intent(
            Side(side), self._universe.get(code).code, qty, price, venue=options.get("venue"),
            kind=options.get("kind"), stop=options.get("stop"), key="preview",
        )  # fmt: skip
        return TypedQuery(RouteOf(intent), lambda reply: _newest(reply, code))

    def _named(self, quote: Quote) -> Quote:
        """A quote with the name of the stock, which KIS's reply lacks."""
        agent_saw(quote.code, quote.received)
        return msgspec.structs.replace(quote, name=self._universe.get(quote.code).name)


def _shown_to_agent(depth: Depth) -> Depth:
    agent_saw(depth.code, depth.received)
    return depth


def _newest(reply: RoutesReply, what: object) -> Evidence:
    """The newest decision of a reply. Raises BadInput when there is none."""
    if not reply.decisions:
        raise BadInput(
            f"no venue was chosen for {what}", "the order was refused before; see %kis orders"
        )
    return reply.decisions[-1]


class Asks(Protocol):
    """A session: its replies are awaited."""

    questions: Questions


class AsksBlocking(Protocol):
    """The blocking side of a session: its replies are there when the call returns."""

    questions: Questions

    def answer(self, question: TypedQuery[R, T]) -> T: ...


def awaited(
    make: Callable[Concatenate[Questions, P], TypedQuery[R, T]],
) -> Callable[Concatenate[Asks, P], Pending[T]]:
    """The call of a session that asks this question and awaits the reply."""

    @pending
    @wraps(make)
    async def call(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.questions.answer(make(self.questions, *args, **kwargs))

    return call


def blocking(
    make: Callable[Concatenate[Questions, P], TypedQuery[R, T]],
) -> Callable[Concatenate[AsksBlocking, P], T]:
    """The call that asks this question and waits for the reply without the loop."""

    @wraps(make)
    def call(self: AsksBlocking, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.answer(make(self.questions, *args, **kwargs))

    return call
