"""Facts of links, sessions, clock and agents, and KIS's notices.

The desk publishes all of them except the notices. Of these facts, the journal contains the notices
alone.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from kisnb.clock import Ns, clock_text
from kisnb.events.fact import Fact
from kisnb.orders import Intent
from kisnb.terms import Side, Venue


# A notice is not published: sessions get the ``Filled`` or ``Cancelled`` that the core makes of it.
# It is journaled only while its order is not known, so that a restart between a notice and its
# reply loses no fill.
class Notice(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An execution notice as KIS pushed it: an order event or a fill, by order number."""

    kind: Literal["accepted", "filled", "cancelled", "revised", "refused"]
    number: int
    # KIS gives a cancel and a revise numbers of their own and names the changed order here (KIS
    # document 체결통보, H0STCNI0, OODER_NO).
    original: int
    code: str
    side: Side
    qty: int
    """Filled or cancelled shares. In a notice of another kind: the quantity of the order."""
    price: int
    branch: str
    # The venue that executes (ORD_EXG_GB). For an order to SOR that is KRX or NXT.
    venue: Venue


class SubscriptionChanged(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS confirmed, refused or dropped a subscription."""

    channel: str
    code: str
    state: Literal["confirmed", "refused", "dropped"]
    text: str = ""
    venue: Venue = Venue.KRX


class LinkDown(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk lost its WebSocket to KIS. Events are missing until the next ``LinkUp``."""

    text: str


class LinkUp(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk is connected to KIS's WebSocket, for the first time or again."""


class GapFound(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Trades of a venue are missing between ``since`` and ``t``."""

    code: str
    since: Ns
    # KIS does not signal gaps. The number comes from the accumulated volume of two trades. A
    # session that returns to a new desk has no such pair, and gives 0.
    missing: int
    """Number of missing shares; 0 when it is not known."""
    venue: Venue = Venue.KRX
    """The venue of the trades; SOR means KRX and NXT together."""


class IntentRepeated(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A session sent an intent whose key the desk knows already. No order was sent.

    ``same`` True: both intents mean the same order.
    """

    intent: Intent
    same: bool


# Some failures leave no row in the journal: the disk is full, the desk died before it read the
# command, or the command was unreadable. Without this fact the order would stay NEW in the notebook
# for ever.
class CommandDropped(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk did not accept a command: an order, or a cancel of an order.

    The command is in no journal, and nothing was sent.
    """

    key: str
    reason: str
    cure: str = ""


class Unresolved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's list did not settle an order with unknown outcome in time. A person must decide.

    ``candidates`` are the numbers of the orders in KIS's list that this order could be.
    """

    key: str
    candidates: tuple[int, ...]
    text: str


class DecisionRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A person's decision about an order with unknown outcome contradicts KIS's list."""

    key: str
    text: str


class PhaseChanged(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The phase of a venue changed: a market session began or ended.

    An agent receives it in ``on_phase``.
    """

    session_id: str
    venue: Venue
    phase: str


# When no market data comes, this fact wakes agents that sleep on a simulated clock.
class ClockMoved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk's clock moved to ``t``; nothing else happened."""


class SpeedSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The simulated clock runs at ``speed`` from ``t`` on; 0 is lockstep."""

    speed: float


class AgentLeased(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An agent runs in ``session`` from now on, and in no other session."""

    agent: str
    session: str
    where: str
    """The place of that session, for people: notebook and process."""


class AgentReleased(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """No session runs the agent any more, so any session may start it.

    ``lost`` True: its session ended without releasing the agent.
    """

    agent: str
    session: str
    lost: bool = False


# Without this fact a person would think that the last figures are the present ones. The readings of
# an account can fail for hours without any other event.
class ReadingsFailed(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's orders and account could not be read several times in a row.

    Published at the fifth failed reading and at each one after it, until ``ReadingsGood``.
    """

    count: int
    """Failed readings in a row."""
    since: Ns
    """The moment of the first of these failures."""
    why: str
    """The reason of the newest failure."""

    @property
    def text(self) -> str:
        """The failures in a sentence, with the reason of the newest one."""
        return (
            f"{self.count} readings of KIS's orders and account have failed since "
            f"{clock_text(self.since)}: {self.why}"
        )


class ReadingsGood(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS's orders and account could be read again."""


class Trouble(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A problem, in a sentence that a person must read."""

    text: str


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
    | ReadingsFailed
    | ReadingsGood
    | Trouble
)
