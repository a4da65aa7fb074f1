"""Facts of orders, which the journal keeps: an order is the fold of its facts.

``log_line`` is what the order's log says of the fact; ``{0.name}`` stands for a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from kisnb.clock import Ns
from kisnb.events.fact import Fact
from kisnb.orders import Intent, Naming, OrderRef, Route
from kisnb.terms import Venue

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class IntentTaken(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk has the intent in its journal."""

    log_line: ClassVar[str] = "taken"

    intent: Intent
    naming: Naming | None = None
    """The naming of the order, when a person typed it."""


class Denied(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Refused by us; nothing was sent."""

    log_line: ClassVar[str] = "denied: {0.reason}"

    key: str
    reason: str
    cure: str = ""


class OrderHeld(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The order is in the journal and is not sent before ``until``.

    A blackout window holds it back, or it waits for what KIS states. An order that waits for a
    price alone is held until the moment of the fact.
    """

    log_line: ClassVar[str] = "held: {0.why}"

    key: str
    until: Ns
    why: str
    price: int = 0
    """Best ask at that moment, won; 0: not known."""


class SendStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Written and synced before the first byte of the order leaves."""

    log_line: ClassVar[str] = "sending to {0.route.venue} as {0.route.kind} ({0.route.reason})"

    key: str
    route: Route
    after: int = 0
    """The highest order number that was known: the number of this order is higher."""


class Sent(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS took the order and gave it a number; the exchange has not spoken yet."""

    log_line: ClassVar[str] = "sent, number {0.ref.number}"

    key: str
    ref: OrderRef


class SendUnknown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """No answer came: the order may live or not."""

    log_line: ClassVar[str] = "unknown: {0.text}"

    key: str
    text: str


class Resolved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An order of unknown fate is settled: it is the order ``ref``, or (None) it was never sent.

    ``evidence`` says how we know.
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


class Accepted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The exchange has the order in its book."""

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
    """One execution; fee and tax as the cost table says, in won."""

    log_line: ClassVar[str] = "filled {0.qty:,} at {0.price:,} on {0.venue}"

    key: str
    qty: int
    price: int
    fee: int
    tax: int
    venue: Venue
    stamp: Ns = 0
    """The exchange's time as the notice gave it; 0 when only KIS's list reported the fill."""


class CancelStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Written and synced before the first byte of the cancel leaves.

    ``qty`` None means all leaves.
    """

    log_line: ClassVar[str] = "cancel sent"

    key: str
    qty: int | None


class CancelRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The cancel failed; the order is as it was. ``msg_cd`` is empty when no answer came."""

    log_line: ClassVar[str] = "cancel refused: {0.text}"

    key: str
    msg_cd: str
    text: str


class Cancelled(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Shares were taken out of the market."""

    log_line: ClassVar[str] = "cancelled {0.qty:,}"

    key: str
    qty: int
    number: int = 0
    """Order number of the cancel; 0 when only KIS's list reported it."""


class Revised(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Shares of an order live on as the order ``by``, under its number."""

    log_line: ClassVar[str] = "revised: {0.qty:,} live on as #{0.number}"

    key: str
    qty: int
    by: str
    number: int


class Expired(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The leaves of the order ended with its market session."""

    log_line: ClassVar[str] = "expired {0.qty:,}"

    key: str
    qty: int


OrderFact: TypeAlias = (
    IntentTaken
    | Denied
    | SendStarted
    | Sent
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
    | OrderHeld
)
_ORDER_FACTS: frozenset[type] = frozenset(OrderFact.__args__)


def is_order_fact(event: object) -> TypeIs[OrderFact]:
    """Return whether an event is a fact of an order, and so a row of the journal."""
    # By the type alone. An isinstance over all of them would cost a tick, which is none, 3 µs.
    return type(event) in _ORDER_FACTS
