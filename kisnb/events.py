"""Facts of the market, of orders and of connections. Their names are in the past tense.

Facts of orders are also the rows of the desk's journal. The desk writes a fact, publishes it and
applies it to an order book: it is the same object each time. Times are UTC nanoseconds, prices are
won, quantities are shares.
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
    """Something that happened. The base of all facts."""

    t: Ns
    """The moment at which it happened, as exactly as we know."""

    @property
    def happenings(self) -> str:
        """The fact in words for an order's log. Empty for a fact that is about no order."""
        return _WORDS.get(type(self), "").format(self)


# Facts of the market


class Tick(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One trade of the market. ``t`` is the exchange's time, on KIS in whole seconds."""

    code: str
    venue: Venue
    price: int
    qty: int
    side: Side | None
    """The side that took: BUY when a buyer took the ask. None in call auctions."""
    volume: int
    """Accumulated volume of the venue's day, this trade included."""
    value: int
    """Accumulated traded value of the venue's day, won."""
    ask: int
    """Best ask after the trade, won; 0 without asks."""
    bid: int
    """Best bid after the trade, won; 0 without bids."""
    received: Ns = 0
    """Time of receipt on this machine; 0: not received over a channel."""
    ask_qty: int = 0
    """Shares at ``ask``; 0 when the channel did not give them."""
    bid_qty: int = 0
    """Shares at ``bid``; 0 when the channel did not give them."""


class Depth(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Bids and asks (호가), best first, up to ten levels; empty levels are left out."""

    code: str
    venue: Venue
    asks: tuple[tuple[int, int], ...]
    """(price, shares), rising."""
    bids: tuple[tuple[int, int], ...]
    """(price, shares), falling."""
    received: Ns = 0
    """Time of receipt on this machine; 0: not received over a channel."""


class ExpectedMatch(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The trade that a call auction would make now (예상체결)."""

    code: str
    venue: Venue
    price: int
    """Won; 0 when nothing would match."""
    qty: int
    """Shares; 0 when nothing would match."""
    ask: int
    bid: int
    received: Ns = 0
    """Time of receipt on this machine; 0: not received over a channel."""


class MarketOperation(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The market's operation for one stock changed (장운영정보).

    A step of the market session, a trading halt, or a VI that began or ended.
    """

    code: str
    venue: Venue
    operation: str
    """KIS's MKOP_CLS_CODE, such as 112 for the open. An undocumented code is kept as it came."""
    halted: bool
    """True: trading in the stock is halted (거래정지)."""
    reason: str
    """The reason of the halt in KIS's words."""
    vi: bool
    """True: a volatility interruption is on."""
    received: Ns = 0
    """Time of receipt on this machine; 0: not received over a channel."""


class ProgramTrades(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Program trades of one stock (프로그램매매), accumulated over the venue's day."""

    code: str
    venue: Venue
    sold: int
    """Shares."""
    sold_value: int
    """Won."""
    bought: int
    """Shares."""
    bought_value: int
    """Won."""
    net: int
    """Shares bought less shares sold."""
    net_value: int
    """Won."""
    received: Ns = 0
    """Time of receipt on this machine; 0: not received over a channel."""


class Quote(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The current price of a stock (주식현재가). Prices and values in won."""

    code: str
    name: str
    venue: Venue
    price: int
    base: int
    """Base price: the previous close, adjusted. Price limits and change are measured from it."""
    open: int
    high: int
    low: int
    volume: int
    """Shares that the venue traded today."""
    value: int
    """Traded value of the venue's day."""
    upper: int
    """Upper price limit of the day (상한가)."""
    lower: int
    """Lower price limit of the day (하한가)."""
    tick: int
    """Tick size at the current price."""
    halted: bool
    """True: trading in the stock is halted (거래정지)."""
    listed_shares: int
    received: Ns = 0
    """Time of receipt on this machine; 0: not received over a channel."""

    @property
    def change(self) -> int:
        """Price less base price, won."""
        return self.price - self.base

    @property
    def change_pct(self) -> float:
        """Change in percent of the base price; 0 without a base price."""
        return self.change / self.base * 100 if self.base else 0.0


class Bar(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A closed bar of one stock. ``t`` is its start. Prices in won, volume in shares."""

    code: str
    span: Ns
    """Length of the bar in nanoseconds."""
    open: int
    high: int
    low: int
    close: int
    volume: int
    count: int
    """Number of trades. A span without trades has 0, and repeats the last close with volume 0."""

    @property
    def end(self) -> Ns:
        """The first moment after the bar."""
        return self.t + self.span


# Facts of orders: rows of the journal


class IntentTaken(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk wrote the intent into its journal."""

    intent: Intent
    naming: Naming | None = None
    """Wish, place and name of a typed order. None: no person typed it."""


class Denied(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """We refused the order. Nothing was sent."""

    key: str
    reason: str
    cure: str = ""


class SendStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk is about to send the order. Synced to disk before its first byte goes out."""

    key: str
    route: Route
    after: int = 0
    """The highest order number that was known. The number of this order is higher."""


class Sent(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS took the order and gave it a number. The exchange has not answered yet."""

    key: str
    ref: OrderRef


class SendUnknown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """No answer came. The order may be in the market or not."""

    key: str
    text: str


class Resolved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The fate of an order whose answer was lost is known."""

    key: str
    ref: OrderRef | None
    """KIS's name of the order. None: it was never sent."""
    evidence: str
    """A sentence for people: how we know."""


class ExternalFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS lists an order that this desk did not send. A phone or another program sent it."""

    intent: Intent
    ref: OrderRef


class Accepted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The exchange accepted the order."""

    key: str
    ref: OrderRef


class Rejected(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS or the exchange refused the order."""

    key: str
    msg_cd: str
    text: str


class Filled(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Shares of an order were filled: one execution."""

    key: str
    qty: int
    price: int
    fee: int
    """KIS's commission by the cost table, won."""
    tax: int
    """Transaction tax by the cost table, won."""
    venue: Venue
    stamp: Ns = 0
    """The exchange's time from the notice. 0: no notice came, the fill is from KIS's list."""


class CancelStarted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk is about to send a cancel. Synced to disk before its first byte goes out."""

    key: str
    """Key of the order that is to be cancelled."""
    qty: int | None
    """Shares to cancel. None: all leaves."""


class CancelRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The cancel failed. The order is as it was."""

    key: str
    msg_cd: str
    """KIS's message code. Empty when no answer came."""
    text: str


class Cancelled(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """``qty`` shares of the order left the market by a cancel."""

    key: str
    qty: int
    number: int = 0
    """Order number of the cancel. 0: no notice came, the figure is from KIS's list."""


class Revised(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """``qty`` shares of the order moved to another order by a revise."""

    key: str
    qty: int
    by: str
    """Key of the order that has the shares now."""
    number: int
    """Order number of that order."""


class Expired(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The leaves of the order ended with its market session."""

    key: str
    qty: int


class HaltSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk's trading state changed."""

    state: Literal["active", "reducing", "halted"]
    reason: str


class HaltStep(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One step of the kill switch was done, or it failed."""

    step: Literal["block", "cancel", "query", "state", "flatten", "snapshot", "notify"]
    done: bool
    """False: the step failed."""
    text: str
    """A sentence for people: what the step did."""
    ends: Literal["", "reducing", "halted", "flatten"] = ""
    """The trading state in which the run is to end. Only the first step gives it.

    A desk that starts again after a crash ends the run in this state, too. ``flatten`` is in
    journals of earlier versions. It means halted, with a flatten.
    """


class FlattenSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A flatten began or ended. It ends when all is sold, or when a person ends it with a reason.

    In between the desk sells everything that is held. It does so in any trading state, and a desk
    that starts again goes on with it.
    """

    on: bool
    """True: it began. False: it ended."""
    reason: str


class BreakerTripped(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The loss of the day is above its limit."""

    loss: int
    """Won lost today."""
    stake: int
    """Won at stake, of which the loss is a part."""


class OrderHeld(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk holds the order back: it is in the journal and is not sent before ``until``.

    It waits for the end of a blackout window, for an answer of KIS, or for a price. An order that
    waits only for a price has the time of the fact itself as ``until``.
    """

    key: str
    until: Ns
    why: str
    price: int = 0
    """Best ask at that time, won; 0: not known."""


class Armed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A person armed the desk: buys pass at live."""

    until: Ns
    """The moment at which the arming ends."""
    budget: int
    """Won that buys may spend."""


class Disarmed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk is no longer armed. No buy passes; exits and cancels pass."""

    why: str


class IntentRepeated(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk received an intent whose key it knows. Nothing was sent."""

    intent: Intent
    same: bool
    """True: the intent means the same order as the first one with this key."""


class Unresolved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's list did not show the fate of an unknown order in time. A person must decide."""

    key: str
    candidates: tuple[int, ...]
    """Order numbers in KIS's list that may be this order."""
    text: str


class DecisionRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A person's decision about an unknown order was refused, because KIS says otherwise."""

    key: str
    text: str


class DriftFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's figure and ours differ."""

    subject: str
    """Key of an order, code of a holding, or ``cash``."""
    what: Literal["filled", "cancelled", "holding", "cash"]
    """The figure. Shares, except the cash, which is won."""
    ours: int
    theirs: int


class DriftCleared(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The two figures are the same again."""

    subject: str
    """As in ``DriftFound``."""
    what: Literal["filled", "cancelled", "holding", "cash"]


class AccountOpened(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk recorded the cash and shares that no order of the journal explains."""

    cash: int
    """Won (D+2)."""
    holdings: tuple[tuple[str, int, int], ...]
    """(code, shares, purchase amount in won)."""


class HoldingAdopted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent took over shares that no agent held, with their cost."""

    key: str
    """Idempotency key of the adoption."""
    agent: str
    code: str
    lots: tuple[tuple[str, int, int, int], ...]
    """(owner that gave them, shares, purchase price in won, unused part of their buy's fee in won).

    The owner is the name of an order book.
    """
    naming: Naming | None = None
    """Wish, place and name of a typed call. None: no person typed it."""

    @property
    def qty(self) -> int:
        """Shares of all lots."""
        return sum(qty for _, qty, _, _ in self.lots)

    @property
    def cost(self) -> int:
        """Purchase amount in won, without fees."""
        return sum(qty * price for _, qty, price, _ in self.lots)


class OrderShown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A typed call was answered with an existing order. The order belongs to that place, too."""

    key: str
    place: Place
    token: str = ""
    """Mark of the command. A command that is handed over twice gets the same order again."""


# Facts of connections and sessions


class Notice(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS pushed an exec notice (체결통보): an order event or a fill, by order number."""

    kind: Literal["accepted", "filled", "cancelled", "revised", "refused"]
    number: int
    """Order number that the notice is about."""
    original: int
    """Number of the order that was revised or cancelled; 0 for none."""
    code: str
    side: Side
    qty: int
    """Filled or cancelled shares of this notice. The other kinds have the order's quantity."""
    price: int
    """Won: price of the fill, else of the order."""
    branch: str
    venue: Venue


class SubscriptionChanged(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS confirmed, refused or dropped a subscription."""

    channel: str
    code: str
    state: Literal["confirmed", "refused", "dropped"]
    text: str = ""
    """The reason in words. Empty for a confirmed one."""
    venue: Venue = Venue.KRX


class LinkDown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The WebSocket to KIS broke. Trades until the next ``LinkUp`` may be missing."""

    text: str


class LinkUp(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The WebSocket to KIS is connected, for the first time or again."""


class GapFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Trades of a venue are missing between ``since`` and ``t``."""

    code: str
    since: Ns
    missing: int
    """Missing shares; 0 when the number is not known."""
    venue: Venue = Venue.KRX
    """Venue of the missing trades. SOR means KRX and NXT together."""


class PhaseChanged(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The phase of a venue changed. Agents receive it in ``on_phase``."""

    session_id: str
    """Label of the market session: KRX_REG, NXT_PRE …"""
    venue: Venue
    phase: str
    """The new phase."""


class ClockMoved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk's clock shows ``t``. Nothing else happened."""


class SpeedSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The simulated clock runs at another speed from ``t`` on."""

    speed: float
    """Simulated seconds a second; 0 is lockstep."""


class Trouble(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Something happened that a person must read about."""

    text: str


class AgentLeased(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A session got the right to run an agent. No other session may run it."""

    agent: str
    session: str
    where: str
    """The place in words for people: notebook and process."""


class AgentReleased(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A session gave the right to run an agent back. Any session may start the agent."""

    agent: str
    session: str
    lost: bool = False
    """True: the session ended without giving the right back."""


class CommandDropped(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk did not take an order or a cancel. No journal has it and nothing was sent."""

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
"""Text of each order fact in an order's log."""
_ORDER_FACTS: frozenset[type] = frozenset(OrderFact.__args__)


def is_order_fact(event: object) -> TypeIs[OrderFact]:
    """Return True when the event is a fact about an order."""
    # Every tick comes this way. Looking up its type is 3 µs faster than isinstance over all facts.
    return type(event) in _ORDER_FACTS
