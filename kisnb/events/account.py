"""Facts of the account and of what the desk lets pass, which the journal keeps too."""

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
    """One step of the kill switch: what it did; ``done`` is False for a step that failed."""

    step: Literal["block", "cancel", "query", "state", "flatten", "snapshot", "notify"]
    done: bool
    text: str
    # The end is in the first row of a run, because a desk that dies in the middle of it must
    # know on its return whether to end in reducing or in halted. A journal of a version before this
    # field gives the empty text, and such a run ends halted.
    ends: Literal["", "reducing", "halted", "flatten"] = ""
    """Of the first step: the trading state in which the run is to end, over restarts too.

    ``flatten`` occurs in journals of earlier versions: halted, with a flatten.
    """


# A flatten has rows of its own and is not a step of the kill switch: the switch ends after seconds,
# and a flatten may wait for the next market session.
class FlattenSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A flatten began (``on``), or it ended: all is sold, or a person ended it with a reason.

    Between the two the desk sells all that is held, in any trading state, over restarts too.
    """

    on: bool
    reason: str


# The halt that follows a trip is a row of its own. This one is kept beside it because each trip of
# a day raises the next limit, also after a restart (``TradingDay.trips``).
class BreakerTripped(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The loss of the day is above its limit: won lost, of won at stake."""

    loss: int
    stake: int


class Armed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A person armed the desk for buys: until when, and for how many won."""

    until: Ns
    # Counted from this row on: a person who arms again begins with a full budget.
    budget: int


class Disarmed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Buys are blocked from now on; sells and cancels are allowed."""

    why: str


class DriftFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's figure and ours differ.

    ``subject`` is the key of an order or the code of a holding, then shares; or it is cash, in won.
    """

    subject: str
    # A ``filled`` that was found is cleared in the same step. A ``cancelled`` may stand until a
    # second list agrees. A ``holding`` or ``cash`` may stand for a minute, because KIS's statement
    # lags behind its own notices.
    what: Literal["filled", "cancelled", "listed", "holding", "cash"]
    """``listed``: orders of a day that KIS has, and how many of them its list shows."""
    ours: int
    theirs: int


class DriftCleared(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The two figures are the same again."""

    subject: str
    what: Literal["filled", "cancelled", "listed", "holding", "cash"]


class AccountOpened(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The account holds what no order of the journal explains.

    ``holdings`` are such shares, ``cash`` is such cash in won (D+2).
    """

    # D+2, because Korean shares settle two business days after the trade. The deposit of today does
    # not know today's trades (KIS document 잔고, prvs_rcdl_excc_amt).
    cash: int
    holdings: tuple[tuple[str, int, int], ...]
    """(code, shares, purchase amount in won)."""


class HoldingAdopted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent took over shares that no agent held.

    Quantity and cost go into the agent's order book, and out of the books that belong to nobody.
    """

    key: str
    """Idempotency key, as an order has one."""
    agent: str
    code: str
    # Lot by lot, because the agent's result is measured against what each share cost. The lots are
    # chosen once and journaled, so a fold never chooses others.
    lots: tuple[tuple[str, int, int, int], ...]
    """(order book that they came from, shares, purchase price in won, unused fee of their buy in
    won)."""
    naming: Naming | None = None
    """The naming of the call, when a person typed it."""

    @property
    def qty(self) -> int:
        """Shares of all lots."""
        return sum(qty for _, qty, _, _ in self.lots)

    @property
    def cost(self) -> int:
        """Purchase amount in won, without fees."""
        return sum(qty * price for _, qty, price, _ in self.lots)


class OrderShown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A typed call got an order that stood already. The order belongs to that place too."""

    key: str
    place: Place
    token: str = ""
    """The mark of the command. A command that is handed over twice gets the same order."""


ControlFact: TypeAlias = HaltSet | HaltStep | FlattenSet | BreakerTripped | Armed | Disarmed
AccountFact: TypeAlias = DriftFound | DriftCleared | AccountOpened | HoldingAdopted | OrderShown
