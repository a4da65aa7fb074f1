"""Facts of orders, which the journal contains. An order is computed from its facts alone.

``log_line`` is the format of the fact's line in the order's log; ``{0.name}`` is a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from kisnb.clock import Ns
from kisnb.events.fact import Fact
from kisnb.events.requotes import Requoted
from kisnb.orders import Intent, Naming, OrderRef, Route
from kisnb.terms import Venue

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class IntentTaken(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk received the intent and wrote it to its journal."""

    log_line: ClassVar[str] = "taken"

    intent: Intent
    # The naming is in the row, so that a repeated call finds its order even after a restart of both
    # desk and kernel (row O11).
    naming: Naming | None = None
    """The naming of the order. None: no person typed it."""


# ``Denied`` and ``Rejected`` are two facts, because only a denied order is known never to have
# reached KIS.
class Denied(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """kisnb refused the order. Nothing was sent."""

    log_line: ClassVar[str] = "denied: {0.reason}"

    key: str
    reason: str
    cure: str = ""
    about: str = ""
    """``cash``: the buy was denied for want of cash. Empty: for any other reason."""


class OrderHeld(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The order is in the journal and is not sent before ``until``.

    A blackout window delays it, or it waits for facts that KIS has to state. For an order that
    waits for a price alone, ``until`` is the moment of this fact.
    """

    log_line: ClassVar[str] = "held: {0.why}"

    key: str
    until: Ns
    why: str
    # A buy is dropped after the window when the price has moved too far from this one
    # (``gate.blackout``).
    price: int = 0
    """Best ask at that moment, won; 0: not known."""


class SendStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk begins to send the order. This row is synced to the disk before any byte is sent."""

    log_line: ClassVar[str] = "sending to {0.route.venue} as {0.route.kind} ({0.route.reason})"

    key: str
    # The venue and kind of the request that goes to KIS. The resolver compares KIS's list with them
    # when the reply is lost, and a cancel has to go to the same venue.
    route: Route
    # KIS takes no order id of ours. When the reply is lost, a row of its list with a number up to
    # this one is probably older than this order, so that a person has to decide about it.
    after: int = 0
    """The highest order number that was known: the number of this order is probably higher."""


class Sent(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS received the order and gave it a number. The exchange has not accepted it yet."""

    log_line: ClassVar[str] = "sent, number {0.ref.number}"

    key: str
    ref: OrderRef


class OrderReserved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS keeps the order for its trading day, under this number (RSVN_ORD_SEQ).

    ``Sent`` follows on that day, when KIS has made it an order.
    """

    log_line: ClassVar[str] = "reserved as R{0.number}"

    key: str
    number: int


# A lost reply is not a refusal. KIS may have the order, so the desk neither sends it again nor
# treats it as rejected.
class SendUnknown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """No reply came: it is not known whether KIS has the order."""

    log_line: ClassVar[str] = "unknown: {0.text}"

    key: str
    text: str


class Resolved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The outcome of an unknown order is known: it is KIS's order ``ref``. None: it was never sent.

    ``evidence`` says how the desk knows.
    """

    log_line: ClassVar[str] = "resolved: {0.evidence}"

    key: str
    ref: OrderRef | None
    evidence: str


class ExternalFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS lists an order that this desk did not send: from the phone, or by another program."""

    log_line: ClassVar[str] = "found in KIS's list, number {0.ref.number}"

    intent: Intent
    ref: OrderRef


# KIS's reply to the POST says only that the order was passed on (APBK0013, 주문 전송 완료). The
# exchange accepts it in a notice, and may still refuse it there.
class Accepted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The exchange accepted the order."""

    log_line: ClassVar[str] = "accepted"

    key: str
    ref: OrderRef


class Rejected(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS or the exchange refused the order."""

    log_line: ClassVar[str] = "rejected: {0.msg_cd} {0.text}"

    key: str
    msg_cd: str
    text: str


class Filled(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One execution of the order. ``fee`` and ``tax`` are won, computed with the cost table."""

    log_line: ClassVar[str] = "filled {0.qty:,} at {0.price:,} on {0.venue}"

    key: str
    qty: int
    price: int
    fee: int
    tax: int
    venue: Venue
    # Whole seconds. A notice has no id. Only this time, with shares, price and venue, shows that
    # two notices are the same fill.
    stamp: Ns = 0
    """The exchange's time as the notice gave it; 0 when only KIS's list reported the fill."""


# The row comes before the bytes, as with an order: after a crash here the desk must know that a
# cancel may be under way.
class CancelStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk begins to send a cancel. This row is synced to the disk before any byte is sent.

    ``qty`` None means all leaves.
    """

    log_line: ClassVar[str] = "cancel sent"

    key: str
    qty: int | None


class CancelRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The cancel failed; the order is as it was. ``msg_cd`` is empty when no reply came."""

    log_line: ClassVar[str] = "cancel refused: {0.text}"

    key: str
    msg_cd: str
    text: str


class Cancelled(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Shares of the order were cancelled: they left the market without a fill."""

    log_line: ClassVar[str] = "cancelled {0.qty:,}"

    key: str
    qty: int
    # A cancel has an order number of its own at KIS. A notice that comes twice carries the same
    # number, and so it is booked once.
    number: int = 0
    """Order number of the cancel; 0 when only KIS's list reported it."""


# At KIS a revise makes a new order, and the old one loses the moved shares (주식주문(정정취소): the
# reply has a new ODNO). This fact belongs to the old order. The new one has its own facts.
class Revised(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A revise moved shares of the order to the order ``by``, which has the number ``number``."""

    log_line: ClassVar[str] = "revised: {0.qty:,} live on as #{0.number}"

    key: str
    qty: int
    by: str
    number: int
    # A list without the row of the revising order shows these shares as gone.
    counted: bool = False
    """True: an earlier fact counted the shares as cancelled already. This fact adds only ``by``."""


# KIS is not known to send a notice at the end of a market session, so this fact is made from KIS's
# list of the day's orders.
class Expired(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The leaves of the order ended with its market session."""

    log_line: ClassVar[str] = "expired {0.qty:,}"

    key: str
    qty: int


# An end that KIS's list showed may be wrong, because a row lagged or showed a part. A later list or
# notice that shows the shares alive or filled counts, so no fill is lost.
class Reopened(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Shares that counted as cancelled or expired are in the market, or were filled after all."""

    log_line: ClassVar[str] = "open again, {0.qty:,} shares: {0.why}"

    key: str
    # 0 for an order that counted as rejected: none of its shares was counted as cancelled.
    qty: int
    why: str


OrderFact: TypeAlias = (
    IntentTaken
    | Denied
    | SendStarted
    | Sent
    | OrderReserved
    | SendUnknown
    | Resolved
    | ExternalFound
    | Accepted
    | Rejected
    | Filled
    | CancelStarted
    | CancelRefused
    | Cancelled
    | Revised
    | Expired
    | Reopened
    | OrderHeld
    | Requoted
)
_ORDER_FACTS: frozenset[type] = frozenset(OrderFact.__args__)


def is_order_fact(event: object) -> TypeIs[OrderFact]:
    """Return True when an event is a fact of an order, and so a row of the journal."""
    # Most events are ticks, which are not facts of an order. An ``isinstance`` over all these types
    # would cost each tick 3 µs.
    return type(event) in _ORDER_FACTS
