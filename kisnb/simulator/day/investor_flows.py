"""The trades by group: individuals, foreigners, institutions, programs, shorts, credit. Made up.

Every share that one group buys, another group sells. So the groups' purchases add up to the volume,
and so do their sales. Foreigners and institutions buy more when the day's return is positive, and
sell more when it is negative. Individuals do the opposite.
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
"""Foreigners' and institutions' fractions of the turnover. Individuals have the remaining part."""
_MOST = 0.3
"""Largest fraction of a group. It leaves individuals on both sides of the market."""
_LEAN = 0.35
"""Net purchase of a group when the day moves two percent, as a fraction of the group's turnover."""
_PROGRAM = (0.55, 0.45)
"""Fractions of foreigners' and of institutions' turnover that programs trade."""
_ARBITRAGE = 0.06
"""Fraction of the program trades that is arbitrage."""


class Turnover(msgspec.Struct, frozen=True, gc=False):
    """The purchases and sales of a group: shares, and won."""

    bought: int
    sold: int
    bought_value: int
    sold_value: int

    @property
    def net(self) -> int:
        """Shares bought less shares sold."""
        return self.bought - self.sold

    @property
    def net_value(self) -> int:
        """Won paid less won received."""
        return self.bought_value - self.sold_value


class Flows(msgspec.Struct, frozen=True, gc=False):
    """A stock's turnover by group from the open to ``t``.

    Purchases and sales each add up to the volume.
    """

    t: Ns
    individual: Turnover
    foreign: Turnover
    institution: Turnover


class ProgramFlows(msgspec.Struct, frozen=True, gc=False):
    """The programs' part (프로그램매매) of the turnover from the open to ``t``.

    It is a part of foreigners' and institutions' turnover.
    """

    t: Ns
    arbitrage: Turnover
    other: Turnover


class ShortSale(msgspec.Struct, frozen=True, gc=False):
    """A stock's short sales (공매도) on one day: shares and won."""

    day: date
    qty: int
    value: int


class CreditBalance(msgspec.Struct, frozen=True, gc=False):
    """Shares of a stock that are held on credit (신용융자) at the end of a day.

    ``new`` and ``repaid`` are the day's changes.
    """

    day: date
    new: int
    repaid: int
    standing: int

    @property
    def before(self) -> int:
        """Shares on credit at the end of the day before."""
        return self.standing - self.new + self.repaid


class _Temper(NamedTuple):
    """A group's fraction of a stock's turnover on a day, and how much more it buys than sells.

    ``share`` is the fraction. ``mood`` is the surplus of purchases over the whole day. ``early`` is
    added to it during the day, and is zero at the close.
    """

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
    """Return the turnover by group when ``volume`` shares for ``value`` won have traded.

    ``passed`` is the fraction of the day that has passed. ``change`` is the return since the
    previous close.
    """
    made: list[Turnover] = []
    for share, mood, early in _tempers(item.board, item.code, day, seed):
        # The lean wanders during the day. At the close it is that of the whole day.
        lean = _LEAN * (change / 0.02 + mood + early * passed * (1 - passed))
        # A group buys and sells on every day, so its net stays below its turnover.
        net = int(volume * share * min(max(lean, -0.9), 0.9))
        gross = int(volume * share)
        # Half of the net is added to the purchases and half is taken from the sales, so the
        # turnover stays.
        made.append(_turnover(gross + net // 2, gross - net // 2, volume, value))
    foreign, institution = made
    # Individuals get the rest, so that purchases and sales add up to the volume.
    individual = Turnover(
        volume - foreign.bought - institution.bought,
        volume - foreign.sold - institution.sold,
        value - foreign.bought_value - institution.bought_value,
        value - foreign.sold_value - institution.sold_value,
    )
    return Flows(t, individual, foreign, institution)


@lru_cache(maxsize=4096)
def _tempers(board: Board, code: str, day: date, seed: int) -> tuple[_Temper, ...]:
    """Return the tempers of foreigners and institutions."""
    rng = stable_random(seed, "flows", code, day)
    return tuple(
        _Temper(min(part * scattered(rng, 0.25), _MOST), draw(rng, normal()), draw(rng, normal()))
        for part in _PARTS[board]
    )


def program_of(flows: Flows) -> ProgramFlows:
    """Return the programs' part of the flows, arbitrage and other."""
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
    """Return the shares that foreigners hold on an ordinary morning."""
    rng = stable_random("foreign", item.code)
    # Foreigners hold more of KOSPI's companies than of KOSDAQ's.
    top = 0.55 if item.board is Board.KOSPI else 0.25
    return int(item.shares * rng.uniform(0.02, top))


def short_sale_of(item: Instrument, day: date, seed: int, volume: int, value: int) -> ShortSale:
    """Return the short sales of a day with ``volume`` shares for ``value`` won. Funds have none."""
    if item.kind is not Kind.STOCK:
        return ShortSale(day, 0, 0)
    part = min(0.04 * scattered(stable_random(seed, "short", item.code, day), 0.6), 0.3)
    return ShortSale(day, int(volume * part), int(value * part))


def credit_of(item: Instrument, day: date, seed: int, standing: int, volume: int) -> CreditBalance:
    """Return the credit balance of a day.

    ``volume`` is the number of shares traded on the day. ``standing`` is the number of shares on
    credit at its end.
    """
    rng = stable_random(seed, "credit", item.code, day)
    new, repaid = (int(volume * 0.02 * scattered(rng, 0.4)) for _ in range(2))
    # The new shares on credit cannot be more than the shares on credit in the evening.
    return CreditBalance(day, min(new, standing), repaid, standing)


def credit_standing(item: Instrument) -> int:
    """Return the shares on credit the evening before the simulated day.

    They are 0.3 to 3 percent of the listed shares.
    """
    return int(item.shares * stable_random("credit", item.code).uniform(0.003, 0.03))


def _turnover(bought: int, sold: int, volume: int, value: int) -> Turnover:
    """Return a turnover at the average price of the day, which is the same for all groups."""
    if not volume:
        return Turnover(0, 0, 0, 0)
    return Turnover(bought, sold, value * bought // volume, value * sold // volume)
