"""Facts, in the past tense: of the market, of orders, of connections.

Facts of orders are also the rows of the desk's journal. The desk writes a fact, publishes it, and
applies it to an order book, always as the same object. Times are UTC nanoseconds, prices won,
quantities shares.

    Fact ── market    Tick, Depth, StockDay, Bar …       published
         ├─ orders    IntentTaken, Sent, Filled …        journaled and published
         ├─ account   HaltSet, Armed, DriftFound …       journaled and published
         ├─ exits     ProtectionSet, PriceAlertFired …   journaled and published
         ├─ decisions DecisionMade                       journaled and published
         └─ desk      Notice                             journaled, not published
                      LinkUp, PhaseChanged, Trouble …    published
"""

from __future__ import annotations

from typing import TypeAlias

from kisnb.events.account import (
    AccountFact,
    AccountOpened,
    Armed,
    BreakerTripped,
    ControlFact,
    Disarmed,
    DriftCleared,
    DriftFound,
    FlattenSet,
    HaltSet,
    HaltStep,
    HoldingAdopted,
    OrderShown,
)
from kisnb.events.agents import (
    AgentArchived,
    AgentFact,
    AgentNoted,
    AgentRecord,
    DecisionMade,
    GuardsSet,
)
from kisnb.events.desk import (
    AgentLeased,
    AgentReleased,
    ClockMoved,
    CommandDropped,
    DecisionRefused,
    DeskFact,
    GapFound,
    IntentRepeated,
    LinkDown,
    LinkFact,
    LinkUp,
    Notice,
    PhaseChanged,
    ReadingsFailed,
    ReadingsGood,
    SpeedSet,
    SubscriptionChanged,
    Trouble,
    Unresolved,
)
from kisnb.events.exits import (
    ExitFact,
    ForecastJudged,
    PriceAlertEnded,
    PriceAlertFired,
    PriceAlertSet,
    ProtectionBlocked,
    ProtectionEnded,
    ProtectionFired,
    ProtectionMoved,
    ProtectionPriced,
    ProtectionRefused,
    ProtectionSet,
)
from kisnb.events.fact import Fact
from kisnb.events.market import (
    Bar,
    Depth,
    ExpectedMatch,
    MarketFact,
    MarketOperation,
    ProgramTrades,
    Quote,
    StockDay,
    Tick,
)
from kisnb.events.orders import (
    Accepted,
    Cancelled,
    CancelRefused,
    CancelStarted,
    Denied,
    Expired,
    ExternalFound,
    Filled,
    IntentTaken,
    OrderFact,
    OrderHeld,
    OrderReserved,
    Rejected,
    Reopened,
    Resolved,
    Revised,
    SendStarted,
    SendUnknown,
    Sent,
    is_order_fact,
)
from kisnb.events.requotes import Requoted

Event: TypeAlias = (
    OrderFact
    | AccountFact
    | ControlFact
    | ExitFact
    | AgentFact
    | ProtectionRefused
    | MarketFact
    | LinkFact
    | DeskFact
    | Bar
)

__all__ = [
    "Accepted",
    "AccountFact",
    "AccountOpened",
    "AgentArchived",
    "AgentFact",
    "AgentLeased",
    "AgentNoted",
    "AgentRecord",
    "AgentReleased",
    "Armed",
    "Bar",
    "BreakerTripped",
    "CancelRefused",
    "CancelStarted",
    "Cancelled",
    "ClockMoved",
    "CommandDropped",
    "ControlFact",
    "DecisionMade",
    "DecisionRefused",
    "Denied",
    "Depth",
    "DeskFact",
    "Disarmed",
    "DriftCleared",
    "DriftFound",
    "Event",
    "ExitFact",
    "ExpectedMatch",
    "Expired",
    "ExternalFound",
    "Fact",
    "Filled",
    "FlattenSet",
    "ForecastJudged",
    "GapFound",
    "GuardsSet",
    "HaltSet",
    "HaltStep",
    "HoldingAdopted",
    "IntentRepeated",
    "IntentTaken",
    "LinkDown",
    "LinkFact",
    "LinkUp",
    "MarketFact",
    "MarketOperation",
    "Notice",
    "OrderFact",
    "OrderHeld",
    "OrderReserved",
    "OrderShown",
    "PhaseChanged",
    "PriceAlertEnded",
    "PriceAlertFired",
    "PriceAlertSet",
    "ProgramTrades",
    "ProtectionBlocked",
    "ProtectionEnded",
    "ProtectionFired",
    "ProtectionMoved",
    "ProtectionPriced",
    "ProtectionRefused",
    "ProtectionSet",
    "Quote",
    "ReadingsFailed",
    "ReadingsGood",
    "Rejected",
    "Reopened",
    "Requoted",
    "Resolved",
    "Revised",
    "SendStarted",
    "SendUnknown",
    "Sent",
    "SpeedSet",
    "StockDay",
    "SubscriptionChanged",
    "Tick",
    "Trouble",
    "Unresolved",
    "is_order_fact",
]
