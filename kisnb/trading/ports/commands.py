"""Commands of a session to the desk. They have no reply; their consequences come as events."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.events import AgentRecord, DecisionMade
from kisnb.exits import PriceAlert, Protection
from kisnb.guards import Guards
from kisnb.orders import Intent, Naming, Place, Want


class SessionMessage(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base class of a session's messages to the desk: commands and queries."""


class Submit(SessionMessage, frozen=True, tag=True, array_like=True):
    """Send this order, once: a key that the desk knows already sends nothing."""

    intent: Intent
    naming: Naming | None = None
    """The naming of the order, when a person typed it."""


class CancelOrder(SessionMessage, frozen=True, tag=True, array_like=True):
    """Cancel ``qty`` shares of an order; None means all leaves."""

    key: str
    qty: int | None = None
    # A person may have placed an order on the phone on purpose, so a plain cancel does not touch
    # it. In an emergency it is cancelled too.
    kill_switch: bool = False
    """True if the kill switch cancels. Only the kill switch cancels external orders."""


class ReviseOrder(SessionMessage, frozen=True, tag=True, array_like=True):
    """Move shares of an open order to another price.

    ``intent`` is the new order of these shares, with its own key. ``intent.supersedes`` is the key
    of the open order. Agent, code and side are the same as in the open order. The shares are then
    last in the exchange's queue.
    """

    intent: Intent
    naming: Naming | None = None
    """The naming of the order, when a person typed it."""


class ResolveOrder(SessionMessage, frozen=True, tag=True, array_like=True):
    """Apply a person's decision about an order with unknown outcome.

    ``adopt`` is the number of the order in KIS's list; None says that it was never sent. The desk
    refuses the decision with DecisionRefused while KIS's list contradicts it.
    """

    key: str
    adopt: int | None = None


class Halt(SessionMessage, frozen=True, tag=True, array_like=True):
    """Pull the kill switch. A pull never makes the trading state less strict.

    With ``flatten`` the desk sells until nothing is held.
    """

    reason: str
    state: Literal["reducing", "halted"] = "halted"
    # A flatten is not a state: it is requested together with a state, and a later pull without it
    # does not end it.
    flatten: bool = False


# The whole set replaces the one before. So sending it again after a reconnection does no harm.
class WatchCodes(SessionMessage, frozen=True, tag=True, array_like=True):
    """Subscribe this session to exactly these subscriptions."""

    wants: tuple[Want, ...]


# In lockstep the simulated clock moves only when each session has sent this for the newest event.
# So the clock waits for a session that computes.
class Idle(SessionMessage, frozen=True, tag=True, array_like=True):
    """Report that a session has handled all events up to ``seq`` and does nothing now.

    ``wake`` is the next moment for which the session waits, None for no moment. ``waiting`` says
    that a call of the session awaits something, so that simulated time may move.
    """

    seq: int
    wake: Ns | None
    waiting: bool


class FastForward(SessionMessage, frozen=True, tag=True, array_like=True):
    """Let the simulator run in lockstep, as fast as all sessions follow, while ``on`` is True.

    Afterwards it runs at the desk's own speed again.
    """

    on: bool


class ReleaseAgent(SessionMessage, frozen=True, tag=True, array_like=True):
    """Release the lease of an agent that no longer runs in this session."""

    agent: str


class Protect(SessionMessage, frozen=True, tag=True, array_like=True):
    """Set an exit, once: a key that the desk knows already sets nothing.

    The exit replaces the owner's earlier exit in this stock. ``ProtectionSet`` or
    ``ProtectionRefused`` follows.
    """

    protection: Protection


class EndProtection(SessionMessage, frozen=True, tag=True, array_like=True):
    """End an exit, and cancel its own orders in the market."""

    key: str
    why: str = "a person ended it"


class SetPriceAlert(SessionMessage, frozen=True, tag=True, array_like=True):
    """Set a price alert, once. ``PriceAlertSet`` or ``ProtectionRefused`` follows."""

    alert: PriceAlert


class SetGuards(SessionMessage, frozen=True, tag=True, array_like=True):
    """Set the guards of an agent's buys; None ends them."""

    agent: str
    guards: Guards | None


class NoteAgent(SessionMessage, frozen=True, tag=True, array_like=True):
    """Journal the facts that are needed to start an agent again."""

    record: AgentRecord
    fresh: bool = False
    """True: a person starts the agent anew. The record of its earlier run goes to the archive."""


class NoteDecision(SessionMessage, frozen=True, tag=True, array_like=True):
    """Journal a decision of an agent."""

    decision: DecisionMade


class EndPriceAlert(SessionMessage, frozen=True, tag=True, array_like=True):
    """End a price alert."""

    key: str


class PushForecast(SessionMessage, frozen=True, tag=True, array_like=True):
    """Give the desk a model's forecast for a stock. Exits with stages use it."""

    code: str
    provider: str
    """The name of the provider."""
    made_at: Ns
    """The moment up to which the model knew the market."""
    bar: Ns
    """Length of the model's bars. A forecast counts for two of them."""
    falling: int | None
    """Probability that the price falls (pred_down_prob), basis points.

    None: the model has none now.
    """
    usual_value: int | None = None
    """Usual traded value of five minutes at this time of the day, won. None: not known."""


AgentCommand: TypeAlias = NoteAgent | NoteDecision | SetGuards
ExitCommand: TypeAlias = Protect | EndProtection | SetPriceAlert | EndPriceAlert | PushForecast


# Queries are not commands. Otherwise ``ArmDesk`` and ``LiftHalt`` would reach the core without the
# desk's checks. ``ShowOrder`` is not among them either: only the desk knows that a call was
# answered with an order.
Command: TypeAlias = (
    Submit
    | CancelOrder
    | ReviseOrder
    | ResolveOrder
    | Halt
    | WatchCodes
    | Idle
    | FastForward
    | ReleaseAgent
    | ExitCommand
    | AgentCommand
)
"""All messages that a session may send without a reply. The desk refuses any other message."""


# No SessionMessage and no tag, so that it cannot even be decoded from a session's bytes.
class ShowOrder(msgspec.Struct, frozen=True):
    """Journal that a typed call was shown this order. Only the desk submits it."""

    key: str
    place: Place
    token: str = ""
    """The mark of the command. A command that is sent twice gets the same order."""


def stronger(one: str, other: str) -> Literal["reducing", "halted"]:
    """Return the stronger of two trading states: "halted" if one of them is, else "reducing"."""
    return "halted" if "halted" in (one, other) else "reducing"
