"""Exits: when a holding is sold without anybody deciding at that moment.

A ``Protection`` is a frozen specification. A person or an agent gives it to the desk, and the desk
evaluates it on every trade of the stock. So it works while a notebook's cell blocks.

Prices in won, quantities in shares. Percentages are whole basis points: 300 is 3 %.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from kisnb.clock import Ns, clock_text

PERCENT = 100
"""Basis points in a percent."""
WHOLE = 10_000
"""Basis points in the whole."""


class Stage(StrEnum):
    """How far a staged exit has come. It never goes back."""

    HOLDING = "HOLDING"
    BE_LOCK = "BE_LOCK"
    """The price was high enough once: from now on the holding must not end in a loss."""
    ARMED = "ARMED"


class ExitReason(StrEnum):
    """Why an exit sells. The order here is the priority when several are true at one price."""

    HARD_STOP = "hard_stop"
    ATR_TRAILING_STOP = "atr_trailing_stop"
    BE_LOCK_THREAT = "be_lock_threat"
    TRAILING_STOP = "trailing_stop"
    TAKE_PROFIT = "take_profit"
    TIME_STOP = "time_stop"


class Staged(msgspec.Struct, frozen=True, gc=False):
    """The staged exit: HOLDING → BE_LOCK → ARMED → sold."""

    be_lock: int = 120
    """Gain that locks the break-even price, basis points above the entry price."""
    armed: int = 300
    """Gain of the stage ARMED, basis points above the entry price."""
    trail_atr: float = 2.2
    """From BE_LOCK on: distance below the peak that sells, in ATRs. No ATR: no such exit."""
    assist: int | None = 6200
    """From HOLDING to BE_LOCK also when a model gives the price this probability to fall, in basis
    points, while little is traded. None: never."""


class Protection(msgspec.Struct, frozen=True, gc=False):
    """A frozen exit of what one owner holds of one stock. Nothing in it changes once it is set."""

    key: str
    """Idempotency key. The desk sets a key that it knows only once."""
    agent: str
    """The owner. Empty: what no agent holds."""
    code: str
    """Short code of the stock."""
    entry: int | None = None
    """Price that the percentages count from, won. None: the average purchase price."""
    stop: int | None = None
    """Sell when the price is this far below the entry price, basis points."""
    stop_price: int | None = None
    """Sell at this price or below, won."""
    take: int | None = None
    """Sell when the price is this far above the entry price, basis points."""
    take_price: int | None = None
    """Sell at this price or above, won."""
    trail: int | None = None
    """Sell when the price is this far below the highest price since, basis points."""
    atr: float | None = None
    """Average true range of the last 14 days, won, when it was set. None: not known."""
    atr_stop: bool = False
    """Stop at twice the ATR below the entry price, at least 2 % and at most 7 %."""
    staged: Staged | None = None
    """The staged exit. None: no stages."""
    until: Ns = 0
    """Sell at this moment, whatever the price is. 0: never."""

    @property
    def text(self) -> str:
        """The exit in words: ``"stop -3 %, take +5 %, trail 2 %"``."""
        return ", ".join(self._parts()) or "nothing"

    def _parts(self) -> list[str]:
        parts: list[str] = []
        if self.stop is not None:
            parts.append(f"stop -{percent(self.stop)}")
        if self.stop_price is not None:
            parts.append(f"stop {self.stop_price:,}")
        if self.atr_stop:
            parts.append("stop at 2 ATR" if self.atr is not None else "stop -2 % (no ATR)")
        if self.take is not None:
            parts.append(f"take +{percent(self.take)}")
        if self.take_price is not None:
            parts.append(f"take {self.take_price:,}")
        if self.trail is not None:
            parts.append(f"trail {percent(self.trail)}")
        if self.staged is not None:
            parts.append(
                f"staged: lock +{percent(self.staged.be_lock)}, arm +{percent(self.staged.armed)}"
            )
        if self.until:
            parts.append(f"sell at {clock_text(self.until)}")
        return parts


class PriceAlert(msgspec.Struct, frozen=True, gc=False):
    """A person's wish to be told once when a price is reached."""

    key: str
    """Idempotency key."""
    code: str
    above: bool
    """True: told at ``price`` or above it. False: at it or below."""
    price: int
    """Won."""

    @property
    def text(self) -> str:
        """The wish in words: ``"005930 above 75,000"``."""
        return f"{self.code} {'above' if self.above else 'below'} {self.price:,}"


def percent(points: int) -> str:
    """Return basis points as a percentage: ``"3 %"``, ``"2.5 %"``."""
    return f"{points / PERCENT:g} %"
