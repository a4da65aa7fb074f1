"""Scenes that chance plays too seldom: twins of a lost order, cash to the last won, the end of a
session.

Each scene draws from numbers of its own, so that the rest of a seed's schedule does not depend on
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from random import Random
from typing import Literal

from msgspec.structs import replace

from kisnb.clock import SECOND, Ns, kst
from kisnb.terms import OrderKind, Venue

from .schedule import BEGIN, DAY, LAST_ACTION, LOT, TICKS, Do, Ill, counts_won, setting

LOSSES: tuple[Ill, ...] = ("cut before", "cut before", "cut after", "late", "late", "slow")
"""What keeps an answer from the desk: the order never reached KIS, or reached it, or reaches it
later."""
SIDES: tuple[Literal["buy", "sell"], ...] = ("buy", "sell")
SESSION_END = kst(DAY, time(15, 20))
"""Nextrade's regular session ends, and KRX's closing auction begins."""


def scenes(seed: int, codes: Sequence[str]) -> list[Do]:
    """The scenes of a seed; most seeds have none."""
    armings = setting(seed).armings
    steps: list[Do] = []
    rng = Random(seed ^ 0x7712)
    if rng.random() < 0.2:
        for _ in range(rng.randint(1, 3)):
            steps += _twins(rng, codes)
    if counts_won(seed):
        steps += _to_the_last_won(Random(seed ^ 0x11A5), codes)
    rng = Random(seed ^ 0x4E57)
    if armings and rng.random() < 0.5:
        steps += _restart_while_armed(rng, codes, rng.choice(armings[:6])[0])
    rng = Random(seed ^ 0xF1A7)
    if rng.random() < 0.15:
        steps += _pulls(rng, codes)
    rng = Random(seed ^ 0xCA9C)
    if rng.random() < 0.06:
        steps += _cancel_at_once(rng, codes)
    rng = Random(seed ^ 0x5E55)
    if rng.random() < 0.08:
        steps += _over_the_end(rng, codes)
    return steps


def _twins(rng: Random, codes: Sequence[str]) -> list[Do]:
    """An order whose answer is lost, and one that differs in the venue alone, in the kind alone, in
    the price alone, or in nothing: the phone's, which may come first with its notice lost, or one
    of our own."""
    t, code = BEGIN + rng.randrange(SECOND, LAST_ACTION - BEGIN), rng.choice(codes)
    base, tick = TICKS[code]
    side: Literal["buy", "sell"] = rng.choice(["buy", "sell"])
    away = rng.randint(-1, 6) * tick
    price = base - away if side == "buy" else base + away
    qty, venue = rng.choice([2, 4, 7]), rng.choice([Venue.KRX, Venue.NXT, Venue.NXT, Venue.SOR])
    amount = rng.randrange(9 * SECOND)
    ours = Do(
        t,
        "submit",
        code,
        side,
        qty,
        price,
        rng.randrange(100),
        amount,
        venue,
        ill=rng.choice(LOSSES),
    )
    after = rng.choice([-5, -1, 1, 1, 2, 4, 8]) * SECOND + rng.randrange(SECOND)
    twin = Do(t + after, "near twin", code, side, qty, price, venue=venue)
    match rng.choice(["venue", "venue", "kind", "price", "nothing", "ours"]):
        case "venue":
            twin = replace(twin, venue=rng.choice([v for v in Venue if v is not venue]))
        case "kind":
            twin = replace(twin, kind=rng.choice([OrderKind.LIMIT_IOC, OrderKind.LIMIT_FOK]))
            if rng.random() < 0.3:
                ours, twin = replace(ours, kind=twin.kind), replace(twin, kind=None)
        case "price":
            twin = replace(twin, price=price + rng.choice([-1, 1]) * tick)
        case "ours":
            # A sell may leave beside a sell of unknown fate, a buy may not.
            ours = replace(ours, side="sell", price=base + abs(away))
            return [
                ours,
                replace(ours, t=t + abs(after), which=ours.which + 3, ill=rng.choice(LOSSES)),
            ]
    if after > 0:
        return [ours, twin]
    between = Do(t - SECOND // 2, "submit", code, side, 1, price, venue=venue)
    return [Do(twin.t, "deaf", amount=SECOND // 4), twin, between, ours]


def _to_the_last_won(rng: Random, codes: Sequence[str]) -> list[Do]:
    """A buy for all the cash, revised as a whole or in part, with another buy at its heels."""
    base, tick = TICKS[codes[0]]
    other, step = TICKS[codes[1]]
    t = BEGIN + 4 * SECOND + rng.randrange(3 * SECOND)
    away = rng.choice([0, 1, 3, 8])
    ill: Ill | None = rng.choice([None, None, "slow", "waits"])
    amount = rng.randrange(SECOND, 6 * SECOND)
    first = Do(
        t,
        "submit",
        codes[0],
        "buy",
        LOT,
        base - away * tick,
        rng.randrange(100),
        amount,
        Venue.KRX,
        ill=ill,
    )
    steps = [first]
    if rng.random() < 0.5:
        qty = rng.choice([LOT // 3, LOT * base // other])
        at = t + rng.randrange(SECOND // 50, SECOND)
        steps.append(
            Do(
                at,
                "submit",
                codes[1],
                "buy",
                qty,
                other - 3 * step,
                rng.randrange(100),
                venue=Venue.KRX,
            )
        )
    for n in range(rng.randint(1, 3)):
        at, which = t + (n + 1) * 8 * SECOND + rng.randrange(2 * SECOND), rng.randrange(9)
        price = base + rng.choice([-2, 0, 1, 4]) * tick
        steps.append(Do(at, "revise", qty=rng.choice([1, 20, 40]), price=price, which=which))
    return steps


def _pulls(rng: Random, codes: Sequence[str]) -> list[Do]:
    """The kill switch pulled over itself, weaker and stronger, with a flatten and without, restarts
    between them; half of the time a person lifts it long after."""
    t = BEGIN + rng.randrange(5 * SECOND, 100 * SECOND)
    steps = []
    for _ in range(rng.randint(2, 5)):
        steps.append(Do(t, "pull", which=rng.randrange(4)))
        t += rng.choice([1, 2, 5, 15]) * SECOND // 2 + rng.randrange(SECOND)
        if rng.random() < 0.3:
            steps.append(Do(t, "kill"))
            t += rng.randrange(SECOND, 20 * SECOND)
        if rng.random() < 0.4:
            code, side = rng.choice(codes), rng.choice(SIDES)
            ill = rng.choice([None, "waits", "slow", *LOSSES])
            amount, price = (
                rng.randrange(8 * SECOND),
                TICKS[code][0] + rng.randint(-4, 4) * TICKS[code][1],
            )
            steps.append(
                Do(
                    t,
                    "submit",
                    code,
                    side,
                    3,
                    price,
                    rng.randrange(100),
                    amount,
                    Venue.KRX,
                    ill=ill,
                )
            )
    if rng.random() < 0.5:
        steps.append(Do(t + rng.randrange(60 * SECOND), "lift"))
    return steps


def _restart_while_armed(rng: Random, codes: Sequence[str], armed: Ns) -> list[Do]:
    """The desk dies as soon as it is armed, and buys are asked of its next life."""
    steps = [Do(armed + SECOND // 2, "kill")]
    for n in range(6):
        code, t = rng.choice(codes), armed + (n + 1) * 2 * SECOND
        base, tick = TICKS[code]
        price = base - rng.randint(0, 4) * tick
        steps.append(Do(t, "submit", code, "buy", 2, price, rng.randrange(100), venue=Venue.KRX))
    return steps


def _cancel_at_once(rng: Random, codes: Sequence[str]) -> list[Do]:
    """An order that is cancelled while it is being sent.

    The desk may die before the answer comes.
    """
    t, code = BEGIN + rng.randrange(SECOND, LAST_ACTION - BEGIN), rng.choice(codes)
    base, tick = TICKS[code]
    price, ill = base - rng.randint(3, 9) * tick, rng.choice(["slow", "waits", "late"])
    order = Do(
        t, "submit", code, "buy", 3, price, rng.randrange(100), 4 * SECOND, Venue.KRX, ill=ill
    )
    steps = [order, *(Do(t + SECOND // 2, "cancel", which=which) for which in (1, 3, 5, 7))]
    if rng.random() < 0.4:
        steps.append(Do(t + SECOND, "kill"))
    return steps


def _over_the_end(rng: Random, codes: Sequence[str]) -> list[Do]:
    """Orders that wait behind the limiter while the session ends for which they were taken."""
    steps = []
    for _ in range(rng.randint(1, 3)):
        code, t = rng.choice(codes), SESSION_END - rng.randrange(SECOND, 9 * SECOND)
        base, tick = TICKS[code]
        side: Literal["buy", "sell"] = rng.choice(["buy", "sell"])
        price, kind = (
            base + rng.randint(-4, 4) * tick,
            rng.choice([None, None, OrderKind.LIMIT_IOC]),
        )
        venue, amount = (
            rng.choice([Venue.KRX, Venue.NXT, Venue.SOR]),
            rng.randrange(SECOND, 14 * SECOND),
        )
        which = rng.randrange(100)
        steps.append(Do(t, "submit", code, side, 3, price, which, amount, venue, kind, "waits"))
    return steps
