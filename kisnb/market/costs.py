"""Commission and transaction tax in won.

Both are computed on the value that an order traded at a venue, and rounded down to the won. Rates
are whole parts per billion of that value, so that no float touches money. Sources: KIS's fee page
for the commission; the decrees of the securities transaction tax for the tax, which includes the
special tax for rural development (농어촌특별세).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import msgspec

from kisnb.errors import ConfigError
from kisnb.market import ticks
from kisnb.market.session_table import Certainty
from kisnb.market.uncertain import current
from kisnb.terms import NXT, STOCK, Board, Kind, Side, Venue
from kisnb.values import near_names

_PPB = 1_000_000_000


class TaxRow(NamedTuple):
    """Tax on a sale of stock from ``since`` on, in parts per billion of the value."""

    since: date
    kospi: int
    kosdaq: int
    source: str
    certainty: Certainty = "A"


TAXES: tuple[TaxRow, ...] = (
    TaxRow(
        date(2019, 6, 3),
        2_500_000,
        2_500_000,
        "decree of 2019-05-30: 0.10 % + 0.15 % rural; 0.25 %",
    ),
    TaxRow(date(2021, 1, 1), 2_300_000, 2_300_000, "0.08 % + 0.15 %; 0.23 %"),
    TaxRow(date(2023, 1, 1), 2_000_000, 2_000_000, "0.05 % + 0.15 %; 0.20 %"),
    TaxRow(date(2024, 1, 1), 1_800_000, 1_800_000, "0.03 % + 0.15 %; 0.18 %"),
    TaxRow(date(2025, 1, 1), 1_500_000, 1_500_000, "0.00 % + 0.15 %; 0.15 %"),
    TaxRow(
        date(2026, 1, 1),
        2_000_000,
        2_000_000,
        "decree announced 2025-12-01: 0.05 % + 0.15 %; 0.20 %",
    ),
)


class CostModel(msgspec.Struct, frozen=True):
    """The rates of an account, in parts per billion of the traded value.

    The default is a BanKIS online account.
    """

    krx: int = 140_527
    """Commission on stocks at KRX."""
    nxt: int = 130_527
    """Commission on stocks at NXT."""
    fund: int = 146_527
    """Commission on ETF and ETN, at any venue."""
    stock_tax: int | None = None
    """Tax on every sale of stock, whatever its date. None: the dated table ``TAXES``."""

    def fee(self, value: int, venue: Venue, kind: Kind) -> int:
        """Return the commission in won on ``value`` won that one order traded.

        SOR counts as KRX until the fill names its venue.
        """
        return value * self.rate(venue, kind) // _PPB

    def tax(self, value: int, day: date, kind: Kind, board: Board) -> int:
        """Return the tax in won on ``value`` won that one order sold; 0 for ETF and ETN.

        Raises ConfigError for a sale before 2019-06-03 unless ``stock_tax`` is given.
        """
        return value * self.tax_rate(day, kind, board) // _PPB

    def tax_rate(self, day: date, kind: Kind, board: Board) -> int:
        """Return the tax on a sale, in parts per billion of its value; 0 for ETF and ETN.

        Raises ConfigError as ``tax`` does.
        """
        # Sales of ETF and ETN are free of the tax (decree of the securities transaction tax).
        if kind is not STOCK:
            return 0
        if self.stock_tax is not None:
            return self.stock_tax
        # The tax is the same at KRX and NXT.
        row = next((row for row in reversed(TAXES) if row.since <= day), None)
        if row is None:
            raise ConfigError(
                f"the tax on a sale on {day} is not known: the table begins on {TAXES[0].since}",
                "give CostModel(stock_tax=…) in parts per billion, or a later date",
            )
        return row.kospi if board is Board.KOSPI else row.kosdaq

    def most_shares(self, cash: int, price: int, venue: Venue, kind: Kind) -> int:
        """Return the largest number of shares that ``cash`` won buy at ``price``, fee included.

        It is the largest q with q × price + fee(q × price) ≤ cash; 0 when there is none.
        """
        if cash < price:
            return 0
        # Fees are rounded down to the won. So the quotient of the exact rates may be a share too
        # small, and never too large.
        most = cash * _PPB // (price * (_PPB + self.rate(venue, kind)))
        while (value := (most + 1) * price) + self.fee(value, venue, kind) <= cash:
            most += 1
        return most

    def rate(self, venue: Venue, kind: Kind) -> int:
        """Return the commission on a fill, in parts per billion of its value."""
        if kind is not STOCK:
            return self.fund
        return self.nxt if venue is NXT else self.krx

    def break_even(
        self, cost: int, qty: int, day: date, kind: Kind, board: Board, venue: Venue = Venue.KRX
    ) -> int:
        """Return the lowest price on the tick grid at which a sale of ``qty`` shares loses nothing.

        At this price the sale brings in at least ``cost`` won after fee and tax.
        """
        # The search begins here: without fee and tax, a sale at this price would just bring in the
        # cost.
        price = ticks.snap(max(-(-cost // qty), 1), Side.SELL, kind, day, board)
        # Fee and tax grow with the price, so the price is found by steps.
        while (value := price * qty) - self.fee(value, venue, kind) - self.tax(
            value, day, kind, board
        ) < cost:
            price = ticks.step(price, 1, kind, day, board)
        return price


class CommissionRow(NamedTuple):
    """Commission of a kind of account on a buy or a sell, in parts per billion of the value."""

    plan: str
    """The name of the plan, as the setting ``fees`` accepts it."""
    account: str
    """Kind of account, in words."""
    krx: int
    nxt: int
    fund: int
    """Rate for ETF and ETN."""
    source: str
    certainty: Certainty = "B"

    @property
    def model(self) -> CostModel:
        """The cost model with this account's commission. The tax follows from the day of a sale."""
        return CostModel(self.krx, self.nxt, self.fund)


_FEE_PAGE = "KIS's fee page"
COMMISSIONS: tuple[CommissionRow, ...] = (
    CommissionRow("bankis", "BanKIS, online, all-in", 140_527, 130_527, 146_527, _FEE_PAGE),
    CommissionRow(
        "agencies",
        "waived commission: the agencies' share alone (유관기관제비용)",
        36_396,
        31_833,
        36_396,
        _FEE_PAGE,
    ),
    CommissionRow(
        "branch",
        "opened at a branch, ordered online",
        1_470_000,
        1_470_000,
        1_470_000,
        f"{_FEE_PAGE}: about",
        "C",
    ),
    CommissionRow(
        "paper", "paper trading (모의투자)", 142_000, 142_000, 142_000, "one public client"
    ),
)
BANKIS, AGENCY_ONLY, BRANCH, PAPER = (row.model for row in COMMISSIONS)
PLANS = {row.plan: row.model for row in COMMISSIONS}
"""The commission plans by name."""
_PARTS = ("krx", "nxt", "fund")
_HIGHEST = Decimal(1)
"""Percent. KIS charges no online commission above it, so a higher rate is a typing error."""


def read_fees(text: str) -> CostModel:
    """Return the commission plan that the setting ``fees`` names.

    ``text`` is the name of a plan, or the account's rates in percent of the traded value:
    ``krx=0.0140527,nxt=0.0130527,fund=0.0146527`` (KRX and Nextrade for stocks, fund for ETF and
    ETN). A rate that is left out equals that of KRX. Raises ConfigError.
    """
    named = PLANS.get(text.strip().lower())
    if named is not None:
        return named
    rates: dict[str, int] = {}
    for part in text.replace(",", " ").split():
        name, equals, percent = part.partition("=")
        if not equals or name not in _PARTS or name in rates:
            raise _no_plan(text)
        rates[name] = _rate(text, percent)
    if "krx" not in rates:
        raise _no_plan(text)
    return CostModel(rates["krx"], rates.get("nxt", rates["krx"]), rates.get("fund", rates["krx"]))


def _rate(text: str, percent: str) -> int:
    """Return the rate ``percent`` in parts per billion; ``text`` is the whole setting, for errors.

    Raises ConfigError.
    """
    try:
        exact = Decimal(percent.removesuffix("%"))
    except InvalidOperation:
        raise _no_plan(text) from None
    if not exact.is_finite() or not 0 <= exact <= _HIGHEST:
        raise ConfigError(
            f"a commission of {percent} percent is not valid", f"give 0 to {_HIGHEST} percent"
        )
    # A percent has ten million parts per billion.
    parts = exact * (_PPB // 100)
    if parts != int(parts):
        raise ConfigError(f"{percent} has too many digits", "give at most seven behind the point")
    return int(parts)


def _no_plan(text: str) -> ConfigError:
    near = near_names(text.strip().lower(), PLANS)
    meant = f"did you mean {near[0]}? " if near else ""
    return ConfigError(
        f"{text!r} is not a commission plan",
        f"{meant}take {', '.join(PLANS)}, or own rates in percent: "
        "krx=0.0140527,nxt=0.0130527,fund=0.0146527",
    )


def added(cost_of: Callable[[int], int], before: int, value: int) -> int:
    """Return the won by which a fill of ``value`` won raises the fee or the tax of its order.

    ``cost_of`` returns the fee, or the tax, on a value in won. Before the fill, the order had
    traded ``before`` won at that venue.
    """
    # No document says if KIS rounds down by order or by fill, so ``Uncertain`` has a field for it.
    return cost_of(value) if current().costs_by_fill else cost_of(before + value) - cost_of(before)
