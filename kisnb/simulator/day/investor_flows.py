"""Who bought and who sold: individuals, foreigners, institutions, programs, short sellers, buyers on credit. Made up.

Every share that one group buys another sells: the groups' purchases add up to the volume, and so do their sales.
Foreigners and institutions lean with the day's return, individuals take the other side.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import NamedTuple

import msgspec

from kisnb.clock import Ns
from kisnb.market.instruments import Instrument
from kisnb.simulator.day.model.draws import draw, normal, scattered, stable_random
from kisnb.terms import Board, Kind

_PARTS = {Board.KOSPI: (0.26, 0.20), Board.KOSDAQ: (0.14, 0.06)}
"""Foreigners' and institutions' part of the turnover; the rest is individuals'."""
_MOST = 0.3
"""No group's part is larger, so that individuals are always on both sides."""
_LEAN = 0.35
"""Net purchase against own turnover when the day moves by two percent."""
_PROGRAM = (0.55, 0.45)
"""Part of foreigners' and of institutions' turnover that programs trade; of it so much is arbitrage."""
_ARBITRAGE = 0.06


class Turnover(msgspec.Struct, frozen=True, gc=False):
    """What somebody bought and sold: shares and won."""

    bought: int
    sold: int
    bought_value: int
    sold_value: int

    @property
    def net(self) -> int:
        return self.bought - self.sold

    @property
    def net_value(self) -> int:
        return self.bought_value - self.sold_value


class Flows(msgspec.Struct, frozen=True, gc=False):
    """A stock's turnover by group from the open to ``t``; purchases and sales each add up to the volume."""

    t: Ns
    individual: Turnover
    foreign: Turnover
    institution: Turnover


class ProgramFlows(msgspec.Struct, frozen=True, gc=False):
    """Programs' part (프로그램매매) of foreigners' and institutions' turnover from the open to ``t``."""

    t: Ns
    arbitrage: Turnover
    other: Turnover


class ShortSale(msgspec.Struct, frozen=True, gc=False):
    """A stock's short sales (공매도) on one day: shares and won."""

    day: date
    qty: int
    value: int


class CreditBalance(msgspec.Struct, frozen=True, gc=False):
    """Shares of a stock bought on credit (신용융자), at the end of a day: new, repaid, and what stands."""

    day: date
    new: int
    repaid: int
    standing: int

    @property
    def before(self) -> int:
        """What stood the evening before."""
        return self.standing - self.new + self.repaid


class _Temper(NamedTuple):
    """A group's part of the turnover of a stock's day, where it leans, and how differently it leans on the way."""

    share: float
    mood: float
    early: float


def flows_of(
    item: Instrument,
    day: date,
    seed: int,
    t: Ns,
    volume: int,
    value: int,
    passed: float,
    change: float,
) -> Flows:
    """By group when ``volume`` shares for ``value`` won have traded; ``passed`` is the part of the day, 0 to 1,
    and ``change`` the return since the previous close."""
    made: list[Turnover] = []
    for share, mood, early in _tempers(item.board, item.code, day, seed):
        # the lean wanders during the day and ends where the whole day puts it
        lean = _LEAN * (change / 0.02 + mood + early * passed * (1 - passed))
        net = int(volume * share * min(max(lean, -0.9), 0.9))
        gross = int(volume * share)
        made.append(_turnover(gross + net // 2, gross - net // 2, volume, value))
    foreign, institution = made
    individual = Turnover(
        volume - foreign.bought - institution.bought,
        volume - foreign.sold - institution.sold,
        value - foreign.bought_value - institution.bought_value,
        value - foreign.sold_value - institution.sold_value,
    )
    return Flows(t, individual, foreign, institution)


@lru_cache(maxsize=4096)
def _tempers(board: Board, code: str, day: date, seed: int) -> tuple[_Temper, ...]:
    """Foreigners' and institutions'."""
    rng = stable_random(seed, "flows", code, day)
    return tuple(
        _Temper(min(part * scattered(rng, 0.25), _MOST), draw(rng, normal()), draw(rng, normal()))
        for part in _PARTS[board]
    )


def program_of(flows: Flows) -> ProgramFlows:
    """The part of the flows that programs traded."""
    whole = [
        int(
            _PROGRAM[0] * getattr(flows.foreign, name)
            + _PROGRAM[1] * getattr(flows.institution, name)
        )
        for name in Turnover.__struct_fields__
    ]
    arbitrage = [int(_ARBITRAGE * number) for number in whole]
    return ProgramFlows(
        flows.t,
        Turnover(*arbitrage),
        Turnover(*(a - b for a, b in zip(whole, arbitrage, strict=True))),
    )


@lru_cache(maxsize=4096)
def foreign_held(item: Instrument) -> int:
    """Shares that foreigners hold on an ordinary morning."""
    rng = stable_random("foreign", item.code)
    top = 0.55 if item.board is Board.KOSPI else 0.25
    return int(item.shares * rng.uniform(0.02, top))


def short_sale_of(item: Instrument, day: date, seed: int, volume: int, value: int) -> ShortSale:
    """Short sales of a day of so many shares and won; none of funds."""
    if item.kind is not Kind.STOCK:
        return ShortSale(day, 0, 0)
    part = min(0.04 * scattered(stable_random(seed, "short", item.code, day), 0.6), 0.3)
    return ShortSale(day, int(volume * part), int(value * part))


def credit_of(item: Instrument, day: date, seed: int, standing: int, volume: int) -> CreditBalance:
    """The credit of a day of so many shares, at whose end ``standing`` shares stood."""
    rng = stable_random(seed, "credit", item.code, day)
    new, repaid = (int(volume * 0.02 * scattered(rng, 0.4)) for _ in range(2))
    return CreditBalance(day, min(new, standing), repaid, standing)


def credit_standing(item: Instrument) -> int:
    """Shares on credit the evening before the simulated day: 0.3 to 3 percent of those listed."""
    return int(item.shares * stable_random("credit", item.code).uniform(0.003, 0.03))


def _turnover(bought: int, sold: int, volume: int, value: int) -> Turnover:
    """At the average price of the day, whoever trades."""
    if not volume:
        return Turnover(0, 0, 0, 0)
    return Turnover(bought, sold, value * bought // volume, value * sold // volume)
