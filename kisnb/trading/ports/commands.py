"""What a desk is told, what it is asked, and what it wants done: plain data on both sides of the socket."""

from __future__ import annotations

from datetime import date
from typing import Generic, Literal, TypeAlias, TypeVar, cast, get_args

import msgspec

from kisnb.clock import Ns
from kisnb.events import Depth, Event, Quote
from kisnb.market.routing_evidence import Evidence
from kisnb.orders import (
    Account,
    Intent,
    Naming,
    OrderPage,
    OrderRef,
    OrderState,
    Place,
    Route,
    SendReply,
    Want,
)
from kisnb.terms import Venue
from kisnb.trading.ports.journal_rows import Row


class SessionMessage(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base of commands and queries."""


# Commands: never answered, their consequences come as events


class Submit(SessionMessage, frozen=True, tag=True, array_like=True):
    """Send this order, once: a key that the desk knows already sends nothing."""

    intent: Intent
    naming: Naming | None = None
    """What names it, when a person typed it."""


class ShowOrder(SessionMessage, frozen=True, tag=True, array_like=True):
    """A typed call was answered with this order, which stood already."""

    key: str
    place: Place
    token: str = ""
    """Of the command: one that is handed over twice is answered with the same order."""


class CancelOrder(SessionMessage, frozen=True, tag=True, array_like=True):
    """Take ``qty`` shares of an order out of the market; None means all that is left."""

    key: str
    qty: int | None = None
    kill_switch: bool = False
    """Orders from elsewhere are cancelled by the kill switch alone."""


class ReviseOrder(SessionMessage, frozen=True, tag=True, array_like=True):
    """Move shares of an open order to another price: ``intent`` is the order that they become, with its own key.

    ``intent.supersedes`` names the order; agent, code and side are its. The shares go to the end of the queue.
    """

    intent: Intent
    naming: Naming | None = None
    """What names it, when a person typed it."""


class ResolveOrder(SessionMessage, frozen=True, tag=True, array_like=True):
    """A person's decision about an order of unknown fate: it is the order ``adopt``, or (None) it was never sent.

    Refused with DecisionRefused while what KIS lists contradicts it.
    """

    key: str
    adopt: int | None = None


class Adopt(SessionMessage, frozen=True, tag=True, array_like=True):
    """Let an agent take over shares that no agent holds, once: a key that the desk knows already moves nothing.

    ``qty`` None means all of them. With a naming and an empty key the desk gives it its key. (Row O11)
    """

    key: str
    agent: str
    code: str
    qty: int | None = None
    naming: Naming | None = None
    """What names the call, when a person typed it."""


class SetHalt(SessionMessage, frozen=True, tag=True, array_like=True):
    """Change what the desk lets pass. The desk itself says it when a person has lifted a halt."""

    state: Literal["active", "reducing", "halted"]
    reason: str


class Halt(SessionMessage, frozen=True, tag=True, array_like=True):
    """Pull the kill switch. A pull never lowers the trading state.

    ``flatten`` sells all that is held, until nothing is.
    """

    reason: str
    state: Literal["reducing", "halted"] = "halted"
    flatten: bool = False


def stronger(one: str, other: str) -> Literal["reducing", "halted"]:
    """Return the trading state that a pull ends in when both are wished for, or one of them stands already."""
    return "halted" if "halted" in (one, other) else "reducing"


class EndFlatten(SessionMessage, frozen=True, tag=True, array_like=True):
    """End a flatten, for a reason. The desk itself says it when a person has asked for it."""

    reason: str


class Arm(SessionMessage, frozen=True, tag=True, array_like=True):
    """Let buys pass until a moment, for so many won; a moment that is over disarms. The server checks who asks."""

    until: Ns
    budget: int


class WatchCodes(SessionMessage, frozen=True, tag=True, array_like=True):
    """The whole set of subscriptions that a session wants."""

    wants: tuple[Want, ...]


class Idle(SessionMessage, frozen=True, tag=True, array_like=True):
    """A session has handled all events up to ``seq`` and rests.

    ``wake`` is the earliest moment that it waits for; ``waiting`` says that somebody awaits something, so that
    simulated time may move.
    """

    seq: int
    wake: Ns | None
    waiting: bool


class FastForward(SessionMessage, frozen=True, tag=True, array_like=True):
    """Simulator: run in lockstep, as fast as everybody follows, while ``on``; then at the desk's own speed again."""

    on: bool


class ReleaseAgent(SessionMessage, frozen=True, tag=True, array_like=True):
    """The agent runs in this session no more."""

    agent: str


# Trading states are lifted, desks armed and holdings taken over by queries alone: the desk checks
# them, and answers. A session that sent SetHalt, EndFlatten, Arm or Adopt itself would be refused.
Command: TypeAlias = (
    Submit
    | CancelOrder
    | ReviseOrder
    | ResolveOrder
    | Halt
    | WatchCodes
    | Idle
    | FastForward
    | ReleaseAgent
)


# Replies: what a query is answered with


class OutcomeReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What became of an order, in the words of the desk's book."""

    state: OrderState
    number: int | None
    msg_cd: str
    text: str


class PlaceAnswer(msgspec.Struct, frozen=True, array_like=True):
    """How a typed order was answered: it is on its way, an order that stood already is shown, or it was refused."""

    outcome: Literal["sent", "shown", "refused"]
    intent: Intent
    """With the key of the order that is sent or shown; of a refused one, what was asked for."""
    text: str = ""
    """Shown: from where and when it was sent and how to send another. Refused: why."""
    cure: str = ""


class OrdersPlaced(msgspec.Struct, frozen=True, tag=True, array_like=True):
    answers: tuple[PlaceAnswer, ...]


class Failed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A query that ended in an error: the name of its class in ``kisnb.errors``, sentence and cure."""

    error: str
    text: str
    cure: str = ""


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A query without a result has been carried out."""


class TextReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """An answer for people."""

    text: str


class StatusReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """For people: a line per fact, and who is attached besides the one who asks."""

    lines: tuple[str, ...]
    sessions: tuple[str, ...]


class JournalReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    path: str


class AccountReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    account: Account


class OrdersReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    page: OrderPage


class RowsReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What KIS said, by block, texts as on the wire; ``complete`` when every page came."""

    blocks: dict[str, list[dict[str, str]]]
    complete: bool = True


class RoutesReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    decisions: tuple[Evidence, ...]


R = TypeVar("R", covariant=True)


class Query(SessionMessage, Generic[R], frozen=True, tag=True, array_like=True):
    """Base of the questions of a session; ``R`` is the type of the reply."""

    @classmethod
    def reply_type(cls) -> type[R]:
        """The type of the reply, as the class names it."""
        (base,) = cls.__orig_bases__  # type: ignore[attr-defined]
        (reply,) = get_args(base)
        return cast("type[R]", reply)


# Queries: each has one reply


class QuoteOf(Query[Quote], frozen=True, tag=True, array_like=True):
    code: str


class DepthOf(Query[Depth], frozen=True, tag=True, array_like=True):
    code: str
    venue: Venue = Venue.KRX


class RouteOf(Query[RoutesReply], frozen=True, tag=True, array_like=True):
    """Where this order would go now; nothing is sent and nothing is kept."""

    intent: Intent


class RoutesOf(Query[RoutesReply], frozen=True, tag=True, array_like=True):
    """The newest routing decisions, oldest first: of one order when a key is given, of one stock for a code."""

    key: str = ""
    code: str = ""


class AccountNow(Query[AccountReply], frozen=True, tag=True, array_like=True):
    """Ask KIS for the account as it stands."""


class OrderRequest(msgspec.Struct, frozen=True, array_like=True):
    """One typed order. With a naming the desk gives it its key, and looks first whether it stands already."""

    intent: Intent
    naming: Naming | None = None
    answered: tuple[str, ...] = ()
    """Keys of the orders that this run of the cell has been answered with."""


class PlaceOrders(Query[OrdersPlaced], frozen=True, tag=True, array_like=True):
    """Send these orders, each once; answered with OrdersPlaced when they are journaled. One that is refused by row O11
    keeps all of them from being sent."""

    requests: tuple[OrderRequest, ...]


class OutcomeOf(Query[OutcomeReply], frozen=True, tag=True, array_like=True):
    """Answered when the order with this key is accepted, filled, refused or unknown."""

    key: str


class DayOrders(Query[OrdersReply], frozen=True, tag=True, array_like=True):
    """Ask KIS for the orders of a day."""

    day: date


class LiftHalt(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Let orders pass again, for a reason; answered with what was lifted.

    ``to`` is the state after it. A flatten that runs is ended first, and the desk stays as it is.
    """

    reason: str
    to: Literal["active", "reducing"] = "active"


class ArmDesk(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Let buys pass at live, for so many minutes and won; ``tail`` is what a person typed. 0 minutes disarm."""

    tail: str
    minutes: int
    budget: int


class AdoptHolding(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Carry out an Adopt; answered with what was taken over, or why not."""

    wish: Adopt


class TasksNow(Query[TextReply], frozen=True, tag=True, array_like=True):
    """The desk's tasks and whose they are."""


class StatusNow(Query[StatusReply], frozen=True, tag=True, array_like=True):
    """How the desk stands, and for whom it works."""


class LeaseAgent(Query[Done], frozen=True, tag=True, array_like=True):
    """Run this agent here and nowhere else; answered with Done, or refused with the name of who runs it."""

    agent: str


class JournalOf(Query[JournalReply], frozen=True, tag=True, array_like=True):
    """Where the desk's journal is."""


class CallApi(Query[RowsReply], frozen=True, tag=True, array_like=True):
    """Ask KIS by the name of a call, all its pages; the desk adds the account. Orders do not go this way."""

    name: str
    params: dict[str, str]


class CloseDesk(Query[Done], frozen=True, tag=True, array_like=True):
    """Stop the desk process after the answer; orders in the market stay there."""


AnyQuery: TypeAlias = (
    QuoteOf
    | DepthOf
    | RouteOf
    | RoutesOf
    | AccountNow
    | PlaceOrders
    | OutcomeOf
    | DayOrders
    | LiftHalt
    | ArmDesk
    | AdoptHolding
    | TasksNow
    | StatusNow
    | CallApi
    | LeaseAgent
    | JournalOf
    | CloseDesk
)


Reply: TypeAlias = (
    Quote
    | Depth
    | AccountReply
    | OrdersReply
    | RowsReply
    | RoutesReply
    | JournalReply
    | OrdersPlaced
    | OutcomeReply
    | StatusReply
    | TextReply
    | Done
    | Failed
)


# What the core is told besides commands and events


class OrdersRead(msgspec.Struct, frozen=True):
    """The end of an Ask."""

    query: OrdersQuery
    page: OrderPage | None
    """None when KIS did not list everything."""
    account: Account | None = None
    """None when it was not asked for, or KIS did not state everything."""


class Woke(msgspec.Struct, frozen=True):
    """The moment ``t`` that the core asked to be woken at has come; on a clock that was set back it has not."""

    t: Ns = 0


class OrdersQuery(msgspec.Struct, frozen=True):
    """What the core asks the broker: the orders of a day, and why.

    With ``account`` the account too, read before the orders: a trade that it holds then stands in the list as well.
    """

    day: date
    why: str
    account: bool = False
    asked: Ns = 0
    """When: an answer may come late, and after that of a newer question."""
    fills: int = 0
    """How many fills were booked then."""


# Effects: run strictly in order


class Persist(msgspec.Struct, frozen=True):
    """Write these rows and sync them before the next effect."""

    rows: tuple[Row, ...]


class Send(msgspec.Struct, frozen=True):
    """Start one POST of this order."""

    intent: Intent
    route: Route


class Cancel(msgspec.Struct, frozen=True):
    """Start one POST that cancels; ``qty`` None means all leaves."""

    key: str
    ref: OrderRef
    qty: int | None


class Revise(msgspec.Struct, frozen=True):
    """Start one POST that moves ``intent.qty`` shares of the order ``ref`` to ``intent.price``; ends as a Send does."""

    intent: Intent
    ref: OrderRef


class AskOrders(msgspec.Struct, frozen=True):
    """Start one read."""

    query: OrdersQuery


class AskDepth(msgspec.Struct, frozen=True):
    """Start reading these venues' books of a stock, which no channel has shown; ends as DepthRead."""

    code: str
    venues: tuple[Venue, ...]


class DepthRead(msgspec.Struct, frozen=True):
    """The end of an AskDepth; books that could not be read are missing."""

    code: str
    depths: tuple[Depth, ...]


class Publish(msgspec.Struct, frozen=True):
    """Tell every session."""

    event: Event


class WakeAt(msgspec.Struct, frozen=True):
    """Say Woke at this moment."""

    t: Ns


class CancelReply(msgspec.Struct, frozen=True):
    """The end of a Cancel."""

    reply: SendReply


Effect: TypeAlias = Persist | Send | Revise | Cancel | AskOrders | AskDepth | Publish | WakeAt
