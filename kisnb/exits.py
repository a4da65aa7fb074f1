"""Exits: frozen conditions on which the desk sells a holding by itself.

A ``Protection`` is a frozen specification. A person or an agent gives it to the desk, and the desk
evaluates it on every trade of the stock. So it works while a notebook's cell blocks.

Prices in won, quantities in shares. Percentages are whole basis points: 300 is 3 %.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypedDict

import msgspec

from kisnb import values
from kisnb.clock import Ns, clock_text
from kisnb.errors import BadInput

PERCENT = 100
"""Basis points in a percent."""
WHOLE = 10_000
"""Basis points in 100 percent."""


class ExitStage(StrEnum):
    """The stage of a staged exit. It never goes back to an earlier one."""

    HOLDING = "HOLDING"
    BE_LOCK = "BE_LOCK"
    """The price was high enough once: from now on the holding must not end in a loss."""
    ARMED = "ARMED"
    """The last stage: the gain ``Staged.armed`` was reached once."""


class ExitReason(StrEnum):
    """The reason for which an exit sells. If several apply, the one listed first counts."""

    HARD_STOP = "hard_stop"
    ATR_TRAILING_STOP = "atr_trailing_stop"
    BE_LOCK_THREAT = "be_lock_threat"
    TRAILING_STOP = "trailing_stop"
    TAKE_PROFIT = "take_profit"
    TIME_STOP = "time_stop"


class Staged(msgspec.Struct, frozen=True, gc=False):
    """The staged exit: HOLDING → BE_LOCK → ARMED → sold."""

    be_lock: int = 120
    """Gain at which the stage BE_LOCK begins, basis points above the entry price."""
    armed: int = 300
    """Gain at which the stage ARMED begins, basis points above the entry price."""
    trail_atr: float = 2.2
    """From BE_LOCK on, sell at this distance below the peak, in ATRs. Not used without an ATR."""
    assist: int | None = 6200
    """Probability of a fall, in basis points, at which a model's forecast starts the stage BE_LOCK.

    It does so only while little is traded. None: a forecast never does.
    """


class Protection(msgspec.Struct, frozen=True, gc=False):
    """A frozen exit of one owner's holding of one stock. Nothing in it changes once it is set."""

    key: str
    """Idempotency key. The desk sets an exit with the same key only once."""
    agent: str
    """Name of the agent that owns the shares. Empty: shares that belong to no agent."""
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
    """Sell when the price is this far below its highest since the exit was set, basis points."""
    atr: float | None = None
    """Average true range of the 14 days before the exit was set, won. None: not known."""
    atr_stop: bool = False
    """True: stop at twice the ATR below the entry price, at least 2 % and at most 7 %."""
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
    """A person's price alert: the desk sends one notice when the price is reached."""

    key: str
    """Idempotency key."""
    code: str
    above: bool
    """True: the alert fires at ``price`` or above. False: at ``price`` or below."""
    price: int
    """Won."""

    @property
    def text(self) -> str:
        """The alert in words: ``"005930 above 75,000"``."""
        return f"{self.code} {'above' if self.above else 'below'} {self.price:,}"


def percent(points: int) -> str:
    """Return basis points as a percentage: ``"3 %"``, ``"2.5 %"``."""
    return f"{points / PERCENT:g} %"


class ExitOptions(TypedDict, total=False):
    """The conditions of an exit as people and agents write them.

    ``stop`` and ``take`` are a percentage of the entry price (``"3%"``, ``"-3%"``) or a price in
    won (``68_000``). ``trail`` is a percentage below the highest price since the exit was set.
    """

    stop: object
    take: object
    trail: object
    entry: object
    """Price that the percentages count from, won. Left out: the average purchase price."""
    atr: object
    """Average true range, won. Left out: that of the 14 days before today, when it is known."""
    atr_stop: bool
    """True: stop at twice the ATR below the entry price, at least 2 % and at most 7 %."""
    staged: object
    """True, or a ``Staged``: the staged exit."""
    until: Ns | None
    """Sell at this moment, whatever the price is. None: never."""


def needs_atr(options: ExitOptions) -> bool:
    """Return whether an exit uses the average true range, and the options do not state it."""
    uses = options.get("atr_stop") or options.get("staged")
    return bool(uses) and "atr" not in options


def read_protection(key: str, agent: str, code: str, options: ExitOptions) -> Protection:
    """Return the exit that the options of a person or an agent describe. Raises BadInput."""
    stop, stop_price = _distance(options.get("stop"), "the stop", most=9_900)
    take, take_price = _distance(options.get("take"), "the target", most=1_000_000)
    trail, trail_price = _distance(options.get("trail"), "the trail", most=9_900)
    if trail_price is not None:
        why = f"the trail {trail_price:,} is a price"
        raise BadInput(why, "write a percentage below the highest price: trail='2%'")
    entry, staged = options.get("entry"), options.get("staged")
    return Protection(
        key,
        agent,
        code,
        entry=None if entry is None else _won(entry, "the entry price"),
        stop=stop,
        stop_price=stop_price,
        take=take,
        take_price=take_price,
        trail=trail,
        atr=_atr(options.get("atr")),
        atr_stop=bool(options.get("atr_stop", False)),
        staged=staged if isinstance(staged, Staged) else Staged() if staged else None,
        until=options.get("until") or 0,
    )


def _distance(value: object, what: str, most: int) -> tuple[int | None, int | None]:
    """Return (basis points, None) for a percentage, and (None, won) for a price.

    (None, None) for None. ``what`` names the value in the error. ``most`` is the largest number of
    basis points. Raises BadInput.
    """
    if value is None:
        return None, None
    text = values.narrow(value).strip() if isinstance(value, str) else ""
    if not text.endswith("%"):
        return None, _won(value, what)
    try:
        points = abs(Decimal(text.removesuffix("%").strip().replace("−", "-"))) * PERCENT
    except InvalidOperation:
        points = Decimal(0)
    if not 1 <= points <= most or points != int(points):
        why = f"{what} {values.shown(value)} is not a percentage"
        raise BadInput(why, f"write for example '3%', from 0.01% to {most // PERCENT}%")
    return int(points), None


def _won(value: object, what: str) -> int:
    won = values.price(value, what)
    if won < 1:
        raise BadInput(f"{what} {won:,} is not a price", "give won above 0, or a text like '3%'")
    return won


def _atr(value: object) -> float | None:
    # Missing is None and never 0: a stop of 0 ATRs would sell at once.
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < float(value) < math.inf:  # type: ignore[arg-type]
        why = f"the ATR {values.shown(value)} is not a number of won above 0"
        raise BadInput(why, "leave it out when it is not known")
    return float(value)  # type: ignore[arg-type]
