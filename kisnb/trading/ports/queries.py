"""Queries of a session to the desk. Each states the type of its one reply."""

from __future__ import annotations

from datetime import date
from typing import Generic, Literal, TypeAlias, TypeVar, cast, get_args

import msgspec

from kisnb.clock import Ns
from kisnb.events import Depth, Quote, StockDay
from kisnb.orders import Intent, Naming
from kisnb.terms import Venue
from kisnb.trading.ports.commands import SessionMessage
from kisnb.trading.ports.replies import (
    AccountReply,
    Done,
    JournalReply,
    OrdersPlaced,
    OrdersReply,
    OutcomeReply,
    RecordsReply,
    RoutesReply,
    RowsReply,
    StatusReply,
    TapeReply,
    TextReply,
)

R = TypeVar("R", covariant=True)


class Query(SessionMessage, Generic[R], frozen=True, tag=True, array_like=True):
    """Base of the queries of a session; ``R`` is the type of the reply."""

    @classmethod
    def reply_type(cls) -> type[R]:
        """Return the type of the reply, as the class declares it."""
        # Python drops the type argument of a base class at run time, except here. The client
        # compares each reply with it, so that callers get the right type without an assert.
        (base,) = cls.__orig_bases__  # type: ignore[attr-defined]
        (reply,) = get_args(base)
        return cast("type[R]", reply)


# Queries that the desk checks and then submits unchanged to its core


class LiftHalt(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Lift the halt, so that orders pass again. The reply says what was lifted.

    ``to`` is the new trading state. While a flatten runs, only the flatten is ended, and the
    trading state stays.
    """

    reason: str
    to: Literal["active", "reducing"] = "active"


class ArmDesk(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Arm a live desk: buys pass for some minutes, up to a budget in won. 0 minutes disarm it."""

    # The desk checks the digits and then removes them, so that no digit of the account can appear
    # in the core's outputs.
    tail: str
    """The last digits of the account, as a person typed them.

    The desk checks them and passes an empty tail to its core.
    """
    minutes: int
    budget: int
    # The desk sets the end by its own clock. A session's clock may differ, and a session must not
    # choose a longer time than was checked.
    until: Ns = 0
    """When the arming ends. A past moment disarms.

    The desk sets it after it has checked the other fields, and ignores a session's value.
    """


class AdoptHolding(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Let an agent adopt shares that no agent holds, once. The reply says which shares.

    A key that the desk knows already moves nothing. With a naming the desk gives the key (row O11).
    """

    key: str
    agent: str
    code: str
    qty: int | None = None
    """Shares; None means all that can be adopted."""
    naming: Naming | None = None
    """The naming of the call, when a person typed it."""


class AcceptDifference(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Book KIS's figure where KIS's account and the order books differ.

    By itself the desk books only cash and additional shares. If KIS no longer states some shares,
    and no order explains that, a person must accept it.
    """

    subject: str
    """Short code of a stock, or ``cash``."""


# The core handles these without a reply. The desk reads the new state and writes the reply itself.
CheckedQuery: TypeAlias = LiftHalt | ArmDesk | AdoptHolding | AcceptDifference
"""Queries that the desk submits to its core for a session.

None of them is a Command, so a session cannot send one to the core without the desk's check.
"""


# Queries about prices, orders and the account


class QuoteOf(Query[Quote], frozen=True, tag=True, array_like=True):
    """Ask KIS for the current price of a stock at a venue."""

    code: str
    venue: Venue | None = None
    """The venue. None: the desk chooses the venue that is open for the stock."""


class StockOf(Query[StockDay], frozen=True, tag=True, array_like=True):
    """Ask for the facts of a stock today: base price, limits, halts. KIS is asked once a day."""

    code: str


class DepthOf(Query[Depth], frozen=True, tag=True, array_like=True):
    """Ask KIS for the depth of a stock at a venue."""

    code: str
    venue: Venue | None = None
    """The venue. None: the desk chooses the venue that is open for the stock."""


class RouteOf(Query[RoutesReply], frozen=True, tag=True, array_like=True):
    """Ask to which venue this order would go now. Nothing is sent and nothing is recorded."""

    intent: Intent


class RoutesOf(Query[RoutesReply], frozen=True, tag=True, array_like=True):
    """Ask for the newest routing decisions, oldest first.

    With a key: the decisions on one order. With a code: the decisions on one stock.
    """

    key: str = ""
    code: str = ""


class AccountNow(Query[AccountReply], frozen=True, tag=True, array_like=True):
    """Ask KIS for the current account."""


class OrderRequest(msgspec.Struct, frozen=True, array_like=True):
    """One typed order.

    If it has a naming, the desk first looks for an equal order, and a new order gets its key from
    the desk.
    """

    intent: Intent
    naming: Naming | None = None
    # An order answers one call of each run (row O11). The kernel knows at once which orders its run
    # has got. The desk's journal has them only later.
    answered: tuple[str, ...] = ()
    """Keys of the orders that this run of the cell already got as answers."""


class PlaceOrders(Query[OrdersPlaced], frozen=True, tag=True, array_like=True):
    """Send these orders, each once. The desk replies when they are journaled.

    If row O11 refuses one of them, no order is sent.
    """

    requests: tuple[OrderRequest, ...]


# The desk waits, not the session, because a blocking call in a cell stops the notebook's loop,
# which receives the events.
class OutcomeOf(Query[OutcomeReply], frozen=True, tag=True, array_like=True):
    """Wait until the order with this key is accepted, filled, refused or unknown."""

    key: str


class DayOrders(Query[OrdersReply], frozen=True, tag=True, array_like=True):
    """Ask KIS for the orders of a day."""

    day: date


# This query only reads. An order sent by it would pass neither the gate nor the journal.
class CallApi(Query[RowsReply], frozen=True, tag=True, array_like=True):
    """Make the KIS call of this name, and read all its pages. The desk adds the account.

    Calls that send orders are refused.
    """

    name: str
    params: dict[str, str]


class RecordsOf(Query[RecordsReply], frozen=True, tag=True, array_like=True):
    """Ask for the newest records of a channel.

    The session must subscribe first (``Want.tr_id``).
    """

    tr_id: str
    key: str


# Queries about the desk


class TasksNow(Query[TextReply], frozen=True, tag=True, array_like=True):
    """Ask for the desk's asyncio tasks and their owners."""


class StatusNow(Query[StatusReply], frozen=True, tag=True, array_like=True):
    """Ask for the desk's state and its attached sessions."""


# This is a query and not a command, because the session must not call a handler before it knows
# that no other session does.
class LeaseAgent(Query[Done], frozen=True, tag=True, array_like=True):
    """Ask for the right to run this agent. A refusal names the session that runs it."""

    agent: str


class JournalOf(Query[JournalReply], frozen=True, tag=True, array_like=True):
    """Ask for the path of the desk's journal."""


class TapeOf(Query[TapeReply], frozen=True, tag=True, array_like=True):
    """Ask for the path of today's tape. The desk first writes all published events to it."""


class CloseDesk(Query[Done], frozen=True, tag=True, array_like=True):
    """Stop the desk process after the reply. Orders in the market stay there."""


# The decoder needs this list of classes. A query that is missing here is refused as unreadable.
AnyQuery: TypeAlias = (
    QuoteOf
    | StockOf
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
    | AcceptDifference
    | TasksNow
    | StatusNow
    | CallApi
    | RecordsOf
    | LeaseAgent
    | JournalOf
    | TapeOf
    | CloseDesk
)
