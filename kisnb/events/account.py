"""Facts of the account and of the desk's trading state. The journal contains them all."""

from __future__ import annotations

from typing import Literal, TypeAlias

from kisnb.clock import Ns
from kisnb.events.fact import Fact
from kisnb.orders import Naming, Place


class HaltSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk's trading state changed."""

    state: Literal["active", "reducing", "halted"]
    reason: str


class HaltStep(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One step of the kill switch, with its result in words. ``done`` False: the step failed."""

    step: Literal["block", "cancel", "query", "state", "flatten", "snapshot", "notify"]
    done: bool
    text: str
    # The end is in the first row of a run, because a desk that dies in the middle of it must
    # know on its return whether to end in reducing or in halted. A journal of a version before this
    # field gives the empty text, and such a run ends halted.
    ends: Literal["", "reducing", "halted", "flatten"] = ""
    """In the first step (``block``): the trading state in which the run ends, after a restart too.

    Empty in other steps. ``flatten`` occurs in journals of earlier versions: halted, with a
    flatten.
    """


# A flatten has rows of its own and is not a step of the kill switch: the switch ends after seconds,
# and a flatten may wait for the next market session.
class FlattenSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A flatten began (``on``), or it ended: all is sold, or a person ended it with a reason.

    Until it ends, the desk sells all the account's shares. It does so in any trading state, and
    also after a restart.
    """

    on: bool
    reason: str


# The halt that follows is a row of its own. This row is needed too, because each trip of a day
# raises the next limit, also after a restart (``TradingDay.trips``).
class BreakerTripped(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The loss of the day is above its limit. ``loss`` is won lost, ``stake`` is won at stake."""

    loss: int
    stake: int


class Armed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A person armed the desk: until ``until`` it accepts buys for up to ``budget`` won."""

    until: Ns
    # The desk counts from this row on: a person who arms again begins with a full budget.
    budget: int


class Disarmed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk is not armed any more: it accepts sells and cancels, and no buys."""

    why: str


class DriftFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's figure (``theirs``) and ours (``ours``) differ. ``what`` says which figure it is.

    ``filled`` and ``cancelled``: shares of the order whose key is ``subject``. ``holding``: shares
    of the stock whose code is ``subject``. ``cash``: won. ``listed``: number of orders of a day.
    """

    subject: str
    # A drift of ``filled`` is cleared in the step that found it. One of ``cancelled`` may last
    # until a second list agrees. One of ``holding`` or ``cash`` may last for a minute, because
    # KIS's statement lags behind its own notices.
    what: Literal["filled", "cancelled", "listed", "holding", "cash"]
    """``listed``: KIS has ``ours`` orders of the day, and its list shows ``theirs`` of them."""
    ours: int
    theirs: int


class DriftCleared(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's figure and ours are equal again."""

    subject: str
    what: Literal["filled", "cancelled", "listed", "holding", "cash"]


class AccountOpened(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The account holds shares or cash that no order of the journal explains.

    ``holdings`` are these shares, ``cash`` is this cash in won (D+2).
    """

    # D+2, because Korean shares settle two business days after the trade. The deposit of today does
    # not know today's trades (KIS document 잔고, prvs_rcdl_excc_amt).
    cash: int
    holdings: tuple[tuple[str, int, int], ...]
    """(code, shares, purchase amount in won)."""


class HoldingAdopted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent took over shares that no agent had.

    Quantity and cost move to the agent's order book. ``lots`` names the order books that they
    leave.
    """

    key: str
    """Idempotency key, as an order has one."""
    agent: str
    code: str
    # Lot by lot, because the agent's result is measured against the price of each share. The lots
    # are chosen once and journaled, so a later computation from the rows never chooses others.
    lots: tuple[tuple[str, int, int, int], ...]
    """(order book before, shares, purchase price in won, unused fee of the buy in won)."""
    naming: Naming | None = None
    """The naming of the call. None: no person typed it."""

    @property
    def qty(self) -> int:
        """Shares of all lots."""
        return sum(qty for _, qty, _, _ in self.lots)

    @property
    def cost(self) -> int:
        """Purchase amount in won, without fees."""
        return sum(qty * price for _, qty, price, _ in self.lots)


class OrderShown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A typed call was answered with an existing order.

    From now on ``place`` is a place of it, too.
    """

    key: str
    place: Place
    token: str = ""
    """The mark of the command. The same command, received twice, gets the same order."""


ControlFact: TypeAlias = HaltSet | HaltStep | FlattenSet | BreakerTripped | Armed | Disarmed
AccountFact: TypeAlias = DriftFound | DriftCleared | AccountOpened | HoldingAdopted | OrderShown
