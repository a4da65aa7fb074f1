"""Intents, orders and fills, and the states of an order.

An intent is an order that somebody wants. The order is created from it. A fill is one execution. An
order is computed from the facts about it (``kisnb.events``). Desk, notebook and back-tester apply
the same facts with the same function, so they cannot disagree about an order.

    NEW ──► DENIED                                 we refused it; nothing was sent
     ├────► ACCEPTED                               found in KIS's list: an external order
     └────► SENDING ──► NEW | DENIED               may_send stopped it, or KIS turned it away
               │  ├──► REJECTED                    KIS refused it
               │  ├──► RESERVED ──► SENT | REJECTED | CANCELLED | EXPIRED    waits for its day
               │  └──► UNKNOWN ──► REJECTED | RESERVED    KIS's list, or a person, settles it
               │          │
               ▼          ▼  a row of KIS's list is this order
              SENT ◄──────┘
               ├──► REJECTED                       the exchange refused it
               ├──► ACCEPTED ──► FILLED | CANCELLED | EXPIRED
               └──► FILLED | CANCELLED | EXPIRED   no notice reported that it was accepted

    REJECTED ──► ACCEPTED     these three open again when KIS's list shows that their shares live,
    CANCELLED ──► ACCEPTED    or that more of them were filled: an end that the list once showed
    EXPIRED ──► ACCEPTED      was wrong
    FILLED ──► ACCEPTED       an external order is larger than it was when it was found

A reserved order (예약주문) is RESERVED until KIS has made it an order of its day.

A notice may arrive before the reply. It then waits under its order number until the reply, or KIS's
list, shows which order has that number.

The state in which an order ends does not depend on the sequence of the facts. It is FILLED when
every share was filled, EXPIRED when some shares ended with the market session, else CANCELLED.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from kisnb.clock import Ns, clock_text, date_text
from kisnb.requotes import Requote
from kisnb.terms import Mode, OrderKind, Side, Venue


class Intent(msgspec.Struct, frozen=True, gc=False):
    """A complete order that somebody wants. The desk never places it twice."""

    # KIS takes no order id of ours (KIS document 주식주문(현금) has no field for one). So the desk
    # keeps this key in its journal, and refuses the second intent that carries it.
    key: str
    """Idempotency key, made with the intent. The desk sends nothing for a key that it knows.

    ``typed:<hash>:<n>``, ``<name>@<day>``, ``agent:<id>:<run>:<n>`` or a uuid.
    """
    agent: str
    """Name of the agent that owns the order. Empty: a person ordered by hand."""
    code: str
    """Short code of the stock: six characters, or ``Q`` and six for an ETN."""
    side: Side
    qty: int
    """Shares."""
    kind: OrderKind
    price: int | None = None
    """Won. None: the kind names no price, as a market order does."""
    venue: Venue | None = None
    """None: the router chooses when the order is sent."""
    protective: bool = False
    """True: the order of an exit. It may use more of the limits than other orders."""
    supersedes: str | None = None
    """Key of the order whose shares this order takes over (a revise). None: it is not a revise."""
    stop: int | None = None
    """Stop price of a stop-limit order, won.

    The order becomes a limit order when the market trades at this price. None for other kinds.
    """
    seen: Ns = 0
    """Time of receipt of the newest price of the stock that the agent had seen.

    0: the agent had seen no price, or a person ordered.
    """
    day: int = 0
    """YYYYMMDD: KIS is to reserve the order for this trading day (예약주문). 0: it is sent now."""
    requote: Requote | None = None
    """What the desk does when nobody fills the order. None: nothing."""

    @property
    def text(self) -> str:
        """The intent in words.

        ``"buy 10 005930 @ 71,000"``, ``"sell 5 005930 market"``, ``"buy 1 005930 @ 71,000
        limit-ioc"``.
        """
        price = [] if self.price is None else [f"@ {self.price:,}"]
        kind = [] if self.kind is OrderKind.LIMIT else [str(self.kind)]
        stop = [] if self.stop is None else [f"at {self.stop:,}"]
        day = [f"for {date_text(self.day)}"] if self.day else []
        return " ".join([str(self.side), f"{self.qty:,}", self.code, *price, *kind, *stop, *day])


def same_wish(a: Intent, b: Intent) -> bool:
    """Return True when two intents mean the same order. ``key`` and ``seen`` may differ."""
    # A repeated call may have seen a newer price meanwhile. It is still the same order.
    return msgspec.structs.replace(a, key="", seen=0) == msgspec.structs.replace(b, key="", seen=0)


class Wish(msgspec.Struct, frozen=True, gc=False):
    """A person's request as it was typed, before anything was completed or routed. (Row O11)

    Quantities in shares, prices in won. A part that the person left out is None or empty. Two
    orders with equal wishes differ only in their ordinal.
    """

    code: str
    """Short code of the stock."""
    side: Side | None = None
    """None for an adoption."""
    qty: int | None = None
    """None: all leaves of the revised order, or all shares that can be adopted."""
    kind: OrderKind | None = None
    """None: the person named no kind."""
    price: int | None = None
    """None: at the market."""
    venue: Venue | None = None
    """None: the router chooses when the order is sent."""
    stop: int | None = None
    """Stop price of a stop-limit order. None for other kinds."""
    revises: str = ""
    """Key of the order that a revise moves. Empty: not a revise."""
    agent: str = ""
    """Name of the agent that takes the shares over. Empty: not an adoption."""
    day: int = 0
    """YYYYMMDD: the trading day for which the order is to be reserved. 0: it is sent now."""


# The place is not part of the key: a cell that was moved, or runs in a new kernel, must find the
# order that it sent before.
class Place(msgspec.Struct, frozen=True, gc=False):
    """The place where a call was typed: one run of one cell in one kernel. (Row O11)

    The place is not part of an order's key.
    """

    kernel: str = ""
    """Id of the kernel. Each kernel that starts has a new one."""
    run: int = 0
    """Number of the cell run in this kernel, counted from 1."""
    notebook: str = ""
    """Path of the notebook. Empty: not known."""
    cell: str = ""
    """The id that the front end gave the cell. Empty: none."""
    texts: tuple[str, ...] = ()
    """Digest of the typed cell's text, then of the cells that it runs (%rerun, %run, %%capture)."""
    call: str = ""
    """Digest of the outermost call as written, without its ``--again`` number and its ``key=``."""
    where: str = ""
    """The place in words for people: ``cell [3] of 04_orders.ipynb (process 4711)``."""


class Naming(msgspec.Struct, frozen=True, gc=False):
    """The values that identify a typed order: wish, place, ordinal, name and token. (Row O11)

    The desk journals the naming with the order.
    """

    wish: Wish
    place: Place
    # Journals and running desks know the ordinal by its first name.
    ordinal: int = msgspec.field(default=0, name="number")
    """``--again N``: the number of this order among the person's equal orders. 0: not given."""
    name: str = ""
    """``key=``: the name that the person gave the order. Empty: not given.

    With a name, the cell and the ordinal are not compared.
    """
    token: str = ""
    """Mark of the command. The same command, received twice, makes one order."""


class Route(msgspec.Struct, frozen=True, gc=False):
    """The venue and kind with which an order is sent, and the reason."""

    venue: Venue
    kind: OrderKind
    """The kind that the venue accepts in this phase. It may differ from the intent's kind."""
    reason: str
    """The router's code, such as ``dual_listing_spread``.

    For a revise, a sentence about the order's place in the queue.
    """


class OrderRef(msgspec.Struct, frozen=True, gc=False):
    """The name that KIS gives an order: day, branch, number and venue."""

    day: int
    """YYYYMMDD, Korean date."""
    branch: str
    """KIS's branch of the order (KRX_FWDG_ORD_ORGNO). A cancel has to send it back."""
    number: int
    """KIS's order number (ODNO), unique within a day and a branch.

    An integer, because KIS pads the number differently from reply to reply.
    """
    # The venue to which the order was sent, which may be SOR. A cancel goes there, wherever the
    # order was executed.
    venue: Venue = Venue.KRX


def same_branch(a: str, b: str) -> bool:
    """Return True when two branches are equal or one is empty: a reply may leave out the branch."""
    return not a or not b or a == b


class SendReply(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one POST of an order to KIS."""

    key: str
    """Key of the intent."""
    outcome: Literal["sent", "rejected", "unknown", "kept", "again"]
    """``kept``: ``may_send`` stopped the order, so no byte of it was sent. ``again``:

    KIS refused the call before reading it, for its speed or its token. That proves that nothing was
    placed, and the order may be sent again. A lost connection or a timeout is ``unknown``, never
    ``rejected``: KIS may have the order.
    """
    ref: OrderRef | None = None
    """KIS's name of the order. None unless the order was sent."""
    msg_cd: str = ""
    """KIS's message code."""
    text: str = ""
    """KIS's message, or our reason."""
    reserved_as: int = 0
    """KIS's number of a reserved order that was sent (RSVN_ORD_SEQ); 0 for other orders."""


class Permission(msgspec.Struct, frozen=True):
    """The reply of ``may_send``: true when the order may be sent now.

    A reply that is false has a reason and a cure.
    """

    reason: str = ""
    """The reason why the order may not be sent; empty when it may."""
    cure: str = ""

    def __bool__(self) -> bool:
        return not self.reason


ALLOWED = Permission()


class OrderRow(msgspec.Struct, frozen=True, gc=False):
    """One order of a day as KIS lists it (주식일별주문체결조회).

    The resolver uses it to decide about an unknown order. Quantities in shares, prices in won.
    """

    ref: OrderRef
    original: int
    """Number of the order that this order revises or cancels; 0 for none."""
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
    """The moment at which the order was placed."""
    # A repair of missing fills splits this sum, which is exact. The average is rounded, and with it
    # cash would miss some won.
    value: int
    """Sum of price × shares of the fills, won."""
    venue_given: bool = True
    """False: KIS's row names no venue, and ``ref.venue`` is KIS's default."""
    kind_known: bool = True
    """False: kisnb does not know the code of the kind in KIS's row, and ``kind`` is a guess."""

    @property
    def gone(self) -> int:
        """Shares that were not filled and are no longer in the market."""
        return self.qty - self.filled - self.leaves


class ReservedRow(msgspec.Struct, frozen=True, gc=False):
    """One reserved order as KIS lists it (주식예약주문조회). Shares and won."""

    day: int
    """YYYYMMDD: the trading day for which it is reserved."""
    number: int
    """KIS's number of the reserved order (RSVN_ORD_SEQ)."""
    code: str
    side: Side
    kind: OrderKind
    qty: int
    price: int
    """0 for a kind without a price."""
    t: Ns
    """The moment at which KIS received it."""
    order: int = 0
    """Number of the order that KIS made of it (ODNO); 0 before."""
    cancelled: bool = False
    refused: str = ""
    """KIS's reason for making no order of it; empty when there is none."""


class OrderPage(msgspec.Struct, frozen=True):
    """The orders of a day, newest first."""

    rows: tuple[OrderRow, ...]
    complete: bool
    """False: a page is missing or a row was unreadable.

    Then an order that is not listed may still exist.
    """
    bad: tuple[str, ...] = ()
    """A sentence about each row that was unreadable: which row, which field, of which call."""


class Holding(msgspec.Struct, frozen=True, gc=False):
    """A position as KIS states it."""

    code: str
    name: str
    qty: int
    """Shares."""
    sellable: int
    """Shares that a new sell may use now."""
    cost: int
    """Purchase amount of all the shares, won."""
    price: int
    """Current price, won."""


class Account(msgspec.Struct, frozen=True):
    """KIS's statement of the account at one moment, in won."""

    cash: int
    """Deposit today (D+0)."""
    cash_d1: int
    """Deposit tomorrow (D+1)."""
    # The desk uses this figure, because shares settle two business days after their trade: today's
    # fills are in D+2 at once, and in the deposit of today not at all.
    cash_d2: int
    """Deposit on the settlement day of today's trades (D+2)."""
    orderable: int
    """Cash that a new buy may use now."""
    holdings: tuple[Holding, ...]
    complete: bool
    """False: a page is missing or a row was unreadable, so that holdings may be missing."""
    bad: tuple[str, ...] = ()
    """A sentence about each row that was unreadable: which row, which field, of which call."""
    costs: int | None = None
    """Fees and taxes of today's trades, as KIS has booked them; None when KIS does not say."""


class Capabilities(msgspec.Struct, frozen=True):
    """The abilities of a connection to KIS. kisnb refuses a call beyond them before it is sent."""

    venues: tuple[Venue, ...]
    """Venues that take orders over this connection."""
    kinds: tuple[OrderKind, ...]
    """Kinds of orders that can be sent over this connection."""
    can_order: bool
    """False: the connection only reads."""
    why_not: str = ""
    """The cure for a person whose order is refused; empty when the connection can order."""
    quotes: Mode | None = None
    """Mode of the KIS that gives the prices and market channels.

    None: the mode of this connection.
    """
    reserves: bool = True
    """True: the host reserves orders for the next trading day."""
    priced: tuple[Venue, ...] = tuple(Venue)
    """Venues whose price and depth can be asked for."""


class Want(msgspec.Struct, frozen=True, gc=False):
    """A subscription that somebody wants."""

    channel: Literal["notices", "ticks", "depth", "expected", "operation", "programs", "records"]
    code: str = ""
    """Short code of the stock. Empty for the account's notices. For records: KIS's ``tr_key``."""
    venue: Venue | None = Venue.KRX
    """None: follow the stock to the venue on which it trades in the current market session."""
    priority: int = 2
    """The lower the number, the longer the subscription keeps its slot."""
    tr_id: str = ""
    """The TR id of a channel whose records are passed on as KIS sends them.

    Empty for all others.
    """


class OrderState(StrEnum):
    """The state of an order. This module's docstring draws the states."""

    NEW = "new"
    DENIED = "denied"
    SENDING = "sending"
    UNKNOWN = "unknown"
    RESERVED = "reserved"
    """KIS keeps the order for a later trading day."""
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_S = OrderState
_NEW = OrderState.NEW
_ENDS = frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED})
# The drawing at the top of the module as a table. ``Order.to`` enforces it.
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    # ACCEPTED: KIS's list first shows an external order when it is in the market already.
    _S.NEW: frozenset({_S.DENIED, _S.SENDING, _S.ACCEPTED}),
    # NEW: ``may_send`` delays the order for a window or a price, or KIS refused the call for its
    # speed or its token. The order is checked again.
    _S.SENDING: frozenset({_S.SENT, _S.UNKNOWN, _S.REJECTED, _S.NEW, _S.DENIED, _S.RESERVED}),
    # A lost reply never leads back to NEW: nothing is sent twice while KIS may have the first one.
    _S.UNKNOWN: frozenset({_S.SENT, _S.REJECTED, _S.RESERVED}),
    _S.RESERVED: frozenset({_S.SENT, _S.REJECTED, _S.CANCELLED, _S.EXPIRED}),
    # A notice of the end may come before the notice of the acceptance, so every end follows this
    # state.
    _S.SENT: _ENDS | {_S.ACCEPTED, _S.REJECTED},
    _S.ACCEPTED: _ENDS,
    _S.DENIED: frozenset(),
    # One reading of KIS's list may be wrong. A later one that shows living shares, or more fills,
    # opens the order again. It is never sent again: that needs the state NEW.
    _S.REJECTED: frozenset({_S.ACCEPTED}),
    _S.CANCELLED: frozenset({_S.ACCEPTED}),
    _S.EXPIRED: frozenset({_S.ACCEPTED}),
    # Only an external order, which the list had first shown in part. Of an order of ours
    # every share was filled, and fills are never taken back.
    _S.FILLED: frozenset({_S.ACCEPTED}),
}

PENDING = frozenset({_S.NEW, _S.SENDING, _S.UNKNOWN, _S.SENT})
OPEN = PENDING | {_S.ACCEPTED, _S.RESERVED}
ENDED = frozenset(OrderState) - OPEN


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One execution of an order."""

    t: Ns
    """The moment of the execution, as the desk recorded it."""
    qty: int
    """Shares."""
    price: int
    """Won a share."""
    fee: int
    """KIS's commission, won."""
    tax: int
    """Transaction tax, won; 0 for a buy."""
    venue: Venue
    stamp: Ns = 0
    """The exchange's time, whole seconds, from the notice.

    0: no notice came, and the fill is from KIS's list of the day's orders.
    """


class Described(Protocol):
    """A fact with a time and a text for an order's log."""

    @property
    def t(self) -> Ns:
        """The moment at which it happened."""

    @property
    def happenings(self) -> str:
        """The fact in words."""


class Order:
    """A live view of one order. It stays current while its session runs.

    Quantities in shares, prices in won. ``quantity`` never changes, and always
    ``quantity = filled + cancelled + leaves``.
    """

    # Without ``__dict__``, a misspelled attribute in a notebook or a handler is an error. Otherwise
    # it would silently be a new attribute.
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
        "reserved_as",
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
        """The moment at which the desk received the intent; 0: not yet."""
        self.state: OrderState = _NEW
        self.since = t
        """The moment at which the order came into its state."""
        self.route: Route | None = None
        """None until the order is sent."""
        # It comes with the reply, else from a row of KIS's list. Until then, notices wait under
        # their order number.
        self.ref: OrderRef | None = None
        """KIS's name of the order. None until it is known."""
        self.reserved_as = 0
        """Number of a reserved order (RSVN_ORD_SEQ); 0 for others, and until KIS has given it."""
        self.sent_at: Ns = 0
        """The moment at which the POST of the order began; 0 before."""
        self.after = 0
        """The highest order number that was known when the POST began.

        The order's own number is probably higher. KIS does not document that numbers rise within an
        account.
        """
        self.filled = 0
        self.cancelled = 0
        """Shares that left the market without a fill.

        Shares that expired or that a revise moved to another order are included.
        """
        # Counted apart although ``cancelled`` includes it: it decides between the ends EXPIRED and
        # CANCELLED, and the sum of filled, cancelled and leaves stays the quantity.
        self.expired = 0
        """Shares that ended with the market session. ``cancelled`` includes them."""
        # A cancel has an order number of its own at KIS. A notice with a known number has come
        # before.
        self.cancels: set[int] = set()
        """Order numbers of the cancels and revises that were applied."""
        # A notice may come after the list has counted its fill. It has no id, so nothing shows if
        # its fill is new.
        self.listed = False
        """True: a figure came from KIS's list. From then on only the list's totals count."""
        self.revised_by: list[str] = []
        """Keys of the orders that shares of this order were moved to, oldest first."""
        self.cancel_asked = False
        """True: a cancel of this order was sent and its outcome is not known yet."""
        self.fills: list[Fill] = []
        """Fills, oldest first."""
        self.msg_cd = ""
        """KIS's message code, when KIS refused the order."""
        self.text = ""
        """The reason of the state in words: why it was denied, rejected or held back."""
        self.facts: list[Described] = []
        """The facts about the order, oldest first. Empty until the desk has received it."""
        self.repeated = ""
        """A sentence for people when a repeated call was answered with this order.

        It names the place and time of the first call, and the way to send another order.
        """

    @property
    def key(self) -> str:
        """Idempotency key of the intent."""
        return self.intent.key

    @property
    def code(self) -> str:
        """Short code of the stock."""
        return self.intent.code

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.intent.side

    @property
    def quantity(self) -> int:
        """Ordered shares. The number never changes."""
        return self.intent.qty

    @property
    def leaves(self) -> int:
        """Shares that are neither filled nor cancelled."""
        return self.intent.qty - self.filled - self.cancelled

    @property
    def sent_kind(self) -> OrderKind:
        """The kind with which the order was sent; before that, the intent's kind."""
        return self.route.kind if self.route is not None else self.intent.kind

    @property
    def sent_venue(self) -> Venue:
        """The venue to which the order was sent: KRX, NXT or SOR; KRX while it is not known."""
        if self.route is not None:
            return self.route.venue
        return self.ref.venue if self.ref is not None else Venue.KRX

    @property
    def average(self) -> float | None:
        """Average fill price in won; None without fills."""
        return sum(f.qty * f.price for f in self.fills) / self.filled if self.fills else None

    def waits_for_day(self, today: int) -> bool:
        """Return True when KIS keeps the order for a day after ``today`` (YYYYMMDD)."""
        return self.ref is None and self.intent.day > today

    @property
    def is_open(self) -> bool:
        """True while shares of the order may still be filled."""
        return self.state in OPEN

    @property
    def is_ended(self) -> bool:
        """True when no share of the order can be filled any more, as far as is known."""
        return self.state in ENDED

    @property
    def is_dead(self) -> bool:
        """True when the order never was in the market: kisnb denied it, or KIS rejected it.

        An order that was never sent, by KIS's list or a person's decision, counts as rejected.
        """
        return self.state in (OrderState.DENIED, OrderState.REJECTED)

    @property
    def number(self) -> int | None:
        """KIS's order number; None until it is known."""
        return self.ref.number if self.ref else None

    @property
    def log(self) -> list[tuple[Ns, str]]:
        """The facts about the order in words, each with its time, oldest first."""
        return [(fact.t, fact.happenings) for fact in self.facts]

    @property
    def story(self) -> str:
        """The log as text: a line for each fact, with its time (KST)."""
        return "\n".join(f"{clock_text(t)}  {words}" for t, words in self.log)

    def to(self, state: OrderState) -> None:
        """Move the order to ``state``.

        Raises ValueError when ``TRANSITIONS`` forbids the move.
        """
        # Facts may repeat a state: a second fill, or the list after the notice.
        if state is self.state:
            return
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"order {self.key}: {self.state} cannot become {state}")
        self.state = state

    def __repr__(self) -> str:
        reserved = f"R{self.reserved_as} " if self.reserved_as else ""
        number = f"#{self.number} " if self.ref else reserved
        done = f", {self.filled:,} of {self.quantity:,} filled" if self.fills else ""
        at = f" at {self.average:,.0f}" if self.fills else ""
        since = f" since {clock_text(self.since)}" if self.since else ""
        why = f"; {self.text}" if self.text else ""
        again = f" ({self.repeated})" if self.repeated else ""
        return f"<Order {number}{self.intent.text}: {self.state}{since}{done}{at}{why}{again}>"


class Orders(list[Order]):
    """The orders that a call returns. A notebook shows them as a table with its mode."""
