"""Intent → Order → Fill: what we want, what we sent, what happened; and the states between.

An order is the fold of the facts about it (``kisnb.events``). Desk, notebook and back-tester fold the same
facts with the same function, so they cannot disagree about an order.

    NEW ──► DENIED                                 refused by us, nothing left
     ├────► ACCEPTED                               found in KIS's list: placed from elsewhere
     └────► SENDING ──► NEW | DENIED               kept by may_send, nothing left
               │  ├──► REJECTED                    refused by KIS
               │  └──► UNKNOWN ──► REJECTED        it was never sent: the list of the day, or a person, says so
               │          │
               ▼          ▼  one row of the list is it: adopted
              SENT ◄──────┘
               ├──► REJECTED                       refused by the exchange
               ├──► ACCEPTED ──► FILLED | CANCELLED | EXPIRED
               └──► FILLED | CANCELLED | EXPIRED   its acceptance was never told

A notice may overtake the reply: it waits under its order number until the reply, or KIS's list, says whose it is.
The end of an order does not depend on the order in which it was told: FILLED when every share was, EXPIRED when some
ended with the session, else CANCELLED.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from kisnb.clock import Ns, clock_text
from kisnb.terms import Mode, OrderKind, Side, Venue


class Intent(msgspec.Struct, frozen=True, gc=False):
    """What somebody wants: quantity in shares, price in won (None for a market order)."""

    key: str
    """Idempotency key, minted at birth: ``typed:<hash>:<n>``, ``<name>@<day>``, ``agent:<id>:<run>:<n>`` or a uuid."""
    agent: str
    code: str
    side: Side
    qty: int
    kind: OrderKind
    price: int | None = None
    venue: Venue | None = None
    """None: routed, when it is sent."""
    protective: bool = False
    supersedes: str | None = None
    stop: int | None = None
    """Stop price of a stop-limit order, won: it becomes a limit order when the market trades there."""
    seen: Ns = 0
    """When the newest price of the stock that its agent had seen was received; 0 for none, and for a person's order."""

    @property
    def text(self) -> str:
        """``"buy 10 005930 @ 71,000"``, ``"sell 5 005930 market"``, ``"buy 1 005930 @ 71,000 limit-ioc"``."""
        price = [] if self.price is None else [f"@ {self.price:,}"]
        kind = [] if self.kind is OrderKind.LIMIT else [str(self.kind)]
        stop = [] if self.stop is None else [f"at {self.stop:,}"]
        return " ".join([str(self.side), f"{self.qty:,}", self.code, *price, *kind, *stop])


def same_wish(a: Intent, b: Intent) -> bool:
    """Whether two intents with one key mean the same order."""
    return msgspec.structs.replace(a, key="", seen=0) == msgspec.structs.replace(b, key="", seen=0)


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What a person asked for, evaluated and not yet routed. What was left out stays left out. (Row O11)

    Shares and won. Two orders with equal wishes are told apart by their ordinal alone.
    """

    code: str
    side: Side | None = None
    """None for an adoption."""
    qty: int | None = None
    """None: all that is left of a revised order, or all shares that can be adopted."""
    kind: OrderKind | None = None
    price: int | None = None
    """None: at the market."""
    venue: Venue | None = None
    """None: the router chooses when the order is sent."""
    stop: int | None = None
    revises: str = ""
    """Key of the order that a revise moves."""
    agent: str = ""
    """Who takes the shares over, for an adoption."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a call was typed: one run of one cell in one kernel. The place is no part of an order's key. (Row O11)"""

    kernel: str = ""
    """A new one for each kernel that starts."""
    run: int = 0
    """The how-manieth run of a cell in this kernel."""
    notebook: str = ""
    """Empty: not known."""
    cell: str = ""
    """The id that the front end gave the cell. Empty: none."""
    texts: tuple[str, ...] = ()
    """Digests of the text of the typed cell, and of the cells that it runs from inside (%rerun, %run, %%capture)."""
    call: str = ""
    """Digest of the outermost call as written, without its number and key."""
    where: str = ""
    """For people: ``cell [3] of 04_orders.ipynb (process 4711)``."""


class Naming(msgspec.Struct, frozen=True, gc=False):
    """What names a typed order, and where it was typed; the desk journals it with the order. (Row O11)"""

    wish: Wish
    place: Place
    number: int = 0
    """``--again N``: which order of this wish it is, as the person counts them."""
    name: str = ""
    """``key=``: the name that the person gave the order. Then it is compared with nothing else."""
    token: str = ""
    """Of the command: a command that is handed over twice stays one order."""


class Route(msgspec.Struct, frozen=True, gc=False):
    """The venue of an order, the kind that the venue takes in this phase, and why."""

    venue: Venue
    kind: OrderKind
    reason: str


class OrderRef(msgspec.Struct, frozen=True, gc=False):
    """How KIS names an order: unique within a day and a branch. Numbers compare as integers: padding differs."""

    day: int
    """YYYYMMDD, Korean date."""
    branch: str
    number: int
    venue: Venue = Venue.KRX


class SendReply(msgspec.Struct, frozen=True, gc=False):
    """The end of one POST. A lost connection or a timeout is ``unknown``, never ``rejected``; ``kept``: ``may_send``
    of the desk let nothing of it out."""

    key: str
    outcome: Literal["sent", "rejected", "unknown", "kept"]
    ref: OrderRef | None = None
    msg_cd: str = ""
    text: str = ""


class Permission(msgspec.Struct, frozen=True):
    """The answer of ``may_send``: true when the order may be sent now, else why not and the cure."""

    reason: str = ""
    """Why the order may not be sent; empty when it may."""
    cure: str = ""

    def __bool__(self) -> bool:
        return not self.reason


ALLOWED = Permission()


class OrderRow(msgspec.Struct, frozen=True, gc=False):
    """One order of a day as KIS lists it; the resolver's evidence."""

    ref: OrderRef
    original: int
    """Number of the order that this one revises or cancels; 0 for none."""
    code: str
    side: Side
    kind: OrderKind
    qty: int
    price: int
    filled: int
    average: int
    """Average fill price in won, rounded; 0 without fills."""
    leaves: int
    cancelled: int
    rejected: int
    t: Ns
    value: int
    """Sum of price × shares of the fills, won."""
    venue_given: bool = True
    """False: KIS's row names no venue, and ``ref.venue`` is what KIS takes for the default."""
    kind_known: bool = True
    """False: KIS's row has a code of a kind that we do not know, and ``kind`` is a guess."""

    @property
    def gone(self) -> int:
        """Shares that neither traded nor stand in the market any more."""
        return self.qty - self.filled - self.leaves


class OrderPage(msgspec.Struct, frozen=True):
    """The orders of a day, newest first; ``complete`` is False when paging broke off."""

    rows: tuple[OrderRow, ...]
    complete: bool


class Holding(msgspec.Struct, frozen=True, gc=False):
    """A holding as the broker states it: shares, and the whole purchase amount in won."""

    code: str
    name: str
    qty: int
    sellable: int
    cost: int
    price: int


class Account(msgspec.Struct, frozen=True):
    """The broker's statement of the account, in won."""

    cash: int
    """Deposit today (D+0)."""
    cash_d1: int
    cash_d2: int
    orderable: int
    """Cash that a new buy may use now."""
    holdings: tuple[Holding, ...]
    complete: bool


class Capabilities(msgspec.Struct, frozen=True):
    """What a broker connection can do; unsupported calls are refused locally with ``why_not``."""

    venues: tuple[Venue, ...]
    kinds: tuple[OrderKind, ...]
    can_order: bool
    why_not: str = ""
    quotes: Mode | None = None
    """Whose prices and market channels these are, when they are not the connection's own."""


class Want(msgspec.Struct, frozen=True, gc=False):
    """One desired subscription; the lower the priority number, the longer it keeps its slot."""

    channel: Literal["notices", "ticks", "depth", "expected", "operation", "programs"]
    code: str = ""
    venue: Venue | None = Venue.KRX
    """None follows the stock: the venue whose channel shows how it trades in the session of the moment."""
    priority: int = 2


class OrderState(StrEnum):
    """Where an order stands; the drawing is in this module's docstring."""

    NEW = "new"
    DENIED = "denied"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_S = OrderState
_ENDS = frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED})
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    _S.NEW: frozenset({_S.DENIED, _S.SENDING, _S.ACCEPTED}),
    _S.SENDING: frozenset({_S.SENT, _S.UNKNOWN, _S.REJECTED, _S.NEW, _S.DENIED}),
    _S.UNKNOWN: frozenset({_S.SENT, _S.REJECTED}),
    _S.SENT: _ENDS | {_S.ACCEPTED, _S.REJECTED},
    _S.ACCEPTED: _ENDS,
    _S.DENIED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.FILLED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}

PENDING = frozenset({_S.NEW, _S.SENDING, _S.UNKNOWN, _S.SENT})
OPEN = PENDING | {_S.ACCEPTED}
ENDED = frozenset(OrderState) - OPEN


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One execution: shares, price in won, fee and tax in won."""

    t: Ns
    qty: int
    price: int
    fee: int
    tax: int
    venue: Venue
    stamp: Ns = 0
    """The exchange's time as its notice gave it, whole seconds; 0: taken from KIS's list of the day's orders."""


class Described(Protocol):
    """A fact that can say itself."""

    @property
    def t(self) -> Ns: ...
    @property
    def happenings(self) -> str: ...


class Order:
    """A live view of one order: it stays current while its session runs.

    Quantities in shares, prices in won. ``quantity`` never changes; ``quantity = filled + cancelled + leaves``.
    """

    __slots__ = (
        "after",
        "cancel_asked",
        "cancelled",
        "cancels",
        "expired",
        "facts",
        "filled",
        "fills",
        "intent",
        "listed",
        "msg_cd",
        "ref",
        "repeated",
        "revised_by",
        "route",
        "sent_at",
        "since",
        "state",
        "t",
        "text",
    )

    def __init__(self, intent: Intent, t: Ns = 0) -> None:
        self.intent = intent
        self.t = t
        self.state = OrderState.NEW
        self.since = t
        """When it came into its state."""
        self.route: Route | None = None
        self.ref: OrderRef | None = None
        self.sent_at: Ns = 0
        """When its POST began; 0 before."""
        self.after = 0
        """The highest order number that was known then: its own is higher."""
        self.filled = 0
        self.cancelled = 0
        """Shares taken out, expired and moved to a revising order ones included."""
        self.expired = 0
        self.cancels: set[int] = set()
        """Numbers of the cancels and revises that were booked."""
        self.listed = False
        """A figure came from KIS's list: from then on only the list's totals are booked."""
        self.revised_by: list[str] = []
        """Keys of the orders that took shares of this one over, oldest first."""
        self.cancel_asked = False
        self.fills: list[Fill] = []
        self.msg_cd = ""
        self.text = ""
        self.facts: list[Described] = []
        """What happened to it, oldest first; empty until the desk has taken it."""
        self.repeated = ""
        """From where and when it was sent, and how to send another, once a call was answered with it again."""

    @property
    def key(self) -> str:
        return self.intent.key

    @property
    def code(self) -> str:
        return self.intent.code

    @property
    def side(self) -> Side:
        return self.intent.side

    @property
    def quantity(self) -> int:
        return self.intent.qty

    @property
    def leaves(self) -> int:
        return self.intent.qty - self.filled - self.cancelled

    @property
    def average(self) -> float | None:
        """Average fill price in won; None without fills."""
        return sum(f.qty * f.price for f in self.fills) / self.filled if self.fills else None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_dead(self) -> bool:
        """It never lived: denied by us, rejected, or declared never sent."""
        return self.state in (OrderState.DENIED, OrderState.REJECTED)

    @property
    def number(self) -> int | None:
        """KIS's order number; None until it is known."""
        return self.ref.number if self.ref else None

    @property
    def log(self) -> list[tuple[Ns, str]]:
        """What happened to it, in words, each with its time."""
        return [(fact.t, fact.happenings) for fact in self.facts]

    @property
    def story(self) -> str:
        """What happened to it, a line per fact with its time (KST)."""
        return "\n".join(f"{clock_text(t)}  {said}" for t, said in self.log)

    def to(self, state: OrderState) -> None:
        """Move to ``state``; raises ValueError when the table forbids it."""
        if state is self.state:
            return
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"order {self.key}: {self.state} cannot become {state}")
        self.state = state

    def __repr__(self) -> str:
        number = f"#{self.number} " if self.ref else ""
        done = f", {self.filled:,} of {self.quantity:,} filled" if self.fills else ""
        at = f" at {self.average:,.0f}" if self.fills else ""
        since = f" since {clock_text(self.since)}" if self.since else ""
        why = f"; {self.text}" if self.text else ""
        again = f" ({self.repeated})" if self.repeated else ""
        return f"<Order {number}{self.intent.text}: {self.state}{since}{done}{at}{why}{again}>"


class Orders(list[Order]):
    """Orders as a call returns them; a notebook shows them as a table under its mode."""
