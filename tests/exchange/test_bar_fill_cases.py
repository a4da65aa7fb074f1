"""Each case of ``BAR_FILLS.md``, the specification of a fill in a bar. (H06, H07)"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import pytest

from kisnb.events import Bar
from kisnb.exchange.bar_fills import BarFill, bar_fill, exit_price
from kisnb.market.costs import BANKIS
from kisnb.terms import Kind, Side, Venue


class Case(NamedTuple):
    order: str
    qty: int
    bar: Bar
    limits: tuple[int, int]
    percent: int
    fill: BarFill | None


def cases() -> list[Case]:
    """The rows of the table of cases."""
    text = files("kisnb.exchange").joinpath("BAR_FILLS.md").read_text("utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    found = []
    for row in rows[1:]:
        order, qty, o, h, lo, c, v, limits, share, fill, _ = (cell.strip() for cell in row)
        low, _, high = limits.partition("/")
        shares, _, price = fill.partition(" @ ")
        found.append(
            Case(
                order,
                int(qty),
                Bar(0, "005930", 60, int(o), int(h), int(lo), int(c), int(v), min(int(v), 1)),
                (0, 0) if limits == "–" else (int(low), int(high)),
                int(share),
                None if fill == "–" else BarFill(int(shares), int(price)),
            )
        )
    return found


def number(words: list[str], name: str) -> int | None:
    return int(words[words.index(name) + 1]) if name in words else None


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.order} of {case.qty}")
def test_h06_an_order_fills_as_the_specification_says(case: Case) -> None:
    side, *words = case.order.split()
    stop, limit, take = (number(words, name) for name in ("stop", "limit", "take"))
    bar, (lower, upper) = case.bar, case.limits
    if side == "exit":
        price = exit_price(stop or 0, take or 0, bar.open, bar.high, bar.low)
        assert price == (case.fill.price if case.fill else 0)
        return
    fill = bar_fill(
        Side(side), case.qty, limit, bar, percent=case.percent, stop=stop, lower=lower, upper=upper
    )
    assert fill == case.fill


def test_h06_the_specification_has_cases_of_each_rule_that_one_bar_can_show() -> None:
    text = files("kisnb.exchange").joinpath("BAR_FILLS.md").read_text("utf-8")
    rules = {line.split("|")[-2].strip().partition(":")[0] for line in text.splitlines()
             if line.startswith(("| buy", "| sell", "| exit"))}  # fmt: skip
    assert rules == set("2345689")


@pytest.mark.parametrize("cash", [0, 71_000, 71_009, 71_010, 5_000_000, 9_999_999, 100_000_000])
@pytest.mark.parametrize("price", [1, 71_000, 70_999, 1_234])
@pytest.mark.parametrize("kind", list(Kind))
def test_h06_all_in_is_the_largest_number_of_shares_that_the_cash_pays(
    cash: int, price: int, kind: Kind
) -> None:
    q = BANKIS.most_shares(cash, price, Venue.KRX, kind)
    cost = [n * price + BANKIS.fee(n * price, Venue.KRX, kind) for n in (q, q + 1)]
    assert q == 0 or cost[0] <= cash
    assert cost[1] > cash
