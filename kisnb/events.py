"""Facts, in the past tense: of the market, of orders, of connections.

Facts of orders are also the rows of the desk's journal: what is written, what is published and what is folded into
an order book is the same object. Times are UTC nanoseconds, prices won, quantities shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.orders import Intent, Naming, OrderRef, Place, Route
from kisnb.terms import Side, Venue

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class Fact(msgspec.Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Base of all facts; ``t`` is when it happened, as far as we can know."""

    t: Ns

    @property
    def happenings(self) -> str:
        """What an order's log says of it; empty for facts of no order."""
        return _WORDS.get(type(self), "").format(self)


# Facts of the market


class Tick(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One trade. ``t`` is the exchange's time (whole seconds on KIS), ``received`` ours."""

    code: str
    venue: Venue
    price: int
    qty: int
    side: Side | None
    """Who took: BUY when the buyer lifted the ask; None in auctions."""
    volume: int
    """Accumulated volume of the venue's day, this trade included."""
    value: int
    """Accumulated traded value of the venue's day, won."""
    ask: int
    bid: int
    received: Ns = 0
    ask_qty: int = 0
    """Shares at ``ask``; 0 when the channel did not say."""
    bid_qty: int = 0


class Depth(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Bids and asks (호가), best first, up to ten levels; empty levels are left out."""

    code: str
    venue: Venue
    asks: tuple[tuple[int, int], ...]
    """(price, shares), rising."""
    bids: tuple[tuple[int, int], ...]
    """(price, shares), falling."""
    received: Ns = 0


class ExpectedMatch(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """What a call auction would match now (예상체결): price in won, shares; 0 where nothing would."""

    code: str
    venue: Venue
    price: int
    qty: int
    ask: int
    bid: int
    received: Ns = 0


class MarketOperation(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The market's operation for one stock changed (장운영정보): a session's step, a halt, VI on or off."""

    code: str
    venue: Venue
    operation: str
    """KIS's MKOP_CLS_CODE, such as 112 for the open; what is not documented passes as it came."""
    halted: bool
    reason: str
    """Why trading is halted, in KIS's words."""
    vi: bool
    """A volatility interruption is on."""
    received: Ns = 0


class ProgramTrades(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Program trades of one stock, accumulated over the venue's day: shares and won."""

    code: str
    venue: Venue
    sold: int
    sold_value: int
    bought: int
    bought_value: int
    net: int
    net_value: int
    received: Ns = 0


class Quote(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The current price of a stock (주식현재가): won and shares."""

    code: str
    name: str
    venue: Venue
    price: int
    base: int
    """Base price (previous close, adjusted): limits and change are measured from it."""
    open: int
    high: int
    low: int
    volume: int
    value: int
    upper: int
    lower: int
    tick: int
    """Tick size at the current price."""
    halted: bool
    listed_shares: int
    received: Ns = 0

    @property
    def change(self) -> int:
        return self.price - self.base

    @property
    def change_pct(self) -> float:
        return self.change / self.base * 100 if self.base else 0.0


class Bar(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A closed bar; ``t`` is its start."""

    code: str
    span: Ns
    open: int
    high: int
    low: int
    close: int
    volume: int
    count: int
    """Number of trades; 0 for a silent span, which repeats the last close with volume 0."""

    @property
    def end(self) -> Ns:
        return self.t + self.span


# Facts of orders: rows of the journal


class IntentTaken(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk has the intent in its journal."""

    intent: Intent
    naming: Naming | None = None
    """What names it, when a person typed it."""


class Denied(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Refused by us; nothing was sent."""

    key: str
    reason: str
    cure: str = ""


class SendStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Written and synced before the first byte of the order leaves."""

    key: str
    route: Route
    after: int = 0
    """The highest order number that was known: the number of this order is higher."""


class Sent(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS took the order and gave it a number; the exchange has not spoken yet."""

    key: str
    ref: OrderRef


class SendUnknown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """No answer came: the order may live or not."""

    key: str
    text: str


class Resolved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """What became of an order whose answer was lost, and how we know: it has a number, or it was never sent (None)."""

    key: str
    ref: OrderRef | None
    evidence: str


class ExternalFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS lists an order that this desk did not send: from the phone, or by another program."""

    intent: Intent
    ref: OrderRef


class Accepted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The exchange has the order in its book."""

    key: str
    ref: OrderRef


class Rejected(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS or the exchange refused the order."""

    key: str
    msg_cd: str
    text: str


class Filled(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One execution; fee and tax as the cost table says, in won."""

    key: str
    qty: int
    price: int
    fee: int
    tax: int
    venue: Venue
    stamp: Ns = 0
    """The exchange's time as the notice gave it; 0: no notice told of it, KIS's list of the day did."""


class CancelStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Written and synced before the first byte of the cancel leaves; ``qty`` None means all leaves."""

    key: str
    qty: int | None


class CancelRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The cancel failed; the order is as it was. ``msg_cd`` is empty when no answer came."""

    key: str
    msg_cd: str
    text: str


class Cancelled(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """So many shares were taken out of the market."""

    key: str
    qty: int
    number: int = 0
    """Order number of the cancel; 0: no notice told of it, KIS's list of the day did."""


class Revised(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """So many shares of an order live on as the order ``by``, under its number."""

    key: str
    qty: int
    by: str
    number: int


class Expired(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The rest of the order ended with its session."""

    key: str
    qty: int


class HaltSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk's trading state changed."""

    state: Literal["active", "reducing", "halted"]
    reason: str


class HaltStep(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One step of the kill switch: what it did; ``done`` is False for a step that failed."""

    step: Literal["block", "cancel", "query", "state", "flatten", "snapshot", "notify"]
    done: bool
    text: str
    ends: Literal["", "reducing", "halted", "flatten"] = ""
    """Of the first step: the state that the run is to end in, also when the desk dies on the way.

    ``flatten`` stands in journals of earlier versions: halted, with a flatten.
    """


class FlattenSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A flatten began (``on``), or it ended: all is sold, or a person ended it with a reason.

    Between the two the desk sells all that is held, in any trading state, over restarts too.
    """

    on: bool
    reason: str


class BreakerTripped(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The loss of the day is above its limit: won lost, of won at stake."""

    loss: int
    stake: int


class OrderHeld(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The order is in the journal and is not sent before ``until``: a blackout window, or what KIS says is awaited.

    One that waits for a price alone is held until the moment itself.
    """

    key: str
    until: Ns
    why: str
    price: int = 0
    """What a share cost then (the best ask), won; 0: not known."""


class Armed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A person armed the desk for buys: until when, and for how many won."""

    until: Ns
    budget: int


class Disarmed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """No buy passes any more; exits and cancels do."""

    why: str


class IntentRepeated(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An intent whose key the desk knows already: nothing was sent. ``same`` says whether it means the same order."""

    intent: Intent
    same: bool


class Unresolved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The time in which an order of unknown fate could come to light is over: a person decides.

    ``candidates`` are the numbers in KIS's list that it could be.
    """

    key: str
    candidates: tuple[int, ...]
    text: str


class DecisionRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """What a person decided about an order of unknown fate contradicts what KIS says."""

    key: str
    text: str


class DriftFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's figure and ours differ: shares of an order (by its key) or of a holding (by its code), or cash in won."""

    subject: str
    what: Literal["filled", "cancelled", "holding", "cash"]
    ours: int
    theirs: int


class DriftCleared(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The two figures are the same again."""

    subject: str
    what: Literal["filled", "cancelled", "holding", "cash"]


class AccountOpened(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """What the account held that no order of the journal explains: ``cash`` in won (D+2), shares with their cost."""

    cash: int
    holdings: tuple[tuple[str, int, int], ...]
    """(code, shares, purchase amount in won)."""


class HoldingAdopted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent took over shares that no agent held: quantity and cost go into its book, and out of nobody's."""

    key: str
    """Idempotency key, as an order has one."""
    agent: str
    code: str
    lots: tuple[tuple[str, int, int, int], ...]
    """(book that they came from, shares, purchase price in won, what is left of the fee of their buy in won)."""
    naming: Naming | None = None
    """What names the call, when a person typed it."""

    @property
    def qty(self) -> int:
        return sum(qty for _, qty, _, _ in self.lots)

    @property
    def cost(self) -> int:
        """Purchase amount in won, without fees."""
        return sum(qty * price for _, qty, price, _ in self.lots)


class OrderShown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A typed call was answered with an order that stood already: from now on the order belongs to that place too."""

    key: str
    place: Place
    token: str = ""
    """Of the command: one that is handed over twice is answered with the same order."""


# Facts of connections and sessions


class Notice(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An exec notice as KIS pushed it: an order event or a fill, by order number."""

    kind: Literal["accepted", "filled", "cancelled", "revised", "refused"]
    number: int
    original: int
    code: str
    side: Side
    qty: int
    """Filled or cancelled quantity of this notice; order quantity for the others."""
    price: int
    branch: str
    venue: Venue


class SubscriptionChanged(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS confirmed, refused or dropped a subscription."""

    channel: str
    code: str
    state: Literal["confirmed", "refused", "dropped"]
    text: str = ""
    venue: Venue = Venue.KRX


class LinkDown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The stream to KIS broke; what happened meanwhile is a gap."""

    text: str


class LinkUp(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The stream to KIS stands (again)."""


class GapFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Trades of a venue are missing between ``since`` and ``t``."""

    code: str
    since: Ns
    missing: int
    """Shares; 0 when it cannot be told."""
    venue: Venue = Venue.KRX
    """Whose trades; SOR stands for KRX and NXT together."""


class PhaseChanged(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The phase of a venue changed: a market session began or ended. Agents get it as ``on_phase``."""

    session_id: str
    venue: Venue
    phase: str


class ClockMoved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk's clock stands at ``t`` now; nothing else happened."""


class SpeedSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The simulated clock runs at ``speed`` from ``t`` on; 0 is lockstep."""

    speed: float


class Trouble(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Something a person should read: a dead letter, a session that keeps the clock waiting."""

    text: str


class AgentLeased(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent runs in this session from now on, and nowhere else."""

    agent: str
    session: str
    where: str
    """For people: notebook and process."""


class AgentReleased(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The agent may be started anywhere again; ``lost`` says that its session went without a word."""

    agent: str
    session: str
    lost: bool = False


class CommandDropped(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An order, or the cancel of one, that the desk did not take: it stands in no journal and nothing was sent."""

    key: str
    reason: str
    cure: str = ""


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
ControlFact: TypeAlias = HaltSet | HaltStep | FlattenSet | BreakerTripped | Armed | Disarmed
AccountFact: TypeAlias = DriftFound | DriftCleared | AccountOpened | HoldingAdopted | OrderShown
MarketFact: TypeAlias = Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades | Quote
LinkFact: TypeAlias = Notice | SubscriptionChanged | LinkDown | LinkUp | GapFound
DeskFact: TypeAlias = (
    IntentRepeated
    | CommandDropped
    | Unresolved
    | DecisionRefused
    | PhaseChanged
    | ClockMoved
    | SpeedSet
    | AgentLeased
    | AgentReleased
    | Trouble
)
Event: TypeAlias = OrderFact | AccountFact | ControlFact | MarketFact | LinkFact | DeskFact | Bar

_WORDS: dict[type, str] = {
    OrderHeld: "held: {0.why}",
    IntentTaken: "taken",
    Denied: "denied: {0.reason}",
    SendStarted: "sending to {0.route.venue} as {0.route.kind} ({0.route.reason})",
    Sent: "sent, number {0.ref.number}",
    SendUnknown: "unknown: {0.text}",
    Accepted: "accepted",
    Rejected: "rejected: {0.msg_cd} {0.text}",
    Filled: "filled {0.qty:,} at {0.price:,} on {0.venue}",
    CancelStarted: "cancel sent",
    CancelRefused: "cancel refused: {0.text}",
    Resolved: "resolved: {0.evidence}",
    ExternalFound: "found in KIS's list, number {0.ref.number}",
    Cancelled: "cancelled {0.qty:,}",
    Revised: "revised: {0.qty:,} live on as #{0.number}",
    Expired: "expired {0.qty:,}",
}
"""What an order's log says of a fact."""
_ORDER_FACTS: frozenset[type] = frozenset(OrderFact.__args__)


def is_order_fact(event: object) -> TypeIs[OrderFact]:
    # A look at the type: an isinstance over them all costs a tick, which is none of them, 3 µs.
    return type(event) in _ORDER_FACTS
