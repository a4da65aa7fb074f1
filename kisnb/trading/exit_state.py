"""The exits and price alerts that have not ended, computed from the journal's rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from kisnb.clock import Ns
from kisnb.events import (
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
    ProtectionSet,
)
from kisnb.exits import ExitReason, ExitStage, PriceAlert, Protection

STOPS = frozenset(
    {
        ExitReason.HARD_STOP, ExitReason.ATR_TRAILING_STOP,
        ExitReason.BE_LOCK_THREAT, ExitReason.TRAILING_STOP,
    }
)  # fmt: skip
"""Reasons of exits that sold because the price fell."""

_Progress: TypeAlias = (
    ProtectionMoved | ProtectionPriced | ForecastJudged | ProtectionFired | ProtectionBlocked
)


class Watch:
    """One exit and its progress."""

    __slots__ = ("blocked", "fired", "model", "peak", "priced", "protection", "set_at", "stage")

    def __init__(self, fact: ProtectionSet) -> None:
        self.protection: Protection = fact.protection
        self.set_at = fact.t
        self.stage = ExitStage.HOLDING
        self.peak = 0
        """The highest journaled price since the exit was set, won."""
        self.priced: ProtectionPriced | None = None
        """The newest base price and limits that KIS stated of the stock.

        None: nothing was stated yet.
        """
        self.model = ""
        """A sentence: whether a model's forecast counts. Empty before the first trade."""
        self.fired: ProtectionFired | None = None
        """The decision to sell. None while the exit watches."""
        self.blocked: ProtectionBlocked | None = None
        """The newest decision that the desk did not let pass. None: there was none."""

    def apply(self, row: _Progress) -> None:
        """Apply one row about this exit."""
        match row:
            case ProtectionMoved(stage=stage, peak=peak):
                self.stage, self.peak = stage, peak
            case ProtectionPriced():
                self.priced = row
            case ForecastJudged(text=text):
                self.model = text
            case ProtectionFired():
                self.fired = row
            case ProtectionBlocked():
                self.blocked = row

    @property
    def text(self) -> str:
        """The exit's progress, in words."""
        if self.fired is not None:
            return f"sells: {self.fired.reason}, {self.fired.text}"
        if self.blocked is not None:
            return f"would have sold: {self.blocked.text}"
        if self.stage is not ExitStage.HOLDING:
            return f"watches, {self.stage}"
        return f"watches; {self.model}" if self.model else "watches"


class ExitState:
    """All exits and price alerts of a desk. Sessions compute it from the same rows."""

    def __init__(self) -> None:
        self.watches: dict[str, Watch] = {}
        """The exits that have not ended, by key."""
        self.alerts: dict[str, PriceAlert] = {}
        """The price alerts that have not ended, by key."""
        self.ended: dict[str, str] = {}
        """Keys of the day's ended exits and alerts, each with the reason."""
        self.stopped: dict[tuple[str, str], Ns] = {}
        """By owner and stock: when a stop began to sell."""
        self.codes: frozenset[str] = frozenset()
        """Stocks with an exit or an alert."""

    def apply(self, row: ExitFact) -> None:
        """Apply one row of the journal."""
        match row:
            case ProtectionSet(protection=protection):
                self.watches[protection.key] = Watch(row)
            case (
                ProtectionMoved(key=key) | ProtectionPriced(key=key) | ForecastJudged(key=key)
                | ProtectionFired(key=key) | ProtectionBlocked(key=key)
            ):  # fmt: skip
                watch = self.watches[key]
                watch.apply(row)
                if isinstance(row, ProtectionFired) and row.reason in STOPS:
                    self.stopped[watch.protection.agent, watch.protection.code] = row.t
            case ProtectionEnded(key=key, why=why):
                self.watches.pop(key, None)
                self.ended[key] = why
            case PriceAlertSet(alert=alert):
                self.alerts[alert.key] = alert
            case PriceAlertFired(key=key, text=text):
                self.alerts.pop(key, None)
                self.ended[key] = text
            case PriceAlertEnded(key=key):
                self.alerts.pop(key, None)
                self.ended[key] = "a person ended it"
        # This set is read at every trade. It changes only when a person or an agent sets or ends
        # something.
        if not isinstance(row, ProtectionMoved | ProtectionPriced | ForecastJudged):
            watched = {w.protection.code for w in self.watches.values()}
            self.codes = frozenset(watched | {a.code for a in self.alerts.values()})

    def is_known(self, key: str) -> bool:
        """Return whether the key belongs to an exit or an alert, active or ended."""
        return key in self.watches or key in self.alerts or key in self.ended

    def of(self, code: str) -> list[Watch]:
        """Return the exits of a stock."""
        return [w for w in self.watches.values() if w.protection.code == code]

    def of_owner(self, agent: str, code: str) -> Watch | None:
        """Return the exit of an owner's shares of a stock. None when there is none."""
        return next((w for w in self.of(code) if w.protection.agent == agent), None)

    def alerts_of(self, code: str) -> list[PriceAlert]:
        """Return the price alerts of a stock."""
        return [a for a in self.alerts.values() if a.code == code]

    @property
    def selling(self) -> Iterator[Watch]:
        """Yield the exits that have begun to sell."""
        return (w for w in list(self.watches.values()) if w.fired is not None)
