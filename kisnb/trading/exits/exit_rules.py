"""The rules of exits, as pure functions of whole won.

Each price is judged in two steps. First the exits are tried, in the order of ``ExitReason``, with
the stage and the peak from before this price. Then the stage may rise, also by two stages at once:

    HOLDING ──► +1.2 % (or a model expects a fall while little is traded) ──► BE_LOCK
    BE_LOCK ──► +3.0 % ──► ARMED

    exit                 from      when
    ──────────────────   ───────   ──────────────────────────────────────────────────────────
    hard_stop            HOLDING   price ≤ entry - stop; the tightest of all stops counts
    atr_trailing_stop    BE_LOCK   price ≤ peak - 2.2 ATR; none without an ATR
    be_lock_threat       BE_LOCK   price ≤ break-even price after fee and tax
    trailing_stop        HOLDING   price ≤ peak - trail
    take_profit          HOLDING   price ≥ entry + take
    time_stop            HOLDING   the moment has come
"""

from __future__ import annotations

from typing import NamedTuple

from kisnb.clock import Ns
from kisnb.exits import WHOLE, ExitReason, ExitStage, Protection, percent

ATRS = 2.0
"""The ATR stop is this number of ATRs below the entry price."""
TIGHTEST, WIDEST = 200, 700
"""Bounds of the ATR stop, basis points. Without an ATR the stop is the tightest."""


class Watched(NamedTuple):
    """The state of an exit that is stored until the next price."""

    stage: ExitStage
    peak: int
    """The highest price since the exit was set, won. 0: no price yet."""


class Facts(NamedTuple):
    """The facts about a holding and its stock by which an exit judges a price."""

    now: Ns
    entry: int
    """The entry price, won."""
    break_even: int
    """The lowest price at which a sale of all shares loses nothing after fee and tax, won."""
    falling: int | None = None
    """A model's probability that the price falls, basis points.

    None: no forecast, or one too old.
    """
    model: str = ""
    """The name of the model, and the time of its forecast. Empty when there is none."""
    is_quiet: bool = False
    """True when less is traded than usual at this time of the day."""


class Judgement(NamedTuple):
    """The result when an exit judges one price."""

    reason: ExitReason | None
    """The reason why the exit sells. None: it does not sell."""
    text: str
    """A sentence: why the exit sells, or why its stage changed. Otherwise empty."""
    after: Watched
    """The exit's stage and peak after this price."""


def atr_stop(entry: int, atr: float | None) -> int:
    """Return the distance of the ATR stop below the entry price, basis points.

    It is twice the ATR, but at least 2 % and at most 7 %. Without an ATR it is 2 %.
    """
    if atr is None:
        return TIGHTEST
    return min(max(round(ATRS * atr * WHOLE / entry), TIGHTEST), WIDEST)


def stop_price(protection: Protection, entry: int) -> int | None:
    """Return the highest price of all hard stops, won. None when there is no hard stop.

    The ATR stop is never further from the entry price than the stop that a person gave.
    """
    stops = [] if protection.stop is None else [protection.stop]
    if protection.atr_stop:
        stops.append(atr_stop(entry, protection.atr))
    # Rounded down, so that the stop is not reached before the loss has its percentage.
    prices = [entry * (WHOLE - min(stops)) // WHOLE] if stops else []
    if protection.stop_price is not None:
        prices.append(protection.stop_price)
    return max(prices, default=None)


def take_price(protection: Protection, entry: int) -> int | None:
    """Return the lowest price at which the exit takes the profit, won. None: it has no target."""
    prices = [] if protection.take is None else [_above(entry, protection.take)]
    if protection.take_price is not None:
        prices.append(protection.take_price)
    return min(prices, default=None)


def sell_level(protection: Protection, watched: Watched, facts: Facts) -> int | None:
    """Return the highest price at which the exit sells when the price falls, won.

    It is a stop, a trailing stop or the break-even price, whichever is highest. ``watched`` has the
    peak. None: the exit does not sell when the price falls.
    """
    levels = [stop_price(protection, facts.entry)]
    staged = protection.staged
    if staged is not None and watched.stage is not ExitStage.HOLDING:
        levels.append(facts.break_even)
        if protection.atr is not None:
            levels.append(int(watched.peak - staged.trail_atr * protection.atr))
    if protection.trail is not None:
        levels.append(watched.peak * (WHOLE - protection.trail) // WHOLE)
    return max((level for level in levels if level is not None), default=None)


def judge(protection: Protection, watched: Watched, price: int, facts: Facts) -> Judgement:
    """Judge one price of the stock, won. Return whether the exit sells, its stage and its peak."""
    peak = max(watched.peak, price)
    found = _exit(protection, Watched(watched.stage, peak), price, facts)
    if found is not None:
        return Judgement(*found, Watched(watched.stage, peak))
    stage, why = _stage(protection, watched.stage, price, facts)
    return Judgement(None, why, Watched(stage, peak))


def _exit(
    protection: Protection, watched: Watched, price: int, facts: Facts
) -> tuple[ExitReason, str] | None:
    stop, take = stop_price(protection, facts.entry), take_price(protection, facts.entry)
    peak, staged = watched.peak, protection.staged
    if stop is not None and price <= stop:
        return ExitReason.HARD_STOP, f"{price:,} is at or below the stop {stop:,}"
    if staged is not None and watched.stage is not ExitStage.HOLDING:
        if protection.atr is not None:
            trail = int(peak - staged.trail_atr * protection.atr)
            if price <= trail:
                far = f"{staged.trail_atr:g} ATR below the peak {peak:,}"
                return ExitReason.ATR_TRAILING_STOP, f"{price:,} is at or below {trail:,}, {far}"
        if price <= facts.break_even:
            why = f"{price:,} is at or below the break-even price {facts.break_even:,}"
            return ExitReason.BE_LOCK_THREAT, why
    if protection.trail is not None:
        trail = peak * (WHOLE - protection.trail) // WHOLE
        if price <= trail:
            far = f"{percent(protection.trail)} below the peak {peak:,}"
            return ExitReason.TRAILING_STOP, f"{price:,} is at or below {trail:,}, {far}"
    if take is not None and price >= take:
        return ExitReason.TAKE_PROFIT, f"{price:,} is at or above the target {take:,}"
    if protection.until and facts.now >= protection.until:
        return ExitReason.TIME_STOP, "its time has come"
    return None


def _stage(
    protection: Protection, stage: ExitStage, price: int, facts: Facts
) -> tuple[ExitStage, str]:
    """Return the stage after a price, and why it changed.

    The reason is empty when it did not change.
    """
    staged = protection.staged
    if staged is None or stage is ExitStage.ARMED:
        return stage, ""
    gain = f"{price:,} is {percent((price - facts.entry) * WHOLE // facts.entry)} above the entry"
    if price >= _above(facts.entry, staged.armed):
        return ExitStage.ARMED, gain
    if stage is ExitStage.BE_LOCK:
        return stage, ""
    if price >= _above(facts.entry, staged.be_lock):
        return ExitStage.BE_LOCK, gain
    if staged.assist is None or facts.falling is None:
        return stage, ""
    if facts.falling >= staged.assist and facts.is_quiet:
        why = f"{facts.model} gives a fall {percent(facts.falling)}, and little is traded"
        return ExitStage.BE_LOCK, f"model_assist: {why}"
    return stage, ""


def _above(entry: int, points: int) -> int:
    """Return the price ``points`` basis points above the entry price, rounded up to a won."""
    return -(-entry * (WHOLE + points) // WHOLE)
