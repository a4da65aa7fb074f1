"""One seed, one schedule: what the strategy does, what the phone does, and what fails when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time
from random import Random
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from kisnb.clock import SECOND, Ns, kst
from kisnb.exits import ExitOptions, Staged
from kisnb.kis.error_codes import CODES
from kisnb.simulator.day.market_day import ScriptedDay
from kisnb.terms import OrderKind, Venue

from .misreadings import Misread, misreadings
from .turns import Turn, turns

DAY = date(2026, 11, 20)
BEGIN = kst(DAY, time(15, 13))
"""Late in the day, so that the close is near; orders of the regular session expire then."""
LAST_ACTION = BEGIN + 150 * SECOND
LAST_KILL = BEGIN + 240 * SECOND
SETTLED = BEGIN + 720 * SECOND
"""By now every fault is over and every question is answered.

Wrong readings end at 300 s. The next regular reading comes up to 300 s later, and a difference of
the account is booked a minute after it.
"""
EXITS_END = SETTLED - 60 * SECOND
"""By now a person has ended the exits that have not found a buyer."""
DECIDED = SETTLED + 60 * SECOND
"""By now a person has decided what no evidence could."""
CLOSE = kst(DAY, time(15, 30))
EVENING = kst(DAY, time(15, 33))
"""After the close, with its orders read."""
NIGHT = EVENING + 600 * SECOND
"""By now a person has decided about what a flatten sent after the close, too."""

TICKS = {"005930": (71_000, 100), "000660": (182_000, 500), "247540": (120_000, 100)}
"""Price around which each stock trades, and its tick."""

Step: TypeAlias = Literal[
    "submit",
    "cancel",
    "revise",
    "halt",
    "rerun",
    "phone",
    "phone cancel",
    "kill",
    "cut",
    "jump",
    "adopt",
    "disown",
    "deaf",
    "twin",
    "take over",
    "switch",
    "full disk",
    "kernel",
    "link",
    "near twin",
    "pull",
    "lift",
]
Ill: TypeAlias = Literal[
    "cut before",
    "cut after",
    "late",
    "5xx",
    "refused",
    "refused later",
    "slow",
    "drop",
    "twice",
    "thrice",
    "delay",
    "silent",
    "code",
    "code, done",
    "waits",
    "too fast",
]


WEIGHTS: dict[Step, int] = {
    "submit": 45, "cancel": 18, "revise": 14, "halt": 2, "rerun": 3, "phone": 7, "phone cancel": 2,
    "kill": 5, "cut": 4,
    "jump": 3, "adopt": 2, "disown": 2, "deaf": 2, "twin": 3, "take over": 5, "switch": 2,
    "full disk": 2, "kernel": 2,
    "link": 2,
}  # fmt: skip
"""How often each step is taken."""
MOODS: dict[str, dict[Step, int]] = {
    "halts": {"halt": 40, "switch": 20, "take over": 15, "submit": 80},
    "cancels": {"cancel": 80, "phone cancel": 10},
    "machines": {"kill": 15, "cut": 15, "full disk": 10, "kernel": 10, "link": 10, "jump": 10},
    "people": {"phone": 25, "phone cancel": 10, "twin": 15, "take over": 20},
    "stutter": {"cancel": 60},
    "queue": {"halt": 25, "jump": 10},
}
"""What half of the seeds are about.

In ``stutter`` notices are repeated and late, in ``queue`` POSTs wait.
"""
REFUSALS = tuple(code for code in sorted(CODES) if code.startswith(("EGW", "APBK09", "403", "IGW")))
"""What KIS may answer an order with; some of them leave open whether it lives."""


class Setting(NamedTuple):
    """What a seed's desk is given."""

    cash: int
    """The account's cash, won."""
    windows: tuple[tuple[int, int], ...]
    """A blackout window, seconds of the day."""
    armings: tuple[tuple[Ns, Ns], ...]
    """Where buys must be armed: from when to when a person arms them."""
    budget: int
    """Won that buys may spend under one arming."""
    lists_trader: bool
    """KIS lists an order to SOR with the venue at which it stands, not with the route that was
    asked for."""


def setting(seed: int) -> Setting:
    """In every third seed the cash does not suffice for all, in every fifth there is a blackout
    window, in every sixth buys must be armed."""
    rng = Random(seed ^ 0xCA54)
    cash = rng.choice([4_000_000, 9_000_000, 20_000_000]) if rng.random() < 0.35 else 100_000_000
    start = 15 * 3600 + 13 * 60 + rng.randrange(20, 120)
    windows = ((start, start + rng.randrange(5, 60)),) if rng.random() < 0.2 else ()
    armings = []
    if rng.random() < 0.16:
        for n in range(12):
            t = BEGIN + n * 13 * SECOND + rng.randrange(SECOND, 4 * SECOND)
            armings.append((t, t + rng.randrange(4 * SECOND, 13 * SECOND)))
    budget = rng.choice([3_000_000, 8_000_000, 20_000_000])
    if counts_won(seed):
        cash = LOT * TICKS[stocks(seed)[0]][0]
    return Setting(cash, windows, tuple(armings), budget, rng.random() < 0.5)


LOT = 60
"""Shares that the whole cash buys at the price around which the first stock trades, where each won
is counted."""


def counts_won(seed: int) -> bool:
    """Whether the cash of a seed buys just so many shares, so that the last won decides."""
    return Random(seed ^ 0x3A17).random() < 0.12


class Do(msgspec.Struct, frozen=True):
    """Something that somebody does at ``t``; ``which`` picks one of the orders there are then."""

    t: Ns
    step: Step
    code: str = ""
    side: Literal["buy", "sell"] = "buy"
    qty: int = 0
    price: int | None = None
    which: int = 0
    amount: int = 0
    venue: Venue | None = None
    kind: OrderKind | None = None
    """None: a limit order when there is a price, else a market order."""
    ill: Ill | None = None
    """What happens to the POST of this order; ``amount`` belongs to it then."""


class Fault(msgspec.Struct, frozen=True):
    """What happens to the ``nth`` POST, question, notice or effect.

    ``amount`` in nanoseconds, or rows kept.
    """

    of: Literal["post", "ask", "notice", "effect"]
    nth: int
    ill: Ill
    amount: int = 0


Item: TypeAlias = Do | Fault | Turn | Misread


class Schedule(msgspec.Struct, frozen=True):
    seed: int
    items: tuple[Item, ...]

    def without(self, index: int) -> Schedule:
        return Schedule(self.seed, self.items[:index] + self.items[index + 1 :])


def make(seed: int) -> Schedule:
    """The schedule of a seed: always the same."""
    rng = Random(seed)
    codes = stocks(seed)
    venues = (None, *Venue) if rng.random() < 0.25 else (Venue.KRX,)
    mood = rng.choice(list(MOODS)) if rng.random() < 0.5 else ""
    weights = WEIGHTS | MOODS.get(mood, {})
    steps = [_do(rng, codes, venues, weights) for _ in range(rng.randint(5, 16))]
    faults = [_fault(rng) for _ in range(rng.randint(0, 12))] + _of_mood(rng, mood)
    if rng.random() < 0.1:
        steps += _at_the_close(rng, codes)
    # Here, for scenes are made of what this module defines.
    from .scenes import scenes

    faults += _too_fast(seed)

    steps += scenes(seed, codes)
    wrong = misreadings(seed)
    return Schedule(seed, (*sorted(steps, key=lambda d: d.t), *faults, *turns(seed), *wrong))


EXITS: tuple[ExitOptions, ...] = (
    {"stop": "0.15%"},
    {"take": "0.15%"},
    {"trail": "0.15%"},
    {"staged": Staged(be_lock=5, armed=30)},
    {"staged": Staged(be_lock=5, armed=30), "atr": 40.0, "entry": 60_000},
    {"atr_stop": True, "trail": "0.3%"},
    {"until": BEGIN + 60 * SECOND},
    {"until": BEGIN + 130 * SECOND, "stop": "0.4%"},
)
"""Exits so near to the price that they decide within minutes."""


def exit_of(seed: int, agent: str) -> ExitOptions | None:
    """Return the exit of an agent's shares: in every fourth seed its agents have some."""
    if seed % 4 != 3:
        return None
    return Random(f"{seed} {agent}").choice(EXITS)


def trades_of(seed: int) -> list[tuple[Ns, str, int]]:
    """Return the trades that a desk with exits sees: moment, stock, price. A walk by ticks."""
    if seed % 4 != 3:
        return []
    rng, found = Random(seed ^ 0x71C5), list[tuple[Ns, str, int]]()
    for code in stocks(seed):
        (price, tick), t = TICKS[code], BEGIN
        while (t := t + rng.randrange(2, 15) * SECOND) < LAST_KILL:
            price += rng.choice((-3, -2, -1, 0, 1, 2, 3)) * tick
            found.append((t, code, price))
    return sorted(found)


def stocks(seed: int) -> list[str]:
    """The two stocks of a seed."""
    return Random(seed).sample(sorted(TICKS), 2)


def _of_mood(rng: Random, mood: str) -> list[Fault]:
    match mood:
        case "stutter":
            ills: list[Ill] = ["twice", "twice", "thrice", "delay"]
            return [
                Fault("notice", n, rng.choice(ills), rng.randrange(SECOND, 20 * SECOND))
                for n in range(14)
            ]
        case "queue":
            return [Fault("post", n, "waits", rng.randrange(SECOND, 20 * SECOND)) for n in range(8)]
        case _:
            return []


def _too_fast(seed: int) -> list[Fault]:
    """In every tenth seed KIS turns most calls away for their speed."""
    rng = Random(seed ^ 0x59EED)
    if rng.random() >= 0.1:
        return []
    return [Fault("post", n, "too fast") for n in range(24) if rng.random() < 0.6]


def _do(
    rng: Random, codes: Sequence[str], venues: Sequence[Venue | None], weights: Mapping[Step, int]
) -> Do:
    t = BEGIN + rng.randrange(SECOND, LAST_ACTION - BEGIN)
    step = rng.choices(list(weights), weights=list(weights.values()))[0]
    code = rng.choice(codes)
    base, tick = TICKS[code]
    price = None if rng.random() < 0.25 else base + rng.randint(-5, 5) * tick
    side: Literal["buy", "sell"] = "buy" if rng.random() < 0.6 else "sell"
    amount = (
        rng.choice([-20, -3, -1, 1, 5, 20]) * SECOND
        if step == "jump"
        else rng.randrange(20 * SECOND)
    )
    qty, which, venue = rng.choice([1, 3, 10, 40, 60, 90]), rng.randrange(100), rng.choice(venues)
    return Do(t, step, code, side, qty, price, which, amount, venue)


def _at_the_close(rng: Random, codes: Sequence[str]) -> list[Do]:
    """Orders in the last seconds of the closing auction, of which no notice tells."""
    begin = CLOSE - 12 * SECOND
    steps = [Do(begin, "deaf", amount=60 * SECOND)]
    for i in range(3):
        code = rng.choice(codes)
        base, tick = TICKS[code]
        steps.append(
            Do(begin + (i + 1) * SECOND, "submit", code, "buy", 2, base + rng.randint(-9, 1) * tick)
        )
    return steps


def _fault(rng: Random) -> Fault:
    of: Literal["post", "ask", "notice", "effect"] = rng.choices(
        ["post", "ask", "notice", "effect"], weights=[35, 15, 35, 15]
    )[0]
    match of:
        case "post":
            ills: list[Ill] = [
                "cut before",
                "cut after",
                "cut after",
                "late",
                "5xx",
                "refused",
                "refused later",
                "slow",
                "code",
                "code, done",
                "waits",
                "waits",
            ]
            return Fault(of, rng.randrange(12), rng.choice(ills), rng.randrange(SECOND, 9 * SECOND))
        case "ask":
            return Fault(
                of,
                rng.randrange(10),
                rng.choice(["silent", "slow"]),
                rng.randrange(SECOND, 15 * SECOND),
            )
        case "notice":
            ill: Ill = rng.choice(["drop", "drop", "twice", "twice", "thrice", "delay"])
            return Fault(of, rng.randrange(14), ill, rng.randrange(SECOND // 10, 90 * SECOND))
        case _:
            return Fault(of, rng.randrange(200), "drop", rng.randrange(4))


def scripts(seed: int) -> dict[str, ScriptedDay]:
    """A few minutes of trades around each stock's price, and a closing auction."""
    rng = Random(seed ^ 0x5EED)
    days = {}
    for code in stocks(seed):
        base, tick = TICKS[code]
        trades, price, t = [], base, 15 * 3600 + 13 * 60 + 1.0
        while t < 15 * 3600 + 17 * 60:
            price = min(
                max(price + rng.choice((-1, 0, 0, 1)) * tick, base - 5 * tick), base + 5 * tick
            )
            trades.append((_clock(t), price, rng.randint(1, 30)))
            t += rng.uniform(2.0, 18.0)
        trades.append((time(15, 30), price, rng.randint(1, 100)))
        days[code] = ScriptedDay(trades, size=20)
    return days


def _clock(seconds: float) -> time:
    whole = int(seconds)
    return time(whole // 3600, whole // 60 % 60, whole % 60, int(seconds % 1 * 1e6))
