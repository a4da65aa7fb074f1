"""KIS's fields of investors' and programs' trades.

Shares and million won, unless a docstring says won. The simulated market knows individuals,
foreigners and institutions. KIS splits institutions further. That part is made up in fixed
proportions, so that the parts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kisnb.clock import Ns
from kisnb.simulator.day.investor_flows import Flows, ProgramFlows, Turnover
from kisnb.simulator.replies.reply import Row
from kisnb.simulator.replies.stock_fields import rate

MILLION = 1_000_000
PARTS = {"scrt": 35, "ivtr": 25, "pe_fund": 12, "bank": 3, "insu": 8, "mrbn": 1, "fund": 16}
"""Percent of institutions' trades by kind: securities firms, trusts, private funds, banks,
insurers, merchant banks, pension funds."""


def group_fields(flows: Flows) -> Row:
    """Return the fields of every group of investors, in shares and million won."""
    fields = {
        **_group("prsn", flows.individual),
        **_group("frgn", flows.foreign),
        **_group("frgn_reg", flows.foreign),
        # KIS splits foreigners into registered and not registered. All simulated ones are
        # registered.
        **_group("frgn_nreg", Turnover(0, 0, 0, 0)),
        **_group("orgn", flows.institution),
    }
    left = flows.institution
    # The last part is what the others leave, so that rounding is not lost.
    *others, last = PARTS
    for name in others:
        part = scaled(flows.institution, PARTS[name] / 100)
        left = minus(left, part)
        fields |= _group(name, part)
    return fields | _group(last, left)


def _group(name: str, turnover: Turnover) -> Row:
    """Return the fields of one group. KIS has several names for the same figure."""
    value, sold, bought = (
        v // MILLION for v in (turnover.net_value, turnover.sold_value, turnover.bought_value)
    )
    return {
        f"{name}_ntby_qty": turnover.net,
        f"{name}_ntby_vol": turnover.net,
        f"{name}_ntby_tr_pbmn": value,
        f"{name}_ntby_pbmn": value,
        f"{name}_seln_vol": turnover.sold,
        f"{name}_shnu_vol": turnover.bought,
        f"{name}_seln_tr_pbmn": sold,
        f"{name}_shnu_tr_pbmn": bought,
        f"{name}_askp_qty": turnover.sold,
        f"{name}_bidp_qty": turnover.bought,
        f"{name}_askp_pbmn": sold,
        f"{name}_bidp_pbmn": bought,
    }


def program_fields(name: str, turnover: Turnover) -> Row:
    """Return the fields of a stock's program trades. Values are in won."""
    return {
        f"{name}_seln_vol": turnover.sold,
        f"{name}_shnu_vol": turnover.bought,
        f"{name}_ntby_qty": turnover.net,
        f"{name}_seln_tr_pbmn": turnover.sold_value,
        f"{name}_shnu_tr_pbmn": turnover.bought_value,
        f"{name}_ntby_tr_pbmn": turnover.net_value,
    }


def market_program_fields(program: ProgramFlows, value: int, volume: int = 0) -> Row:
    """Return the fields of a market's program trades, in million won and percent of turnover.

    All of them count as trades for customers (위탁).
    """
    fields: Row = {}
    nothing = Turnover(0, 0, 0, 0)
    for name, turnover in (
        ("arbt", program.arbitrage),
        ("nabt", program.other),
        ("whol", whole_of(program)),
    ):
        # smtn is the sum, entm for customers, onsl for the firm's own account.
        for kind, part in (("smtn", turnover), ("entm", turnover), ("onsl", nothing)):
            for side, shares, won in (
                ("seln", part.sold, part.sold_value),
                ("shnu", part.bought, part.bought_value),
                ("ntby", part.net, part.net_value),
            ):
                count = "qty" if side == "ntby" else "vol"
                fields[f"{name}_{kind}_{side}_{count}"] = shares
                fields[f"{name}_{kind}_{side}_tr_pbmn"] = won // MILLION
                for stem in _rate_stems(name, kind, side):
                    fields[f"{stem}_{count}_rate"] = rate(shares, volume)
                    fields[f"{stem}_tr_pbmn_rate"] = rate(won, value)
    return fields


def _rate_stems(name: str, kind: str, side: str) -> Iterable[str]:
    """Return the starts of a rate's field names. KIS spells the names of sums differently."""
    if kind != "smtn":
        return (f"{name}_{kind}_{side}",)
    # KIS's fields read "smtm" and "shun" here; elsewhere "smtn" and "shnu".
    odd = "shun" if side == "shnu" else side
    return (f"{name}_smtm_{odd}", f"{name}_{odd}")


def by_investor(name: str, turnover: Turnover) -> Row:
    """Return the fields of the program trades of one group, in shares and million won."""
    return {
        f"{name}_seln_qty": turnover.sold,
        f"{name}_shnu_qty": turnover.bought,
        f"{name}_ntby_qty": turnover.net,
        f"{name}_seln_amt": turnover.sold_value // MILLION,
        f"{name}_shnu_amt": turnover.bought_value // MILLION,
        f"{name}_ntby_amt": turnover.net_value // MILLION,
    }


# sums


def plus(one: Turnover, other: Turnover) -> Turnover:
    """Return the sum of two turnovers."""
    return Turnover(
        one.bought + other.bought,
        one.sold + other.sold,
        one.bought_value + other.bought_value,
        one.sold_value + other.sold_value,
    )


def minus(one: Turnover, other: Turnover) -> Turnover:
    """Return the difference of two turnovers."""
    return Turnover(
        one.bought - other.bought,
        one.sold - other.sold,
        one.bought_value - other.bought_value,
        one.sold_value - other.sold_value,
    )


def scaled(turnover: Turnover, part: float) -> Turnover:
    """Return a part of a turnover, rounded down."""
    return Turnover(
        int(turnover.bought * part),
        int(turnover.sold * part),
        int(turnover.bought_value * part),
        int(turnover.sold_value * part),
    )


def added(t: Ns, flows: Iterable[Flows]) -> Flows:
    """Return the flows of several stocks in one, as of ``t``."""
    whole: Sequence[Turnover] = [Turnover(0, 0, 0, 0)] * 3
    for one in flows:
        whole = [
            plus(a, b)
            for a, b in zip(whole, (one.individual, one.foreign, one.institution), strict=True)
        ]
    return Flows(t, *whole)


def whole_of(program: ProgramFlows) -> Turnover:
    """Return all program trades, arbitrage and other."""
    return plus(program.arbitrage, program.other)
