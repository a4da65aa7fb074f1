"""Facts of exits and price alerts. The journal contains all of them but the refusals."""

from __future__ import annotations

from typing import TypeAlias

from kisnb.events.fact import Fact
from kisnb.exits import ExitReason, ExitStage, PriceAlert, Protection
from kisnb.terms import Venue


class ProtectionSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An exit was set: the desk watches the holding from now on."""

    protection: Protection


# A row for each new high would be a row for each trade of a rising stock. So the peak is journaled
# at most once a second, and a restart may know a peak of up to a second before.
class ProtectionMoved(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An exit came to a later stage, or the highest price since the exit was set rose."""

    key: str
    stage: ExitStage
    peak: int
    """The highest price since the exit was set, won."""
    why: str = ""
    """The reason of the new stage; empty when only the highest price rose."""


class ProtectionPriced(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """KIS stated the base price and the limits of the stock of an exit, on the day of ``t``. Won.

    A base price of a later day that no close within the limits explains means a split.
    """

    key: str
    base: int
    low: int
    """Lower limit price."""
    high: int
    """Upper limit price."""


class ForecastJudged(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A forecast of a model began or ceased to count for a staged exit."""

    key: str
    text: str
    """The name of the model; or a sentence why none acts: no forecast, or it is too old."""


class ProtectionFired(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An exit sells from now on, until no share is left."""

    key: str
    reason: ExitReason
    price: int
    """The price at which the exit fired, won. 0 for a time stop without any price."""
    venue: Venue
    qty: int
    """Shares held at that moment."""
    text: str
    """The decision in a sentence, with its numbers."""


class ProtectionBlocked(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An exit wanted to sell, but the desk lets no order pass. The exit goes on watching."""

    key: str
    reason: ExitReason
    price: int
    qty: int
    text: str


class ProtectionEnded(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """An exit ended: the desk does not watch the holding any more."""

    key: str
    why: str


class ProtectionRefused(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk did not set an exit or a price alert. Not journaled."""

    key: str
    reason: str
    cure: str


class PriceAlertSet(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A price alert was set: the desk watches the price from now on."""

    alert: PriceAlert


class PriceAlertFired(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The price of an alert was reached. The alert has ended."""

    key: str
    price: int
    venue: Venue
    text: str


class PriceAlertEnded(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A person ended a price alert."""

    key: str


ExitFact: TypeAlias = (
    ProtectionSet
    | ProtectionMoved
    | ProtectionPriced
    | ForecastJudged
    | ProtectionFired
    | ProtectionBlocked
    | ProtectionEnded
    | PriceAlertSet
    | PriceAlertFired
    | PriceAlertEnded
)
"""Facts of exits and price alerts that the journal contains."""
