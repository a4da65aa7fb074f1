"""The questions of a session to its desk. Each is used by an awaited and by a blocking call."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, Unpack

import msgspec

from kisnb.errors import BadInput
from kisnb.events import Depth, Quote
from kisnb.market.routing.evidence import Evidence
from kisnb.market.universe import Universe
from kisnb.orders import Account, Order
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.named_orders import orders_named
from kisnb.session.typed_orders.pending import Pending, pending
from kisnb.session.typed_orders.typed_order import OrderOptions, TypedOrder, read_order, spelt_out
from kisnb.terms import Side, Venue
from kisnb.trading.agents.agent_runner import agent_saw
from kisnb.trading.ports.queries import AccountNow, DepthOf, Query, QuoteOf, RouteOf, RoutesOf
from kisnb.trading.ports.replies import AccountReply, RoutesReply
from kisnb.values import member, one_of

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class TypedQuery(NamedTuple, Generic[R, T]):
    """A query, together with the function that makes the answer from the desk's reply."""

    query: Query[R]
    read: Callable[[R], T]


class Questions:
    """The questions of one session. Prices in won, quantities in shares."""

    def __init__(self, universe: Universe, link: Link, state: SessionState) -> None:
        self._universe = universe
        self._link = link
        self._state = state

    async def answer(self, question: TypedQuery[R, T]) -> T:
        """Ask the desk a question, and return the answer.

        Raises the error that the desk names, and DeskLost.
        """
        return question.read(await self._link.ask(question.query))

    def quote(self, code: str, venue: Venue | str | None = None) -> TypedQuery[Quote, Quote]:
        """Ask KIS for the current price at KRX, NXT or SOR (both together).

        Without a venue, KIS is asked for the venue that is open for the stock: KRX when both are
        open, NXT when only NXT is open. The quote names its venue. Raises UnknownInstrument,
        BadInput, NotOffered (paper has KRX alone), ApiError, DeskLost.
        """
        return TypedQuery(QuoteOf(self._universe.spell(code), _venue(venue)), self._named)

    def depth(self, code: str, venue: Venue | str | None = None) -> TypedQuery[Depth, Depth]:
        """Ask KIS for bids and asks. Venue and errors are those of ``quote``."""
        return TypedQuery(DepthOf(self._universe.spell(code), _venue(venue)), _noted_for_agent)

    def balance(self) -> TypedQuery[AccountReply, Account]:
        """Ask KIS for cash (won) and holdings (shares). Raises ApiError, DeskLost."""
        return TypedQuery(AccountNow(), lambda reply: reply.account)

    def route(self, what: Order | int | str) -> TypedQuery[RoutesReply, Evidence]:
        """Return the routing decision about an order (the order itself, its number or its key).

        Its method ``score(order.fills)`` returns the won that the choice of the venue gained or
        lost. Raises BadInput when the desk has decided nothing about the order.
        """
        # The key is looked up here, because the desk knows orders only by their keys, and a person
        # may give a number or a name.
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
        """Return the venue of such an order now, and its likely cost on each venue, won.

        Nothing is sent. Raises BadInput.
        """
        return self.preview(
            read_order(self._universe, member(Side, side, "side"), code, qty, price, **options)
        )

    def preview(self, order: TypedOrder) -> TypedQuery[RoutesReply, Evidence]:
        """Return the venue of an order now, and its likely cost there. Nothing is sent."""
        query = RouteOf(order.intent("preview"))
        return TypedQuery(query, lambda reply: _newest(reply, order.code))

    def _named(self, quote: Quote) -> Quote:
        """Return the quote with the name of the stock added.

        If a handler of an agent asked, note that the agent has seen the quote.
        """
        # If an agent's handler asked, the agent has seen this price, as if a tick had brought it.
        agent_saw(quote.code, quote.received)
        return msgspec.structs.replace(quote, name=self._universe.name(quote.code))


def _venue(venue: Venue | str | None) -> Venue | None:
    """Return the venue that a call names. Raises BadInput."""
    return None if venue is None else one_of(venue, tuple(Venue), "venue")


def _noted_for_agent(depth: Depth) -> Depth:
    # If an agent's handler asked, the agent has seen this depth. An order that is decided on too
    # old a price is denied.
    agent_saw(depth.code, depth.received)
    return depth


def _newest(reply: RoutesReply, what: object) -> Evidence:
    """Return the newest decision of a reply. Raises BadInput when there is none."""
    if not reply.decisions:
        raise BadInput(
            f"no venue was chosen for {what}", "the order was refused before; see %kis orders"
        )
    return reply.decisions[-1]


class Asks(Protocol):
    """A part of a session whose calls are awaited."""

    questions: Questions


class AsksBlocking(Protocol):
    """The blocking part of a session. Its calls return the answer."""

    questions: Questions

    def answer(self, question: TypedQuery[R, T]) -> T:
        """Ask a question and return the answer."""
        ...


def awaited(
    make: Callable[Concatenate[Questions, P], TypedQuery[R, T]],
) -> Callable[Concatenate[Asks, P], Pending[T]]:
    """Turn a function that makes a question into a method that asks it and is awaited."""

    @pending
    @wraps(make)
    async def call(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.questions.answer(make(self.questions, *args, **kwargs))

    return call


def blocking(
    make: Callable[Concatenate[Questions, P], TypedQuery[R, T]],
) -> Callable[Concatenate[AsksBlocking, P], T]:
    """Turn a function that makes a question into a method that asks it and blocks."""

    @wraps(make)
    def call(self: AsksBlocking, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.answer(make(self.questions, *args, **kwargs))

    return call
