"""Effects that the core wants from its host, and the messages that report their ends.

| effect         | what the host does                     | its end      |
|----------------|----------------------------------------|--------------|
| Persist        | writes rows and syncs them             |              |
| Publish        | gives an event to all sessions         |              |
| Send           | sends or reserves an order             | SendReply    |
| Revise         | moves shares to another price          | SendReply    |
| Cancel         | cancels an order                       | CancelReply  |
| CancelReserved | cancels a reserved order               | CancelReply  |
| AskOrders      | reads the orders, with the account     | OrdersRead   |
| AskReserved    | reads the reserved orders              | ReservedRead |
| AskDepth       | reads depths that no channel has shown | DepthRead    |
| AskStock       | reads the day's facts of a stock       | StockRead    |
| WakeAt         | waits until a moment                   | Woke         |

The host runs effects strictly in order. It begins a call to KIS and continues with the next effect.
The end of the call comes later as a message.
"""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.events import Depth, Event, StockDay
from kisnb.orders import Account, Intent, OrderPage, OrderRef, ReservedRow, Route, SendReply
from kisnb.terms import Venue
from kisnb.trading.ports.journal_rows import Row


# Effects are plain structs without a tag: core and host share one process, so none of them is ever
# encoded. Only the rows inside a Persist are.
class Persist(msgspec.Struct, frozen=True):
    """Write these rows and sync them before the next effect."""

    rows: tuple[Row, ...]


class Publish(msgspec.Struct, frozen=True):
    """Give an event to all sessions."""

    event: Event


class Send(msgspec.Struct, frozen=True):
    """Begin one POST of this order."""

    intent: Intent
    route: Route


# KIS has one call for a revise and for a cancel (KIS document 주식주문(정정취소), RVSE_CNCL_DVSN_CD
# 01 and 02). They are two effects, because a revise makes an order of its own, whose reply comes
# under the new order's key.
class Revise(msgspec.Struct, frozen=True):
    """Begin one POST that moves ``intent.qty`` shares of the order ``ref`` to ``intent.price``."""

    intent: Intent
    ref: OrderRef


class Cancel(msgspec.Struct, frozen=True):
    """Begin one POST that cancels ``qty`` shares of the order ``ref``; None means all leaves."""

    key: str
    ref: OrderRef
    qty: int | None


# This is a separate type, because the key of a SendReply is that of the sent order, and here it is
# that of the order to cancel.
class CancelReply(msgspec.Struct, frozen=True):
    """Reports how a cancel of an order, or of a reserved order, has ended."""

    reply: SendReply


class OrdersQuery(msgspec.Struct, frozen=True):
    """A question of the core to KIS for the orders of a day, with the reason.

    With ``account`` it also asks for the account. The account is read before the orders, so that
    each trade in it is in the list as well.
    """

    day: date
    why: str
    account: bool = False
    # It distinguishes the readings of one day. A person's decision, and the end of a cancel, need a
    # list that was asked for after them.
    asked: Ns = 0
    """When the question was asked. A reading may end late, after a newer one."""
    # If the number has changed by the end of the reading, a fill was booked in between. Then
    # account, list and order books are of different moments and are not compared.
    fills: int = 0
    """Number of fills that were booked when the question was asked."""


class AskOrders(msgspec.Struct, frozen=True):
    """Begin one reading of KIS's orders."""

    query: OrdersQuery


class OrdersRead(msgspec.Struct, frozen=True):
    """Reports that a reading of KIS's orders has ended, with what was read."""

    query: OrdersQuery
    page: OrderPage | None
    """KIS's list of orders. None when KIS did not list everything."""
    account: Account | None = None
    """KIS's statement. None when it was not asked for, or when KIS stated nothing.

    If it is not complete, holdings may be missing.
    """
    part: OrderPage | None = None
    """The readable rows of an incomplete list. None: there are none.

    The figures in a row count. A missing row proves nothing.
    """
    lacks: tuple[str, ...] = ()
    """A sentence for each missing part, such as an unreadable row. Empty: nothing is missing."""


class CancelReserved(msgspec.Struct, frozen=True):
    """Begin one POST that cancels a reserved order. A CancelReply reports its end."""

    key: str
    number: int
    """The number of the reserved order (RSVN_ORD_SEQ)."""
    day: int
    """The day of the reserved order, YYYYMMDD."""


class AskReserved(msgspec.Struct, frozen=True):
    """Begin one reading of the reserved orders from ``first`` to ``last``."""

    first: date
    last: date
    asked: Ns


class ReservedRead(msgspec.Struct, frozen=True):
    """Reports that a reading of the reserved orders has ended.

    ``rows`` is None when KIS did not list everything.
    """

    query: AskReserved
    rows: tuple[ReservedRow, ...] | None


class AskDepth(msgspec.Struct, frozen=True):
    """Begin reading the depth of a stock at these venues, because no channel has brought it."""

    code: str
    venues: tuple[Venue, ...]


class DepthRead(msgspec.Struct, frozen=True):
    """Reports that a reading of depths has ended. Depths that could not be read are missing."""

    code: str
    depths: tuple[Depth, ...]


class AskStock(msgspec.Struct, frozen=True):
    """Begin reading the day's facts of a stock."""

    code: str
    is_described: bool
    """False: the list lacks the stock, or does not say whether Nextrade trades it.

    Then KIS is asked for that too.
    """


class StockRead(msgspec.Struct, frozen=True):
    """Reports that a reading of the day's facts of a stock has ended."""

    code: str
    stated: StockDay | None
    """The facts. None: KIS stated nothing."""
    why: str = ""
    """The reason why KIS stated nothing, in its own words."""


# No session can send this. The desk learns it from the lease.
class AgentLost(msgspec.Struct, frozen=True):
    """Reports that an agent's session ended without releasing the agent's lease."""

    agent: str


class StocksWanted(msgspec.Struct, frozen=True):
    """Requests the day's facts of stocks that are held or that a session watches."""

    codes: tuple[str, ...]


# A wake cannot be cancelled. So each receiver of Woke checks whether its own moment has come.
class WakeAt(msgspec.Struct, frozen=True):
    """Wait until this moment, then submit Woke to the core."""

    t: Ns


class Woke(msgspec.Struct, frozen=True):
    """Reports that the moment has come for which the core asked with WakeAt.

    If the clock was set back, the moment ``t`` may not have come yet.
    """

    t: Ns = 0


KisCall: TypeAlias = (
    Send | Revise | Cancel | CancelReserved | AskOrders | AskReserved | AskDepth | AskStock
)
"""Effects that make one or more calls to KIS. A message reports the end of each."""
Effect: TypeAlias = Persist | Publish | WakeAt | KisCall
